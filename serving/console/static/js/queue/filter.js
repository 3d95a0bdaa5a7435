/** Which alerts the queue shows: in the address, in saved views, and as /v1/alerts takes it. */

import { OPEN_STATES } from "../lib/words.js";

/** What holds when the address says nothing. */
export const DEFAULTS = {
  state: OPEN_STATES, min_severity: "", entity_kind: "", entity: "", assignee: "", verdict_id: "", text: "", from: "", to: "", sort: "day",
};
export const SORTS = [["day", "Latest day, by risk"], ["risk", "Highest risk"], ["raised", "Newest"], ["updated", "Last changed"]];
/** States at a glance; the key is what stands in the address. */
export const STATE_CHOICES = [
  [OPEN_STATES, "Open"], ["new", "New"], ["triaged,in_progress,contained", "In work"], ["closed", "Closed"], ["all", "All"],
];

/** A filter of an address's query; unknown parameters are left out. */
export function fromAddress(query) {
  const found = { ...DEFAULTS };
  for (const name of Object.keys(DEFAULTS)) if (typeof query[name] === "string") found[name] = query[name].slice(0, 300);
  return found;
}

/** What differs from the defaults, for the address. */
export function toAddress(filter) {
  return Object.fromEntries(Object.entries(filter).filter(([name, value]) => value !== DEFAULTS[name]));
}

/** Parameters of /v1/alerts. "me" and "nobody" are words of the console. */
export function toApi(filter, login) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) {
    if (value === "" || (name === "state" && value === "all")) continue;
    if (name === "assignee") params.set(name, value === "nobody" ? "" : value === "me" ? login : value);
    else params.set(name, value);
  }
  return params;
}

/** Alerts that are asked for first, so that there is something to read while the others come. */
const FIRST = 200;
/** Of these, what a large screen shows: only they come with the days of their entities, which cost most. */
const IN_SIGHT = 40;

/** The address of a page of the queue. */
export function pageOf(filter, login, more) {
  const params = toApi(filter, login);
  params.set("fields", "queue");
  for (const [name, value] of Object.entries(more)) params.set(name, String(value));
  return `/v1/alerts?${params}`;
}

/** The address of its first page. */
export const firstPage = (filter, login) => pageOf(filter, login, { limit: FIRST, sparks: IN_SIGHT });

/** A filter of a saved query of /v1/alerts. */
export function fromView(text, login) {
  const params = new URLSearchParams(text);
  const found = fromAddress({ ...Object.fromEntries(params), sort: params.get("sort") ?? "day" });
  found.state = params.get("state") || "all";
  if (params.has("assignee")) found.assignee = params.get("assignee") === "" ? "nobody" : params.get("assignee") === login ? "me" : params.get("assignee");
  return found;
}

/** How many choices differ from the defaults, search and order left out. */
export function narrowed(filter) {
  return Object.keys(toAddress(filter)).filter((name) => !["text", "sort", "state", "min_severity"].includes(name)).length;
}
