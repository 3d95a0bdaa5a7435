/** An alert to take along: as JSON for programs, as text for a ticket. */

import { fixed } from "../lib/format.js";
import { h } from "../lib/dom.js";
import { severityName, verdictName } from "../lib/words.js";

/** Let the browser save a text under a name. */
export function save(name, text, kind = "application/json") {
  const url = URL.createObjectURL(new Blob([text], { type: kind }));
  const link = h("a", { href: url, download: name.replace(/[^\w.-]+/g, "_") });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The alert as plain text. */
export function asText(alert, context, clock, address) {
  const own = alert.unmapped;
  const lines = [
    `${own.entity_kind} ${own.entity}, ${own.day}: risk ${fixed(own.risk)} (${severityName(alert.severity_id)}), ${own.state}${alert.verdict_id ? `, ${verdictName(alert.verdict_id)}` : ""}`, address, "",
    ...(context?.story ? [context.story, ""] : []), "Evidence",
    ...(context?.evidence ?? []).map((line) => `  ${line.points < 0 ? "-" : "+"}${fixed(Math.abs(line.points), 2).padStart(6)}  ${line.label}${line.value ? ` ${line.value}` : ""}: ${line.reason}`),
    `  =${fixed(own.risk, 2).padStart(6)}`, "", `Timeline (${clock.name(own.first_time ?? Date.now())})`,
    ...(context?.timeline ?? []).map((line) => `  ${clock.moment(line.time, { seconds: true, zone: false })}  ${String(line.class).padEnd(9)} ${line.text}`), "", "Next steps",
    ...(context?.next_steps ?? []).map((step) => `  - ${step}`), "",
  ];
  return lines.join("\n");
}
