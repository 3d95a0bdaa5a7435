/** One alert: the story first, then everything that it stands on, and what to do. */

import { fill, h, icon } from "../lib/dom.js";
import { age, fixed, plain, plural } from "../lib/format.js";
import { LEARNING, alertLink, entityLink, kindName, may } from "../lib/words.js";
import { empty, entity, failed, panel, severity, skeleton, state, table, verdict } from "../lib/ui.js";
import { path } from "../lib/api.js";
import { alertParts } from "../lib/early.js";
import { copy, rawEvents } from "../alert/events.js";
import { exceptionDialog } from "../alert/exception.js";
import { asText, save } from "../alert/export.js";
import { usual } from "../alert/usual.js";
import { Work } from "../alert/work.js";
import { graph } from "../charts/graph.js";
import { heatmap } from "../charts/heatmap.js";
import { lanes } from "../charts/lanes.js";
import { spark } from "../charts/spark.js";
import { waterfall } from "../charts/waterfall.js";
import { judge, verdictKeys } from "../queue/judge.js";

/** Steps that are shown at once. */
const FIRST_STEPS = 7;
const steps = (lines) => h("ul", { class: "steps" }, lines.map((step) => h("li", null, h("label", null, h("input", { type: "checkbox" }), h("span", null, plain(step))))));

class AlertPage {
  constructor(app, id, signal) {
    Object.assign(this, { app, id, signal, title: "Alert", mayJudge: may(app.session.role, "judge") });
    this.head = h("div", { class: "alerthead" });
    this.left = h("div", { class: "stack story-col" });
    this.work = new Work(app, id, { onVerdict: (one) => this.judge(one), onChange: (alert) => this.take(alert) });
    this.steps = h("div", { class: "stack" });
    this.element = h("div", { class: "page alert" }, this.crumbs(), this.head, h("div", { class: "alertcols" }, this.left, h("aside", { class: "stack", "aria-label": "Work" }, this.work.element, this.steps)));
    this.unbind = app.keys.bind("Alert", this.keys());
    app.hear("alerts", ({ ids }) => { if (ids?.includes(id)) this.reload(); });
    fill(this.head, skeleton(2));
    fill(this.left, h("div", { class: "panel" }, skeleton(5)), h("div", { class: "panel" }, skeleton(6)));
    this.load();
  }

  keys() {
    const beside = (step) => () => {
      const next = this.app.queue.beside(this.id, step);
      if (next) this.go(next.id);
      else this.app.toasts.show(step > 0 ? "That was the last one." : "That was the first one.");
    };
    const judging = this.mayJudge ? { ...verdictKeys((one) => this.judge(one)), z: ["Take back your last verdict", () => this.app.lastVerdict?.()],
      a: ["Take it", () => this.work.assign("me")], n: ["Write a note", () => this.work.note.focus()], x: ["Make an exception", () => this.except({})] } : {};
    return {
      j: ["Next alert", beside(1)], k: ["Alert before", beside(-1)], u: ["Back to the queue", () => this.back()], Escape: ["Back to the queue", () => this.back()],
      e: ["Open the entity", () => this.alert && this.app.router.go(entityLink(this.alert.unmapped.entity_kind, this.alert.unmapped.entity))],
      ...judging, s: ["Copy the link", () => this.share()], d: ["Save as JSON", () => this.saveJson()],
      t: ["Raw events", () => document.getElementById("raw")?.scrollIntoView({ block: "start" })],
    };
  }

  crumbs() {
    const { queue } = this.app;
    const at = queue.index.get(this.id);
    this.shareLabel = h("span", null, "Copy link");
    const share = h("button", { type: "button", class: "quiet", onclick: () => this.share() }, icon("link"), this.shareLabel);
    const step = (by, name) => {
      const other = at === undefined ? null : queue.rows[at + by];
      return h("button", { type: "button", class: "quiet", disabled: !other, onclick: () => this.go(other.id) }, name);
    };
    return h("div", { class: "crumbs" }, h("a", { href: queue.address }, icon("back"), "Queue"), at !== undefined && h("span", { class: "hint" }, `${at + 1} of ${queue.rows.length}`), step(-1, "Before"), step(1, "Next"),
      h("span", { class: "gap" }), share, h("button", { type: "button", class: "quiet", onclick: () => this.saveText() }, icon("download"), "Text"), h("button", { type: "button", class: "quiet", onclick: () => this.saveJson() }, icon("download"), "JSON"));
  }

