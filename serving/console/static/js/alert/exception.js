/** An exception: what is to be all right, until when, and what that would have hidden so far. */

import { fill, h } from "../lib/dom.js";
import { fixed, plain, plural } from "../lib/format.js";
import { KINDS } from "../lib/words.js";
import { dialog, entity, field, select, table, verdict } from "../lib/ui.js";

const DAY_MS = 86_400_000;
const DAYS = 30, MOST_DAYS = 400;
const iso = (ms) => new Date(ms).toISOString().slice(0, 10);

/** given: {entity_kind, entity, behaviour, value}; onMade(exception) when it was made. */
export function exceptionDialog(app, given, onMade = () => {}) {
  const controls = {
    entity_kind: select(KINDS.map(([key, name]) => [key, name.slice(0, -1).replace("Addresse", "Address")]), given.entity_kind ?? "user", { name: "entity_kind" }),
    entity: h("input", { name: "entity", value: given.entity ?? "", maxlength: 500, spellcheck: "false" }),
    group: h("input", { name: "group", value: "", maxlength: 500, spellcheck: "false" }),
    behaviour: h("input", { name: "behaviour", value: given.behaviour ?? "", maxlength: 200, spellcheck: "false" }),
    value: h("input", { name: "value", value: given.value ?? "", maxlength: 500, spellcheck: "false" }),
    until: h("input", { name: "until", type: "date", required: true, value: iso(Date.now() + DAYS * DAY_MS), min: iso(Date.now() + DAY_MS), max: iso(Date.now() + MOST_DAYS * DAY_MS) }),
    reason: h("textarea", { name: "reason", rows: 2, required: true, maxlength: 2000, placeholder: "Why is this all right? Whoever looks later will ask." }),
  };
  const shown = h("div", { class: "preview", "aria-live": "polite" });
  const problem = h("p", { class: "note alarm", role: "alert" });
  const body = () => {
    const values = Object.fromEntries(Object.entries(controls).map(([name, control]) => [name, control.value.trim()]));
    return { ...values, until: `${values.until}T00:00:00Z`, reason: values.reason || "preview" };
  };
  return dialog("Make an exception", (close) => {
    const preview = h("button", { type: "button", onclick: () => look() }, "Preview");
    const make = h("button", { type: "submit", class: "primary" }, "Make exception");
    async function look() {
      problem.textContent = "";
      preview.disabled = true;
      try {
        fill(shown, previewOf(await app.api.post("/v1/exceptions/preview", body())));
      } catch (error) {
        problem.textContent = error.message;
        fill(shown);
      } finally {
        preview.disabled = false;
      }
    }
    const submit = async (event) => {
      event.preventDefault();
      make.disabled = true;
      problem.textContent = "";
      try {
        const made = await app.api.post("/v1/exceptions", body());
        close();
        app.toasts.show(made.state === "proposed" ? "Proposed. It holds when somebody else approves it." : "The exception holds from the next event on.");
        onMade(made);
      } catch (error) {
        problem.textContent = error.message;
      } finally {
        make.disabled = false;
      }
    };
    return h("form", { onsubmit: submit },
      h("div", { class: "fields" }, field("Kind", controls.entity_kind), field("Entity", controls.entity, "Empty for a group, or for everybody."),
        field("Behaviour", controls.behaviour), field("Value", controls.value, "A * at the end stands for any rest."),
        field("Peer group", controls.group, "Instead of an entity."), field("Until (UTC)", controls.until, `At most ${MOST_DAYS} days.`)),
      field("Reason", controls.reason), shown, problem, h("footer", null, h("button", { type: "button", onclick: close }, "Cancel"), preview, make));
  }, { wide: true });
}

function previewOf(found) {
  const bad = found.true_positives > 0;
  return [
    h("p", { class: bad ? "note alarm" : "note" }, h("b", null, found.entity_days ? `It would lower ${plural(found.entity_days, "entity-day")}, ${plural(found.alerts, "alert")} among them.` : "It would change nothing of the days in the books."),
      bad ? ` ${plural(found.true_positives, "of them was", "of them were")} judged a true positive: make it narrower.` : found.nothing ? ` ${found.nothing} of them ${found.nothing === 1 ? "was" : "were"} judged to be nothing.` : "",
      found.wide ? " It is for more than one entity, so somebody else has to approve it." : ""),
    found.changed.length > 0 && table("Entity-days that change", [
      ["Entity", (row) => entity(row.entity_kind, row.entity, { link: false })], ["Day", (row) => row.day, "nowrap"],
      ["Risk", (row) => `${fixed(row.risk)} → ${fixed(row.risk_after)}`, "num"], ["Judged", (row) => row.verdict_ids.map((id) => verdict(id))],
    ], found.changed.slice(0, 8)),
    found.changed.length > 8 && h("p", { class: "hint" }, `and ${found.changed.length - 8} more`),
  ];
}

/** One line of what an exception says. */
export function exceptionText(one) {
  const whom = one.entity ? `${plain(one.entity)}` : one.group ? `everybody in ${plain(one.group)}` : `all ${KINDS.find(([key]) => key === one.entity_kind)?.[1].toLowerCase() ?? ""}`;
  return `${whom}${one.behaviour ? `: ${plain(one.behaviour)}` : ""}${one.value ? ` ${plain(one.value)}` : ""}`;
}
