/** The records behind an alert, as they came in. */

import { fill, h } from "../lib/dom.js";
import { fixed, plain, plural } from "../lib/format.js";
import { empty } from "../lib/ui.js";

const MOST_LETTERS = 20_000;
const MOST_LINES = 12;

/** [{time, event_uid, risk, reason, raw}] as lines that open. */
export function rawEvents(events, clock, hint = "") {
  if (!events?.length) return empty("No records of that day are kept any more, or none stood out.");
  const list = h("div");
  const show = (chosen) => fill(list, chosen.map((event) => line(event, clock)));
  show(events.slice(0, MOST_LINES));
  const all = h("button", { type: "button", class: "linklike", onclick: () => { show(events); all.remove(); } }, `All ${events.length}`);
  return h("div", { class: "events" }, h("p", { class: "hint" }, plural(events.length, "event"), hint), list, events.length > MOST_LINES && all);
}

function line(event, clock) {
  return h("details", { ontoggle: (toggled) => unfold(toggled.target, event) },
    h("summary", null, h("time", { datetime: new Date(event.time).toISOString() }, clock.moment(event.time, { seconds: true })),
      Number.isFinite(event.risk) && h("span", { class: "score" }, fixed(event.risk, 0)), h("span", { class: "what" }, plain(event.reason) || "nothing stands out")));
}

/** The record's text is made when it is looked at: most never are. */
function unfold(element, event) {
  if (!element.open || element.querySelector("pre")) return;
  const text = pretty(event.raw);
  element.append(h("div", { class: "raw" }, h("p", { class: "hint" }, "id ", h("code", null, plain(event.event_uid)), " ",
    h("button", { type: "button", class: "linklike", onclick: (click) => copy(click.target, text) }, "Copy")),
  h("pre", { tabindex: "0" }, event.raw ? plain(text.slice(0, MOST_LETTERS)) : "The record itself is not kept any more.", text.length > MOST_LETTERS && `\n… ${text.length - MOST_LETTERS} more characters`)));
}

function pretty(raw) {
  if (!raw) return "";
  if (typeof raw !== "string") return JSON.stringify(raw, null, 2);
  try {
    return JSON.stringify(JSON.parse(raw), null, 2);
  } catch {
    return raw;
  }
}

/** Put a text on the clipboard and say so on the button. */
export async function copy(button, text) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed by the browser";
  }
  setTimeout(() => { button.textContent = before; }, 2000);
}
