/** The queue: ranked alerts, and everything that can be done to them without opening one. */

import { fill, h, icon } from "../lib/dom.js";
import { plain, plural } from "../lib/format.js";
import { alertLink, entityLink, may } from "../lib/words.js";
import { empty, failed, kbd, skeleton } from "../lib/ui.js";
import { path } from "../lib/api.js";
import { gauge } from "../charts/gauge.js";
import { DEFAULTS, fromAddress, toAddress } from "../queue/filter.js";
import { judge, verdictButtons, verdictKeys } from "../queue/judge.js";
import { VirtualList } from "../queue/list.js";
import { HEADER, row } from "../queue/row.js";
import { Toolbar } from "../queue/toolbar.js";

const LIVE_MS = 2000;

class QueuePage {
  constructor(app, query, signal) {
    Object.assign(this, { app, signal, store: app.queue, mayJudge: may(app.session.role, "judge") });
    this.wanted = fromAddress(query);
    this.toolbar = new Toolbar(app, this.wanted, (filter) => this.show(filter));
    this.toolbar.onLeave = () => this.list.element.focus();
    this.budget = h("div", { class: "budget" });
    this.pill = h("div", { class: "pill", "aria-live": "polite" });
    this.summary = h("p", { class: "summary", role: "status" });
    this.place = h("div", { class: "place" });
    this.bulk = h("div", { class: "bulk" });
    this.list = new VirtualList({
      label: "Alerts", header: HEADER, store: this.store, draw: (alert) => row(alert, app.clock),
      onOpen: (alert) => this.open(alert), onSelect: (position, span) => this.select(position, span), onSight: (rows) => this.sparks(rows),
    });
    this.element = h("div", { class: "page queue" },
      h("div", { class: "top" }, h("h1", null, "Queue"), this.summary, this.budget), this.toolbar.element, this.pill, this.place, this.bulk);
    this.title = "Queue";
    this.unbind = app.keys.bind("Queue", this.keys());
    this.ticker = setInterval(() => { if (!document.hidden) this.list.refresh(); }, 60_000);
    app.hear("alerts", () => this.hear());
    app.hear("budget", (budget) => fill(this.budget, gauge(budget)));
  }

  ready() {
    const same = JSON.stringify(toAddress(this.wanted)) === JSON.stringify(toAddress(this.store.filter));
    if (this.store.loadedAt && same && this.store.isComplete) {
      this.present();
      this.list.element.scrollTop = this.store.kept ?? 0;
      this.list.reveal();
      if (this.store.heard.size || this.store.isStale) this.hear();
    } else this.show(this.wanted);
    this.loadBudget();
  }

  keys() {
    const move = (step) => () => this.list.moveTo(this.store.position + step);
    const judging = this.mayJudge ? { ...verdictKeys((verdict) => this.judge(verdict)), z: ["Take back your last verdict", () => this.app.lastVerdict?.()],
      a: ["Assign to me", () => this.assign()] } : {};
    return {
      j: ["Next alert", move(1)], ArrowDown: ["Next alert", move(1)], k: ["Alert before", move(-1)], ArrowUp: ["Alert before", move(-1)],
      PageDown: ["A page down", () => this.list.moveTo(this.store.position + this.list.page)],
      PageUp: ["A page up", () => this.list.moveTo(this.store.position - this.list.page)],
      Home: ["First alert", () => this.list.moveTo(0)], End: ["Last alert", () => this.list.moveTo(this.store.rows.length - 1)],
      Enter: ["Open", () => this.open(this.store.current)], o: ["Open", () => this.open(this.store.current)],
      e: ["Open the entity", () => this.store.current && this.app.router.go(entityLink(this.store.current.entity_kind, this.store.current.entity))],
      x: ["Select", () => this.select(this.store.position, false)], " ": ["Select", () => this.select(this.store.position, false)],
      "*": ["Select all or none", () => this.selectAll()], Escape: ["Select none", () => this.selectNone()],
      ...judging, r: ["Show what is new", () => this.refresh()], "/": ["Search", () => this.toolbar.focus()],
      f: ["Filters", () => this.toolbar.filters()], v: ["Views", () => this.toolbar.views()],
    };
  }

  async show(filter) {
    this.wanted = filter;
    this.app.router.keep(toAddress(filter));
    this.asking?.abort();
    const asking = this.asking = new AbortController();
    this.signal.addEventListener("abort", () => asking.abort(), { once: true });
    if (!this.place.contains(this.list.element)) fill(this.place, skeleton(10));
    this.element.setAttribute("aria-busy", "true");
    try {
      await this.store.load(filter, this.app.session.login, asking.signal);
      this.list.element.scrollTop = 0;
      this.present();
      await this.store.rest(this.app.session.login, asking.signal, () => this.list.grow());
      this.sum();
    } catch (error) {
      if (error.name !== "AbortError") fill(this.place, failed(error, () => this.show(filter)));
    } finally {
      if (this.asking === asking) this.element.removeAttribute("aria-busy");
    }
  }

  /** How many there are, and how many of them are from days on which nothing was known yet. */
  sum() {
    const { total, rows, isComplete } = this.store;
    const learning = rows.reduce((number, row) => number + (row.learning ? 1 : 0), 0);
    const parts = [plural(total, "alert"), isComplete && total > rows.length && `the first ${rows.length} shown`, learning > 0 && `${learning} from the first week`];
    this.summary.textContent = parts.filter(Boolean).join(", ");
  }

