/** What happens while one looks: the service tells by server-sent events which alerts changed. */

export class Live {
  /** on(name, data) for "alerts", "budget", "hello" and "bye" (the session is over); onState(true|false) when the line comes or goes. */
  constructor(url, { on, onState }) {
    this.on = on;
    this.onState = onState;
    this.url = url;
    this.wait = 1000;
    this.open();
  }

  open() {
    this.source = new EventSource(this.url);
    this.source.onopen = () => { this.wait = 1000; this.onState(true); };
    this.source.onerror = () => {
      this.onState(false);
      if (this.source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.open(), this.wait);
      this.wait = Math.min(60_000, this.wait * 2);
    };
    for (const name of ["hello", "alerts", "budget", "bye"]) {
      this.source.addEventListener(name, (event) => {
        let data;
        try {
          data = JSON.parse(event.data);
        } catch {
          return; // half a message: the next one has it all
        }
        this.on(name, data);
      });
    }
  }

  close() {
    clearTimeout(this.timer);
    this.source.close();
  }
}
