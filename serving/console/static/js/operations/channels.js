/** Where alerts are sent: channels for admins, and for everybody what became of the messages. */

import { fill, h } from "../lib/dom.js";
import { age, plain, plural } from "../lib/format.js";
import { SEVERITIES, alertLink, may, severityName } from "../lib/words.js";
import { empty, failed, field, into, panel, select, table } from "../lib/ui.js";
import { path } from "../lib/api.js";
import { once, sure } from "./admin.js";

const KINDS = [["webhook", "Webhook: signed JSON to an address"], ["syslog", "Syslog: CEF to a SIEM"], ["apprise", "Chat or mail, by an Apprise address"]];
const TRANSPORTS = [["tcp", "TCP"], ["tls", "TLS"], ["udp", "UDP"]];
const ABOUT = [["incidents", "Each incident, and when it becomes graver"], ["alerts", "Each alert"]];
const LEVELS = [...SEVERITIES].reverse();
const TONES = { sent: "calm", waiting: "watch", dead: "alarm" };

/** The tab. */
export function channelsTab(app, signal) {
  const isAdmin = may(app.session.role, "administer");
  const place = h("div"), sent = h("div");
  const messages = () => into(sent, () => app.api.get("/v1/notifications?limit=100", { signal }), ({ messages: found }) => showMessages(app, found), { lines: 5 });
  const load = () => into(place, () => app.api.get("/v1/channels", { signal }), ({ channels }) => showChannels(app, channels, { load, messages }), { lines: 3 });
  if (isAdmin) load();
  messages();
  const again = h("button", { type: "button", onclick: messages }, "Look again");
  return h("div", { class: "stack" }, isAdmin && panel("Channels", { hint: "where alerts are sent" }, place), isAdmin && panel("Make a channel", {}, makeForm(app, load)),
    panel("Messages", { hint: "the last hundred", actions: again }, sent));
}

function showChannels(app, channels, { load, messages }) {
  if (!channels.length) return empty("Nothing is sent anywhere yet.");
  const act = async (button, work, words) => {
    button.disabled = true;
    try {
      app.toasts.show(words(await work()));
      messages();
    } catch (error) {
      app.toasts.fail(error);
    } finally {
      button.disabled = false;
    }
  };
  const test = ({ id, label, kind }) => h("button", { type: "button", class: "linklike", onclick: (event) => act(event.target, () => app.api.post(path`/v1/channels/${id}/test`, {}), () => `A test is on its way to ${plain(label || kind)}; below is what becomes of it.`) }, "Send a test");
  const retry = ({ id }) => h("button", { type: "button", class: "linklike", onclick: (event) => act(event.target, () => app.api.post(path`/v1/channels/${id}/retry`, {}), (told) => `${plural(told.messages, "message")} that had been given up ${told.messages === 1 ? "is" : "are"} tried again.`) }, "Try dead ones again");
  const remove = ({ id, label, kind }) => h("button", { type: "button", class: "linklike", onclick: () => sure(app, "Remove", `Nothing will be sent to ${plain(label || kind)} any more, and its address and secret are deleted.`, () => app.api.del(path`/v1/channels/${id}`), load) }, "Remove");
  return table("Channels", [
    ["Channel", (one) => [h("b", null, plain(one.label || one.kind)), " ", h("span", { class: "hint" }, one.label ? one.kind : "")]], ["To", (one) => h("code", null, plain(one.target))],
    ["What", (one) => h("span", { class: "hint" }, rules(one.rules)), "wide"], ["Made", (one) => h("span", { class: "hint", title: app.clock.moment(one.created) }, `${age(one.created)} ago by ${plain(one.actor)}`), "nowrap"],
    ["", (one) => h("span", { class: "rowactions" }, test(one), retry(one), remove(one))],
  ], channels);
}

function rules({ about, min_severity: least, per_hour: most, quiet_from: from, quiet_to: to, time_zone: zone, urgent_severity: urgent }) {
  const parts = [about, least > 1 && `from ${severityName(least).toLowerCase()} on`, `at most ${most} an hour`, from && `quiet ${from} to ${to} ${plain(zone)}`,
    urgent <= 5 ? `${severityName(urgent).toLowerCase()} at any time` : "nothing breaks the quiet hours"];
  return parts.filter(Boolean).join(", ");
}

