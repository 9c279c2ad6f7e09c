// How replicas that differ become equal again: hints that wait, comparisons, repairs over time.

import { card } from "./card.js";
import { el, refill, table } from "./markup.js";
import { Plot } from "./plot.js";
import { age, bytes, rate, whole } from "./words.js";

export class Hints {
  constructor() {
    const { box, body } = card("Hints kept here", "Writes that wait on this node for others that could not take them.");
    this.box = box;
    this.body = body;
  }

  show({ targets, paused, inflight }) {
    const rows = targets.map((each) => [each.target, el("span", { class: `state ${each.alive ? "alive" : "dead"}` }, each.alive ? "alive" : "away"), whole(each.count), bytes(each.bytes), age(each.oldest_age_s), each.problem || "–"]);
    const list = rows.length ? table(["For", "Is", "Hints", "Size", "Oldest", "Problem"], rows, "left1") : el("p", { class: "empty" }, "None: every write has reached its replicas.");
    const how = paused ? "Delivery is stopped by an operator: dynamo hints resume." : `${whole(inflight)} are on their way.`;
    refill(this.body, el("div", { class: "scroll" }, list), el("div", { class: "gap" }), el("p", { class: paused ? "note alarm" : "note" }, how));
  }
}

export class Repair {
  constructor() {
    const { box, body } = card("Comparing replicas", "Merkle trees of this node's partitions against those of their other replicas.");
    this.box = box;
    this.body = body;
  }

  show({ enabled, rebuilding_partitions, last_full_sweep_age_s, sweep, total }) {
    const away = sweep.peers_away.length ? `, without ${sweep.peers_away.join(", ")}` : "";
    const facts = [
      ["This sweep", enabled ? `${whole(sweep.exchanges)} of ${whole(sweep.exchanges_due)} comparisons${away}` : "switched off"],
      ["Last whole sweep", last_full_sweep_age_s === null ? "none since the start" : `${age(last_full_sweep_age_s)} ago`],
      ["Keys that differed, since the start", whole(total.keys_differing)],
      ["Repaired", whole(total.keys_repaired)],
      ["Not repaired yet", whole(total.keys_failed)],
      ["Sent for it", bytes(total.bytes_sent)],
      ["Partitions being rebuilt", whole(Array.isArray(rebuilding_partitions) ? rebuilding_partitions.length : rebuilding_partitions)],
    ];
    refill(this.body, el("dl", {}, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])));
  }
}

export class Mending {
  constructor() {
    const count = (value) => (value === null || value === undefined ? "–" : whole(value));
    this.hints = new Plot("Hints that wait", "For all other nodes together, kept by this one.", { lines: [{ name: "hints", colour: "ink" }], format: count, least: 5, empty: "The first window is not over yet." });
    const per_s = (value) => (value === null || value === undefined ? "–" : `${rate(value)}/s`);
    this.repairs = new Plot("Replicas brought up to date", "By reads that met an older copy, and by comparing.", { lines: [{ name: "by reads", colour: "ink" }, { name: "by comparing", colour: "focus", dash: [6, 3] }], format: per_s, least: 1, empty: "The first window is not over yet." });
  }

  show({ at_ms, lasted_s, hints_pending, read_repairs, keys_repaired }) {
    const xs = at_ms.map((at) => at / 1000);
    const perSecond = (counts) => counts.map((count, place) => count / lasted_s[place]);
    this.hints.show(xs, [hints_pending]);
    this.repairs.show(xs, [perSecond(read_repairs), perSecond(keys_repaired)]);
  }
}
