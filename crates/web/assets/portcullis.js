// Comforts only: every page works without this file.
"use strict";

// "Show" beside each password field (NIST SP 800-63B).
for (const field of document.querySelectorAll("input[type=password]")) {
  const button = document.createElement("button");
  const label = (word) => {
    button.textContent = word;
    button.setAttribute("aria-label", `${word} password`);
  };
  button.type = "button";
  button.className = "quiet";
  label("Show");
  button.addEventListener("click", () => {
    field.type = field.type === "password" ? "text" : "password";
    label(field.type === "password" ? "Show" : "Hide");
  });
  // A password that is left visible must not be remembered as ordinary text.
  field.form?.addEventListener("submit", () => { field.type = "password"; });
  field.parentElement.append(button);
}

// "Copy" on each snippet; browsers offer the clipboard on https and loopback only.
if (navigator.clipboard) {
  for (const snippet of document.querySelectorAll(".snippet")) {
    const button = document.createElement("button");
    const said = document.createElement("span");
    button.type = "button";
    button.className = "quiet";
    button.textContent = "Copy";
    said.className = "unseen";
    said.setAttribute("role", "status");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(snippet.querySelector("code").textContent.trim());
        button.textContent = "Copied";
      } catch {
        button.textContent = "Press Ctrl+C";
        getSelection().selectAllChildren(snippet.querySelector("code"));
      }
      said.textContent = button.textContent;
      setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 3000);
    });
    snippet.append(button, said);
  }
}

// A form is sent once: the answer to a second click would take the place of the first one's.
document.addEventListener("submit", (event) => {
  if (event.submitter?.formMethod === "dialog") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});
