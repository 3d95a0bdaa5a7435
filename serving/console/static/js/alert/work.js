/** What people do with an alert: state, assignee, verdict, notes, and who did what before. */

import { fill, h } from "../lib/dom.js";
import { age, plain } from "../lib/format.js";
import { STATES, may, stateName } from "../lib/words.js";
import { failed, select, skeleton, state, verdict } from "../lib/ui.js";
import { path, query } from "../lib/api.js";
import { verdictButtons } from "../queue/judge.js";

/** The panel beside the story. page: {alert, change(request), judge(verdict)}. */
export class Work {
  constructor(app, id, { onVerdict, onChange }) {
    Object.assign(this, { app, id, onVerdict, onChange, mayJudge: may(app.session.role, "judge") });
    this.now = h("div", { class: "now-row" });
    this.controls = h("div");
    this.lines = h("ol", { class: "history" });
    this.note = h("textarea", { rows: 2, maxlength: 10000, "aria-label": "Note", placeholder: "Add a note" });
    this.element = h("section", { class: "panel work", "aria-labelledby": "work-title" }, h("header", null, h("h2", { id: "work-title" }, "Verdict"), this.now),
      this.controls, h("h3", null, "History"), this.lines,
      this.mayJudge && h("form", { class: "noteform", onsubmit: (event) => this.addNote(event) }, this.note, h("button", { type: "submit" }, "Add note")));
    fill(this.lines, skeleton(2));
  }

  /** Show an alert as it is now. */
  show(alert) {
    this.alert = alert;
    const own = alert.unmapped;
    const assignee = alert.assignee?.name ?? "";
    fill(this.now, alert.verdict_id && verdict(alert.verdict_id), state(own.state));
    fill(this.controls, this.mayJudge && [verdictButtons(this.onVerdict),
      h("div", { class: "pair" },
        h("label", { class: "field" }, h("span", null, "State"), select(own.state === "new" ? STATES : STATES.slice(1), own.state, { onchange: (event) => this.move(event.target.value) })),
        h("div", { class: "field" }, h("span", null, "Assignee"), h("div", { class: "assignee" }, h("span", { class: assignee ? "name" : "hint" }, assignee ? plain(assignee) : "nobody yet"),
          assignee !== this.app.session.login && h("button", { type: "button", onclick: () => this.assign("me") }, "Take it"),
          assignee === this.app.session.login && h("button", { type: "button", onclick: () => this.assign("") }, "Give back")))),
    ]);
    this.history();
  }

  async history() {
    try {
      const [{ lines }, { verdicts }] = await Promise.all([
        this.app.api.get(path`/v1/alerts/${this.id}/history` + "?limit=200"), this.app.api.get(`/v1/verdicts${query({ alert_id: this.id })}`)]);
      // a verdict's line and the verdict itself, which has the reason, were written at the same moment
      const reasons = new Map(verdicts.map((one) => [`${one.time} ${one.actor}`, one.reason]));
      fill(this.lines, lines.length ? [...lines].reverse().map((line) => this.line(line, line.what === "verdict" ? reasons.get(`${line.time} ${line.actor}`) : ""))
        : h("li", { class: "hint" }, "Nobody has touched it yet."));
    } catch (error) {
      if (error.name !== "AbortError") fill(this.lines, h("li", null, failed(error, () => this.history())));
    }
  }

  line({ actor, time, what, old, new: now }, reason) {
    return h("li", null, h("span", null, h("b", null, plain(actor)), " ", said(what, old, now), reason && [": ", h("q", null, plain(reason))]),
      h("time", { datetime: new Date(time).toISOString(), title: this.app.clock.moment(time, { seconds: true }), class: "hint" }, age(time) === "now" ? "just now" : `${age(time)} ago`));
  }

  async change(work) {
    try {
      const answer = await work();
      this.onChange(answer?.alert ?? answer);
    } catch (error) {
      if (error.status === 409 && error.body?.present) this.onChange(error.body.present);
      this.app.toasts.fail(error);
    }
  }

  move(to) {
    return this.change(() => this.app.api.post(path`/v1/alerts/${this.id}/state`, { state: to, version: this.alert.unmapped.version }));
  }

  assign(assignee) {
    return this.change(() => this.app.api.post(path`/v1/alerts/${this.id}/assign`, { assignee, version: this.alert.unmapped.version }));
  }

  addNote(event) {
    event.preventDefault();
    const text = this.note.value.trim();
    if (!text) return;
    this.change(async () => {
      const answer = await this.app.api.post(path`/v1/alerts/${this.id}/notes`, { text });
      this.note.value = "";
      return answer;
    });
  }
}

/** A line of the history in words; old and new are texts (serving/triage/rows.py). */
function said(what, old, now) {
  switch (what) {
    case "note": return ["noted: ", h("q", null, plain(now))];
    case "assignee": return now ? `gave it to ${plain(now)}` : "gave it back";
    case "state": return `moved it to ${stateName(now).toLowerCase()}`;
    case "verdict": return `said ${plain(now).toLowerCase()}`;
    case "revert": return `took back ${plain(old).toLowerCase()}`;
    default: return plain(`${what} ${now}`);
  }
}
