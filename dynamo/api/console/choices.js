// What if: judged reads by how many replies they might have waited for; predictions, with what was measured beside them.

import { card } from "./card.js";
import { el, refill, table } from "./markup.js";
import { LEVELS, lines } from "./levels.js";
import { Plot } from "./plot.js";
import { age, percent, seconds, share, whole } from "./words.js";

const SHORTEST_S = 0.0005;
const DASHES = { 1: [2, 3], 2: [5, 4] };
const OTHER_DASH = [9, 4];

function barred(words, part) {
  const bar = el("i");
  bar.style.width = `${Math.min(100, part * 100)}%`;
  return el("td", { class: "barred" }, bar, el("span", {}, words));
}

export class WhatIf {
  constructor() {
    const { box, body } = card("Had they waited for more, or fewer", "The same reads and writes, since this node's start, at other quorums.");
    this.box = box;
    this.reads = el("div", { class: "scroll" });
    this.writes = el("div", { class: "scroll" });
    body.append(this.reads, el("div", { class: "gap" }), this.writes);
  }

  show({ replies, acks }) {
    const slowest = Math.max(...replies.map((row) => row.p99_s ?? 0), ...acks.map((row) => row.p99_s ?? 0)) || 1;
    const times = (row) => [seconds(row.p50_s), barred(seconds(row.p99_s), (row.p99_s ?? 0) / slowest)];
    refill(this.reads, table(["Replies, R", "Stale", "p50", "p99"], replies.map((row) => [String(row.replies), share(row.stale, row.judged), ...times(row)])));
    refill(this.writes, table(["Acknowledgements, W", "Measured", "p50", "p99"], acks.map((row) => [String(row.acks), whole(row.measured), ...times(row)])));
  }
}

const measuredLines = () => lines().map((line) => ({ ...line, dash: [], name: `${line.name}, measured` }));
const quorumName = (each) => `R=${each.read_replies} W=${each.write_acks}`;

// In the colour of the level that waits for as many replies.
function line(each, replicas) {
  const majority = Math.floor(replicas / 2) + 1;
  const colour = each.read_replies === 1 ? "one" : each.read_replies >= majority ? "quorum" : "soft";
  return { name: `${quorumName(each)}, predicted`, colour, dash: DASHES[each.write_acks] ?? OTHER_DASH, points: false };
}

// The measured share is of all judged reads, most of which come long after the last write of their key.
export class Predicted {
  constructor() {
    this.plot = null;
    this.names = null;
    this.prediction = null;
    this.box = null;
    this.make([], 1);
  }

  make(quorums, replicas) {
    const names = quorums.map(quorumName).join();
    if (names === this.names) return;
    this.names = names;
    this.plot = new Plot("Predicted, and measured", "Predicted: a read that begins so long after a write's acknowledgement is stale. Measured: judged reads that missed a write older than that.", { lines: [...quorums.map((each) => line(each, replicas)), ...measuredLines()], format: percent, least: 0.02, log: true, empty: "No prediction yet, and no reads judged." });
    this.age = el("p", { class: "note" });
    this.plot.view.details.before(this.age);
    const box = this.plot.box;
    this.box?.replaceWith(box);
    this.box = box;
  }

  pbs(answer) {
    this.prediction = answer.prediction;
    this.make(answer.prediction?.quorums ?? [], answer.replicas);
    const made = answer.prediction && `Predicted ${age(answer.age_s)} ago from ${whole(answer.prediction.exchanges)} exchanges`;
    this.age.textContent = made ? `${made}, for one write and one later read through another node. Most reads come later than that, so fewer are stale.` : answer.why_not || "The first prediction is being made.";
  }

  show(levels) {
    const quorums = this.prediction?.quorums ?? [];
    const curves = quorums.map((each) => new Map(each.curve.map(([after, fresh]) => [after, 1 - fresh])));
    const stairs = LEVELS.map((name) => {
      const { fresh, stale, inflight, staler } = levels[name];
      const judged = fresh + stale + inflight;
      return new Map(judged ? staler.map(([after, count]) => [after, count / judged]) : []);
    });
    const all = [...curves, ...stairs];
    const xs = [...new Set(all.flatMap((each) => [...each.keys()]))].filter((x) => x >= SHORTEST_S && x <= 10).sort((a, b) => a - b);
    this.plot.show(xs, all.map((each) => xs.map((x) => each.get(x) ?? null)));
  }
}
