// What the agent editor does while one types. Without it every button still leads to a page that does the same.
"use strict";

(() => {
  const prompt = document.querySelector("textarea[name=system_prompt]");
  const length = document.getElementById("prompt-length");
  const meter = document.getElementById("prompt-meter");

  // The server counts characters; a browser counts halves of those beyond the basic plane.
  const measure = () => {
    const characters = [...prompt.value].length;
    length.textContent = characters.toLocaleString("en-US");
    meter.value = characters;
  };
  prompt.addEventListener("input", measure);
  measure();

  document.addEventListener("click", (event) => {
    const variable = event.target.closest("button[data-insert]");
    if (variable) {
      prompt.setRangeText(variable.dataset.insert, prompt.selectionStart, prompt.selectionEnd, "end");
      prompt.focus();
      prompt.dispatchEvent(new Event("input", { bubbles: true }));
      return;
    }
    const choice = event.target.closest("a[data-model]");
    if (!choice || event.ctrlKey || event.metaKey || event.shiftKey) return;
    // Going to the page that the link names would lose what is typed and not saved.
    event.preventDefault();
    const model = document.querySelector("input[name=model]");
    model.value = choice.dataset.model;
    document.querySelector("select[name=provider]").value = choice.dataset.provider;
    model.dispatchEvent(new Event("input", { bubbles: true }));
    model.focus();
  });

  for (const button of document.querySelectorAll("button[data-insert]")) button.hidden = false;
})();
