/** The hours of a week: how usual each one is, and where this happened. */

import { h, s } from "../lib/dom.js";
import { fixed } from "../lib/format.js";

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const CELL = 30, HIGH = 22, LEFT = 34, TOP = 16, STEPS = 5;

/** hours: {usual, now}, 168 numbers each from Monday 00:00 UTC on; shown in the clock's zone. */
export function heatmap({ usual, now }, clock) {
  const shift = clock.offsetHours();
  const at = (values, day, hour) => values?.[(((day * 24 + hour - shift) % 168) + 168) % 168] ?? 0;
  const top = Math.max(...(usual ?? []), 1e-12);
  const cells = [], marks = [], told = [];
  for (let day = 0; day < 7; day += 1) {
    for (let hour = 0; hour < 24; hour += 1) {
      const x = LEFT + hour * CELL, y = TOP + day * HIGH, share = at(usual, day, hour) / top;
      const step = share <= 0 ? 0 : Math.max(1, Math.ceil(share * STEPS));
      const hits = at(now, day, hour);
      const title = `${DAYS[day]} ${String(hour).padStart(2, "0")}:00: ${step ? `${Math.round(100 * share)}% of the busiest hour` : "not usual"}${hits ? `; now ${fixed(hits, 0)}` : ""}`;
      cells.push(s("rect", { class: `hour step${step}`, x: x + 1, y: y + 1, width: CELL - 2, height: HIGH - 2, rx: 2 }, s("title", null, title)));
      if (!hits) continue;
      told.push(`${DAYS[day]} ${String(hour).padStart(2, "0")}:00 ${step ? "(usual)" : "(not usual)"}`);
      marks.push(s("rect", { class: "mark", x: x + 1, y: y + 1, width: CELL - 2, height: HIGH - 2, rx: 3 }), s("circle", { class: "hit", cx: x + CELL / 2, cy: y + HIGH / 2, r: 3.5 }));
    }
  }
  const zone = clock.name();
  const words = told.length ? `This happened ${told.join(", ")}, times in ${zone}` : `Usual hours of the week, times in ${zone}`;
  return h("figure", { class: "heat" },
    h("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": "Hours of the week" },
      s("svg", { viewBox: `0 0 ${LEFT + 24 * CELL} ${TOP + 7 * HIGH + 4}`, role: "img", "aria-label": words },
        Array.from({ length: 8 }, (_, at) => s("text", { class: "axis", x: LEFT + at * 3 * CELL + 2, y: 11 }, `${String(at * 3).padStart(2, "0")}`)),
        DAYS.map((day, at) => s("text", { class: "axis", x: 0, y: TOP + at * HIGH + 15 }, day)), cells, marks)),
    h("figcaption", { class: "hint" }, h("span", { class: "legend" }, "rare", Array.from({ length: STEPS + 1 }, (_, step) => h("i", { class: `step${step}` })), "usual"),
      now?.some(Boolean) && h("span", { class: "legend" }, h("i", { class: "ring" }), "this alert"), h("span", null, `hours in ${zone}`)));
}
