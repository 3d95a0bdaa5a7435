/** A line of an entity's risk over its last days: no axes, one mark for the last day. */

import { s } from "../lib/dom.js";

/** Higher is drawn as this: one wild day would flatten all others. */
const CEILING = 18;
const WIDTH = 96, HEIGHT = 24, PAD = 3;

/** values: oldest first; null for a day without data. bar: risk that counts as high. */
export function spark(values, { label = "", floor = 12 } = {}) {
  const known = (values ?? []).filter(Number.isFinite);
  if (!known.length) return s("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
  const top = Math.min(CEILING, Math.max(floor, ...known));
  const step = values.length > 1 ? (WIDTH - 2 * PAD) / (values.length - 1) : 0;
  const points = values.map((value, at) => [PAD + at * step, HEIGHT - PAD - (Math.min(value ?? 0, top) / top) * (HEIGHT - 2 * PAD)]);
  if (points.length === 1) points.unshift([PAD, HEIGHT - PAD]), (points[1][0] = WIDTH - PAD);
  const line = points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  const [x, y] = points[points.length - 1];
  const area = `${line}L${x.toFixed(1)} ${HEIGHT - PAD}L${points[0][0].toFixed(1)} ${HEIGHT - PAD}Z`;
  return s("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: label ? "img" : null, "aria-label": label || null, "aria-hidden": label ? null : "true" },
    s("path", { class: "area", d: area }), s("path", { class: "line", d: line }),
    s("circle", { class: "dot", cx: x.toFixed(1), cy: y.toFixed(1), r: 2.2 }));
}
