/**
 * The golden alert of the day: a past alert whose verdict is settled, shown without it. What is said of it changes
 * nothing that is scored; it says how far people agree.
 */

import { fill, h } from "../lib/dom.js";
import { fixed, percent, plain, plural } from "../lib/format.js";
import { alertLink, may } from "../lib/words.js";
import { empty, entity, failed, into, panel, severity, table } from "../lib/ui.js";
import { path } from "../lib/api.js";
import { usual } from "../alert/usual.js";
import { waterfall } from "../charts/waterfall.js";
import { verdictButtons, verdictKeys } from "../queue/judge.js";

const DAYS = 90;
const DAY_MS = 86_400_000;

class GoldenPage {
  constructor(app, signal) {
    Object.assign(this, { app, signal, title: "Golden alert" });
    this.place = h("div", { class: "stack" });
    this.past = h("div");
    this.unbind = app.keys.bind("Golden alert", { ...verdictKeys((one) => this.answer(one)), u: ["Back to the queue", () => app.router.go(app.queue.address)] });
    this.element = h("div", { class: "page" }, h("div", { class: "top" }, h("h1", null, "Golden alert"),
      h("p", { class: "hint" }, "A past alert whose verdict is settled. Say what you would say: it changes nothing that is scored.")), this.place);
    if (may(app.session.role, "judge")) this.load();
    else fill(this.place, empty("Golden alerts are for those who judge alerts."));
  }

  async load() {
    await into(this.place, () => this.app.api.get("/v1/golden", { signal: this.signal }), ({ alert }) => this.show(alert), { lines: 8 });
    this.agreement();
  }

  show(alert) {
    this.alert = alert;
    if (!alert) return [empty("There is none for you today. A closed alert becomes one when its verdict has held for two days, nobody contradicts it, and you have not judged it."), this.past];
    const own = alert.unmapped;
    const told = h("div", { class: "stack" });
    this.verdicts = h("div", { class: "stack" }, verdictButtons((one) => this.answer(one)));
    into(told, () => this.app.api.get(path`/v1/alerts/${alert.finding_info.uid}/context`, { signal: this.signal }), (context) => [
      panel("What happened", { className: "lead" }, h("p", { class: "story" }, plain(context.story || `${alert.message}.`))),
      panel("Why the risk", { hint: "points add up to it" }, context.evidence?.length ? waterfall(context.evidence, own.risk, null)
        : h("ul", { class: "reasons" }, own.reasons.map((reason) => h("li", null, plain(reason))))),
      context.usual?.length > 0 && panel("Usual and now", {}, usual(context.usual)),
    ], { lines: 8 });
    return [h("div", { class: "alerthead" }, severity(alert.severity_id, own.risk), h("h2", null, entity(own.entity_kind, own.entity, { link: false })),
      h("span", { class: "hint when" }, `day ${own.day} UTC, ${plural(own.n_events, "event")}`)),
    h("div", { class: "alertcols" }, h("div", { class: "story-col" }, told), h("aside", { class: "stack", "aria-label": "Work" }, panel("What would you say?", { className: "work" }, this.verdicts), this.past))];
  }

  async answer(verdict) {
    const { alert } = this;
    if (!alert || this.isAnswered) return;
    this.isAnswered = true;
    try {
      const told = await this.app.api.post(path`/v1/golden/${alert.finding_info.uid}/verdict`, { verdict_id: verdict.id });
      fill(this.verdicts, h("p", { role: "status", class: "answer" }, h("b", null, told.agrees ? "You agree. " : "You differ. "), `You said ${verdict.name.toLowerCase()}; it was settled as ${plain(told.settled).toLowerCase()}.`),
        h("div", { class: "inline" }, h("a", { class: "button", href: alertLink(told.alert_id) }, "Open the alert"), h("button", { type: "button", class: "primary", onclick: () => this.another() }, "Another one")));
      this.verdicts.querySelector("a").focus();
      this.agreement();
    } catch (error) {
      this.isAnswered = false;
      fill(this.verdicts, verdictButtons((one) => this.answer(one)), failed(error));
    }
  }

  async another() {
    this.isAnswered = false;
    await this.load();
    this.app.main.focus();
  }

  /** How far people agreed with what was settled, in the last months. */
  async agreement() {
    try {
      const from = new Date(Date.now() - DAYS * DAY_MS).toISOString();
      const { agreement } = await this.app.api.get(`/v1/metrics/soc?${new URLSearchParams({ from })}`, { signal: this.signal });
      fill(this.past, agreement?.length > 0 && panel("Agreement", { hint: `last ${DAYS} days` }, table("Agreement", [
        ["Analyst", (one) => h("b", null, plain(one.analyst))], ["Answered", (one) => fixed(one.answered, 0), "num"], ["Agreed", (one) => percent(one.share), "num"]], agreement)));
    } catch { /* the alert stands without it */ }
  }

  close() { this.unbind(); }
}

/** The page at /console/golden. */
export function goldenPage(app, parts, query, signal) {
  return new GoldenPage(app, signal);
}
