/** Where the person is stands in the address: every view can be kept, shared and gone back to. */

export class Router {
  /** routes: [[pattern, page]]; onRoute(page, parameters, query) shows it. */
  constructor(routes, onRoute) {
    this.routes = routes;
    this.onRoute = onRoute;
  }

  start() {
    this.listening = new AbortController();
    const { signal } = this.listening;
    addEventListener("popstate", () => this.show(), { signal });
    document.addEventListener("click", (event) => this.follow(event), { signal });
    this.show();
  }

  stop() { this.listening?.abort(); }

  follow(event) {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    if (!link || link.target || link.hasAttribute("download")) return;
    const to = new URL(link.href, location.href);
    if (to.origin !== location.origin || !to.pathname.startsWith("/console/")) return;
    event.preventDefault();
    this.go(to.pathname + to.search);
  }

  go(url, { replace = false } = {}) {
    if (url !== location.pathname + location.search) history[replace ? "replaceState" : "pushState"](null, "", url);
    this.show();
  }

  /** Change the query of this page without showing it anew. */
  keep(values) {
    const params = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined));
    const text = params.toString();
    history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
  }

  get query() { return Object.fromEntries(new URLSearchParams(location.search)); }

  show() {
    for (const [pattern, page] of this.routes) {
      const found = pattern.exec(location.pathname);
      if (!found) continue;
      let parts;
      try {
        parts = found.slice(1).map(decodeURIComponent);
      } catch {
        continue; // a broken escape is nobody's page
      }
      this.onRoute(page, parts, this.query);
      return;
    }
    this.onRoute(null, [], {});
  }
}
