/** One user, host or address: risk over time, habits, peers, what happened, what was said, and unlearning. */

import { fill, h } from "../lib/dom.js";
import { count, fixed, percent, plain, plural } from "../lib/format.js";
import { kindName, may } from "../lib/words.js";
import { dialog, empty, entity, failed, field, into, panel, severity, skeleton, table, verdict } from "../lib/ui.js";
import { path } from "../lib/api.js";
import { rawEvents } from "../alert/events.js";
import { exceptionDialog } from "../alert/exception.js";
import { shares } from "../charts/bars.js";
import { heatmap } from "../charts/heatmap.js";
import { riskLine } from "../charts/line.js";
import { severityOf } from "../lib/words.js";

const DAYS = 60;

class EntityPage {
  constructor(app, kind, name, signal) {
    Object.assign(this, { app, kind, name, signal, title: plain(name), mayJudge: may(app.session.role, "judge") });
    this.risk = h("div");
    this.habits = h("div");
    this.rest = h("div", { class: "stack" });
    this.hours = h("div", { class: "stack" });
    this.events = h("div", { class: "stack" });
    this.facts = h("span", { class: "hint when" });
    const actions = this.mayJudge && h("div", { class: "inline" }, h("button", { type: "button", onclick: () => exceptionDialog(app, { entity_kind: kind, entity: name }) }, "Make an exception"),
      h("button", { type: "button", onclick: () => this.unlearn() }, "Unlearn ..."));
    const hidden = app.session.pseudonymous && /^user-[0-9a-f]{12}$/.test(name);
    const reveal = hidden && h("button", { type: "button", onclick: () => this.reveal() }, "Reveal the name");
    this.element = h("div", { class: "page entitypage" },
      h("div", { class: "alerthead" }, h("h1", null, entity(kind, name, { link: false })), h("span", { class: "state" }, kindName(kind)), reveal, this.facts, actions),
      h("div", { class: "stack" }, panel("Risk over time", { hint: "by day (UTC); marked days are alerts", actions: h("a", { href: `/console/?${new URLSearchParams({ state: "all", entity_kind: kind, entity: name })}` }, "Its alerts") }, this.risk),
        h("div", { class: "cols" }, h("div", { class: "stack" }, panel("Habits", { hint: "decayed counts, heaviest first" }, this.habits)), h("div", { class: "stack" }, this.hours, this.rest)), this.events));
    this.unbind = app.keys.bind("Entity", { u: ["Back", () => history.back()], Escape: ["Back", () => history.back()],
      ...(this.mayJudge ? { x: ["Make an exception", () => exceptionDialog(app, { entity_kind: kind, entity: name })] } : {}) });
    const options = { signal };
    into(this.risk, () => app.api.get(path`/v1/entities/${kind}/${name}` + `?limit=${DAYS}`, options), (found) => this.showDays(found.days), { lines: 6 });
    into(this.habits, () => app.api.get(path`/v1/baselines/${name}`, options), (found) => this.showHabits(found), { lines: 8 });
    this.loadContext(options);
  }

  showDays(days) {
    const byDay = new Map();
    for (const day of days) {
      const known = byDay.get(day.day);
      if (!known || day.risk > known.risk) byDay.set(day.day, { ...day, alert: day.alert || known?.alert });
    }
    const sorted = [...byDay.values()].sort((a, b) => a.day.localeCompare(b.day));
    const top = sorted.reduce((best, day) => (day.risk > best.risk ? day : best), sorted[0]);
    fill(this.facts, `${plural(sorted.length, "day")} · highest ${fixed(top.risk)} on ${top.day}`);
    const odd = [...sorted].reverse().filter(({ reasons }) => reasons?.length).slice(0, 6);
    return [riskLine(sorted), odd.length > 0 && table("Days that stood out", [["Day", (day) => [day.day, day.open && h("span", { class: "hint" }, " so far")], "nowrap"], ["Risk", (day) => severity(severityOf(day.risk), day.risk), "nowrap"],
      ["Events", (day) => count(day.n_events), "num"], ["Why", (day) => plain(day.reasons[0]), "wide"]], odd)];
  }

  showHabits({ habits, total }) {
    const own = habits.filter((row) => row.level === "entity" && (!row.entity_kind || row.entity_kind === this.kind));
    const groups = Map.groupBy ? Map.groupBy(own, (row) => row.behaviour) : grouped(own);
    if (!groups.size) return empty("Nothing is learned yet.");
    return [h("div", { class: "habits" }, [...groups].map(([behaviour, rows]) => h("div", null, h("h3", null, plain(behaviour).split(".").pop().replaceAll("_", " "), " ", h("span", { class: "hint" }, plural(rows[0].distinct ?? rows.length, "value"))),
      shares(rows.map(({ value, share, weight }) => ({ value, share, count: weight })), { most: 5 })))), total > habits.length && h("p", { class: "hint" }, `${count(total - habits.length)} lighter ones are not shown.`)];
  }

