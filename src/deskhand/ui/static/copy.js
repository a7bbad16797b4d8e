// Copies what a button names. The text stands there to be marked where this does not run.
"use strict";

(() => {
  const mark = (target) => {
    const range = document.createRange();
    range.selectNodeContents(target);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };

  // Browsers keep the clipboard from pages that did not come by HTTPS; those still copy what is marked.
  const copy = async (target) => {
    if (navigator.clipboard) {
      try {
        await navigator.clipboard.writeText(target.textContent);
        return true;
      } catch {
        // A person may have forbidden it; what is marked they can copy themselves.
      }
    }
    mark(target);
    return document.execCommand("copy");
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const done = await copy(document.getElementById(button.dataset.copy));
    button.textContent = done ? "Copied" : "Marked: copy it";
    document.getElementById("announcer").textContent = button.textContent;
  });

  for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;
})();
