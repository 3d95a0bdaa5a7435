/** The alert budget: raised today of what was agreed on, and the week against it. */

import { h, s } from "../lib/dom.js";
import { count, fixed } from "../lib/format.js";

const WIDTH = 150, HEIGHT = 30;

/** {nominal, today, week: [{day, raised}]}; null where it is not known. */
export function gauge(budget) {
  const { nominal, today, week = [] } = budget;
  const rate = week.length ? week.reduce((sum, { raised }) => sum + raised, 0) / week.length : null;
  const top = Math.max(nominal ?? 0, ...week.map(({ raised }) => raised), 1) * 1.15;
  const wide = WIDTH / Math.max(7, week.length);
  const y = (value) => HEIGHT - (value / top) * HEIGHT;
  const words = `${count(today)} alerts raised today, ${nominal === null ? "no budget" : `${fixed(nominal)} a day agreed`}, ${fixed(rate)} a day realised over the week`;
  return h("div", { class: "gauge", title: words },
    h("div", { class: "numbers" }, h("span", { class: "sr" }, words),
      h("span", { "aria-hidden": "true" }, h("b", null, count(today)), " today"),
      h("span", { "aria-hidden": "true", class: "hint" }, "budget ", nominal === null ? "—" : rounded(nominal), " · realised ", rounded(rate), " / day")),
    s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", class: "week" },
      week.map(({ raised }, at) => s("rect", { x: at * wide + 2, width: wide - 4, y: y(raised), height: Math.max(1, HEIGHT - y(raised)), rx: 1.5,
        class: at === week.length - 1 ? "bar now" : nominal !== null && raised > nominal ? "bar over" : "bar" })),
      nominal !== null && s("line", { class: "nominal", x1: 0, x2: WIDTH, y1: y(nominal), y2: y(nominal) })));
}

function rounded(value) {
  return Number.isInteger(value) ? count(value) : fixed(value);
}
