// The page: asks its node every few seconds, each route by itself, and hands the answers to the cards.

import { Hints, Mending, Repair } from "./upkeep.js";
import { Members } from "./members.js";
import { OverTime } from "./over_time.js";
import { Predicted, WhatIf } from "./choices.js";
import { Ring } from "./ring.js";
import { Tiles } from "./tiles.js";
import { age, clock, percent } from "./words.js";

const LONGEST_S = 5, SHORTEST_S = 0.5, PATIENCE_MS = 10000;
const place = (id) => document.getElementById(id);

const tiles = new Tiles(place("tiles"));
const ring = new Ring(), members = new Members(), whatIf = new WhatIf(), predicted = new Predicted();
const overTime = new OverTime(place("levels"));
const hints = new Hints(), repair = new Repair(), mending = new Mending();
place("cluster").append(ring.box, members.box);
place("choices").append(whatIf.box, predicted.box);
place("upkeep").append(hints.box, repair.box, mending.hints.box, mending.repairs.box);

let held = false, period_s = LONGEST_S, since = null;

function showData(answer) {
  period_s = Math.min(LONGEST_S, Math.max(SHORTEST_S, answer.period_s || LONGEST_S));
  document.title = `${answer.node} · ${answer.cluster} · dynamo console`;
  place("title").textContent = answer.cluster;
  place("about").textContent = `${answer.node}, version ${answer.version}, N=${answer.replicas}, epoch ${answer.ring.epoch}`;
  const kept = answer.period_s * answer.windows_max;
  const judged = answer.sample_share ? `${percent(answer.sample_share)} of reads are judged` : "no reads are judged: that is switched off";
  const charts = kept ? `Charts show what was asked through ${answer.node}, at most ${age(kept)} back, in windows of ${answer.period_s} s` : "No history is kept: telemetry.history_period_s is 0";
  place("foot").textContent = `${charts}; ${judged}. Nothing on this page comes from another host.`;
  ring.show(answer.ring);
  tiles.history(answer.history);
  overTime.show(answer.history);
  mending.show(answer.history);
  whatIf.show(answer.since_start);
  predicted.show(answer.since_start.levels);
}

const ROUTES = {
  pbs: (answer) => predicted.pbs(answer),
  console: showData,
  hints: (answer) => hints.show(answer),
  repair: (answer) => repair.show(answer),
  cluster: (answer) => { members.show(answer); tiles.cluster(answer); },
};

async function ask([name, show]) {
  const answer = await fetch(`/admin/v1/${name}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
  show(await answer.json());
}

function say(words, kind = "") {
  const status = place("status");
  status.className = kind;
  if (status.textContent !== words) status.textContent = words;
}

async function refresh() {
  const results = await Promise.allSettled(Object.entries(ROUTES).map(ask));
  const failed = results.find((result) => result.status === "rejected");
  if (held) return;
  if (!failed) since = Date.now() / 1000;
  if (failed) say(since ? `no answer since ${clock(since)}` : "no answer", "late");
  else say("live");
  if (!failed) document.documentElement.dataset.ready = "yes";
}

async function rounds() {
  for (;;) {
    if (!held && !document.hidden) await refresh();
    await new Promise((resolve) => setTimeout(resolve, period_s * 1000));
  }
}

place("pause").addEventListener("click", () => {
  held = !held;
  place("pause").setAttribute("aria-pressed", String(held));
  place("pause").textContent = held ? "Go on" : "Pause";
  if (held) say(`as of ${clock(Date.now() / 1000)}`, "held");
  else refresh();
});

rounds();
