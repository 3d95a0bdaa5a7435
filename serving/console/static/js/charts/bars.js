/** Usual against now: shares as bars, one line a value. */

import { h, s } from "../lib/dom.js";
import { count, percent, plain } from "../lib/format.js";

/** [{value, share}] as bars; what is in `odd` stands out. */
export function shares(values, { odd = new Set(), most = 6 } = {}) {
  if (!values?.length) return h("p", { class: "hint" }, "nothing yet");
  return h("ul", { class: "shares" }, values.slice(0, most).map(({ value, share, count: number }) => h("li", { class: odd.has(value) ? "odd" : null },
    h("span", { class: "value", title: plain(value) }, plain(value)),
    h("span", { class: "num" }, percent(share), Number.isFinite(number) && h("span", { class: "sr" }, `, ${count(number)} times`)),
    s("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" }, s("rect", { class: "room", width: 100, height: 6 }), s("rect", { class: "bar", width: Math.max(0.5, 100 * (share ?? 0)), height: 6 })))),
  values.length > most && h("li", { class: "hint" }, `and ${values.length - most} more`));
}

/** The sentence: usual hosts ws-4, ws-11 ... now srv-17. */
export function sentence({ label, now, usual }) {
  const names = (list, most) => list.slice(0, most).map(({ value }) => plain(value)).join(", ");
  const before = usual?.length ? `usually ${names(usual, 3)}` : "nothing before";
  return [h("b", null, plain(label)), ": ", before, now?.length ? [" … now ", h("strong", { class: "now" }, names(now, 3))] : ""];
}
