/**
 * Elements and text nodes, and nothing else. No string is ever parsed as HTML, so a name that an attacker chose
 * is text wherever it stands. Attributes that could run code are refused here, in the one place that sets any.
 */

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "selected", "indeterminate", "disabled", "open", "hidden"]);
const SAFE_LINK = /^(\/(?!\/)|#|\?|blob:|https:\/\/attack\.mitre\.org\/)/;

function build(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) {
      if (typeof value !== "function") throw new TypeError(`${name}: only functions listen`);
      element.addEventListener(name.slice(2), value);
    } else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (PROPERTIES.has(name) && name in element) element[name] = value;
    else if (name === "href" && !SAFE_LINK.test(value)) throw new TypeError("href: only the console's own pages");
    else if (name === "src" || name === "srcdoc") throw new TypeError(`${name}: nothing is loaded by data`);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

/** Append children: elements, text, numbers, nested lists; null and false stand for nothing. */
export function add(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) add(element, child);
    else element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** An HTML element: h("p", {class: "note", onclick: f}, "text", otherElement). */
export function h(tag, props = null, ...children) {
  return build(document.createElement(tag), props, children);
}

/** An SVG element. */
export function s(tag, props = null, ...children) {
  return build(document.createElementNS(SVG, tag), props, children);
}

/** Put these in the place of all children. */
export function fill(element, ...children) {
  element.replaceChildren();
  return add(element, children);
}

const ICONS = {
  user: "M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6Zm-5.5 6a5.5 5.5 0 0 1 11 0",
  host: "M2.5 3h11v7.5h-11zM6 13.5h4M8 10.5v3",
  src_ip: "M8 14a6 6 0 1 0 0-12 6 6 0 0 0 0 12ZM2 8h12M8 2c-4 4-4 8 0 12M8 2c4 4 4 8 0 12",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10Zm3.6-1.4L14 14",
  queue: "M2.5 4h11M2.5 8h11M2.5 12h7",
  incidents: "M4 4h0M4 4l4 4M12 4 8 8m0 0v4M4 5.5A1.5 1.5 0 1 0 4 2.500a1.5 1.5 0 0 0 0 3ZM12 5.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM8 14a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3Z",
  models: "M2.5 13.5V2.5M2.5 13.5h11M5 11l3-4 2 2 3.5-5",
  operations: "M8 5.5v5M5.5 8h5M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
  exceptions: "M8 2 3 4v4c0 3 2 5 5 6 3-1 5-3 5-6V4zM6 8l1.5 1.5L10.5 6",
  settings: "M3 5h6m4 0h0M3 11h1m4 0h5M10 7a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM6 13a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z",
  link: "M6.5 9.5l3-3M7 4.5 8.5 3a3 3 0 0 1 4.5 4.5L11.5 9M9 11.5 7.5 13A3 3 0 0 1 3 8.5L4.5 7",
  download: "M8 2v8M4.5 7 8 10.5 11.5 7M3 13.5h10",
  back: "M9.5 3.5 5 8l4.5 4.5",
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.5 6.5 12 13 4.5",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7",
  moon: "M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5Z",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.5V8l2.5 1.5",
  out: "M6 13.5H3v-11h3M10.5 11 13.5 8l-3-3M13 8H6",
  help: "M6 6a2 2 0 1 1 3 1.7c-.7.4-1 .8-1 1.6M8 11.6v.1M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z",
};

/** A 16 px line drawing; it says nothing to a screen reader, so a word stands beside it or in a label. */
export function icon(name) {
  return s("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    s("path", { d: ICONS[name] ?? ICONS.operations }));
}
