// What the pages need beyond htmx. Everything works without it, only less smoothly.
"use strict";

(() => {
  const openBefore = new Map();
  let announced = "";

  // The same words as deskhand.ui.format.ago.
  const ago = (seconds) => {
    const whole = Math.floor(seconds);
    if (whole < 5) return "just now";
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
      if (whole >= size) return `${Math.floor(whole / size)} ${unit} ago`;
    }
    return `${whole} s ago`;
  };

  // The server's clock counts; the reader's may be wrong.
  let drift = 0;
  const tick = () => {
    for (const time of document.querySelectorAll("time[data-age]")) {
      const text = ago((Date.now() - drift - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  };

  const setConnection = (lost) => {
    document.body.classList.toggle("disconnected", lost);
  };

  // A live part is replaced as a whole; what the reader opened or closed in it stays as it was.
  document.addEventListener("htmx:beforeSwap", (event) => {
    openBefore.clear();
    if (!event.detail.shouldSwap) return;
    for (const details of event.detail.target.querySelectorAll("details[id]")) {
      openBefore.set(details.id, { open: details.open, scroll: [...details.querySelectorAll("pre")].map((pre) => [pre.scrollLeft, pre.scrollTop]) });
    }
  });

  document.addEventListener("htmx:afterSwap", () => {
    for (const [id, was] of openBefore) {
      const details = document.getElementById(id);
      if (!details) continue;
      details.open = was.open;
      [...details.querySelectorAll("pre")].forEach((pre, index) => {
        if (was.scroll[index]) [pre.scrollLeft, pre.scrollTop] = was.scroll[index];
      });
    }
    announce();
    tick();
  });

  const announce = () => {
    const text = document.querySelector("[data-announce]")?.dataset.announce ?? "";
    if (announced && text !== announced) document.getElementById("announcer").textContent = text;
    announced = text;
  };

  // Nobody looks at a page that is hidden: it asks for nothing, and is current again at the first look.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.target.matches("[data-rests]")) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const part of document.querySelectorAll("[data-rests]")) htmx.trigger(part, "look");
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const answered = event.detail.xhr && event.detail.xhr.status > 0;
    setConnection(!answered || event.detail.xhr.status >= 500);
    const date = answered && event.detail.xhr.getResponseHeader("date");
    if (date) drift = Math.abs(Date.now() - Date.parse(date)) > 5000 ? Date.now() - Date.parse(date) : 0;
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });

  // Keeps empty fields out of addresses that people share.
  document.addEventListener("formdata", (event) => {
    if (!event.target.matches("[data-tidy]")) return;
    for (const [name, value] of [...event.formData.entries()]) {
      if (value === "") event.formData.delete(name);
    }
  });

  // A narrow screen shows a part of the entries; the one of this page is to be among them.
  // Not by scrollIntoView: the first Tab would go on from there, past the link to the content.
  const here = document.querySelector(".topbar nav [aria-current]"), bar = here?.closest("nav");
  if (here) bar.scrollLeft += Math.max(0, here.getBoundingClientRect().right - bar.getBoundingClientRect().right);
  announce();
  setInterval(tick, 1000);
})();
