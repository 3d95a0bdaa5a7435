/** Sign-in: login and password, a code if the account has one, a new password if it must be changed. */

import { fill, h } from "../lib/dom.js";
import { field } from "../lib/ui.js";

/** How a sign-in at an OpenID provider ended, as it comes back in the address. */
const ENDS = {
  denied: "The provider refused.", unknown: "No account here is made for you; ask an admin.",
  failed: "The sign-in did not work. Try again.", unreachable: "The provider cannot be reached.",
};

/** The sign-in page; enter(session) is called when it went well. */
export function signIn({ api, message, enter }) {
  const ended = ENDS[new URLSearchParams(location.search).get("signin")];
  const note = h("p", { class: ended ? "note alarm" : "note", role: "status" }, message || ended);
  const body = h("div");
  const others = h("div", { class: "others" });
  const say = (text, tone = "alarm") => { note.textContent = text; note.className = `note ${tone}`; };

  function credentials() {
    const login = h("input", { name: "login", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: "false", maxlength: 200 });
    const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true, maxlength: 1000 });
    const code = h("input", { name: "totp", inputmode: "numeric", autocomplete: "one-time-code", maxlength: 10, pattern: "[0-9 ]*" });
    const codeField = field("Code from your authenticator", code);
    codeField.hidden = true;
    const button = h("button", { class: "primary", type: "submit" }, "Sign in");
    const submit = async (event) => {
      event.preventDefault();
      button.disabled = true;
      try {
        const body = { login: login.value.trim(), password: password.value };
        if (code.value) body.totp = code.value.replaceAll(" ", "");
        const session = await api.post("/console/session", body, { quiet: true });
        api.csrf = session.csrf;
        if (session.must_change) newPassword(password.value);
        else enter(session);
      } catch (error) {
        refused(error);
      } finally {
        button.disabled = false;
      }
    };
    function refused(error) {
      if (error.body?.totp_required) {
        const asked = codeField.hidden;
        codeField.hidden = false;
        say(asked ? "Now the code." : "That code is not right, or was used already.", asked ? "calm" : "alarm");
        code.value = "";
        code.focus();
      } else if (error.status === 429) {
        say(`Too many attempts. Wait ${error.retryAfter ?? 60} seconds.`);
      } else {
        say(error.status === 401 ? "Login and password do not fit." : error.message);
        password.select();
      }
    }
    fill(body, h("form", { onsubmit: submit }, field("Login", login), field("Password", password), codeField, button));
  }

  function newPassword(old) {
    const first = h("input", { type: "password", name: "new", autocomplete: "new-password", required: true, minlength: 12, maxlength: 1000 });
    const second = h("input", { type: "password", name: "again", autocomplete: "new-password", required: true, maxlength: 1000 });
    const submit = async (event) => {
      event.preventDefault();
      if (first.value !== second.value) {
        say("The two are not the same.");
        second.select();
        return;
      }
      try {
        await api.post("/console/session/password", { old, new: first.value }, { quiet: true });
        enter(await api.get("/console/session", { quiet: true }), { isFirst: true });
      } catch (error) {
        if (error.status === 401) credentials();
        say(error.status === 401 ? "Changed. Sign in with the new password." : error.message, error.status === 401 ? "calm" : "alarm");
      }
    };
    say("This password was for once. Choose your own.", "calm");
    others.replaceChildren();
    fill(body, h("form", { onsubmit: submit },
      h("input", { type: "text", autocomplete: "username", class: "sr", tabindex: "-1", "aria-hidden": "true", "aria-label": "login" }),
      field("New password", first, "At least 12 characters."), field("Once more", second),
      h("button", { class: "primary", type: "submit" }, "Change and go on")));
    first.focus();
  }

  credentials();
  api.get("/console/session/options", { quiet: true }).then((options) => {
    if (!options?.oidc) return;
    fill(others, h("span", null, "or"), h("a", { class: "button", href: "/console/oidc/start", target: "_self" }, `Sign in with ${options.oidc.name}`));
  }, () => { /* without an answer there is only the form */ });
  return h("main", { class: "signin" },
    h("section", { "aria-labelledby": "signin-title" }, h("div", { class: "brand" }, h("span", { class: "mark", "aria-hidden": "true" })),
      h("h1", { id: "signin-title" }, "habitus"), h("p", { class: "sub" }, "What is unusual, for whom, and why."), note, body, others));
}
