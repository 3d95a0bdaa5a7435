/** The frame around every page: navigation, keys, live line, and the page that the address names. */

import { fill, h, icon } from "./lib/dom.js";
import { Keys } from "./lib/keys.js";
import { Live } from "./lib/live.js";
import { Router } from "./lib/router.js";
import { ownZone } from "./lib/settings.js";
import { Toasts, empty, failed, skeleton } from "./lib/ui.js";
import { Tours } from "./lib/tours.js";
import { Queue } from "./queue/store.js";
import { queuePage } from "./pages/queue.js";

const PLACES = [
  ["/console/", "Queue", "queue", "q"],
  ["/console/incidents", "Incidents", "incidents", "i"],
  ["/console/exceptions", "Exceptions", "exceptions", "x"],
  ["/console/models", "Models", "models", "m"],
  ["/console/operations", "Operations", "operations", "o"],
  ["/console/settings", "Settings", "settings", "s"],
];
/** Pages behind the first one come when they are needed, or when there is nothing else to do. */
const LATER = {
  alert: () => import("./pages/alert.js").then((found) => found.alertPage),
  entity: () => import("./pages/entity.js").then((found) => found.entityPage),
  incidents: () => import("./pages/incidents.js").then((found) => found.incidentsPage),
  incident: () => import("./pages/incidents.js").then((found) => found.incidentPage),
  models: () => import("./pages/models.js").then((found) => found.modelsPage),
  operations: () => import("./pages/operations.js").then((found) => found.operationsPage),
  exceptions: () => import("./pages/exceptions.js").then((found) => found.exceptionsPage),
  golden: () => import("./pages/golden.js").then((found) => found.goldenPage),
  settings: () => import("./pages/settings.js").then((found) => found.settingsPage),
};
const ROUTES = [
  [/^\/console\/?$/, "queue"],
  [/^\/console\/alerts\/([^/]+)\/?$/, "alert"],
  [/^\/console\/entities\/([^/]+)\/([^/]+)\/?$/, "entity"],
  [/^\/console\/incidents\/?$/, "incidents"],
  [/^\/console\/incidents\/([^/]+)\/?$/, "incident"],
  [/^\/console\/models\/?$/, "models"],
  [/^\/console\/operations\/?$/, "operations"],
  [/^\/console\/exceptions\/?$/, "exceptions"],
  [/^\/console\/golden\/?$/, "golden"],
  [/^\/console\/settings\/?$/, "settings"],
];
const known = new Map([["queue", queuePage]]);
const SOON_MS = 4000;
/** Alerts that are looked through for what changed while nobody told; and what clocks may differ by. */
const LOOK_BACK = 100;
const SLACK_MS = 2000;

async function help(app) {
  const found = await import("./pages/help.js");
  found.help(app);
}

export class App {
  constructor(root, { api, session, settings, leave, isFirst = false }) {
    Object.assign(this, { root, api, session, settings, leave });
    this.tours = new Tours(this, isFirst);
    this.clock = settings.clock;
    this.toasts = new Toasts();
    this.keys = keysOf(settings);
    this.listeners = new Map();
    this.queue = new Queue(api);
    this.page = null;
    this.isLive = false;
  }

