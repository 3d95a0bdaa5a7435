/** For admins: keys of collectors, accounts of people, and who did what. */

import { fill, h } from "../lib/dom.js";
import { plain } from "../lib/format.js";
import { dialog, empty, field, into, panel, select, table } from "../lib/ui.js";
import { path, query } from "../lib/api.js";
import { copy } from "../alert/events.js";

const ROLES = [["collector", "Collector: sends events"], ["analyst", "Analyst: reads and judges"], ["scientist", "Scientist: also models"], ["admin", "Admin: everything"]];

/** Show what stands only this once. */
export function once(title, words, secret) {
  const button = h("button", { type: "button", class: "primary", onclick: () => copy(button, secret) }, "Copy");
  dialog(title, (close) => h("div", { class: "stack" }, h("p", null, words), h("pre", { class: "secret", tabindex: "0" }, secret), h("footer", null, button, h("button", { type: "button", onclick: close }, "Done"))));
}

/** Ask before something that ends something. */
export function sure(app, title, words, work, again) {
  dialog(title, (close) => h("div", { class: "stack" }, h("p", null, words), h("footer", null, h("button", { type: "button", onclick: close }, "Cancel"), h("button", { type: "button", class: "danger", onclick: async () => {
    try {
      await work();
      close();
      again();
    } catch (error) {
      app.toasts.fail(error);
    }
  } }, title))));
}

/** Keys. */
export function keysTab(app, signal) {
  const place = h("div");
  const role = select(ROLES, "collector", { name: "role" }), label = h("input", { name: "label", maxlength: 120, placeholder: "What is it for?" });
  const load = () => into(place, () => app.api.get("/v1/keys", { signal }), ({ keys }) => (keys.length ? table("Keys", [
    ["Id", (key) => h("code", null, plain(key.id))], ["Role", (key) => key.role], ["Label", (key) => plain(key.label)], ["Made", (key) => app.clock.moment(Date.parse(key.created)), "nowrap"],
    ["", (key) => (key.revoked ? h("span", { class: "hint" }, `revoked ${app.clock.moment(Date.parse(key.revoked))}`)
      : h("button", { type: "button", class: "linklike", onclick: () => sure(app, "Revoke", `The key ${key.id} will be invalid for good.`, () => app.api.del(path`/v1/keys/${key.id}`), load) }, "Revoke"))],
  ], keys) : empty("There are no keys yet.")));
  const make = async (event) => {
    event.preventDefault();
    try {
      const made = await app.api.post("/v1/keys", { role: role.value, label: label.value.trim() });
      once("A new key", "It is shown this once. Give it to the collector, and to nobody else.", made.key);
      label.value = "";
      load();
    } catch (error) {
      app.toasts.fail(error);
    }
  };
  load();
  return h("div", { class: "stack" }, panel("Keys", { hint: "of programs" }, place), panel("Make a key", {}, h("form", { class: "inline", onsubmit: make }, field("Role", role), field("Label", label), h("button", { type: "submit", class: "primary" }, "Make key"))));
}

/** Accounts of people. */
export function accountsTab(app, signal) {
  const place = h("div");
  const login = h("input", { name: "login", required: true, maxlength: 120, autocomplete: "off", spellcheck: "false" }), name = h("input", { name: "name", maxlength: 120 });
  const role = select(ROLES.slice(1), "analyst", { name: "role" });
  const load = () => into(place, () => app.api.get("/v1/accounts", { signal }), ({ accounts }) => table("Accounts", [
    ["Login", (one) => h("b", null, plain(one.login))], ["Name", (one) => plain(one.name)], ["Role", (one) => one.role], ["Second factor", (one) => (one.totp ? "yes" : h("span", { class: "hint" }, "no"))],
    ["", (one) => (one.disabled ? h("span", { class: "hint" }, "disabled") : one.login !== app.session.login && h("button", { type: "button", class: "linklike", onclick: () => sure(app, "Disable", `${one.login} will be signed out and cannot sign in any more.`, () => app.api.del(path`/v1/accounts/${one.login}`), load) }, "Disable"))],
  ], accounts));
  const make = async (event) => {
    event.preventDefault();
    try {
      const made = await app.api.post("/v1/accounts", { login: login.value.trim(), name: name.value.trim(), role: role.value });
      if (made?.password) once(`An account for ${login.value.trim()}`, "This password is shown this once, and must be changed at the first sign-in.", made.password);
      login.value = "";
      name.value = "";
      load();
    } catch (error) {
      app.toasts.fail(error);
    }
  };
  load();
  return h("div", { class: "stack" }, panel("Accounts", { hint: `of people at ${plain(app.session.tenant)}` }, place), panel("Make an account", {}, h("form", { class: "inline", onsubmit: make }, field("Login", login), field("Name", name), field("Role", role), h("button", { type: "submit", class: "primary" }, "Make account"))));
}

/** The audit log. */
export function auditTab(app, signal) {
  const place = h("div");
  const show = ({ lines, next }) => (lines.length ? [table("Audit", [
    ["When", (line) => app.clock.moment(Date.parse(line.at), { seconds: true }), "nowrap"], ["Who", (line) => h("b", null, plain(line.actor))], ["Did", (line) => h("code", null, plain(line.action))], ["To", (line) => plain(line.subject)],
    ["Detail", (line) => h("span", { class: "hint" }, plain(Object.entries(line.detail ?? {}).map(([key, value]) => `${key}: ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", ")))],
  ], lines), next && h("button", { type: "button", onclick: (event) => older(event.target, next) }, "Older lines")] : empty("Nothing was done yet."));
  const older = async (button, before) => {
    button.disabled = true;
    const rest = h("div");
    button.replaceWith(rest);
    await into(rest, () => app.api.get(`/v1/audit${query({ limit: 100, before })}`, { signal }), show);
  };
  into(place, () => app.api.get("/v1/audit?limit=100", { signal }), show, { lines: 8 });
  const box = panel("Audit", { hint: "each line's hash seals it and the line before it" });
  box.append(place);
  return fill(h("div"), box);
}
