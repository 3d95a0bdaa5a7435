/** The vocabulary of triage, as OCSF and docs/triage.md have it. */

export const STATES = [
  ["new", "New"], ["triaged", "Triaged"], ["in_progress", "In progress"], ["contained", "Contained"], ["closed", "Closed"],
];
export const OPEN_STATES = "new,triaged,in_progress,contained";

/** In the order of the keys 1 to 7. `closes`: whether an alert is usually done with it. */
export const VERDICTS = [
  { id: 1, name: "False positive", tone: "calm", closes: true, does: "Learned at once; as much of the same is no news for 90 days." },
  { id: 2, name: "True positive", tone: "alarm", closes: false, does: "Never learned; ends what was remembered of the entity." },
  { id: 4, name: "Suspicious", tone: "watch", closes: false, does: "What is held back waits its seven days." },
  { id: 5, name: "Benign", tone: "calm", closes: true, does: "Learned at once; as much of the same is no news for 90 days." },
  { id: 6, name: "Test", tone: "calm", closes: true, does: "Learned at once; as much of the same is no news for 90 days." },
  { id: 7, name: "Insufficient data", tone: "watch", closes: true, does: "What is held back waits its seven days." },
  { id: 10, name: "Duplicate", tone: "watch", closes: true, does: "What is held back waits its seven days." },
];
export const SEVERITIES = [
  [5, "Critical"], [4, "High"], [3, "Medium"], [2, "Low"], [1, "Informational"],
];
export const KINDS = [["user", "Users"], ["host", "Hosts"], ["src_ip", "Addresses"]];
const KIND_NAMES = { user: "user", host: "host", src_ip: "address" };
const BARS = [[12, 5], [9, 4], [6, 3], [3, 2]];

/** OCSF severity_id of a risk in nats; the bars of models/incidents/severity.py. */
export function severityOf(risk) {
  return BARS.find(([bar]) => risk >= bar)?.[1] ?? 1;
}
export const severityName = (id) => SEVERITIES.find(([known]) => known === id)?.[1] ?? "Informational";
export const severityWord = (id) => ({ 5: "critical", 4: "high", 3: "medium", 2: "low" })[id] ?? "info";
export const stateName = (state) => STATES.find(([known]) => known === state)?.[1] ?? state;
export const verdictName = (id) => VERDICTS.find((known) => known.id === id)?.name ?? "";
export const verdictTone = (id) => VERDICTS.find((known) => known.id === id)?.tone ?? "watch";
export const kindName = (kind) => KIND_NAMES[kind] ?? kind;

/** What an alert of the first week says of itself. */
export const LEARNING = "Raised in the organisation's first week, when nothing was known of what is usual: its risk is on no scale yet.";

/** May this role do that? The service decides; this only hides what would be refused. */
export function may(role, what) {
  const judges = ["analyst", "scientist", "admin"];
  return { judge: judges, promote: ["scientist", "admin"], administer: ["admin"] }[what].includes(role);
}

/** The address of an entity's page. */
export function entityLink(kind, entity) {
  return `/console/entities/${encodeURIComponent(kind)}/${encodeURIComponent(entity)}`;
}
export const alertLink = (id) => `/console/alerts/${encodeURIComponent(id)}`;