  start() {
    this.main = h("main", { id: "main", tabindex: "-1" });
    this.liveMark = h("span", { class: "live off", role: "img", "aria-label": "Not live", title: "Not live" });
    this.nav = h("nav", { "aria-label": "Main" }, PLACES.map(([href, name, drawing]) =>
      h("a", { href }, icon(drawing), h("span", null, name))));
    fill(this.root, h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); this.main.focus(); } }, "Skip to content"),
      h("header", { class: "bar" },
        h("a", { class: "brand", href: "/console/", "aria-label": "habitus, queue" }, mark(), h("span", null, "habitus")),
        this.nav, h("div", { class: "tools" }, this.liveMark, this.zoneButton(), this.themeButton(), this.helpButton(), this.account())),
      h("p", { class: "lost", role: "alert" }, "The service does not answer. Trying again ..."),
      this.main, this.toasts.element);
    this.unbind = this.keys.bind("Everywhere", {
      "?": ["This list", () => help(this)],
      "g a": ["Go to the golden alert", () => this.router.go("/console/golden")],
      ...Object.fromEntries(PLACES.map(([href, name, , key]) => [`g ${key}`, [`Go to ${name.toLowerCase()}`, () => this.router.go(href)]])),
    });
    this.router = new Router(ROUTES, (page, parts, query) => this.show(page, parts, query));
    this.router.start();
    this.live = new Live("/v1/live", {
      // whether the session is over is asked, not believed: the answer leads to the sign-in
      on: (name, data) => {
        if (name === "bye") this.api.get("/console/session").catch(() => {});
        else if (name === "hello") this.catchUp(data.now);
        else this.tell(name, data);
      },
      onState: (on) => {
        if (!on && this.isLive) this.heardUntil = Date.now();
        this.isLive = on;
        this.liveMark.className = on ? "live on" : "live off";
        this.liveMark.setAttribute("aria-label", on ? "Live" : "Not live");
        this.liveMark.title = on ? "Live: changes show as they happen" : "Not live: reconnecting";
      },
    });
    this.soon = setTimeout(() => { for (const load of Object.values(LATER)) load().catch(() => {}); }, SOON_MS);
    this.tours.begin();
  }

  /** Show the page of a name; one that is not here yet is fetched first. */
  async show(name, parts, query) {
    this.page?.close?.();
    this.abort?.abort();
    const abort = this.abort = new AbortController();
    this.page = null;
    this.listeners.clear();
    if (name && !known.has(name)) {
      fill(this.main, h("div", { class: "page" }, skeleton(6)));
      try {
        known.set(name, await LATER[name]());
      } catch {
        if (!abort.signal.aborted) fill(this.main, failed(new Error("This part of the console could not be loaded."), () => this.router.show()));
        return;
      }
      if (abort.signal.aborted) return;
    }
    this.draw(known.get(name), parts, query);
  }

  draw(page, parts, query) {
    if (!page) {
      document.title = "Not found · habitus";
      fill(this.main, empty("There is no such page.", h("a", { href: "/console/" }, "To the queue")));
      return;
    }
    this.page = page(this, parts, query, this.abort.signal);
    this.title(this.page.title);
    fill(this.main, this.page.element);
    scrollTo(0, 0);
    for (const link of this.nav.children) {
      const here = link.getAttribute("href") === "/console/" ? /^\/console\/(alerts\/.*)?$/.test(location.pathname)
        : location.pathname.startsWith(link.getAttribute("href"));
      if (here) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (this.page.ready) this.page.ready();
    else this.main.focus({ preventScroll: true });
  }

  title(text) { document.title = `${text} · habitus`; }

  /** Let the page on show hear of a live event until it is left. */
  hear(name, listener) {
    this.listeners.set(name, [...(this.listeners.get(name) ?? []), listener]);
  }

  tell(name, data) {
    if (name === "alerts") this.queue.note(data.ids ?? []);
    for (const listener of this.listeners.get(name) ?? []) listener(data);
  }

  /** The line is there (again): look at what changed while it was not. now: the service's clock. */
  async catchUp(now) {
    const since = now - (Date.now() - (this.heardUntil ?? this.queue.loadedAt)) - SLACK_MS;
    if (!this.queue.loadedAt) return;
    try {
      const { alerts } = await this.api.get(`/v1/alerts?fields=queue&sort=updated&sparks=0&limit=${LOOK_BACK}`);
      const ids = alerts.filter(({ updated }) => updated >= since).map(({ id }) => id);
      if (ids.length === LOOK_BACK) this.queue.missed();
      if (ids.length) this.tell("alerts", { ids });
    } catch { /* the next event brings another look */ }
  }

  close() {
    clearTimeout(this.soon);
    this.tours.end();
    this.page?.close?.();
    this.abort?.abort();
    this.unbind?.();
    this.router?.stop();
    this.live?.close();
  }

  zoneButton() {
    const label = () => `Times in ${this.clock.zone}; change`;
    const button = h("button", { class: "quiet zone", type: "button", "aria-label": label(), title: label(), onclick: () => {
      this.settings.set("zone", this.clock.zone === "UTC" ? ownZone() : "UTC");
      fill(button, icon("clock"), h("span", null, this.clock.name()));
      button.setAttribute("aria-label", label());
      button.title = label();
      if (this.clock.zone === "UTC" && ownZone() === "UTC") this.toasts.show("Your own zone is UTC. Others: Settings.");
      this.router.show();
    } }, icon("clock"), h("span", null, this.clock.name()));
    return button;
  }

  themeButton() {
    const button = h("button", { class: "quiet", type: "button", onclick: () => {
      this.settings.set("theme", this.settings.shown === "dark" ? "light" : "dark");
      draw();
    } });
    const draw = () => {
      const other = this.settings.shown === "dark" ? "light" : "dark";
      fill(button, icon(other === "light" ? "sun" : "moon"));
      button.setAttribute("aria-label", `Use the ${other} theme`);
      button.title = `Use the ${other} theme`;
    };
    draw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    return button;
  }

  helpButton() {
    return h("button", { class: "quiet", type: "button", "aria-label": "Keys and help", title: "Keys and help (?)", onclick: () => help(this) }, icon("help"));
  }

  account() {
    const { name, login, tenant, role } = this.session;
    return h("details", { class: "account" }, h("summary", null, h("span", { "aria-hidden": "true" }, initials(name || login)), h("span", { class: "sr" }, `Account ${login}`)),
      h("div", null, h("b", null, name || login), h("span", null, login), h("span", null, `${role} at ${tenant}`),
        h("button", { type: "button", onclick: () => this.signOut() }, icon("out"), "Sign out")));
  }

  async signOut() {
    try {
      await this.api.del("/console/session");
      this.leave("You are signed out.");
    } catch (error) {
      if (error.status === 401) this.leave("You are signed out.");
      else this.toasts.fail(error);
    }
  }
}

/** One listener for the page's life, however often somebody signs in. */
let keys = null;
function keysOf(settings) {
  keys ??= new Keys(() => settings.keys);
  keys.layers = [];
  return keys;
}

function initials(name) {
  const words = name.split(/[\s._@-]+/).filter(Boolean);
  return ((words[0]?.[0] ?? "?") + (words.length > 1 ? words[1][0] : "")).toUpperCase();
}

function mark() {
  const image = h("span", { class: "mark", "aria-hidden": "true" });
  return image;
}
