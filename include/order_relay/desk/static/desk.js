// Dialogs, messages, selection and keyboard shortcuts of the desk's pages.
"use strict";
(() => {
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const messages = (element) =>
    (element && element.closest("dialog") && element.closest("dialog").querySelector(".messages")) ||
    document.getElementById("messages");

  // Dialogs: a button names its dialog; the browser returns the focus to it.
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) open(document.getElementById(opener.dataset.dialog));
    const closer = event.target.closest("[data-close]");
    if (closer) closer.closest("dialog").close();
    const row = event.target.closest("[data-row]");
    if (row) current = row;
  });

  function open(dialog) {
    if (!dialog || dialog.open) return;
    const shown = dialog.querySelector(".messages");
    if (shown) shown.replaceChildren();
    dialog.showModal();
    dialog.dispatchEvent(new CustomEvent("desk:open", { bubbles: true }));
  }

  // Errors of a form appear in its own dialog, or in the page's live region.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const status = event.detail.xhr.status;
    if (status < 400) return;
    event.detail.shouldSwap = true;
    event.detail.isError = false;
    event.detail.swapOverride = "innerHTML";
    event.detail.target = messages(event.detail.requestConfig.elt);
  });
  document.addEventListener("htmx:sendError", (event) => {
    say(messages(event.detail.requestConfig.elt), "The server did not answer. Check the connection and try again.", true);
  });

  function say(region, text, bad) {
    const line = document.createElement("p");
    line.className = bad ? "banner banner-bad" : "banner banner-good";
    line.textContent = text;
    region.replaceChildren(line);
  }

  // An action succeeded: close its dialog, load the page's content again, and announce the result.
  document.addEventListener("desk:done", (event) => {
    const dialog = event.target.closest && event.target.closest("dialog");
    if (dialog) dialog.close();
    const focused = document.activeElement && document.activeElement.id;
    const message = event.detail.message;
    htmx
      .ajax("GET", window.location.href, { target: "#main", select: "#main", swap: "outerHTML" })
      .then(() => {
        const again = focused && document.getElementById(focused);
        (again || document.getElementById("main")).focus();
        say(document.getElementById("messages"), message, false);
      });
  });

  // Selection: one box selects all rows of its table; buttons that need a selection say how many are selected.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-select-all]")) {
      const table = event.target.closest("table");
      table.querySelectorAll("[data-select]").forEach((box) => (box.checked = event.target.checked));
    }
    if (event.target.matches("[data-select], [data-select-all]")) count();
  });

  function count() {
    const number = document.querySelectorAll("[data-select]:checked").length;
    document.querySelectorAll("[data-selected]").forEach((element) => (element.textContent = String(number)));
    document.querySelectorAll("[data-needs-selection]").forEach((button) => (button.disabled = number === 0));
  }

  // Keyboard.
  let current = null;
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest("[data-row]");
    if (row) current = row;
  });

  function move(step) {
    const all = rows();
    if (!all.length) return;
    const position = all.indexOf(current);
    const next = position < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, position + step));
    current = all[next];
    current.tabIndex = -1;
    current.focus();
  }

  const shortcuts = {
    "/": () => document.querySelector("[data-search]").focus(),
    j: () => move(1),
    k: () => move(-1),
    x: () => {
      const box = current && current.querySelector("[data-select]");
      if (box) box.click();
    },
    "?": () => open(document.getElementById("help")),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const field = event.target.closest("input, textarea, select, [contenteditable]");
    if ((field && field.type !== "checkbox") || document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && event.target.matches("[data-row]")) {
      const link = event.target.querySelector("a[href]");
      if (link) link.click();
    } else if (shortcuts[event.key]) {
      event.preventDefault();
      shortcuts[event.key]();
    }
  });

  document.addEventListener("DOMContentLoaded", count);
  document.addEventListener("htmx:afterSwap", count);
})();
