/** Keys without a modifier, as analysts know them from mail and trackers; `?` lists what holds on this page. */

const TYPING = new Set(["INPUT", "TEXTAREA", "SELECT"]);
const FREE_TYPES = new Set(["checkbox", "radio", "button"]);
const PREFIX_MS = 1200;

function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable) return true;
  return TYPING.has(target.tagName) && !FREE_TYPES.has(target.type);
}

export class Keys {
  constructor(isOn = () => true) {
    this.isOn = isOn;
    this.layers = [];
    this.prefix = "";
    document.addEventListener("keydown", (event) => this.press(event));
  }

  /** Let keys hold until the returned function is called. bindings: {key: [words, function]}. */
  bind(title, bindings) {
    const layer = { title, bindings };
    this.layers.push(layer);
    return () => { this.layers = this.layers.filter((known) => known !== layer); };
  }

  press(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]") || isTyping(event.target)) return;
    const inWidget = event.target instanceof Element && event.target.closest("a, button, summary, [role=tab]");
    if (inWidget && (event.key === "Enter" || event.key === " ")) return;
    if (!this.isOn() && event.key.length === 1) return;
    const name = this.prefix + event.key;
    clearTimeout(this.timer);
    this.prefix = "";
    for (const layer of [...this.layers].reverse()) {
      const found = layer.bindings[name];
      if (!found) continue;
      event.preventDefault();
      found[1](event);
      return;
    }
    if (this.layers.some((layer) => Object.keys(layer.bindings).some((key) => key.length > 1 && key.startsWith(`${name} `)))) {
      event.preventDefault();
      this.prefix = `${name} `;
      this.timer = setTimeout(() => { this.prefix = ""; }, PREFIX_MS);
    }
  }
}
