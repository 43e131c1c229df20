// Ties the desk to the Airflow page that shows it in a frame. Does nothing elsewhere.
"use strict";
(() => {
  const outer = window.parent;
  let base;
  try {
    if (outer === window) return;
    base = new URL(outer.document.baseURI).pathname; // Airflow's base URL; ends with a slash
  } catch (error) {
    return; // framed by a page of another origin
  }
  const entry = `${base}plugin/orders`;
  const place = () => outer.location.pathname;
  const inEntry = () => place() === entry || place().startsWith(`${entry}/`);
  const desk = new URL(document.body.dataset.base, window.location.href);
  const ours = (url) => url.origin === desk.origin && url.pathname.startsWith(desk.pathname);
  const airflows = (url) => url.origin === desk.origin && url.pathname.startsWith(base) && !ours(url);
  const address = (url) => `${entry}${url.pathname}${url.search}${url.hash}`; // as Airflow writes it when a page loads

  // Airflow's router follows the history of its page.
  function show(path) {
    const position = ((outer.history.state || {}).idx || 0) + 1;
    outer.history.pushState({ idx: position, key: String(Date.now()), usr: null }, "", path);
    outer.dispatchEvent(new outer.PopStateEvent("popstate", { state: outer.history.state }));
  }

  // A frame may not navigate its parent, so links to Airflow's pages are handed over. So are a run's tab's links to other
  // pages of the desk, which Airflow's URL could not name there.
  function handOver(event, url) {
    if (airflows(url)) show(url.pathname + url.search + url.hash);
    else if (ours(url) && !inEntry() && url.pathname !== window.location.pathname) show(address(url));
    else return;
    event.preventDefault();
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]:not([download])");
    const plain = !(event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey);
    if (link && plain) handOver(event, new URL(link.href));
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "get" || !form.hasAttribute("action")) return;
    const url = new URL(form.action);
    url.search = new URLSearchParams(new FormData(form)).toString();
    handOver(event, url);
  });

  // Airflow does not notice a change of the fragment.
  window.addEventListener("hashchange", () => {
    if (inEntry()) outer.history.replaceState(outer.history.state, "", address(window.location));
  });

  // Airflow's entry "Orders" leads to the first page, also from another page of the desk.
  if (outer.navigation) {
    const restart = () => {
      if (place() === entry && window.location.pathname !== desk.pathname) window.location.replace(desk.href);
    };
    outer.navigation.addEventListener("currententrychange", restart);
    window.addEventListener("pagehide", () => outer.navigation.removeEventListener("currententrychange", restart));
  }
})();
