/** The keys that hold now. */

import { h } from "../lib/dom.js";
import { dialog, kbd } from "../lib/ui.js";

/** Show them in a dialog. */
export function help(app) {
  const { keys } = app;
  dialog("Keys", (close) => h("div", { class: "helpkeys" },
    [...keys.layers].reverse().map((layer) => h("section", null, h("h3", null, layer.title), h("dl", null,
      Object.entries(merged(layer.bindings)).map(([words, names]) => h("div", null,
        h("dt", null, names.map((name) => h("span", null, name.split(" ").map((part) => kbd(shown(part)))))), h("dd", null, words)))))),
    h("p", { class: "hint" }, "Single keys can be switched off in Settings. docs/console.md tells more."),
    h("footer", null, h("button", { type: "button", onclick: () => { close(); app.tours.start(); } }, "Take the tour"))), { wide: true });
}

function merged(bindings) {
  const found = {};
  for (const [name, [words]] of Object.entries(bindings)) if (words) (found[words] ??= []).push(name);
  return found;
}

function shown(name) {
  return { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc", " ": "Space" }[name] ?? name;
}
