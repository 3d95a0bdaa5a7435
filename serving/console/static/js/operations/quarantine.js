/** Records that could not be read: why, what they were, and another try after a fix. */

import { add, fill, h } from "../lib/dom.js";
import { plain, plural } from "../lib/format.js";
import { empty, failed, into, panel } from "../lib/ui.js";
import { path, query } from "../lib/api.js";

const PAGE = 100;

/** The tab's inside. */
export function quarantineTab(app, signal) {
  const place = h("div");
  const load = () => into(place, () => app.api.get(`/v1/quarantine${query({ limit: PAGE })}`, { signal }), (found) => show(found), { lines: 6 });

  function show({ records, next, reasons = [] }) {
    const counted = new Map(reasons.map((one) => [one.reason, one.records]));
    if (!records.length) return empty("The quarantine is empty: everything that came in could be read.");
    const groups = new Map();
    for (const record of records) groups.set(record.reason, [...(groups.get(record.reason) ?? []), record]);
    return [h("p", { class: "hint" }, "Each was acknowledged to its sender, so none is sent again. After a fix (a decoder, a source's setting) read them anew here."),
      h("div", { class: "quarantine" }, [...groups].map(([reason, own]) => h("div", { class: "group" },
        h("details", null, h("summary", null, h("b", null, plural(counted.get(reason) ?? own.length, "record")), h("span", { class: "what" }, plain(reason))),
          own.slice(0, 50).map((record) => one(record)), (counted.get(reason) ?? own.length) > Math.min(50, own.length) && h("p", { class: "hint" }, `and ${(counted.get(reason) ?? own.length) - Math.min(50, own.length)} more`)),
        h("button", { type: "button", onclick: () => retry({ reason }) }, "Read again")))),
      next && h("button", { type: "button", onclick: (event) => more(event.target, next) }, "Older ones")];
  }

  function one(record) {
    return h("div", { class: "raw" }, h("p", { class: "hint" }, app.clock.moment(record.time, { seconds: true }), " · ", plain(record.source), " · ", h("code", null, plain(record.id)), " ",
      h("button", { type: "button", class: "linklike", onclick: () => retry({ id: record.id }) }, "Read again")), h("pre", { tabindex: "0" }, plain(record.raw)));
  }

  async function more(button, after) {
    button.disabled = true;
    try {
      const found = await app.api.get(`/v1/quarantine${query({ limit: PAGE, after })}`, { signal });
      const rest = h("div");
      fill(rest, show(found));
      button.replaceWith(rest);
    } catch (error) {
      button.replaceWith(failed(error, () => load()));
    }
  }

  async function retry({ id = null, reason = null }) {
    try {
      const done = id ? await app.api.post(path`/v1/quarantine/${id}/retry`, {}) : await app.api.post("/v1/quarantine/retry", { reason });
      app.toasts.show(done.accepted ? `${plural(done.accepted, "record")} read and scored${done.quarantined ? `, ${done.quarantined} still cannot be read` : ""}.` : "It still cannot be read, for the reason shown.", { tone: done.accepted ? "calm" : "alarm" });
      load();
    } catch (error) {
      app.toasts.fail(error);
    }
  }

  load();
  return add(h("div"), [panel("Quarantine", {}, place)]);
}
