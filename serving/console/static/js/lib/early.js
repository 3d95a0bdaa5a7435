/** Asks for what the first page needs while the other modules are still on their way. */

import { firstPage, fromAddress } from "../queue/filter.js";

const OPTIONS = { headers: { Accept: "application/json" }, credentials: "same-origin", cache: "no-store", redirect: "error" };
const asked = new Map();

/** What an alert's page asks for: the finding, what is around it, and its strangest records. */
export function alertParts(id) {
  const base = `/v1/alerts/${encodeURIComponent(id)}`;
  return [base, `${base}/context`, `${base}/events?limit=50`];
}

/** The answer that was asked for early, once; undefined if it was not. */
export function early(url) {
  const answer = asked.get(url);
  asked.delete(url);
  return answer;
}

function ask(url) {
  const answer = fetch(url, OPTIONS);
  answer.catch(() => {}); // whoever takes it sees the failure
  asked.set(url, answer);
  return answer;
}

/** A link to an alert is what notifications hold: its page comes along with the frame. */
const ALERT = /^\/console\/alerts\/([^/]+)\/?$/.exec(location.pathname);
if (ALERT) import("../pages/alert.js").catch(() => {}); // the frame asks again, and says so

async function begin() {
  const answer = await ask("/console/session");
  if (!answer.ok) return;
  const session = await answer.clone().json();
  if (session.must_change) return;
  if (/^\/console\/?$/.test(location.pathname)) ask(firstPage(fromAddress(Object.fromEntries(new URLSearchParams(location.search))), session.login));
  else if (ALERT) for (const url of alertParts(decodeURIComponent(ALERT[1]))) ask(url);
}

begin().catch(() => {});
