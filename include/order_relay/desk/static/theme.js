// Sets the theme before the first paint: Airflow's where the desk is shown inside it, otherwise the system's.
"use strict";
(() => {
  const root = document.documentElement;
  const apply = () => {
    let dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
    if (window.parent !== window) {
      const outer = window.parent.document.documentElement;
      dark = outer.classList.contains("dark") || outer.dataset.theme === "dark";
    }
    root.dataset.theme = dark ? "dark" : "light";
  };
  try {
    apply();
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
    if (window.parent !== window) {
      new MutationObserver(apply).observe(window.parent.document.documentElement, {
        attributes: true,
        attributeFilter: ["class", "data-theme", "style"],
      });
    }
  } catch (error) {
    // framed by a page of another origin: keep the system's theme
    root.dataset.theme = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
})();