  async loadContext(options) {
    fill(this.rest, h("div", { class: "panel" }, skeleton(6)));
    try {
      const found = await this.app.api.get(path`/v1/entities/${this.kind}/${this.name}/context`, options);
      const groups = [found.groups ?? []].flat().map((group) => plain(group?.name ?? group));
      if (groups.length) this.facts.append(` · in ${groups.join(", ")}`);
      fill(this.rest,
        panel("Peers", { hint: "of the same group" }, found.peers?.length ? table("Peers", [["Entity", (one) => entity(one.kind, one.entity)],
          ...(found.peers.some((one) => Number.isFinite(one.share)) ? [["Alike", (one) => percent(one.share), "num"]] : [])], found.peers) : empty("It has no peer group yet.")),
        panel("What was said", {}, found.verdicts?.length ? table("Verdicts", [["Day", (one) => one.day, "nowrap"], ["Verdict", (one) => verdict(one.verdict_id)],
          ["By", (one) => plain(one.actor)], ["Reason", (one) => [plain(one.reason), one.reverted_time && h("span", { class: "hint" }, " (taken back)")], "wide"]], found.verdicts) : empty("Nobody has judged it yet.")));
      if (found.hours?.usual) fill(this.hours, panel("Hours of the week", {}, heatmap(found.hours, this.app.clock)));
      fill(this.events, panel("Recent events", {}, rawEvents(found.events, this.app.clock)));
    } catch (error) {
      if (error.name !== "AbortError") fill(this.rest, h("div", { class: "panel" }, failed(error, () => this.loadContext(options))));
    }
  }

  /** Whose pseudonym it is: for a reason, which the audit log keeps. */
  reveal() {
    const reason = h("textarea", { rows: 2, required: true, maxlength: 2000, "aria-label": "Reason", placeholder: "Why must the name be known?" });
    const told = h("p", { class: "note", role: "status" });
    dialog("Reveal the name", (close) => h("form", { onsubmit: async (event) => {
      event.preventDefault();
      try {
        const found = await this.app.api.post("/v1/reveal", { pseudonym: this.name, reason: reason.value.trim() });
        told.textContent = `${found.pseudonym} is ${plain(found.name)}.`;
      } catch (error) {
        told.textContent = error.message;
      }
    } }, h("p", { class: "hint" }, "The audit log keeps who asked, and why."), reason, told, h("footer", null, h("button", { type: "button", onclick: close }, "Close"), h("button", { type: "submit", class: "primary" }, "Reveal"))));
  }

  unlearn() {
    const now = new Date().toISOString().slice(0, 16);
    const from = h("input", { type: "datetime-local", required: true, name: "from", value: `${now.slice(0, 11)}00:00` });
    const to = h("input", { type: "datetime-local", required: true, name: "to", value: now });
    const sure = h("input", { type: "checkbox", required: true, name: "sure" });
    const problem = h("p", { class: "note alarm", role: "alert" });
    dialog(`Unlearn ${plain(this.name)}`, (close) => h("form", { onsubmit: async (event) => {
      event.preventDefault();
      try {
        const done = await this.app.api.post(path`/v1/entities/${this.kind}/${this.name}/unlearn`, { from: `${from.value}:00Z`, to: `${to.value}:00Z` });
        close();
        this.app.toasts.show(`${plural(done.events, "event")} taken out of what is normal; ${count(done.never_learned)} were never learned.`);
        this.app.router.show();
      } catch (error) {
        problem.textContent = error.message;
      }
    } }, h("p", { class: "hint" }, "Takes the entity's events of a window out of what is normal, as if they had never been learned. Scores and alerts that were given stay."),
    h("div", { class: "fields" }, field("From (UTC)", from), field("To (UTC)", to)), h("label", { class: "check" }, sure, "An attacker was at work in this window"), problem,
    h("footer", null, h("button", { type: "button", onclick: close }, "Cancel"), h("button", { type: "submit", class: "danger" }, "Unlearn"))));
  }

  close() { this.unbind(); }
}

function grouped(rows) {
  const found = new Map();
  for (const row of rows) found.set(row.behaviour, [...(found.get(row.behaviour) ?? []), row]);
  return found;
}

/** The page at /console/entities/KIND/NAME. */
export function entityPage(app, [kind, name], query, signal) {
  return new EntityPage(app, kind, name, signal);
}
