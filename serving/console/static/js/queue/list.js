/** A list of any length: only the rows in sight are in the page, so ten thousand cost what thirty do. */

import { fill, h } from "../lib/dom.js";

const BEYOND = 8;
const STILL_MS = 120;

export class VirtualList {
  /**
   * draw(row, position) makes a row's element; it gets its place, id and state here. header: columns' titles.
   * onOpen(row) on Enter or click, onSight(rows) when it stands still.
   */
  constructor({ label, header, draw, store, onOpen, onSelect, onSight = () => {} }) {
    Object.assign(this, { draw, store, onOpen, onSelect, onSight });
    this.shown = new Map();
    this.body = h("div", { class: "rows", role: "rowgroup" });
    this.element = h("div", { class: "grid", role: "grid", tabindex: "0", "aria-label": label, "aria-multiselectable": "true",
      onscroll: () => this.later(), onclick: (event) => this.click(event) },
    h("div", { class: "head", role: "rowgroup" }, h("div", { class: "row", role: "row", "aria-rowindex": "1" },
      header.map(([name, kind]) => h("div", { role: "columnheader", class: kind }, name)))), this.body);
    this.observer = new ResizeObserver(() => this.refresh());
    this.observer.observe(this.element);
  }

  /** Height of a row; the style sheet decides, by the width of the window. */
  measure() {
    const text = getComputedStyle(this.element).getPropertyValue("--row");
    this.height = Number.parseFloat(text) || 44;
    this.headHeight = this.element.firstChild.offsetHeight;
  }

  /** Draw everything in sight anew. */
  refresh() {
    this.measure();
    this.element.setAttribute("aria-rowcount", String(this.store.rows.length + 1));
    this.body.style.setProperty("height", `${this.store.rows.length * this.height}px`);
    this.shown.clear();
    this.body.replaceChildren();
    this.render();
    this.mark();
  }

  /** There are more rows behind the ones that were there. */
  grow() {
    this.element.setAttribute("aria-rowcount", String(this.store.rows.length + 1));
    this.body.style.setProperty("height", `${this.store.rows.length * this.height}px`);
    this.render();
  }

  later() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.render(); });
  }

  render() {
    const { scrollTop, clientHeight } = this.element;
    this.store.scrollTop = scrollTop;
    const first = Math.max(0, Math.floor(scrollTop / this.height) - BEYOND);
    const last = Math.min(this.store.rows.length, Math.ceil((scrollTop + clientHeight) / this.height) + BEYOND);
    for (const [position, element] of this.shown) {
      if (position >= first && position < last) continue;
      element.remove();
      this.shown.delete(position);
    }
    const added = [];
    for (let position = first; position < last; position += 1) {
      if (this.shown.has(position)) continue;
      const element = this.row(position);
      this.shown.set(position, element);
      added.push(element);
    }
    this.body.append(...added);
    if (!added.length) return;
    clearTimeout(this.still);
    this.still = setTimeout(() => this.onSight([...this.shown.keys()].map((position) => this.store.rows[position]).filter(Boolean)), STILL_MS);
  }

  row(position) {
    const row = this.store.rows[position];
    const element = this.draw(row, position);
    element.id = `row-${position}`;
    element.setAttribute("role", "row");
    element.setAttribute("aria-rowindex", String(position + 2));
    element.dataset.position = String(position);
    element.style.setProperty("transform", `translateY(${position * this.height}px)`);
    this.dress(element, row);
    return element;
  }

  dress(element, row) {
    element.classList.toggle("current", row.id === this.store.cursor);
    element.classList.toggle("chosen", this.store.selected.has(row.id));
    element.setAttribute("aria-selected", String(this.store.selected.has(row.id)));
    const box = element.querySelector("input[type=checkbox]");
    if (box) box.checked = this.store.selected.has(row.id);
  }

  /** Show where the cursor and the selection are. */
  mark() {
    for (const [position, element] of this.shown) {
      const row = this.store.rows[position];
      if (row) this.dress(element, row);
    }
    const at = this.store.position;
    if (at >= 0) this.element.setAttribute("aria-activedescendant", `row-${at}`);
    else this.element.removeAttribute("aria-activedescendant");
  }

  /** Draw one row anew, if it is in sight. */
  redraw(id) {
    const position = this.store.index.get(id);
    const old = this.shown.get(position);
    if (!old) return;
    const element = this.row(position);
    old.replaceWith(element);
    this.shown.set(position, element);
  }

  moveTo(position) {
    this.store.move(position);
    this.reveal();
    this.mark();
  }

  reveal() {
    const at = this.store.position;
    if (at < 0) return;
    const top = at * this.height;
    const room = this.element.clientHeight - this.headHeight;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top + this.height > this.element.scrollTop + room) this.element.scrollTop = top + this.height - room;
    this.render();
  }

  get page() { return Math.max(1, Math.floor((this.element.clientHeight - this.headHeight) / this.height) - 1); }

  click(event) {
    const element = event.target instanceof Element ? event.target.closest(".rows > .row") : null;
    if (!element || event.target.closest("a")) return;
    const position = Number(element.dataset.position);
    const box = event.target.closest(".pick");
    if (box) {
      event.preventDefault();
      this.onSelect(position, event.shiftKey);
      return;
    }
    this.moveTo(position);
    this.onOpen(this.store.rows[position]);
  }

  close() {
    this.observer.disconnect();
    clearTimeout(this.still);
    cancelAnimationFrame(this.frame);
    fill(this.body);
  }
}
