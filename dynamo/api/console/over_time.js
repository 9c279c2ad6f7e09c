// Four charts with one time axis: what each level gives (fresh answers, answers at all), and what it costs.

import { LEVELS, lastMinute, lines, quotient } from "./levels.js";
import { Plot } from "./plot.js";
import { percent, seconds } from "./words.js";

export class OverTime {
  constructor(box) {
    const shares = { format: percent, least: 0.01 };
    this.stale = new Plot("Stale reads", "Share of judged reads, over a minute each, that missed a write acknowledged before they began.", { lines: lines(), ...shares, empty: "No reads were judged in the last minutes." });
    this.failed = new Plot("Failed requests", "Share of reads and writes, over a minute each, that ended without success through no fault of the client.", { lines: lines(), ...shares, empty: "No requests came in the last minutes." });
    this.reads = new Plot("Latency of reads, p99", "99 of 100 reads took no longer; single keys, from the request's headers to the answer.", { lines: lines(), format: seconds, least: 0.001, empty: "No reads came in the last minutes." });
    this.writes = new Plot("Latency of writes, p99", "99 of 100 writes took no longer; each durable on as many replicas as its level says.", { lines: lines(), format: seconds, least: 0.001, empty: "No writes came in the last minutes." });
    box.append(this.stale.box, this.failed.box, this.reads.box, this.writes.box);
  }

  show({ at_ms, lasted_s, levels }) {
    const xs = at_ms.map((at) => at / 1000);
    const each = (make) => LEVELS.map((level) => make(levels[level]));
    const sums = (values) => lastMinute(values, lasted_s);
    const plus = (left, right) => left.map((value, place) => value + right[place]);
    this.stale.show(xs, each((level) => quotient(sums(level.stale), sums(level.judged))));
    this.failed.show(xs, each((level) => quotient(sums(plus(level.reads_failed, level.writes_failed)), sums(plus(level.reads, level.writes)))));
    this.reads.show(xs, each((level) => level.read_p99_s));
    this.writes.show(xs, each((level) => level.write_p99_s));
  }
}
