/** Search, filters and saved views above the queue. */

import { fill, h, icon } from "../lib/dom.js";
import { plain } from "../lib/format.js";
import { KINDS, SEVERITIES, VERDICTS, may } from "../lib/words.js";
import { dialog, empty, failed, field, kbd, select } from "../lib/ui.js";
import { path } from "../lib/api.js";
import { DEFAULTS, SORTS, STATE_CHOICES, fromView, narrowed, toApi } from "./filter.js";

const PATIENCE_MS = 200;

/** filter: what holds now; onChange(filter) when the person wants another one. */
export class Toolbar {
  constructor(app, filter, onChange) {
    Object.assign(this, { app, filter, onChange });
    this.search = h("input", { type: "search", name: "text", value: filter.text, placeholder: "Search names and reasons", "aria-label": "Search alerts",
      maxlength: 200, spellcheck: "false", autocomplete: "off", oninput: () => this.later(), onkeydown: (event) => this.key(event) });
    this.states = h("div", { class: "segments", role: "group", "aria-label": "State" });
    this.more = h("div");
    this.severity = h("span");
    this.sort = h("span");
    this.element = h("div", { class: "toolbar", role: "search" },
      h("div", { class: "searchbox" }, icon("search"), this.search, kbd("/")), this.states, this.severity, this.more, this.sort,
      h("button", { type: "button", onclick: () => this.views() }, "Views", kbd("v")), may(app.session.role, "judge") && h("a", { class: "quietlink", href: "/console/golden" }, "Golden alert"));
    this.draw();
  }

  draw() {
    const { filter } = this;
    if (document.activeElement !== this.search) this.search.value = filter.text;
    fill(this.states, STATE_CHOICES.map(([key, name]) =>
      h("button", { type: "button", "aria-pressed": String(filter.state === key), onclick: () => this.set({ state: key }) }, name)));
    fill(this.severity, select([["", "Any severity"], ...SEVERITIES.slice(0, 4).map(([id, name]) => [id, id === 5 ? name : `${name} and up`])], filter.min_severity,
      { "aria-label": "Least severity", onchange: (event) => this.set({ min_severity: event.target.value }) }));
    fill(this.sort, select(SORTS, filter.sort, { "aria-label": "Order", onchange: (event) => this.set({ sort: event.target.value }) }));
    const number = narrowed(filter);
    fill(this.more, h("button", { type: "button", onclick: () => this.filters() }, number ? `Filters (${number})` : "Filters", kbd("f")));
  }

  set(change) {
    clearTimeout(this.timer);
    this.filter = { ...this.filter, text: this.search.value.trim(), ...change };
    if ("text" in change) this.search.value = change.text;
    this.draw();
    this.onChange(this.filter);
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.set({}), PATIENCE_MS);
  }

  key(event) {
    if (event.key === "Escape" && this.search.value) {
      event.preventDefault();
      this.set({ text: "" });
    } else if (event.key === "Enter" || event.key === "ArrowDown" || event.key === "Escape") {
      event.preventDefault();
      if (event.key === "Enter") this.set({});
      this.onLeave?.();
    }
  }

  focus() {
    this.search.focus();
    this.search.select();
  }

  filters() {
    const { filter } = this;
    dialog("Filters", (close) => {
      const controls = {
        entity_kind: select([["", "All"], ...KINDS], filter.entity_kind),
        entity: h("input", { value: filter.entity, maxlength: 200, spellcheck: "false" }),
        assignee: select([["", "Anybody"], ["nobody", "Nobody yet"], ["me", "Me"],
          ...(["", "nobody", "me"].includes(filter.assignee) ? [] : [[filter.assignee, plain(filter.assignee)]])], filter.assignee),
        verdict_id: select([["", "Any or none"], ["none", "None yet"], ...VERDICTS.map(({ id, name }) => [id, name])], filter.verdict_id),
        from: h("input", { type: "date", value: filter.from }),
        to: h("input", { type: "date", value: filter.to }),
      };
      const submit = (event) => {
        event.preventDefault();
        this.set(Object.fromEntries(Object.entries(controls).map(([name, control]) => [name, control.value.trim()])));
        close();
      };
      return h("form", { onsubmit: submit }, h("div", { class: "fields" },
        field("Kind", controls.entity_kind), field("Entity, by its exact name", controls.entity), field("Assignee", controls.assignee),
        field("Verdict", controls.verdict_id), field("From day (UTC)", controls.from), field("To day (UTC)", controls.to)),
      h("footer", null, h("button", { type: "button", onclick: () => { this.set({ ...DEFAULTS, state: filter.state, sort: filter.sort }); close(); } }, "Clear all"),
        h("button", { type: "submit", class: "primary" }, "Show")));
    });
  }

  views() {
    const mayKeep = may(this.app.session.role, "judge");
    dialog("Views", (close) => {
      const list = h("ul", { class: "views" });
      const refresh = async () => {
        try {
          const { views } = await this.app.api.get("/v1/views");
          fill(list, views.length ? views.map((view) => h("li", null,
            h("button", { type: "button", class: "linklike", onclick: () => { close(); this.set(fromView(view.query, this.app.session.login)); } }, plain(view.name)),
            h("span", { class: "hint" }, `by ${plain(view.actor)}`),
            mayKeep && h("button", { type: "button", class: "quiet", "aria-label": `Forget ${plain(view.name)}`, onclick: () => forget(view.name) }, icon("close")))) : empty("No views yet. Filter the queue, then keep it here under a name."));
        } catch (error) {
          fill(list, failed(error, refresh));
        }
      };
      const forget = async (name) => {
        try {
          await this.app.api.del(path`/v1/views/${name}`);
          await refresh();
        } catch (error) {
          this.app.toasts.fail(error);
        }
      };
      const name = h("input", { name: "view", required: true, maxlength: 120, placeholder: "Name" });
      const keep = async (event) => {
        event.preventDefault();
        try {
          await this.app.api.put(path`/v1/views/${name.value.trim()}`, { query: toApi(this.filter, this.app.session.login).toString() });
          name.value = "";
          await refresh();
        } catch (error) {
          this.app.toasts.fail(error);
        }
      };
      refresh();
      return h("div", null, list, mayKeep && h("form", { class: "inline", onsubmit: keep }, field("Keep what the queue shows now as", name), h("button", { type: "submit", class: "primary" }, "Keep")));
    });
  }
}
