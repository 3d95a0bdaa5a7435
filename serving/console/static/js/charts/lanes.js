/** What happened when, across identity, endpoint, network and cloud: lanes above, the lines in words below. */

import { fill, h, s } from "../lib/dom.js";
import { count, plain } from "../lib/format.js";

const LANES = [["identity", "Identity"], ["endpoint", "Endpoint"], ["network", "Network"], ["cloud", "Cloud"], ["other", "Other"]];
const WIDTH = 760, LEFT = 74, HIGH = 26, RIGHT = 14;
const STEPS_MS = [60e3, 300e3, 900e3, 1800e3, 3600e3, 2 * 3600e3, 6 * 3600e3, 12 * 3600e3, 86400e3, 7 * 86400e3];

const laneOf = (line) => (LANES.some(([key]) => key === line.class) ? line.class : "other");

/** Lines in words at first: a busy day has hundreds, and most say nothing. */
const MOST_LINES = 14;

/** timeline: [{time, class, host, user, src_ip, text, risk?}], ms UTC. The strangest lines are told, all are dots. */
export function lanes(timeline, clock) {
  const lines = [...timeline].sort((a, b) => a.time - b.time);
  const used = LANES.filter(([key]) => lines.some((line) => laneOf(line) === key));
  const first = lines[0].time, last = lines[lines.length - 1].time;
  const margin = Math.max((last - first) * 0.04, 60e3);
  const x = (ms) => LEFT + ((ms - first + margin) / (last - first + 2 * margin)) * (WIDTH - LEFT - RIGHT);
  const height = used.length * HIGH + 22;
  const step = STEPS_MS.find((one) => (last - first) / one <= 6) ?? STEPS_MS[STEPS_MS.length - 1] * Math.ceil((last - first) / STEPS_MS[STEPS_MS.length - 1] / 6);
  const ticks = [];
  for (let ms = Math.ceil(first / step) * step; ms <= last; ms += step) ticks.push(ms);
  const items = new Map();
  const light = (line, on) => { for (const element of items.get(line) ?? []) element.classList.toggle("lit", on); };
  const watch = (line, element) => {
    items.set(line, [...(items.get(line) ?? []), element]);
    element.addEventListener("pointerenter", () => light(line, true));
    element.addEventListener("pointerleave", () => light(line, false));
    return element;
  };
  return h("div", { class: "lanes" },
    s("svg", { viewBox: `0 0 ${WIDTH} ${height}`, "aria-hidden": "true" },
      used.map(([, name], row) => [s("rect", { class: row % 2 ? "lane odd" : "lane", x: 0, y: row * HIGH, width: WIDTH, height: HIGH }), s("text", { class: "axis", x: 8, y: row * HIGH + 17 }, name)]),
      ticks.map((ms) => [s("line", { class: "tick", x1: x(ms), x2: x(ms), y1: 0, y2: used.length * HIGH }), s("text", { class: "axis", x: x(ms), y: height - 6, "text-anchor": "middle" }, step >= 86400e3 ? clock.moment(ms, { zone: false }).slice(5, 10) : clock.time(ms).slice(0, 5))]),
      lines.map((line) => watch(line, s("circle", { class: `event ${laneOf(line)}`, cx: x(line.time), cy: used.findIndex(([key]) => key === laneOf(line)) * HIGH + HIGH / 2, r: 5.5 }, s("title", null, `${clock.time(line.time)} ${plain(line.text)}`))))),
    told(lines, clock, watch));
}

function told(lines, clock, watch) {
  const list = h("ol");
  const show = (chosen) => fill(list, chosen.map((line, at) => watch(line, h("li", null,
    h("time", { datetime: new Date(line.time).toISOString() }, at && sameDay(chosen[at - 1].time, line.time, clock) ? clock.time(line.time) : clock.moment(line.time, { seconds: true, zone: false })),
    h("span", { class: `lane-name ${laneOf(line)}` }, LANES.find(([key]) => key === laneOf(line))[1]), h("span", { class: "what" }, plain(line.text))))));
  if (lines.length <= MOST_LINES) return [show(lines)];
  const strangest = new Set([...lines].sort((one, other) => (other.risk ?? 0) - (one.risk ?? 0)).slice(0, MOST_LINES));
  show(lines.filter((line) => strangest.has(line)));
  const all = h("button", { type: "button", class: "linklike", onclick: () => { show(lines); all.remove(); } }, `All ${count(lines.length)} lines`);
  return [list, all];
}

function sameDay(a, b, clock) {
  return clock.moment(a).slice(0, 10) === clock.moment(b).slice(0, 10);
}
