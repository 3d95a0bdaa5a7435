/** One alert as a line of the queue. */

import { h, icon } from "../lib/dom.js";
import { age, fixed, plain } from "../lib/format.js";
import { LEARNING, kindName, severityName, severityWord, stateName, verdictName, verdictTone } from "../lib/words.js";
import { spark } from "../charts/spark.js";

export const HEADER = [
  ["", "pick"], ["Risk", "risk"], ["Entity", "who"], ["Why", "why"], ["14 days", "past"], ["State", "status"], ["Age", "age"],
];

/** The element; place, selection and cursor are the list's. */
export function row(alert, clock) {
  const name = plain(alert.entity);
  const level = alert.learning ? "info" : severityWord(alert.severity), levelName = alert.learning ? "Learning" : severityName(alert.severity);
  return h("div", { class: alert.gone ? "row gone" : "row" },
    h("div", { role: "gridcell", class: "pick" }, h("input", { type: "checkbox", tabindex: "-1", "aria-label": `Select ${name}` })),
    h("div", { role: "gridcell", class: `risk ${level}`, title: alert.learning ? LEARNING : null }, h("b", null, fixed(alert.risk)), h("span", null, levelName)),
    h("div", { role: "gridcell", class: "who", title: name }, icon(alert.entity_kind), h("span", { class: "sr" }, `${kindName(alert.entity_kind)} `), h("span", { class: "name" }, name)),
    h("div", { role: "gridcell", class: "why", title: plain(alert.reason) }, plain(alert.reason)),
    h("div", { role: "gridcell", class: "past" }, spark(alert.spark, { label: alert.spark?.length ? `risk of the last days, now ${fixed(alert.spark[alert.spark.length - 1])}` : "" })),
    h("div", { role: "gridcell", class: "status" },
      alert.verdict_id ? h("span", { class: `verdict ${verdictTone(alert.verdict_id)}` }, verdictName(alert.verdict_id)) : h("span", { class: `state ${alert.state}` }, stateName(alert.state)),
      alert.verdict_id && h("span", { class: "hint" }, stateName(alert.state)),
      !alert.verdict_id && alert.assignee && h("span", { class: "hint" }, plain(alert.assignee))),
    h("div", { role: "gridcell", class: "age", title: `Raised ${clock.moment(alert.raised)}, for ${alert.day}` }, age(alert.raised)));
}