function showMessages(app, messages) {
  if (!messages.length) return empty("Nothing was sent yet.");
  return table("Messages", [
    ["When", (one) => h("time", { datetime: new Date(one.created).toISOString(), title: app.clock.moment(one.created, { seconds: true }) }, age(one.created) === "now" ? "just now" : `${age(one.created)} ago`), "nowrap"],
    ["Channel", (one) => plain(one.channel || one.channel_id)], ["What", (one) => (one.alert_id && one.kind.startsWith("alert") ? h("a", { href: alertLink(one.alert_id) }, one.kind) : h("code", null, plain(one.kind)))],
    ["State", (one) => [h("span", { class: `verdict ${TONES[one.state] ?? "watch"}` }, one.state === "dead" ? "given up" : one.state), one.attempts > 1 && h("span", { class: "hint" }, ` after ${plural(one.attempts, "try", "tries")}`)], "nowrap"],
    ["", (one) => one.error && h("span", { class: "hint" }, plain(one.error)), "wide"],
  ], messages);
}

function makeForm(app, load) {
  const input = (name, props = {}) => h("input", { name, maxlength: 2000, spellcheck: "false", autocomplete: "off", ...props });
  const kind = select(KINDS, "webhook", { name: "kind", onchange: () => draw() });
  const label = input("label", { maxlength: 120, placeholder: "What people call it" });
  const targets = {
    webhook: { url: [input("url", { type: "url", required: true, placeholder: "begins with https" }), "Address"], secret: [input("secret", { placeholder: "one is made" }), "Secret"] },
    syslog: { host: [input("host", { required: true }), "Host"], port: [input("port", { type: "number", min: 1, max: 65535, value: "514" }), "Port"], transport: [select(TRANSPORTS, "tcp", { name: "transport" }), "Over"] },
    apprise: { url: [input("url", { required: true, placeholder: "slack://..., mailto://..., ..." }), "Apprise address"] },
  };
  const choices = {
    about: [select(ABOUT, "incidents", { name: "about" }), "Tell of"], min_severity: [select(LEVELS, 1, { name: "min_severity" }), "Least severity"],
    per_hour: [input("per_hour", { type: "number", min: 1, max: 3600, value: "60" }), "Most an hour"], quiet_from: [input("quiet_from", { type: "time" }), "Quiet from"], quiet_to: [input("quiet_to", { type: "time" }), "Quiet to"],
    time_zone: [input("time_zone", { value: app.clock.zone }), "Time zone of the quiet hours"], urgent_severity: [select([...LEVELS, [6, "Nothing"]], 5, { name: "urgent_severity" }), "Sent at any time from"],
  };
  const place = h("div", { class: "fields" }), problem = h("div");
  const draw = () => fill(place, Object.values(targets[kind.value]).map(([control, name]) => field(name, control)));
  const values = (controls) => Object.fromEntries(Object.entries(controls).map(([name, [control]]) => [name, ["port", "per_hour", "min_severity", "urgent_severity"].includes(name) ? Number(control.value) : control.value.trim()]));
  const make = async (event) => {
    event.preventDefault();
    fill(problem);
    try {
      const made = await app.api.post("/v1/channels", { kind: kind.value, label: label.value.trim(), target: values(targets[kind.value]), rules: values(choices) });
      if (made.secret) once("A new channel", "The receiver checks signatures with this secret. It is shown this once.", made.secret);
      else app.toasts.show("The channel is made. Send a test.");
      form.reset();
      draw();
      load();
    } catch (error) {
      fill(problem, failed(error));
    }
  };
  const form = h("form", { onsubmit: make }, h("div", { class: "fields" }, field("Kind", kind), field("Label", label)), place,
    h("details", null, h("summary", null, "What is sent, and when"), h("div", { class: "fields" }, Object.values(choices).map(([control, name]) => field(name, control)))),
    problem, h("footer", null, h("button", { type: "submit", class: "primary" }, "Make channel")));
  draw();
  return form;
}
