/**
 * The guided tour: a card beside what it speaks of, five times. Nothing is blocked meanwhile: who wants to try
 * something at once can, and the card waits.
 */

import { fill, h, icon } from "../lib/dom.js";
import { STEPS } from "./steps.js";

/** How long a page may take before the card is shown without what it points at. */
const PATIENCE_MS = 8000;
const AROUND = 6;

export class Tour {
  /** onEnd() when it was taken to its end or left. */
  constructor(app, onEnd) {
    Object.assign(this, { app, onEnd, at: 0 });
    this.before = document.activeElement;
    this.ring = h("div", { class: "tour-ring", "aria-hidden": "true", hidden: true });
    this.card = h("section", { class: "tour", role: "dialog", "aria-labelledby": "tour-title", "aria-describedby": "tour-text", tabindex: "-1", hidden: true });
    document.body.append(this.ring, this.card);
    this.listening = new AbortController();
    const { signal } = this.listening;
    // before the page's own keys: Escape leaves the tour and not the alert
    document.addEventListener("keydown", (event) => this.key(event), { capture: true, signal });
    addEventListener("scroll", () => this.later(), { capture: true, passive: true, signal });
    addEventListener("resize", () => this.later(), { signal });
    this.sizes = new ResizeObserver(() => this.later());
    this.sizes.observe(document.body);
  }

  /** Show a step, on its page. */
  async go(at) {
    this.at = at;
    const step = STEPS[at];
    const turn = this.turn = (this.turn ?? 0) + 1;
    if (!this.alert && at > 0) this.alert = await this.find();
    if (turn !== this.turn || !this.card) return;
    const place = step.place(this);
    if (place && location.pathname !== new URL(place, location.href).pathname) this.app.router.go(place);
    this.target = null;
    this.draw(step, place ? null : "There is no alert yet. When there is, it looks like this step says.");
    const target = place ? await this.present(step.points) : null;
    if (turn !== this.turn || !this.card) return;
    this.target = target;
    if (target) {
      this.sizes.observe(target);
      target.scrollIntoView({ block: target.offsetHeight > innerHeight / 2 ? "start" : "center" });
    }
    this.lay();
    this.focus();
  }

  /** The alert that is looked into: the one under the cursor, or the oddest that is not from the first week. */
  async find() {
    const { queue, api } = this.app;
    const here = /^\/console\/alerts\/([^/]+)$/.exec(location.pathname)?.[1];
    if (here) return decodeURIComponent(here);
    if (queue.current && !queue.current.learning) return queue.current.id;
    try {
      const { alerts } = await api.get("/v1/alerts?fields=queue&sparks=0&limit=20");
      return (alerts.find(({ learning }) => !learning) ?? alerts[0])?.id ?? null;
    } catch {
      return null;
    }
  }

  /** Wait until one of these is in the page. */
  present(points) {
    const find = () => points.map((point) => document.querySelector(`main ${point.replace(/^main /, "")}`)).find(Boolean) ?? null;
    return new Promise((resolve) => {
      const done = (found) => { watch.disconnect(); clearTimeout(timer); resolve(found); };
      const watch = new MutationObserver(() => { const found = find(); if (found) done(found); });
      const timer = setTimeout(() => done(null), PATIENCE_MS);
      const found = find();
      if (found) done(found);
      else watch.observe(document.body, { childList: true, subtree: true });
    });
  }

  draw(step, instead) {
    const last = this.at === STEPS.length - 1;
    this.next = h("button", { type: "button", class: "primary", onclick: () => (last ? this.close() : this.go(this.at + 1)) }, last ? "Done" : "Next");
    fill(this.card, h("header", null, h("p", { class: "hint" }, `Tour, step ${this.at + 1} of ${STEPS.length}`),
      h("button", { type: "button", class: "quiet", "aria-label": "Leave the tour", title: "Leave the tour (Esc)", onclick: () => this.close() }, icon("close"))),
    h("h2", { id: "tour-title" }, step.title),
    h("div", { id: "tour-text" }, instead && h("p", null, h("b", null, instead)), step.says.map((line) => h("p", null, line))),
    h("footer", null, h("span", { class: "dots", "aria-hidden": "true" }, STEPS.map((one, at) => h("span", { class: at === this.at ? "on" : "" }))),
      h("button", { type: "button", disabled: this.at === 0, onclick: () => this.go(this.at - 1) }, "Back"), this.next));
    this.card.hidden = false;
    this.lay();
    this.focus();
  }

  /** On the button that goes on; a screen reader says title and text with it. */
  focus() { this.next.focus({ preventScroll: true }); }

  later() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.lay(); });
  }

  /** The ring around what is spoken of, and the card on the side where it hides none of it, if there is one. */
  lay() {
    if (!this.card) return;
    const box = this.target?.isConnected ? this.target.getBoundingClientRect() : null;
    this.ring.hidden = !box;
    this.ring.classList.toggle("none", !box);
    const { style } = this.ring;
    if (box) {
      const [top, left] = [Math.max(AROUND, box.top - AROUND), Math.max(AROUND, box.left - AROUND)];
      style.setProperty("top", `${top}px`);
      style.setProperty("left", `${left}px`);
      style.setProperty("width", `${Math.min(innerWidth - AROUND, box.right + AROUND) - left}px`);
      style.setProperty("height", `${Math.max(0, Math.min(innerHeight - AROUND, box.bottom + AROUND) - top)}px`);
    }
    const middle = box ? (box.left + box.right) / 2 : 0;
    this.card.classList.toggle("left", Boolean(box) && middle > innerWidth * 0.62);
    this.card.classList.toggle("top", Boolean(box) && box.top > innerHeight * 0.55);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
    const typing = event.target instanceof Element && event.target.closest("input:not([type=checkbox]), textarea, select, [role=tablist]");
    if (typing) return;
    const inside = this.card.contains(event.target) || event.target === document.body;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0;
    if (event.key === "Escape") this.take(event, () => this.close());
    else if (step && this.at + step >= 0 && this.at + step < STEPS.length) this.take(event, () => this.go(this.at + step));
    else if (event.key === "Enter" && inside && !event.target.closest("button")) this.take(event, () => this.next.click());
  }

  take(event, work) {
    event.preventDefault();
    event.stopImmediatePropagation();
    work();
  }

  close() {
    if (!this.card) return;
    this.listening.abort();
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
    this.card.remove();
    this.ring.remove();
    this.card = null;
    const back = this.before?.isConnected && this.before !== document.body ? this.before : document.querySelector(".grid") ?? document.getElementById("main");
    back?.focus({ preventScroll: true });
    this.onEnd();
  }
}
