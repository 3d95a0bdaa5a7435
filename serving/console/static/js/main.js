/** Who is it? Then the sign-in, or the console. */

import { Api } from "./lib/api.js";
import { fill, h } from "./lib/dom.js";
import { failed } from "./lib/ui.js";
import { Settings } from "./lib/settings.js";
import { App } from "./app.js";

const root = document.getElementById("app");
const settings = new Settings();
let app = null;

const api = new Api({ onSignedOut: () => leave("Your session has ended. Sign in to go on where you were."),
  onReach: (reached) => document.body.classList.toggle("unreachable", !reached) });

/** Show the console of a session. isFirst: with a password that the person has just chosen. */
function enter(session, { isFirst = false } = {}) {
  api.csrf = session.csrf;
  app?.close();
  app = new App(root, { api, session, settings, leave, isFirst });
  app.start();
}

/** Show the sign-in; the address stays, so one comes back to the same page. */
async function leave(message = "") {
  app?.close();
  app = null;
  api.csrf = "";
  for (const dialog of document.querySelectorAll("dialog")) dialog.remove();
  try {
    const { signIn } = await import("./pages/signin.js");
    if (app) return;
    fill(root, signIn({ api, settings, message, enter }));
    root.querySelector("input")?.focus();
  } catch (error) {
    fill(root, h("main", { class: "boot" }, failed(error, () => leave(message))));
  }
}

async function begin() {
  try {
    const session = await api.get("/console/session", { quiet: true });
    if (session.must_change) leave("Choose a password of your own first: sign in again with the one you were given.");
    else enter(session);
  } catch (error) {
    if (error.status === 401) leave();
    else fill(root, h("main", { class: "boot" }, failed(error, begin)));
  }
}

begin();
