/** Small parts that every page uses: dialogs, messages, panels, tables, states of loading. */

import { add, fill, h, icon } from "./dom.js";
import { kindName, entityLink, severityName, severityWord, stateName, verdictName, verdictTone } from "./words.js";
import { fixed, plain } from "./format.js";

/** A dialog that takes the focus and gives it back. content(close) makes its inside. */
export function dialog(title, content, { wide = false } = {}) {
  const before = document.activeElement;
  const id = `dialog-${Math.random().toString(36).slice(2)}`;
  const element = h("dialog", { class: wide ? "dialog wide" : "dialog", "aria-labelledby": id });
  const close = () => element.close();
  add(element, [
    h("header", null, h("h2", { id }, title),
      h("button", { class: "quiet", type: "button", "aria-label": "Close", onclick: close }, icon("close"))),
    content(close),
  ]);
  element.addEventListener("close", () => {
    element.remove();
    if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
  });
  element.addEventListener("click", (event) => { if (event.target === element) close(); });
  document.body.append(element);
  element.showModal();
  element.querySelector("[autofocus], textarea, input, select")?.focus();
  return { element, close };
}

/** Messages at the edge; read out by screen readers, gone after a while unless they hold an action. */
export class Toasts {
  constructor() {
    this.element = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
  }

  show(text, { tone = "calm", action = null, seconds = 7 } = {}) {
    const close = () => toast.remove();
    const toast = h("div", { class: `toast ${tone}` }, h("span", null, text),
      action && h("button", { type: "button", class: "linklike", onclick: () => { close(); action.run(); } }, action.label),
      h("button", { type: "button", class: "quiet", "aria-label": "Dismiss", onclick: close }, icon("close")));
    this.element.append(toast);
    while (this.element.children.length > 4) this.element.firstChild.remove();
    setTimeout(close, (action ? 2 : 1) * seconds * 1000);
    return close;
  }

  fail(error) {
    if (error?.name === "AbortError" || error?.status === 401) return;
    this.show(error?.message ?? String(error), { tone: "alarm", seconds: 12 });
  }
}

/** A titled part of a page. hint stands beside the title. */
export function panel(title, { hint = null, id = null, className = "", actions = null } = {}, ...children) {
  const heading = `${id ?? `panel-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`}-title`;
  return h("section", { class: `panel ${className}`, id, "aria-labelledby": heading },
    h("header", null, h("h2", { id: heading }, title), hint && h("span", { class: "hint" }, hint), actions), ...children);
}

/** Lines where something will stand, so that nothing jumps when it comes. */
export function skeleton(lines = 3) {
  return h("div", { class: "skeleton", "aria-hidden": "true" }, Array.from({ length: lines }, () => h("span")));
}

export function empty(text, ...more) {
  return h("div", { class: "empty" }, h("p", null, text), ...more);
}

/** What stands where an answer did not come. */
export function failed(error, again) {
  return h("div", { class: "empty alarm", role: "alert" }, h("p", null, error.message),
    again && h("button", { type: "button", onclick: again }, "Try again"));
}

/** Show what a promise brings into an element; meanwhile bones, on failure the reason and another try. */
export async function into(element, load, show, { lines = 3 } = {}) {
  fill(element, skeleton(lines));
  element.setAttribute("aria-busy", "true");
  try {
    const found = await load();
    fill(element, show(found));
  } catch (error) {
    if (error.name !== "AbortError") fill(element, failed(error, () => into(element, load, show, { lines })));
  } finally {
    element.removeAttribute("aria-busy");
  }
}

/** columns: [[title, row => content, class?]]. */
export function table(caption, columns, rows, { rowProps = () => null } = {}) {
  return h("div", { class: "tablewrap", tabindex: "0", role: "region", "aria-label": caption },
    h("table", null, h("caption", { class: "sr" }, caption),
      h("thead", null, h("tr", null, columns.map(([title, , kind]) => h("th", { scope: "col", class: kind }, title)))),
      h("tbody", null, rows.map((row) => h("tr", rowProps(row), columns.map(([, cell, kind]) => h("td", { class: kind }, cell(row))))))));
}

export function severity(id, risk = null) {
  return h("span", { class: `severity ${severityWord(id)}` },
    risk === null ? null : h("b", null, fixed(risk)), h("span", null, severityName(id)));
}

export function state(name) {
  return h("span", { class: `state ${name}` }, stateName(name));
}

export function verdict(id) {
  return id ? h("span", { class: `verdict ${verdictTone(id)}` }, verdictName(id)) : null;
}

/** An entity with its kind's drawing, as a link to its page. */
export function entity(kind, name, { link = true } = {}) {
  const inside = [icon(kind), h("span", { class: "sr" }, `${kindName(kind)} `), h("span", { class: "name" }, plain(name))];
  const known = ["user", "host", "src_ip"].includes(kind);
  return link && known ? h("a", { class: "entity", href: entityLink(kind, name), title: plain(name) }, inside)
    : h("span", { class: "entity", title: plain(name) }, inside);
}

/** A field with its label above. */
export function field(label, control, hint = null) {
  return h("label", { class: "field" }, h("span", null, label), control, hint && h("small", null, hint));
}

export function select(options, value, props = {}) {
  return h("select", props, options.map(([key, text]) => h("option", { value: key, selected: String(key) === String(value) }, text)));
}

/** A key as it stands on a keyboard; decoration, the words beside it say what it does. */
export function kbd(key) {
  return h("kbd", null, key);
}
