/** What is usual of an entity and of its peers, against what it was now. */

import { h } from "../lib/dom.js";
import { sentence, shares } from "../charts/bars.js";

/** sides: `usual` of an alert's context. */
export function usual(sides) {
  return h("div", { class: "usual" }, sides.map(side));
}

function side(one) {
  const odd = new Set((one.now ?? []).filter((value) => value.odd !== false).map(({ value }) => value));
  const [whose, others] = one.peers?.length ? ["Its peers", one.peers] : ["Everybody else", one.everybody];
  return h("div", { class: "habit" }, h("p", null, sentence(one)), h("div", { class: "sides" }, h("div", null, h("h3", null, "Usually"), shares(one.usual, { odd, most: 4 })),
    others?.length > 0 && h("div", null, h("h3", null, whose), shares(others, { odd, most: 4 }))));
}
