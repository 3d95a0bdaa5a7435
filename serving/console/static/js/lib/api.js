/** The documented /v1 API with the session's cookie, and what it says when it refuses. */

import { early } from "./early.js";

/** A refusal. status 0: nobody answered. */
export class ApiError extends Error {
  constructor(status, message, body = null, retryAfter = null) {
    super(message);
    this.status = status;
    this.body = body;
    this.retryAfter = retryAfter;
  }
}

const WORDS = {
  0: "The service does not answer. Your work is not lost; try again in a moment.",
  403: "Your role does not allow this.",
  404: "There is no such thing, or it is not yours to see.",
  413: "That is too much at once.",
  429: "Too many requests; wait a moment.",
  503: "The service is starting or busy; try again in a moment.",
};

/** A path from parts that may hold anything: each is escaped. */
export function path(strings, ...values) {
  return strings.reduce((whole, part, index) => whole + part +
    (index < values.length ? encodeURIComponent(values[index]) : ""), "");
}

/** "?a=1" of what is set; null, undefined and "" are left out. */
export function query(values) {
  const chosen = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return chosen.length ? `?${new URLSearchParams(chosen)}` : "";
}

export class Api {
  /** onSignedOut is called once when the session has ended; onAnswer after each answer, with whether it came. */
  constructor({ onSignedOut = () => {}, onReach = () => {} } = {}) {
    this.csrf = "";
    this.onSignedOut = onSignedOut;
    this.onReach = onReach;
  }

  get(url, options = {}) { return this.ask("GET", url, undefined, options); }
  post(url, body, options = {}) { return this.ask("POST", url, body, options); }
  put(url, body, options = {}) { return this.ask("PUT", url, body, options); }
  del(url, body = undefined, options = {}) { return this.ask("DELETE", url, body, options); }

  async ask(method, url, body, { signal, quiet = false, headers: more = {} } = {}) {
    const headers = { Accept: "application/json", ...more };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (method !== "GET" && this.csrf) headers["X-CSRF-Token"] = this.csrf;
    let answer;
    try {
      answer = (method === "GET" && await early(url)?.catch(() => null)) || await fetch(url, {
        method, headers, signal, credentials: "same-origin", cache: "no-store", redirect: "error",
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      this.onReach(false);
      throw new ApiError(0, WORDS[0]);
    }
    this.onReach(true);
    const known = answer.status === 204 ? null : await read(answer);
    if (answer.ok) return known;
    if (answer.status === 401 && !quiet) this.onSignedOut();
    throw new ApiError(answer.status, told(known) || WORDS[answer.status] || `The service answered ${answer.status}.`,
      known, Number(answer.headers.get("Retry-After")) || null);
  }
}

async function read(answer) {
  const text = await answer.text();
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    return { error: answer.ok ? "" : text.slice(0, 300), text };
  }
}

function told(body) {
  const error = body?.error;
  if (typeof error === "string") return error;
  return typeof error?.message === "string" ? error.message : typeof error?.reason === "string" ? error.reason : "";
}
