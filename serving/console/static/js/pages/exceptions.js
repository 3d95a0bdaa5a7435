/** What is not to count although it is odd: who said so, until when, and the way back. */

import { h } from "../lib/dom.js";
import { plain } from "../lib/format.js";
import { may } from "../lib/words.js";
import { empty, into, panel, table } from "../lib/ui.js";
import { path } from "../lib/api.js";
import { exceptionDialog, exceptionText } from "../alert/exception.js";

class ExceptionsPage {
  constructor(app, signal) {
    Object.assign(this, { app, signal, title: "Exceptions", mayJudge: may(app.session.role, "judge") });
    this.place = h("div");
    this.element = h("div", { class: "page" }, h("div", { class: "top" }, h("h1", null, "Exceptions"), h("p", { class: "summary hint" }, "Odd, and all right until a day. The findings stay in the books; they only stop counting."),
      this.mayJudge && h("button", { type: "button", class: "primary right", onclick: () => this.make() }, "Make an exception")), this.place);
    this.unbind = this.mayJudge ? app.keys.bind("Exceptions", { x: ["Make an exception", () => this.make()] }) : null;
    this.load();
  }

  load() {
    into(this.place, () => this.app.api.get("/v1/exceptions?limit=1000", { signal: this.signal }), ({ exceptions }) => this.show(exceptions), { lines: 6 });
  }

  make() { exceptionDialog(this.app, {}, () => this.load()); }

  show(exceptions) {
    const over = (one) => one.state === "lifted" || one.until <= Date.now();
    const lists = [["Proposed", exceptions.filter((one) => one.state === "proposed" && !over(one)), "They wait for somebody else's approval."],
      ["In force", exceptions.filter((one) => one.state === "holds" && !over(one)), null], ["Over", exceptions.filter(over), null]];
    if (!exceptions.length) return h("div", { class: "panel" }, empty("There are none. They are best made from an alert, at the evidence that is all right."));
    return h("div", { class: "stack" }, lists.filter(([, own]) => own.length).map(([name, own, hint]) => panel(name, { hint }, table(name, [
      ["What", (one) => [h("b", null, exceptionText(one)), one.wide && h("span", { class: "hint" }, " (more than one entity)")]], ["Why", (one) => plain(one.reason), "wide"],
      ["By", (one) => [plain(one.actor), one.approved_by && h("span", { class: "hint" }, `, approved by ${plain(one.approved_by)}`), one.lifted_by && h("span", { class: "hint" }, `, lifted by ${plain(one.lifted_by)}`)]],
      ["Until", (one) => this.app.clock.moment(one.until), "nowrap"],
      ["", (one) => this.mayJudge && !over(one) && h("span", { class: "rowactions" }, one.state === "proposed" && (one.actor !== this.app.session.login
        ? h("button", { type: "button", class: "linklike", onclick: () => this.act(() => this.app.api.post(path`/v1/exceptions/${one.uid}/approve`, undefined), "It holds now.") }, "Approve") : h("span", { class: "hint" }, "somebody else approves")),
      " ", h("button", { type: "button", class: "linklike", onclick: () => this.act(() => this.app.api.del(path`/v1/exceptions/${one.uid}`), "Lifted: what it hid counts again.") }, "Lift"))],
    ], own))));
  }

  async act(work, words) {
    try {
      await work();
      this.app.toasts.show(words);
      this.load();
    } catch (error) {
      this.app.toasts.fail(error);
    }
  }

  close() { this.unbind?.(); }
}

/** The page at /console/exceptions. */
export function exceptionsPage(app, parts, query, signal) {
  return new ExceptionsPage(app, signal);
}
