/** Who touched what: columns of addresses, users, hosts and the rest, in the order in which an attack goes through. */

import { h, s } from "../lib/dom.js";
import { count, fixed, plain } from "../lib/format.js";
import { entityLink, kindName, severityOf, severityWord } from "../lib/words.js";

const ORDER = ["src_ip", "user", "host"];
const TITLES = { src_ip: "Addresses", user: "Users", host: "Hosts", other: "Others" };
const WIDE = 168, HIGH = 34, GAP = 14, BETWEEN = 70, TOP = 24, LETTERS = 20;

/** {nodes: [{id, kind, name, risk}], edges: [{from, to, count}]}; centre: the name that the alert is about. */
export function graph({ nodes, edges }, centre) {
  const columns = new Map();
  for (const node of nodes) {
    const column = ORDER.includes(node.kind) ? node.kind : "other";
    columns.set(column, [...(columns.get(column) ?? []), node]);
  }
  const kinds = [...ORDER, "other"].filter((kind) => columns.has(kind));
  const tallest = Math.max(...kinds.map((kind) => columns.get(kind).length), 1);
  const height = TOP + tallest * (HIGH + GAP);
  const width = kinds.length * WIDE + (kinds.length - 1) * BETWEEN;
  const places = new Map();
  kinds.forEach((kind, column) => {
    const own = columns.get(kind);
    const first = TOP + (height - TOP - own.length * (HIGH + GAP)) / 2;
    own.forEach((node, row) => places.set(node.id, { x: column * (WIDE + BETWEEN), y: first + row * (HIGH + GAP), node }));
  });
  const most = Math.max(...edges.map((edge) => edge.count ?? 1), 1);
  return h("figure", { class: "graph" },
    h("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": "Scope graph" },
      s("svg", { viewBox: `0 0 ${width} ${height}`, style: { "max-width": `${width}px` }, role: "group", "aria-label": `${nodes.length} users, hosts and addresses, and what connects them` },
        kinds.map((kind, column) => s("text", { class: "axis", x: column * (WIDE + BETWEEN), y: 11 }, TITLES[kind])),
        edges.map((edge) => line(places.get(edge.from), places.get(edge.to), edge.count ?? 1, most)),
        [...places.values()].map((place) => box(place, place.node.name === centre)))),
    h("details", null, h("summary", null, "As a list"), h("ul", null, edges.map((edge) => {
      const from = places.get(edge.from)?.node, to = places.get(edge.to)?.node;
      return from && to && h("li", null, `${kindName(from.kind)} ${plain(from.name)} → ${kindName(to.kind)} ${plain(to.name)}: ${count(edge.count)} events`);
    }))));
}

function line(from, to, number, most) {
  if (!from || !to) return null;
  const [a, b] = from.x <= to.x ? [from, to] : [to, from];
  const same = a.x === b.x;
  const x1 = a.x + WIDE, y1 = a.y + HIGH / 2, x2 = same ? b.x + WIDE : b.x, y2 = b.y + HIGH / 2;
  const bend = same ? x1 + 40 : (x1 + x2) / 2;
  return s("path", { class: "edge", d: `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}`, "stroke-width": (1 + 3 * (Math.log1p(number) / Math.log1p(most))).toFixed(1) },
    s("title", null, `${plain(from.node.name)} and ${plain(to.node.name)}: ${count(number)} events`));
}

function box({ x, y, node }, isCentre) {
  const name = plain(node.name);
  const tone = Number.isFinite(node.risk) ? severityWord(severityOf(node.risk)) : "info";
  const inside = [s("title", null, `${kindName(node.kind)} ${name}${Number.isFinite(node.risk) ? `, risk ${fixed(node.risk)}` : ""}`),
    s("rect", { class: "node", x: x + 1, y, width: WIDE - 2, height: HIGH, rx: 7 }), s("rect", { class: "tone", x: x + 1, y, width: 4, height: HIGH, rx: 2 }),
    s("text", { x: x + 14, y: y + 21.5 }, name.length > LETTERS ? `${name.slice(0, LETTERS - 1)}…` : name),
    Number.isFinite(node.risk) && s("text", { class: "number", x: x + WIDE - 9, y: y + 21.5, "text-anchor": "end" }, fixed(node.risk))];
  const group = { class: `${tone}${isCentre ? " centre" : ""}` };
  return ORDER.includes(node.kind) ? s("a", { ...group, href: entityLink(node.kind, node.name) }, inside) : s("g", group, inside);
}