  go(id) {
    this.app.queue.cursor = id;
    this.app.router.go(alertLink(id));
  }

  back() { this.app.router.go(this.app.queue.address); }

  async load() {
    const [base, around] = alertParts(this.id);
    const options = { signal: this.signal };
    const context = this.app.api.get(around, options);
    context.catch(() => {}); // shown below, after the alert itself
    try {
      this.take(await this.app.api.get(base, options));
    } catch (error) {
      if (error.name === "AbortError") return;
      this.element.classList.add("missing");
      fill(this.left);
      fill(this.head, error.status === 404 ? empty("There is no such alert, or it is not yours to see.", h("a", { href: "/console/" }, "To the queue")) : failed(error, () => this.app.router.show()));
      return;
    }
    try {
      this.context = await context;
      this.show();
    } catch (error) {
      if (error.name !== "AbortError") fill(this.left, h("div", { class: "panel" }, failed(error, () => this.app.router.show())));
    }
  }

  async reload() {
    try {
      this.take(await this.app.api.get(path`/v1/alerts/${this.id}`, { signal: this.signal }));
    } catch { /* what is shown stays; the next change brings another look */ }
  }

  /** The alert as it is now: head and work panel. */
  take(alert) {
    this.alert = alert;
    const own = alert.unmapped;
    const known = this.app.queue.rows[this.app.queue.index.get(this.id)];
    if (known) Object.assign(known, { state: own.state, verdict_id: alert.verdict_id ?? null, version: own.version, assignee: alert.assignee?.name ?? "" });
    this.app.title(`${plain(own.entity)}, ${fixed(own.risk)}`);
    const created = alert.finding_info.created_time ?? alert.time;
    this.learning ??= own.learning; // the answers to changes do not say it
    fill(this.head, severity(alert.severity_id, own.risk), this.learning && h("span", { class: "learning", title: LEARNING }, "Learning"), h("h1", null, entity(own.entity_kind, own.entity)), alert.verdict_id && verdict(alert.verdict_id), state(own.state),
      own.incident_id && h("a", { href: `/console/incidents/${encodeURIComponent(own.incident_id)}` }, "Its incident"), own.disagrees && h("span", { class: "verdict watch" }, "opinions differ"),
      h("span", { class: "hint when" }, `day ${own.day} UTC · raised `, h("time", { datetime: new Date(created).toISOString() }, this.app.clock.moment(created)), ` · ${age(created)} ago · ${plural(own.n_events, "event")}`));
    this.work.show(alert);
  }

  show() {
    const { context, alert, app: { clock } } = this;
    const own = alert.unmapped;
    const except = this.mayJudge ? (line) => this.except(line) : null;
    fill(this.left,
      panel("What happened", { className: "lead", actions: this.history() }, h("p", { class: "story" }, plain(context.story || `${alert.message ?? ""}.`)),
        context.techniques?.length > 0 && h("p", { class: "techniques" }, "It would fit ", context.techniques.map(({ id, name }) => /^T\d{4}(\.\d{3})?$/.test(id)
          ? h("a", { href: `https://attack.mitre.org/techniques/${id.replace(".", "/")}/`, target: "_blank", rel: "noopener noreferrer" }, `${plain(name)} `, h("code", null, id)) : plain(name)))),
      panel("Why the risk", { hint: "points add up to it" }, context.evidence?.length ? waterfall(context.evidence, own.risk, except) : this.reasons()),
      context.usual?.length > 0 && panel("Usual and now", {}, usual(context.usual)),
      panel("Timeline", { hint: `times in ${clock.name(own.first_time ?? alert.time)}` }, context.timeline?.length ? lanes(context.timeline, clock) : empty("No events of that day are kept any more.")),
      context.hours?.usual && panel("Hours of the week", { hint: "of this entity, and of this alert" }, heatmap(context.hours, clock)),
      context.graph?.nodes?.length > 0 && panel("Scope", { hint: "users, hosts and addresses of these events" }, graph(context.graph, own.entity)),
      this.raw());
    fill(this.steps,
      context.next_steps?.length > 0 && panel("Next steps", { className: "steps-panel" }, steps(context.next_steps.slice(0, FIRST_STEPS)), context.next_steps.length > FIRST_STEPS && h("details", null, h("summary", null, `${context.next_steps.length - FIRST_STEPS} more`), steps(context.next_steps.slice(FIRST_STEPS)))),
      except && panel("Is this all right?", { className: "quietpanel" }, h("p", { class: "hint" }, "An exception says that something odd is fine until a day. See first what it would hide."), h("button", { type: "button", onclick: () => this.except({}) }, icon("exceptions"), "Make an exception")),
      panel("Similar alerts", {}, context.similar?.length ? this.similar(context.similar) : empty("Nothing like this was seen before.")));
  }

