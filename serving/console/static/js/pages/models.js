/** What serves, what waits beside it, how far both can be believed, and what feedback changed. */

import { fill, h, s } from "../lib/dom.js";
import { age, count, fixed, percent, plain } from "../lib/format.js";
import { may } from "../lib/words.js";
import { dialog, empty, into, panel, table } from "../lib/ui.js";
import { calibration } from "../charts/line.js";

const LOOK_MS = 2000;

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
        panel("Challenger", { hint: "scores in the shadow" }, found.challenger ? this.card(found.challenger, found.champion) : empty("None. A training run that registers a model appears here."))),
      following(found.registry), found.beside && panel(`Beside: ${called(found.beside)}`, { hint: found.beside.has_served ? "served before, and goes on learning: a rollback is exact" : "scores every event, raises nothing" }, differences(found.beside.days)),
      h("div", { class: "cols" }, panel("Calibration", {}, found.calibration?.nominal?.length ? calibration(found.calibration) : empty("Not measured yet: it needs a few days of scores.")),
        h("div", { class: "stack" }, panel("Precision by channel", { hint: "of what was judged" }, precision(found.precision_by_channel)),
          panel("What feedback changed", {}, facts(found.feedback)))),
      panel("Drift", { hint: "the last seven days against the four weeks before: population stability" }, drift(found.drift)));
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
        this.app.toasts.show("It has begun; what comes of it is shown here.");
        this.follow();
      } catch (error) {
        this.app.toasts.fail(error);
      }
    } }, h("p", { class: "hint" }, words), reason, h("footer", null, h("button", { type: "button", onclick: close }, "Cancel"), h("button", { type: "submit", class: "primary" }, title))));
  }

  /** Look again while something is under way. */
  async follow() {
    try {
      const found = await this.app.api.get("/v1/models", { signal: this.signal });
      fill(this.place, this.show(found));
      if (found.registry?.job?.state === "running" || found.registry?.doing) this.timer = setTimeout(() => this.follow(), LOOK_MS);
    } catch (error) {
      if (error.name !== "AbortError") this.app.toasts.fail(error);
    }
  }

  close() {
    clearTimeout(this.timer);
    fill(this.place);
  }
}

function called(model) {
  return model.digest ? `${plain(model.name)} ${plain(model.version)}` : "the model of its own events";
}

/** What is being done about the registry's wishes, and why not. */
function following(registry) {
  if (!registry) return null;
  const refused = Object.entries(registry.refused ?? {});
  const said = [registry.doing && h("p", null, `Under way: ${plain(registry.doing)}`), registry.trouble && h("p", { class: "note" }, `The registry does not answer: ${plain(registry.trouble)}`),
    ...refused.map(([digest, why]) => h("p", { class: "note" }, h("code", null, plain(digest)), ` is not used: ${plain(why)}`)),
    registry.job && h("p", null, `${plain(registry.job.action)}: ${plain(registry.job.state)}`), registry.job?.text && h("pre", { tabindex: "0" }, plain(registry.job.text))].filter(Boolean);
  return panel("Registry", { hint: `follows the model ${plain(registry.model)}` }, said.length ? said : empty("Everything is as the registry says."));
}

/** Where the two models differ, the newest day first. */
function differences(days) {
  const rows = [...(days ?? [])].reverse();
  if (!rows.length) return empty("The first day that both have scored is not over yet.");
  const only = rows.flatMap((row) => ["serving", "beside"].flatMap((which) => (row.only?.[which] ?? []).map((one) => ({ day: row.day, which, ...one }))));
  return [table("Days", [["Day", (row) => plain(row.day), "nowrap"], ["First ten in common", (row) => percent(row.top)], ["Rankings alike", (row) => percent(row.overlap)],
    ["Alerts of both", (row) => count(row.alerts.both), "num"], ["Only what serves", (row) => count(row.alerts.serving), "num"], ["Only the other", (row) => count(row.alerts.beside), "num"]], rows),
  only.length > 0 && table("Alerts of one alone", [["Day", (row) => plain(row.day), "nowrap"], ["Raised by", (row) => (row.which === "serving" ? "what serves" : "the other")], ["Entity", (row) => plain(row.entity)],
    ["Risk", (row) => `${fixed(row.risk.serving ?? NaN)} / ${fixed(row.risk.beside ?? NaN)}`, "nowrap"], ["Why", (row) => plain(row.reason)]], only)];
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
  if (!rows.length) return empty("Not measured yet: it needs two weeks of closed days. `habitus drift` compares with a model's training.");
  const top = Math.max(...rows.map((row) => Math.max(row.value ?? 0, row.bar ?? 0))) * 1.1 || 1;
  return table("Drift", [["What", (row) => plain(row.name ?? row.channel ?? row.feature)], ["Distance", (row) => [bar((row.value ?? 0) / top, row.bar && row.value > row.bar), " ", fixed(row.value, 3)], "nowrap"],
    ["Bar", (row) => fixed(row.bar ?? NaN, 2), "num"], ["", (row) => row.bar && row.value > row.bar && h("span", { class: "verdict watch" }, "drifts")]], rows);
}

/** The page at /console/models. */
export function modelsPage(app, parts, query, signal) {
  return new ModelsPage(app, signal);
}
