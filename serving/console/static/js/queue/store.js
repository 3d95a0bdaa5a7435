/**
 * The alerts of the queue, kept while one looks into them and comes back. Calm on purpose: what is new waits behind
 * a button, so that nothing moves under the cursor; what changed is shown where it stands.
 */

import { DEFAULTS, firstPage, pageOf, toAddress } from "./filter.js";

const MOST = 10_000;
/** Alerts of each further page: few enough that reading them never holds a key up. */
const PAGE = 1500;
/** Alerts that are asked for by their ids at once, and how many of them are looked at one by one at all. */
const IDS = 200;
const MOST_CHANGED = 1000;

export class Queue {
  constructor(api) {
    this.api = api;
    this.filter = { ...DEFAULTS };
    this.rows = [];
    this.index = new Map();
    this.selected = new Set();
    this.cursor = null;
    this.total = 0;
    this.waiting = new Set();
    this.following = null;
    this.loadedAt = 0;
    this.scrollTop = 0;
    this.heard = new Set();
    this.isStale = false;
  }

  /** The service says that these changed: `changes` looks at them. */
  note(ids) {
    for (const id of ids) this.heard.add(id);
    if (this.heard.size > MOST_CHANGED) this.missed();
  }

  /** Something may have changed that nobody told of. */
  missed() {
    this.isStale = true;
    this.heard.clear();
  }

  /** Address of the queue as it is filtered. */
  get address() {
    const text = new URLSearchParams(toAddress(this.filter)).toString();
    return text ? `/console/?${text}` : "/console/";
  }

  /** Ask for the first alerts of a filter and take them; `rest` brings the others. */
  async load(filter, login, signal) {
    this.heard.clear();
    this.isStale = false;
    const found = await this.api.get(firstPage(filter, login), { signal });
    this.filter = { ...filter };
    this.take(found);
  }

  /** Ask for the other alerts of the filter, page by page; cursor and selection stay. onPage() after each. */
  async rest(login, signal, onPage) {
    while (this.following && this.rows.length < MOST) {
      const found = await this.api.get(pageOf(this.filter, login, { limit: PAGE, sparks: 0, after: this.following }), { signal });
      // what changed its place between two pages is on both
      this.rows = this.rows.concat(found.alerts.filter(({ id }) => !this.index.has(id)).slice(0, MOST - this.rows.length));
      this.following = found.next;
      this.reindex();
      onPage();
    }
  }

  /** Whether all alerts are here, as many as are ever shown. */
  get isComplete() { return !this.following || this.rows.length >= MOST; }

  take({ alerts, next, total }) {
    this.rows = alerts;
    this.following = next;
    this.total = total ?? alerts.length;
    this.waiting = new Set();
    this.loadedAt = Date.now();
    this.reindex();
    this.selected = new Set([...this.selected].filter((id) => this.index.has(id)));
    if (!this.index.has(this.cursor)) this.cursor = this.rows[Math.min(this.lastIndex ?? 0, this.rows.length - 1)]?.id ?? null;
  }

  /** Look at what the service said has changed: known rows change where they stand, new ones wait. */
  async changes(login, signal) {
    const ids = [...this.heard];
    this.heard.clear();
    for (let at = 0; at < ids.length; at += IDS) {
      const some = ids.slice(at, at + IDS);
      const { alerts } = await this.api.get(pageOf(this.filter, login, { limit: IDS, ids: some.join(",") }), { signal });
      const fresh = new Map(alerts.map((row) => [row.id, row]));
      for (const id of some) {
        const position = this.index.get(id), now = fresh.get(id);
        if (position === undefined) now ? this.waiting.add(id) : this.waiting.delete(id);
        else if (now) this.rows[position] = now;
        else if (!this.rows[position].gone) {
          this.rows[position].gone = true;
          this.total -= 1;
        }
      }
    }
    this.loadedAt = Date.now();
  }

  /** Look at the first page and at what is around the cursor: the rest may be older than it seems. */
  async catchUp(login, signal) {
    this.isStale = false;
    const { alerts } = await this.api.get(firstPage(this.filter, login), { signal });
    for (const { id } of [...alerts, ...this.rows.slice(Math.max(0, this.position - IDS), this.position + IDS)]) this.heard.add(id);
    await this.changes(login, signal);
  }

  /** Fetch the last days of rows that came without; returns those that have them now. */
  async sparks(rows, signal) {
    const lacking = rows.filter((row) => !row.spark && !row.asked).slice(0, IDS);
    if (!lacking.length) return [];
    for (const row of lacking) row.asked = true;
    const { alerts } = await this.api.get(`/v1/alerts?${new URLSearchParams({ fields: "queue", limit: IDS, ids: lacking.map(({ id }) => id).join(",") })}`, { signal });
    const found = new Map(alerts.map(({ id, spark }) => [id, spark]));
    for (const row of lacking) row.spark = found.get(row.id) ?? null;
    return lacking;
  }

  get position() { return this.index.get(this.cursor) ?? -1; }
  get current() { return this.rows[this.position] ?? null; }

  /** The alert so many places further, null beyond an end. */
  beside(id, step) {
    const at = this.index.get(id);
    return at === undefined ? null : this.rows[at + step] ?? null;
  }

  move(position) {
    const row = this.rows[Math.max(0, Math.min(this.rows.length - 1, position))];
    this.cursor = row?.id ?? null;
    this.lastIndex = this.position;
  }

  /** What a verdict or a new state made of alerts; those that the filter no longer wants leave. */
  changed(ids, change) {
    const states = this.filter.state === "all" ? null : new Set(this.filter.state.split(","));
    const at = this.position;
    const touched = new Set(ids);
    let left = false;
    this.rows = this.rows.filter((row) => {
      if (!touched.has(row.id)) return true;
      Object.assign(row, change);
      const stays = !states || states.has(row.state);
      left ||= !stays;
      return stays;
    });
    if (!left) return;
    this.total -= this.index.size - this.rows.length;
    this.reindex();
    for (const id of ids) if (!this.index.has(id)) this.selected.delete(id);
    if (!this.index.has(this.cursor)) this.move(at);
  }

  reindex() { this.index = new Map(this.rows.map((row, position) => [row.id, position])); }
}
