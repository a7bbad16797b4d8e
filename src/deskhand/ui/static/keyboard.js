// Keys for people who work here all day: / searches, g and a letter goes somewhere, ? shows them all.
"use strict";

(() => {
  const dialog = document.getElementById("keyboard");
  if (!dialog) return;
  const SETTING = "deskhand-keyboard", PATIENCE = 1500;
  const opener = document.getElementById("keyboard-open");
  const places = new Map();
  let goingSince = 0;

  // Whoever speaks to a computer, or hits keys without meaning to, must be able to switch single keys off (WCAG 2.1.4).
  const isOn = () => localStorage.getItem(SETTING) !== "off";

  // A place has the first letter of its name that no place before it has: whatever stands in the bar has one.
  const letterFor = (name) => [...name.toLowerCase(), ..."abcdefghijklmnopqrstuvwxyz"].find((one) => /[a-z]/.test(one) && !places.has(one));

  for (const link of document.querySelectorAll("header nav a")) {
    const letter = letterFor(link.textContent);
    if (!letter) continue;
    places.set(letter, link);
    const row = document.createElement("div"), keys = document.createElement("dt"), name = document.createElement("dd");
    for (const key of ["g", letter]) keys.append(Object.assign(document.createElement("kbd"), { textContent: key }), " ");
    name.textContent = link.textContent;
    row.append(keys, name);
    document.getElementById("keyboard-places").append(row);
  }

  const show = () => {
    document.getElementById("keyboard-on").checked = isOn();
    dialog.showModal();
  };

  const search = () => {
    const box = [...document.querySelectorAll("main [role=search] :is(input[type=search], textarea), main input[type=search]")]
      .find((one) => one.checkVisibility());
    box?.focus();
    box?.select();
    return Boolean(box);
  };

  const takesText = (element) => element.isContentEditable
    || element.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=button], [type=submit])");

  const go = (key) => {
    const link = Date.now() - goingSince < PATIENCE && places.get(key);
    goingSince = key === "g" && !link ? Date.now() : 0;
    link?.click?.();
    return Boolean(link || goingSince);
  };

  const act = (key) => {
    if (go(key)) return true;
    if (key === "/") return search();
    if (key === "?") show();
    return key === "?";
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.key.length > 1) return;
    if (!isOn() || dialog.open || takesText(event.target)) return;
    if (act(event.key)) event.preventDefault();
  });

  document.getElementById("keyboard-on").addEventListener("change", (event) => {
    localStorage.setItem(SETTING, event.target.checked ? "on" : "off");
  });
  opener?.addEventListener("click", show);
  opener?.removeAttribute("hidden");
})();
