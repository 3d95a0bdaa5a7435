/** What runs: sources and their lag, the ledger, the quarantine, and for admins keys, accounts and the audit log. */

import { fill, h } from "../lib/dom.js";
import { age, count, duration, fixed, plain } from "../lib/format.js";
import { may } from "../lib/words.js";
import { empty, into, panel, table } from "../lib/ui.js";
import { accountsTab, auditTab, keysTab } from "../operations/admin.js";
import { channelsTab } from "../operations/channels.js";
import { quarantineTab } from "../operations/quarantine.js";

const QUIET_MS = 3_600_000;

class OperationsPage {
  constructor(app, query, signal) {
    Object.assign(this, { app, signal, title: "Operations" });
    const admin = may(app.session.role, "administer");
    this.tabs = [["sources", "Sources", () => this.sources()], ["quarantine", "Quarantine", () => quarantineTab(app, signal)], ["channels", "Notifications", () => channelsTab(app, signal)],
      ...(admin ? [["keys", "Keys", () => keysTab(app, signal)], ["accounts", "Accounts", () => accountsTab(app, signal)], ["audit", "Audit", () => auditTab(app, signal)]] : [])];
    this.place = h("div", { role: "tabpanel", id: "tabpanel", tabindex: "-1" });
    this.bar = h("div", { class: "tabs", role: "tablist", "aria-label": "Operations", onkeydown: (event) => this.arrow(event) }, this.tabs.map(([key, name]) =>
      h("button", { type: "button", role: "tab", id: `tab-${key}`, "aria-controls": "tabpanel", onclick: () => this.show(key) }, name)));
    this.element = h("div", { class: "page" }, h("div", { class: "top" }, h("h1", null, "Operations"), h("span", { class: "hint" }, `tenant ${plain(app.session.tenant)}`)), this.bar, this.place);
    this.show(this.tabs.some(([key]) => key === query.tab) ? query.tab : "sources");
  }

  show(key) {
    this.app.router.keep(key === "sources" ? {} : { tab: key });
    for (const [at, [name]] of this.tabs.entries()) {
      const button = this.bar.children[at];
      button.setAttribute("aria-selected", String(name === key));
      button.tabIndex = name === key ? 0 : -1;
    }
    this.place.setAttribute("aria-labelledby", `tab-${key}`);
    fill(this.place, this.tabs.find(([name]) => name === key)[2]());
  }

  arrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = [...this.bar.children].findIndex((button) => button.tabIndex === 0);
    const next = this.bar.children[(at + step + this.bar.children.length) % this.bar.children.length];
    next.click();
    next.focus();
  }

  sources() {
    const live = h("div"), usage = h("div");
    const options = { signal: this.signal };
    into(live, () => this.app.api.get("/v1/operations", options), (found) => this.showSources(found), { lines: 6 });
    into(usage, () => this.app.api.get("/v1/usage", options), (found) => facts(flat(found)), { lines: 3 });
    return h("div", { class: "stack" }, live, panel("Learned, shed and limits", {}, usage));
  }

  showSources(found) {
    const quiet = (source) => Number.isFinite(source.last_received) && Date.now() - source.last_received > QUIET_MS;
    return h("div", { class: "stack" },
      panel("Sources", { hint: Number.isFinite(found.lag_seconds) ? `scored ${duration(found.lag_seconds)} after they came in` : null }, found.sources?.length ? table("Sources", [
        ["Source", (one) => h("b", null, plain(one.source))], ["Events a second", (one) => fixed(one.rate, 1), "num"], ["Events", (one) => count(one.events), "num"],
        ["Last received", (one) => [h("time", { title: this.app.clock.moment(one.last_received, { seconds: true }) }, Number.isFinite(one.last_received) ? `${age(one.last_received)}${age(one.last_received) === "now" ? "" : " ago"}` : "—"), " ", quiet(one) && h("span", { class: "verdict watch" }, "silent")], "nowrap"],
      ], found.sources) : empty("Nothing has come in yet. docs/formats.md says how to send.")),
      panel("Ledger", { hint: "received = scored + duplicate + late + quarantined" }, ledger(found.ledger)));
  }
}

function ledger(found) {
  if (!found) return empty("Not known.");
  const parts = ["scored", "duplicate", "late", "quarantined", "waiting"].filter((name) => Number.isFinite(found[name]));
  const sum = parts.reduce((total, name) => total + found[name], 0);
  const received = found.received ?? sum;
  return [facts({ received, ...Object.fromEntries(parts.map((name) => [name, found[name]])) }),
    h("p", { class: sum === received ? "hint ledger" : "note alarm ledger" }, sum === received ? "It balances: nothing is lost." : `${count(Math.abs(received - sum))} are not accounted for at this moment; if this stays, see docs/operations.md.`)];
}

function flat(found, before = "") {
  return Object.entries(found ?? {}).reduce((all, [name, value]) => (value && typeof value === "object" ? { ...all, ...flat(value, `${before}${name} `) } : { ...all, [`${before}${name}`]: value }), {});
}

function facts(found) {
  return h("dl", { class: "facts" }, Object.entries(found).map(([name, value]) => h("div", null, h("dt", null, plain(name).replaceAll("_", " ")), h("dd", null, typeof value === "number" ? count(value) : value === null ? "no limit" : plain(value)))));
}

/** The page at /console/operations. */
export function operationsPage(app, parts, query, signal) {
  return new OperationsPage(app, query, signal);
}
