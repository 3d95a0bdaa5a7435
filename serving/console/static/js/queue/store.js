/**
 * The alerts of the queue, kept while one looks into them and comes back. Calm on purpose: what is new waits behind
 * a button, so that nothing moves under the cursor; what changed is shown where it stands.
 */

import { DEFAULTS, toAddress, toApi } from "./filter.js";

const MOST = 10_000;
/** Asked for first, so that there is something to read while the others come. */
const FIRST = 200;

export class Queue {
  constructor(api) {
    this.api = api;
    this.filter = { ...DEFAULTS };
    this.rows = [];
    this.index = new Map();
    this.selected = new Set();
    this.cursor = null;
    this.total = 0;
    this.waiting = null;
    this.loadedAt = 0;
    this.scrollTop = 0;
  }

  /** Address of the queue as it is filtered. */
  get address() {
    const text = new URLSearchParams(toAddress(this.filter)).toString();
    return text ? `/console/?${text}` : "/console/";
  }

  /** Ask for the first alerts of a filter and take them; `rest` brings the others. */
  async load(filter, login, signal) {
    const found = await this.ask(filter, login, signal, FIRST);
    this.filter = { ...filter };
    this.take(found);
  }

  /** Ask for the other alerts of the filter and take them; cursor and selection stay. */
  async rest(login, signal) {
    this.take(await this.ask(this.filter, login, signal));
  }

  /** Whether all alerts are here, as many as are ever shown. */
  get isComplete() { return this.rows.length >= Math.min(this.total, MOST); }

  async ask(filter, login, signal, limit = MOST) {
    const params = toApi(filter, login);
    params.set("fields", "queue");
    params.set("limit", String(limit));
    const found = await this.api.get(`/v1/alerts?${params}`, { signal });
    return { rows: rowsOf(found), total: found.total ?? rowsOf(found).length };
  }

  take({ rows, total }) {
    this.rows = rows;
    this.total = total;
    this.waiting = null;
    this.loadedAt = Date.now();
    this.reindex();
    this.selected = new Set([...this.selected].filter((id) => this.index.has(id)));
    if (!this.index.has(this.cursor)) this.cursor = this.rows[Math.min(this.lastIndex ?? 0, this.rows.length - 1)]?.id ?? null;
  }

  /** What the service tells now: known rows change where they stand; returns how many are new. */
  merge(found) {
    const fresh = new Map(found.rows.map((row) => [row.id, row]));
    this.rows.forEach((row, position) => {
      const now = fresh.get(row.id);
      if (!now) row.gone = true;
      else this.rows[position] = now;
    });
    const added = found.rows.filter((row) => !this.index.has(row.id)).length;
    this.waiting = added ? found : null;
    if (!added) this.total = found.total;
    return added;
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

/** Rows come as objects, or as columns' names with rows of values. */
function rowsOf(found) {
  if (!found.columns) return found.alerts;
  return found.rows.map((values) => Object.fromEntries(found.columns.map((name, position) => [name, values[position]])));
}
