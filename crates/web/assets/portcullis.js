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

// What waits for somebody is shown as it is now: the stream says that something changed, and the page looks again.
const live = document.getElementById("live");
if (live && window.EventSource) {
  const look = async () => {
    const answer = await fetch(location.pathname + location.search, { headers: { accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
    // Nobody loses a form that they are filling in, or their place.
    if (!fresh || live.querySelector("input:focus, select:focus")) return;
    const place = document.activeElement?.id;
    live.replaceChildren(...fresh.childNodes);
    if (place) document.getElementById(place)?.focus();
    document.getElementById("live-status").textContent =
      live.querySelector("[name=decision]") ? "A call waits for you" : "Nothing waits for you";
  };
  const events = new EventSource(live.dataset.events);
  events.addEventListener("changed", look);
  // The time that is left, and what became of it.
  setInterval(() => {
    for (const time of live.querySelectorAll("[data-until]")) {
      const left = Math.round((Date.parse(time.dataset.until) - Date.now()) / 1000);
      if (left < 0) { delete time.dataset.until; look(); continue; }
      time.textContent = `${Math.floor(left / 60)} min ${String(left % 60).padStart(2, "0")} s`;
    }
  }, 1000);
}
