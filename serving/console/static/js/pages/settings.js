/** How it looks for this person, and how this person signs in. */

import { fill, h } from "../lib/dom.js";
import { plain } from "../lib/format.js";
import { dialog, field, panel, select } from "../lib/ui.js";
import { ownZone } from "../lib/settings.js";

class SettingsPage {
  constructor(app) {
    Object.assign(this, { app, title: "Settings" });
    this.factor = h("div");
    this.element = h("div", { class: "page" }, h("div", { class: "top" }, h("h1", null, "Settings")),
      h("div", { class: "cols" }, h("div", { class: "stack" }, this.looks()), h("div", { class: "stack" }, this.password(), panel("Second factor", {}, this.factor), this.names())));
    this.drawFactor();
  }

  looks() {
    const { settings } = this.app;
    const zones = [...new Set(["UTC", ownZone(), ...(Intl.supportedValuesOf?.("timeZone") ?? [])])];
    const now = h("small", null, this.app.clock.moment(Date.now()));
    const keys = h("input", { type: "checkbox", checked: settings.keys, onchange: () => settings.set("keys", keys.checked) });
    return panel("Appearance and keys", { hint: "kept in this browser" }, h("div", { class: "stack" },
      field("Theme", select([["auto", "As the system has it"], ["light", "Light"], ["dark", "Dark"]], settings.theme, { onchange: (event) => settings.set("theme", event.target.value) })),
      field("Time zone", select(zones.map((zone) => [zone, zone === ownZone() && zone !== "UTC" ? `${zone} (this computer's)` : zone]), settings.zone, { onchange: (event) => { settings.set("zone", event.target.value); now.textContent = this.app.clock.moment(Date.now()); } }), now),
      h("p", { class: "hint" }, "Days of alerts are always days in UTC."), h("label", { class: "check" }, keys, "Single keys (j, k, 1 to 7 and others)"),
      h("div", null, h("button", { type: "button", onclick: () => this.app.tours.start() }, "Take the tour"))));
  }

  password() {
    const old = h("input", { type: "password", autocomplete: "current-password", required: true, maxlength: 1000 });
    const fresh = h("input", { type: "password", autocomplete: "new-password", required: true, minlength: 12, maxlength: 1000 });
    const form = h("form", { onsubmit: async (event) => {
      event.preventDefault();
      try {
        await this.app.api.post("/console/session/password", { old: old.value, new: fresh.value }, { quiet: true });
        this.app.toasts.show("The password is changed.");
        form.reset();
        await this.renew();
      } catch (error) {
        this.app.toasts.fail(error.status === 401 ? new Error("The present password is not right.") : error);
      }
    } }, h("input", { type: "text", autocomplete: "username", value: this.app.session.login, class: "sr", tabindex: "-1", "aria-hidden": "true" }), field("Present password", old), field("New password", fresh, "At least 12 characters."), h("button", { type: "submit" }, "Change password"));
    return panel("Password", { hint: plain(this.app.session.login) }, form);
  }

  async renew() {
    const session = await this.app.api.get("/console/session");
    this.app.session = session;
    this.app.api.csrf = session.csrf;
  }

  drawFactor() {
    const on = this.app.session.totp;
    fill(this.factor, h("p", { class: "hint" }, on ? "A code from your authenticator is asked for at each sign-in." : "With a code from an authenticator app, a stolen password is not enough."),
      h("button", { type: "button", onclick: () => (on ? this.endFactor() : this.beginFactor()) }, on ? "Switch off" : "Set up"));
  }

  async beginFactor() {
    try {
      const { secret, url } = await this.app.api.post("/console/session/totp", {});
      const code = h("input", { inputmode: "numeric", autocomplete: "one-time-code", required: true, maxlength: 10, autofocus: true });
      dialog("Set up a second factor", (close) => h("form", { onsubmit: async (event) => {
        event.preventDefault();
        try {
          await this.app.api.post("/console/session/totp/confirm", { code: code.value.replaceAll(" ", "") }, { quiet: true });
          close();
          this.app.session.totp = true;
          this.drawFactor();
          this.app.toasts.show("The second factor is on.");
        } catch (error) {
          this.app.toasts.fail(error.status === 401 ? new Error("That code is not right.") : error);
        }
      } }, h("p", null, "Enter this secret in your authenticator app, then the code that it shows."), h("pre", { class: "secret", tabindex: "0" }, plain(secret.match(/.{1,4}/g)?.join(" ") ?? secret)),
      h("details", null, h("summary", null, "As an address"), h("pre", { class: "secret", tabindex: "0" }, plain(url))), field("Code", code), h("footer", null, h("button", { type: "button", onclick: close }, "Cancel"), h("button", { type: "submit", class: "primary" }, "Switch on"))));
    } catch (error) {
      this.app.toasts.fail(error);
    }
  }

  endFactor() {
    const password = h("input", { type: "password", autocomplete: "current-password", required: true });
    dialog("Switch off the second factor", (close) => h("form", { onsubmit: async (event) => {
      event.preventDefault();
      try {
        await this.app.api.del("/console/session/totp", { password: password.value }, { quiet: true });
        close();
        this.app.session.totp = false;
        this.drawFactor();
      } catch (error) {
        this.app.toasts.fail(error.status === 401 ? new Error("The password is not right.") : error);
      }
    } }, field("Password", password), h("footer", null, h("button", { type: "button", onclick: close }, "Cancel"), h("button", { type: "submit", class: "danger" }, "Switch off"))));
  }

  names() {
    const box = h("input", { type: "checkbox", checked: Boolean(this.app.session.pseudonymous), onchange: async () => {
      try {
        await this.app.api.post("/console/session/pseudonymous", { on: box.checked });
        this.app.session.pseudonymous = box.checked;
        this.app.queue.loadedAt = 0;
        this.app.toasts.show(box.checked ? "People's names are hidden from now on." : "People's names are shown.");
      } catch (error) {
        box.checked = !box.checked;
        this.app.toasts.fail(error);
      }
    } });
    return panel("Names of people", {}, h("label", { class: "check" }, box, "Show pseudonyms instead of names"));
  }
}

/** The page at /console/settings. */
export function settingsPage(app) {
  return new SettingsPage(app);
}