  present() {
    this.sum();
    if (!this.store.rows.length) fill(this.place, this.nothing());
    else if (!this.place.contains(this.list.element)) fill(this.place, this.list.element);
    this.list.refresh();
    this.drawPill();
    this.drawBulk();
    const typing = document.activeElement === this.toolbar.search || document.querySelector("dialog[open], .tour");
    if (!typing && (document.activeElement === document.body || !document.activeElement?.isConnected || this.fresh === undefined)) {
      this.list.element.focus({ preventScroll: true });
    }
    this.fresh = false;
  }

  nothing() {
    const narrow = Object.keys(toAddress(this.store.filter)).length;
    return narrow ? empty("No alert fits.", h("button", { type: "button", onclick: () => this.toolbar.set({ ...DEFAULTS }) }, "Show all open alerts"))
      : empty("Nothing is open. New alerts appear here as they are raised.");
  }

  drawPill() {
    const known = this.store.waiting.size;
    fill(this.pill, known ? h("button", { type: "button", onclick: () => this.refresh() }, `${plural(known, "new alert")}: show`, kbd("r")) : null);
  }

  drawBulk() {
    const number = this.store.selected.size;
    this.bulk.classList.toggle("on", number > 0);
    fill(this.bulk, number > 0 && [h("b", null, `${number} selected`), this.mayJudge && verdictButtons((verdict) => this.judge(verdict)),
      h("button", { type: "button", class: "quiet", "aria-label": "Select none", onclick: () => this.selectNone() }, icon("close"))]);
  }

  open(alert) {
    if (alert) this.app.router.go(alertLink(alert.id));
  }

  select(position, span) {
    const row = this.store.rows[position];
    if (!row) return;
    const { selected } = this.store;
    if (span && this.anchor !== undefined) {
      const [first, last] = [Math.min(this.anchor, position), Math.max(this.anchor, position)];
      for (const one of this.store.rows.slice(first, last + 1)) selected.add(one.id);
    } else if (selected.has(row.id)) selected.delete(row.id);
    else selected.add(row.id);
    this.anchor = position;
    this.list.moveTo(position);
    this.drawBulk();
  }

  selectAll() {
    if (this.store.selected.size === this.store.rows.length) this.store.selected.clear();
    else this.store.selected = new Set(this.store.rows.map(({ id }) => id));
    this.list.mark();
    this.drawBulk();
  }

  selectNone() {
    this.store.selected.clear();
    this.list.mark();
    this.drawBulk();
  }

  judge(verdict) {
    const chosen = this.store.selected.size ? this.store.rows.filter(({ id }) => this.store.selected.has(id)) : [this.store.current].filter(Boolean);
    if (!chosen.length) return;
    judge(this.app, verdict, chosen, (ids, change, { undone = false } = {}) => this.changed(ids, change, undone));
  }

  changed(ids, change, undone) {
    this.store.changed(ids, change);
    if (!undone) for (const id of ids) this.store.selected.delete(id);
    if (!this.element.isConnected) return;
    if (undone) this.refresh();
    else this.present();
  }

  async assign() {
    const { current } = this.store;
    if (!current) return;
    try {
      const now = await this.app.api.post(path`/v1/alerts/${current.id}/assign`, { assignee: "me" });
      Object.assign(current, { assignee: now.assignee?.name ?? this.app.session.login, version: now.unmapped?.version ?? current.version });
      this.list.redraw(current.id);
      this.app.toasts.show(`${plain(current.entity)} is yours.`);
    } catch (error) {
      this.app.toasts.fail(error);
    }
  }

  /** Show what waits. */
  async refresh() { await this.show(this.wanted); }

  /** Rows in sight whose last days are not here yet. */
  async sparks(rows) {
    try {
      for (const { id } of await this.store.sparks(rows, this.signal)) this.list.redraw(id);
    } catch { /* a row is readable without */ }
  }

  /** Something changed: look, at most every two seconds, and leave in place what is in sight. */
  hear() {
    if (this.looking || this.signal.aborted) return;
    const wait = Math.max(0, LIVE_MS - (Date.now() - this.store.loadedAt));
    this.looking = setTimeout(() => this.look(), wait);
  }

  async look() {
    try {
      const filter = this.wanted;
      const { store } = this;
      const untouched = () => !store.selected.size && this.list.element.scrollTop === 0 && store.position <= 0 && !document.querySelector("dialog[open], .tour");
      if (!store.isStale) await store.changes(this.app.session.login, this.signal);
      else if (!untouched()) await store.catchUp(this.app.session.login, this.signal);
      if (this.signal.aborted || filter !== this.wanted) return;
      if (store.isStale || (store.waiting.size && (!store.rows.length || untouched()))) await this.show(filter);
      else this.present();
    } catch { /* the next event brings another look */
    } finally {
      this.looking = 0;
    }
  }

  async loadBudget() {
    try {
      fill(this.budget, gauge(await this.app.api.get("/v1/budget", { signal: this.signal })));
    } catch { /* the queue works without it */ }
  }

  close() {
    this.store.kept = this.store.scrollTop;
    clearTimeout(this.looking);
    clearInterval(this.ticker);
    this.unbind();
    this.list.close();
  }
}

/** The page at /console/. */
export function queuePage(app, parts, query, signal) {
  return new QueuePage(app, query, signal);
}
