/** Incidents: alerts that tell one story, by list and one by one. */

import { h } from "../lib/dom.js";
import { age, count, fixed, plain, plural } from "../lib/format.js";
import { alertLink, kindName, may, severityName, severityOf } from "../lib/words.js";
import { empty, entity, into, panel, severity, state, table, verdict } from "../lib/ui.js";
import { path } from "../lib/api.js";
import { lanes } from "../charts/lanes.js";
import { judgeIncident, verdictButtons, verdictKeys } from "../queue/judge.js";

export const incidentLink = (id) => `/console/incidents/${encodeURIComponent(id)}`;
const VIEWS = new Set(["identity", "endpoint", "network", "cloud"]);

class IncidentsPage {
  constructor(app, signal) {
    Object.assign(this, { app, title: "Incidents" });
    const place = h("div");
    this.element = h("div", { class: "page" }, h("div", { class: "top" }, h("h1", null, "Incidents"), h("p", { class: "hint" }, "Alerts that belong together, by what they share.")), panel("Latest first", {}, place));
    into(place, () => app.api.get("/v1/incidents?limit=200", { signal }), ({ incidents }) => this.show(incidents), { lines: 8 });
  }

  show(incidents) {
    if (!incidents.length) return empty("None yet. An incident opens with its first alert.");
    return table("Incidents", [
      ["Severity", (one) => severity(one.severity_id, one.unmapped.risk), "nowrap"],
      ["What", (one) => h("a", { href: incidentLink(one.metadata.uid) }, plain(one.message)), "wide"],
      ["Alerts", (one) => count(one.unmapped.n_alerts), "num"],
      ["State", (one) => (one.verdict_id ? verdict(one.verdict_id) : state(one.unmapped.state)), "nowrap"],
      ["Last seen", (one) => h("time", { datetime: new Date(one.end_time).toISOString(), title: this.app.clock.moment(one.end_time) }, `${age(one.end_time)} ago`), "nowrap"],
    ], incidents);
  }
}

/** Why the severity is not that of the risk alone. */
function moved({ risk, severity_id: id }) {
  const alone = severityOf(risk);
  return alone !== id && h("span", { class: "hint" }, `${severityName(alone).toLowerCase()} by its risk alone, ${id > alone ? "graver" : "less grave"} by its stage and by what it touches`);
}

class IncidentPage {
  constructor(app, id, signal) {
    Object.assign(this, { app, id, signal, title: "Incident", mayJudge: may(app.session.role, "judge") });
    this.place = h("div");
    this.element = h("div", { class: "page alert" }, h("div", { class: "crumbs" }, h("a", { href: "/console/incidents" }, "Incidents")), this.place);
    this.unbind = app.keys.bind("Incident", { u: ["Back", () => history.back()], Escape: ["Back", () => history.back()], ...(this.mayJudge ? verdictKeys((one) => this.judge(one)) : {}) });
    this.load();
  }

  load() {
    return into(this.place, () => this.app.api.get(path`/v1/incidents/${this.id}`, { signal: this.signal }), (found) => this.show(found), { lines: 10 });
  }

  judge(one) {
    judgeIncident(this.app, one, this.id, this.found?.incident.message ?? "", () => this.load());
  }

  show(found) {
    this.found = found;
    const { incident, description: told, alerts, ties } = found;
    const { clock } = this.app;
    this.app.title(plain(told.title));
    const moments = told.timeline.map((one) => ({ time: one.first_us / 1000, class: VIEWS.has(one.view) ? one.view : "other",
      text: `${kindName(one.entity_kind)} ${one.entity} ${one.says}${one.count > 1 ? ` (${count(one.count)} times)` : ""}` }));
    return [
      h("div", { class: "alerthead" }, severity(told.severity_id, told.risk), moved(told), h("h1", null, plain(told.title)), incident.verdict_id && verdict(incident.verdict_id), state(incident.unmapped.state),
        h("span", { class: "hint when" }, `${clock.moment(incident.start_time)} to ${clock.moment(incident.end_time)} · ${plural(told.alerts, "alert")} · ${plural(told.events, "event")}`)),
      h("div", { class: "alertcols" },
        h("div", { class: "stack story-col" },
          panel("What happened", { className: "lead" }, told.story.map((part) => h("p", { class: "story" }, plain(part))),
            told.techniques.length > 0 && h("p", { class: "techniques" }, told.techniques.map(([uid, name, tactic]) => (/^T\d{4}(\.\d{3})?$/.test(uid)
              ? h("a", { href: `https://attack.mitre.org/techniques/${uid.replace(".", "/")}/`, target: "_blank", rel: "noopener noreferrer" }, `${plain(name)} `, h("code", null, uid)) : `${plain(name)} (${plain(tactic)})`)))),
          panel("Timeline", { hint: `times in ${clock.name(incident.start_time)}` }, moments.length ? lanes(moments, clock) : empty("Nothing in it is above the everyday.")),
          panel("Alerts", { hint: "of this incident" }, table("Alerts", [["Risk", (one) => severity(one.severity_id, one.unmapped.risk), "nowrap"], ["Day", (one) => one.unmapped.day, "nowrap"], ["Entity", (one) => entity(one.unmapped.entity_kind, one.unmapped.entity)],
            ["Why", (one) => h("a", { href: alertLink(one.finding_info.uid) }, plain(one.unmapped.reasons[0] ?? one.message)), "wide"], ["State", (one) => (one.verdict_id ? verdict(one.verdict_id) : state(one.unmapped.state)), "nowrap"]], alerts))),
        h("aside", { class: "stack", "aria-label": "Work" },
          this.mayJudge && panel("Verdict", { className: "work", hint: "on all its alerts" }, verdictButtons((one) => this.judge(one))),
          told.next_steps.length > 0 && panel("Next steps", { className: "steps-panel" }, told.next_steps.map(([name, who, check, collect, contain]) => h("div", { class: "runbook" }, h("h3", null, `${plain(name)}: ${plain(who)}`),
            h("ul", { class: "steps" }, [...check, ...collect, ...contain].map((step) => h("li", null, h("label", null, h("input", { type: "checkbox" }), h("span", null, plain(step))))))))),
          ties?.length > 0 && panel("What ties it together", {}, h("ul", { class: "similar" }, ties.map((tie) => h("li", null, h("span", null, plain([tie.things ?? []].flat().join(", ") || tie.uid)), h("span", { class: "hint" }, `${fixed(tie.nats)} nats`))))))),
    ];
  }

  close() { this.unbind(); }
}

/** The page at /console/incidents. */
export function incidentsPage(app, parts, query, signal) {
  return new IncidentsPage(app, signal);
}

/** The page at /console/incidents/ID. */
export function incidentPage(app, [id], query, signal) {
  return new IncidentPage(app, id, signal);
}