  history() {
    const days = this.context.risk_history ?? [];
    return days.length > 1 && h("span", { class: "trend" }, h("span", { class: "hint" }, `${days.length} days`), spark(days.map(({ risk }) => risk), { label: `risk of the last ${days.length} days, now ${fixed(days[days.length - 1].risk)}` }));
  }

  /** What is left when the receipt of an alert is gone: the reasons in words. */
  reasons() {
    const { reasons = [] } = this.alert.unmapped;
    return reasons.length ? [h("ul", { class: "reasons" }, reasons.map((reason) => h("li", null, plain(reason)))), h("p", { class: "hint" }, "How much each of them counted is not kept any more.")]
      : empty("What the risk was made of is not kept any more.");
  }

  similar(alerts) {
    return h("ul", { class: "similar" }, alerts.map((one) => h("li", null, h("a", { href: alertLink(one.id) }, `${kindName(one.entity_kind)} ${plain(one.entity)}`), h("span", { class: "hint" }, `${one.day} · ${fixed(one.risk)}`),
      one.verdict_id ? verdict(one.verdict_id) : state(one.state), one.reason && h("q", { class: "hint" }, plain(one.reason)))));
  }

  raw() {
    const place = h("div");
    const load = async () => {
      fill(place, skeleton(3));
      try {
        const { events } = await this.app.api.get(alertParts(this.id)[2], { signal: this.signal });
        fill(place, rawEvents(events, this.app.clock, ", strangest first"));
      } catch (error) {
        if (error.name !== "AbortError") fill(place, failed(error, load));
      }
    };
    load();
    return panel("Raw events", { id: "raw" }, place);
  }

  judge(one) {
    if (!this.alert) return;
    const own = this.alert.unmapped;
    judge(this.app, one, [{ id: this.id, entity: own.entity, version: own.version }], (ids, change) => {
      this.app.queue.rows.filter(({ id }) => ids.includes(id)).forEach((row) => Object.assign(row, change));
      if (this.element.isConnected) this.reload();
    });
  }

  except(line) {
    if (!this.alert) return;
    const own = this.alert.unmapped;
    exceptionDialog(this.app, { entity_kind: own.entity_kind, entity: own.entity, behaviour: line.behaviour ?? "", value: line.value ?? "" });
  }

  share() { copy(this.shareLabel, location.origin + alertLink(this.id)); }

  async saveJson() {
    try {
      const { events } = await this.app.api.get(path`/v1/alerts/${this.id}/events` + "?limit=1000", { signal: this.signal });
      save(`habitus-${this.id}.json`, JSON.stringify({ finding: this.alert, context: this.context, events }, null, 2));
    } catch (error) {
      this.app.toasts.fail(error);
    }
  }

  saveText() {
    if (this.alert) save(`habitus-${this.id}.txt`, asText(this.alert, this.context, this.app.clock, location.origin + alertLink(this.id)), "text/plain");
  }

  close() { this.unbind(); }
}

/** The page at /console/alerts/ID. */
export function alertPage(app, [id], query, signal) {
  return new AlertPage(app, id, signal);
}
