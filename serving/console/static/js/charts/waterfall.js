/** Evidence as a waterfall: each bar begins where the one before ended, and the last one is the risk. */

import { h, s } from "../lib/dom.js";
import { fixed, plain } from "../lib/format.js";

/** What the bars add up to may differ from the risk by rounding; more than this is said. */
const ROUNDING = 0.05;

/** evidence: [{label, value, points, reason, nats}]; onPick(line) for "exception" of a line, null for none. */
export function waterfall(evidence, risk, onPick = null) {
  let sum = 0;
  const lines = evidence.map((line) => {
    const from = sum;
    sum += line.points;
    return { ...line, from, to: sum };
  });
  const left = risk - sum;
  if (Math.abs(left) > ROUNDING) {
    lines.push({ label: "Not told apart", value: null, points: left, from: sum, to: risk, reason: "What the evidence above does not account for." });
  }
  const low = Math.min(0, ...lines.map(({ to }) => to));
  const high = Math.max(risk, ...lines.map(({ to }) => to), 1e-9);
  const x = (value) => (100 * (value - low)) / (high - low);
  const bar = (from, to, kind) => s("svg", { class: "fall", viewBox: "0 0 100 16", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { class: "room", x: 0, y: 0, width: 100, height: 16 }),
    s("rect", { class: kind, x: Math.min(x(from), x(to)), y: 2, width: Math.max(0.6, Math.abs(x(to) - x(from))), height: 12 }));
  return h("table", { class: "waterfall" }, h("caption", { class: "sr" }, `Evidence; the points add up to the risk of ${fixed(risk)}`),
    h("thead", { class: "sr" }, h("tr", null, ["Evidence", "Share of the risk", "Points"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", null, lines.map((line) => h("tr", null,
      h("th", { scope: "row" }, h("span", { class: "label" }, plain(line.label), line.value && h("code", null, plain(line.value))), h("span", { class: "why" }, plain(line.reason)),
        onPick && line.behaviour && h("button", { type: "button", class: "linklike small", onclick: () => onPick(line) }, "Make an exception")),
      h("td", { class: "fallcell" }, bar(line.from, line.to, line.points < 0 ? "less" : "more")),
      h("td", { class: "num" }, `${line.points < 0 ? "−" : "+"}${fixed(Math.abs(line.points), 2)}`)))),
    h("tfoot", null, h("tr", null, h("th", { scope: "row" }, "Risk"), h("td", { class: "fallcell" }, bar(0, risk, "total")), h("td", { class: "num" }, fixed(risk, 2)))));
}
