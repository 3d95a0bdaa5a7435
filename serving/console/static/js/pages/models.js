/** What serves, what waits beside it, how far both can be believed, and what feedback changed. */

import { fill, h, s } from "../lib/dom.js";
import { age, count, fixed, percent, plain } from "../lib/format.js";
import { may } from "../lib/words.js";
import { dialog, empty, into, panel, table } from "../lib/ui.js";
import { calibration } from "../charts/line.js";

class ModelsPage {
  constructor(app, signal) {
    Object.assign(this, { app, signal, title: "Models" });
    this.place = h("div");
    this.element = h("div", { class: "page" }, h("div", { class: "top" }, h("h1", null, "Models")), this.place);
    this.load();
  }

  load() {
    return into(this.place, () => this.app.api.get("/v1/models", { signal: this.signal }), (found) => this.show(found), { lines: 8 });
  }

  show(found) {
    const does = (what) => may(this.app.session.role, "promote") && (found.actions ?? []).includes(what);
    const buttons = [does("promote") && found.challenger && h("button", { type: "button", class: "primary", onclick: () => this.act("promote", "Promote the challenger", "The challenger will score from now on; the champion can be brought back.") }, "Promote"),
      does("rollback") && h("button", { type: "button", onclick: () => this.act("rollback", "Bring back the champion before", "What served before the present champion will score from now on.") }, "Roll back")];
    return h("div", { class: "stack" },
      h("div", { class: "cols" }, panel("Champion", { hint: "serves", actions: h("div", { class: "inline" }, buttons) }, this.card(found.champion ?? found.active)),
        panel("Challenger", { hint: "scores in the shadow" }, found.challenger ? this.card(found.challenger, found.champion) : empty("None. A training run that passes the gate appears here."))),
      h("div", { class: "cols" }, panel("Calibration", {}, found.calibration?.nominal?.length ? calibration(found.calibration) : empty("Not measured yet: it needs a few days of scores.")),
        h("div", { class: "stack" }, panel("Precision by channel", { hint: "of what was judged" }, precision(found.precision_by_channel)),
          panel("What feedback changed", {}, facts(found.feedback)))),
      panel("Drift", { hint: "distance between the last days and the days before" }, drift(found.drift)));
  }

  card(model, other = null) {
    if (!model) return empty("Nothing is trained yet: the built-in settings serve.");
    const metrics = Object.entries(model.metrics ?? {});
    const known = { name: model.name, version: model.version, trained: Number.isFinite(model.trained) ? `${this.app.clock.moment(model.trained)}, ${age(model.trained)} ago` : model.trained };
    return [h("dl", { class: "facts" }, Object.entries(known).filter(([, value]) => value).map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, plain(value)))),
      model.digest && h("div", null, h("dt", null, "digest"), h("dd", null, h("code", { title: plain(model.digest) }, plain(model.digest).slice(0, 12))))),
    metrics.length > 0 && table("Figures", [["Figure", ([name]) => plain(name)], ["Value", ([, value]) => (typeof value === "number" ? figure(value) : plain(value)), "num"],
      ...(other?.metrics ? [["Against the champion", ([name, value]) => difference(value, other.metrics[name]), "num"]] : [])], metrics)];
  }

  act(what, title, words) {
    const reason = h("textarea", { rows: 2, required: true, maxlength: 2000, placeholder: "Why?", "aria-label": "Reason" });
    dialog(title, (close) => h("form", { onsubmit: async (event) => {
      event.preventDefault();
      try {
        await this.app.api.post(`/v1/models/${what}`, { reason: reason.value.trim() });
        close();
        this.app.toasts.show("Done.");
        this.load();
      } catch (error) {
        this.app.toasts.fail(error);
      }
    } }, h("p", { class: "hint" }, words), reason, h("footer", null, h("button", { type: "button", onclick: close }, "Cancel"), h("button", { type: "submit", class: "primary" }, title))));
  }

  close() { fill(this.place); }
}

/** Three digits that say something. */
function figure(value) {
  return Number.isInteger(value) ? count(value) : fixed(value, Math.abs(value) < 1 ? 3 : 1);
}

function difference(value, before) {
  if (typeof value !== "number" || typeof before !== "number") return "—";
  const change = value - before;
  return `${change < 0 ? "−" : "+"}${figure(Math.abs(change))}`;
}

function precision(channels) {
  const rows = Object.entries(channels ?? {});
  if (!rows.length) return empty("Nothing is judged yet.");
  return table("Precision by channel", [["Channel", ([name]) => plain(name)], ["Precision", ([, row]) => [bar(row.precision), " ", percent(row.precision ?? NaN)], "nowrap"], ["True", ([, row]) => count(row.true_positives), "num"],
    ["Nothing", ([, row]) => count(row.nothing), "num"], ["Undecided", ([, row]) => count(row.undecided), "num"]], rows);
}

function bar(share, over = false) {
  return s("svg", { class: "chart inlinebar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" }, s("rect", { class: "room", width: 100, height: 8 }), s("rect", { class: over ? "bar over" : "bar", width: 100 * Math.min(1, share ?? 0), height: 8 }));
}

function facts(found) {
  const rows = Object.entries(found ?? {}).filter(([, value]) => value !== null && typeof value !== "object");
  if (!rows.length) return empty("Nothing yet.");
  return h("dl", { class: "facts" }, rows.map(([name, value]) => h("div", null, h("dt", null, plain(name).replaceAll("_", " ")), h("dd", null, typeof value === "number" ? count(value) : plain(value)))));
}

function drift(found) {
  const rows = Array.isArray(found) ? found : [];
  if (!rows.length) return empty("Not measured yet. `habitus drift` measures it.");
  const top = Math.max(...rows.map((row) => Math.max(row.value ?? 0, row.bar ?? 0))) * 1.1 || 1;
  return table("Drift", [["What", (row) => plain(row.name ?? row.channel ?? row.feature)], ["Distance", (row) => [bar((row.value ?? 0) / top, row.bar && row.value > row.bar), " ", fixed(row.value, 3)], "nowrap"],
    ["Bar", (row) => fixed(row.bar ?? NaN, 2), "num"], ["", (row) => row.bar && row.value > row.bar && h("span", { class: "verdict watch" }, "drifts")]], rows);
}

/** The page at /console/models. */
export function modelsPage(app, parts, query, signal) {
  return new ModelsPage(app, signal);
}
