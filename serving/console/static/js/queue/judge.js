/** Verdicts on one alert or many: what it will do, a reason, and a way back. */

import { h } from "../lib/dom.js";
import { plain, plural } from "../lib/format.js";
import { VERDICTS, STATES, verdictName } from "../lib/words.js";
import { dialog, field, kbd, select } from "../lib/ui.js";
import { path } from "../lib/api.js";

/** Buttons of all verdicts, with their keys. onPick(verdict). */
export function verdictButtons(onPick, { disabled = false } = {}) {
  return h("div", { class: "verdicts", role: "group", "aria-label": "Verdict" }, VERDICTS.map((verdict, at) =>
    h("button", { type: "button", class: `judge ${verdict.tone}`, disabled, onclick: () => onPick(verdict) }, kbd(at + 1), verdict.name)));
}

/** Ask for the reason and give the verdict. alerts: [{id, entity, version?}]; onDone(ids, change). */
export function judge(app, verdict, alerts, onDone) {
  const whom = alerts.length === 1 ? plain(alerts[0].entity) : plural(alerts.length, "alert");
  ask(verdict, whom, alerts.length === 1, (given) => give(app, verdict, alerts, given, onDone));
}

/** Ask for the reason and give the verdict on all alerts of an incident. */
export function judgeIncident(app, verdict, id, title, onDone) {
  ask(verdict, plain(title), true, async ({ reason, state, unlearn }) => {
    await app.api.post(path`/v1/incidents/${id}/verdict`, { verdict_id: verdict.id, reason, state, unlearn });
    onDone();
    app.toasts.show(`${verdict.name}: ${plain(title)}`, { action: { label: "Undo", run: async () => {
      try {
        await app.api.del(path`/v1/incidents/${id}/verdict`);
        onDone();
      } catch (error) {
        app.toasts.fail(error);
      }
    } } });
  });
}

function ask(verdict, whom, mayUnlearn, work) {
  const reason = h("textarea", { rows: 3, maxlength: 2000, placeholder: "Why? The next one who sees this will ask.", name: "reason" });
  const next = select([["", "Leave as it is"], ...STATES.slice(1)], verdict.closes ? "closed" : "in_progress", { name: "state" });
  const unlearn = h("input", { type: "checkbox", name: "unlearn" });
  dialog(`${verdict.name}: ${whom}`, (close) => {
    const button = h("button", { class: "primary", type: "submit" }, "Give verdict", kbd("↵"));
    const submit = async (event) => {
      event.preventDefault();
      button.disabled = true;
      try {
        await work({ reason: reason.value.trim(), state: next.value, unlearn: unlearn.checked });
        close();
      } catch (error) {
        button.disabled = false;
        problem.textContent = error.status === 409 ? "Somebody was faster: the alert has changed. Close this and look again." : error.message;
      }
    };
    const problem = h("p", { class: "note alarm", role: "alert" });
    reason.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    const form = h("form", { onsubmit: submit }, h("p", { class: "hint" }, verdict.does), field("Reason", reason, "Shift+Enter begins a new line."),
      field("Then the state is", next),
      verdict.id === 2 && mayUnlearn && h("label", { class: "check" }, unlearn, "Take the entity's whole day out of what is normal"),
      problem, h("footer", null, h("button", { type: "button", onclick: close }, "Cancel"), button));
    return form;
  });
}

async function give(app, verdict, alerts, { reason, state, unlearn }, onDone) {
  const ids = alerts.map(({ id }) => id);
  let done = ids;
  if (alerts.length === 1) {
    const body = { verdict_id: verdict.id, reason, state, unlearn, version: alerts[0].version ?? null };
    await app.api.post(path`/v1/alerts/${ids[0]}/verdict`, body);
  } else {
    const answer = await app.api.post("/v1/alerts/verdicts", { ids, verdict_id: verdict.id, reason, state });
    done = answer.done.map((one) => one.id ?? one);
    if (answer.failed.length) app.toasts.show(`${plural(answer.failed.length, "alert")} left as they were: ${plain(answer.failed[0].error)}`, { tone: "alarm" });
  }
  // a verdict moves a new alert on by itself
  const change = { verdict_id: verdict.id, ...(state ? { state } : {}) };
  onDone(done, change);
  app.toasts.show(done.length === 1 ? `${verdict.name}: ${plain(alerts[0].entity)}` : `${verdict.name}: ${plural(done.length, "alert")}`, {
    action: { label: "Undo", run: () => undo(app, done, onDone) },
  });
  app.lastVerdict = () => undo(app, done, onDone);
}

/** Take back the newest verdict on these, and bring what it closed back to triage. */
async function undo(app, ids, onDone) {
  app.lastVerdict = null;
  try {
    for (const id of ids) {
      const { alert } = await app.api.del(path`/v1/alerts/${id}/verdict`);
      const shown = alert?.unmapped?.state === "closed" ? await app.api.post(path`/v1/alerts/${id}/state`, { state: "triaged" }) : alert;
      onDone([id], { verdict_id: shown?.verdict_id ?? null, state: shown?.unmapped?.state ?? "triaged" }, { undone: true });
    }
    app.toasts.show(ids.length === 1 ? "Taken back." : `${plural(ids.length, "verdict")} taken back.`);
  } catch (error) {
    app.toasts.fail(error);
  }
}

/** Bindings of the verdict keys. onPick(verdict). */
export function verdictKeys(onPick) {
  return Object.fromEntries(VERDICTS.map((verdict, at) => [String(at + 1), [verdictName(verdict.id), () => onPick(verdict)]]));
}
