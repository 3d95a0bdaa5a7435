/** Times, ages and numbers as people read them. A time never stands without its zone. */

/** Zone of the person, "UTC" unless chosen otherwise. */
export class Clock {
  constructor(zone = "UTC") { this.use(zone); }

  /** Take another IANA zone; an unknown one becomes UTC. */
  use(zone) {
    try {
      this.parts = new Intl.DateTimeFormat("en-CA", {
        timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
        hour: "2-digit", minute: "2-digit", second: "2-digit",
      });
      this.short = new Intl.DateTimeFormat("en-GB", { timeZone: zone, timeZoneName: "short" });
      this.zone = zone;
    } catch {
      this.use("UTC");
    }
  }

  split(ms) {
    const found = {};
    for (const { type, value } of this.parts.formatToParts(ms)) found[type] = value;
    return found;
  }

  /** "2025-03-11 01:30 UTC"; an em dash for what is not known. */
  moment(ms, { seconds = false, zone = true } = {}) {
    if (!Number.isFinite(ms)) return "—";
    const p = this.split(ms);
    const text = `${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}${seconds ? `:${p.second}` : ""}`;
    return zone ? `${text} ${this.name(ms)}` : text;
  }

  /** "01:30:12", without a zone: for lists whose heading names it. */
  time(ms) {
    const p = this.split(ms);
    return `${p.hour}:${p.minute}:${p.second}`;
  }

  /** The zone's short name at that moment, such as UTC, CET or GMT+5:30. */
  name(ms = Date.now()) {
    if (this.zone === "UTC") return "UTC";
    return this.short.formatToParts(ms).find((part) => part.type === "timeZoneName")?.value ?? this.zone;
  }

  /** Whole hours that the zone is ahead of UTC now (rounded: some zones are ahead by half hours). */
  offsetHours(ms = Date.now()) {
    const p = this.split(ms);
    return Math.round((Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second) - ms) / 3_600_000);
  }
}

/** "just now", "5 min", "3 h", "2 d". */
export function age(ms, now = Date.now()) {
  if (!Number.isFinite(ms)) return "—";
  const seconds = Math.max(0, (now - ms) / 1000);
  if (seconds < 60) return "now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** A length of time in seconds. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "—";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${(seconds / 86_400).toFixed(1)} d`;
}

const WHOLE = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

/** 12,345; an em dash for what is not known. */
export function count(value) {
  return Number.isFinite(value) ? WHOLE.format(value) : "—";
}

/** A number with so many digits behind the point. */
export function fixed(value, digits = 1) {
  return Number.isFinite(value) ? value.toFixed(digits) : "—";
}

/** 0..1 as a percentage; small ones are not rounded to nothing. */
export function percent(value) {
  if (!Number.isFinite(value)) return "—";
  if (value > 0 && value < 0.01) return "<1%";
  return `${Math.round(value * 100)}%`;
}

/** "1 alert", "2 alerts". */
export function plural(number, word, words = `${word}s`) {
  return `${count(number)} ${number === 1 ? word : words}`;
}

/** Characters that steer text (line ends, bidirectional marks, zero width) made visible, so that a name cannot
 *  pose as another one. */
export function plain(text) {
  return String(text ?? "").replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `\\u${character.codePointAt(0).toString(16).padStart(4, "0")}`);
}
