/** Axes for two plots: an entity's risk by day, and realised against nominal rates. */

import { h, s } from "../lib/dom.js";
import { fixed } from "../lib/format.js";

const WIDTH = 1180, HEIGHT = 200, LEFT = 36, RIGHT = 10, TOP = 10, BOTTOM = 24;

/** Days above this are drawn at the edge: one wild day would flatten all others. */
const CEILING = 20;

/** days: [{day, risk, alert}], oldest first. onPick(day) when one is chosen. */
export function riskLine(days, { bars = [[12, "Critical"], [9, "High"], [6, "Medium"], [3, "Low"]] } = {}) {
  const top = Math.min(CEILING, Math.max(...days.map(({ risk }) => risk), 4)) * 1.08;
  const x = (at) => LEFT + (days.length > 1 ? (at / (days.length - 1)) * (WIDTH - LEFT - RIGHT) : (WIDTH - LEFT) / 2);
  const y = (value) => TOP + (1 - Math.min(value, top) / top) * (HEIGHT - TOP - BOTTOM);
  const line = days.map(({ risk }, at) => `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(risk).toFixed(1)}`).join("");
  const step = Math.max(1, Math.ceil(days.length / 9));
  const last = days[days.length - 1];
  const scroller = h("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": "Risk over time" }, s("svg", { class: "chart long", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `Risk over ${days.length} days, highest ${fixed(Math.max(...days.map(({ risk }) => risk)))}, ${last.day} ${fixed(last.risk)}` },
    bars.filter(([bar]) => bar < top).map(([bar, name]) => [s("line", { class: "grid-line", x1: LEFT, x2: WIDTH - RIGHT, y1: y(bar), y2: y(bar) }), s("text", { class: "axis", x: LEFT - 6, y: y(bar) + 4, "text-anchor": "end" }, bar), s("text", { class: "axis", x: LEFT + 6, y: y(bar) - 4 }, name)]),
    s("line", { class: "grid-line", x1: LEFT, x2: WIDTH - RIGHT, y1: y(0), y2: y(0) }),
    s("path", { class: "area", d: `${line}L${x(days.length - 1)} ${y(0)}L${x(0)} ${y(0)}Z` }), s("path", { class: "line", d: line }),
    days.map((day, at) => [at % step === 0 && s("text", { class: "axis", x: x(at), y: HEIGHT - 6, "text-anchor": at ? "middle" : "start" }, day.day.slice(5)),
      s("circle", { class: day.alert ? "raised" : "point", cx: x(at), cy: y(day.risk), r: day.alert ? 5 : 2 }, s("title", null, `${day.day}: risk ${fixed(day.risk, 2)}${day.alert ? ", alert" : ""}`))])));
  requestAnimationFrame(() => { scroller.scrollLeft = scroller.scrollWidth; }); // on a phone the last days come first
  return scroller;
}

/** Nominal tail probabilities against how often they came, on logarithmic axes; on the diagonal both are the same. */
export function calibration({ nominal, realised }) {
  const pairs = nominal.map((value, at) => [value, realised[at]]).filter(([a, b]) => a > 0 && b > 0);
  if (!pairs.length) return h("p", { class: "hint" }, "Not measured yet.");
  const size = 260, pad = 44, all = pairs.flat();
  const low = Math.floor(Math.log10(Math.min(...all))), high = Math.ceil(Math.log10(Math.max(...all)));
  const at = (value) => (Math.log10(value) - low) / Math.max(1, high - low);
  const x = (value) => pad + at(value) * (size - pad - 10), y = (value) => size - 34 - at(value) * (size - 44);
  const ticks = Array.from({ length: high - low + 1 }, (_, step) => 10 ** (low + step));
  return h("figure", null, s("svg", { class: "chart square", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": `Calibration: ${pairs.map(([a, b]) => `nominal ${a} came ${fixed(b, 4)}`).join(", ")}` },
    ticks.map((tick) => [s("line", { class: "grid-line", x1: x(tick), x2: x(tick), y1: y(10 ** high), y2: y(10 ** low) }), s("line", { class: "grid-line", x1: x(10 ** low), x2: x(10 ** high), y1: y(tick), y2: y(tick) }),
      s("text", { class: "axis", x: x(tick), y: size - 18, "text-anchor": "middle" }, tick), s("text", { class: "axis", x: pad - 6, y: y(tick) + 4, "text-anchor": "end" }, tick)]),
    s("line", { class: "ideal", x1: x(10 ** low), y1: y(10 ** low), x2: x(10 ** high), y2: y(10 ** high) }),
    s("path", { class: "line", d: pairs.map(([a, b], step) => `${step ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("") }),
    pairs.map(([a, b]) => s("circle", { class: "point", cx: x(a), cy: y(b), r: 3.5 }, s("title", null, `nominal ${a}, realised ${fixed(b, 4)}`))),
    s("text", { class: "axis", x: size / 2 + 16, y: size - 3, "text-anchor": "middle" }, "nominal")),
  h("figcaption", { class: "hint" }, "Realised share (up) against the nominal one. On the dashed line both are equal; above it more is strange than was promised."));
}
