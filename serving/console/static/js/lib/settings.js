/** What a person chose for this browser: theme, time zone, keys. Nothing else is kept in it. */

import { Clock } from "./format.js";

const DEFAULTS = { theme: "auto", zone: "UTC", keys: true };

export class Settings {
  constructor() {
    this.values = { ...DEFAULTS, ...load() };
    this.clock = new Clock(this.values.zone);
    this.apply();
  }

  get theme() { return this.values.theme; }
  get zone() { return this.values.zone; }
  get keys() { return this.values.keys; }

  set(name, value) {
    this.values[name] = value;
    if (name === "zone") this.clock.use(value);
    try {
      localStorage.setItem("habitus.settings", JSON.stringify(this.values));
    } catch { /* a browser that keeps nothing: the choice holds until the page is left */ }
    this.apply();
  }

  /** Light or dark, as it is shown now. */
  get shown() {
    return this.theme === "auto" ? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light") : this.theme;
  }

  apply() {
    if (this.theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
  }
}

/** The browser's own zone. */
export function ownZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

function load() {
  try {
    const found = JSON.parse(localStorage.getItem("habitus.settings") ?? "{}");
    return typeof found === "object" && found ? found : {};
  } catch {
    return {};
  }
}
