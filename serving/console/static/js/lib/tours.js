/** When the guided tour is shown: the tour itself comes when somebody takes it. */

/** The account of `habitus demo`: who signs in there for the first time has never seen any of this. */
const isDemo = ({ tenant, login }) => tenant === "demo" && login === "demo";

export class Tours {
  constructor(app, isFirst) {
    Object.assign(this, { app, isFirst });
    this.name = `habitus.tour.${app.session.tenant}/${app.session.login}`;
  }

  /** Whether this person took or left the tour in this browser. */
  get isDone() {
    try {
      return localStorage.getItem(this.name) === "done";
    } catch {
      return this.left;
    }
  }

  /** The console was opened: in a demo's first session the tour begins by itself. */
  begin() {
    if (this.isFirst && isDemo(this.app.session) && !this.isDone) this.start();
  }

  async start() {
    try {
      const { Tour } = await import("../tour/tour.js");
      if (this.ended) return;
      this.tour?.close();
      this.tour = new Tour(this.app, () => this.done());
      await this.tour.go(0);
    } catch (error) {
      this.app.toasts.fail(error);
    }
  }

  done() {
    this.tour = null;
    this.left = true;
    try {
      localStorage.setItem(this.name, "done");
    } catch { /* a browser that keeps nothing: until the page is left */ }
  }

  /** The session is over. */
  end() {
    this.ended = true;
    this.tour?.close();
    this.tour = null;
  }
}
