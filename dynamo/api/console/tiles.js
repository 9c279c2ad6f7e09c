// The line at the top: six numbers that say whether anything needs a look.

import { el } from "./markup.js";
import { LEVELS, lastMinute } from "./levels.js";
import { below, percent, rate, seconds, whole } from "./words.js";

const last = (values) => values.at(-1) ?? null;
const lastKnown = (values) => values.findLast((value) => value !== null) ?? null;
const NAMES = ["Nodes that answer", "Reads a second", "Writes a second", "Quorum reads, p99", "Stale at one", "Hints kept here"];

export class Tiles {
  constructor(box) {
    this.tiles = NAMES.map((name) => {
      const number = el("b", {}, "–"), unit = el("span", { class: "unit" }, "\u00a0");
      box.append(el("div", { class: "tile" }, el("span", { class: "name" }, name), number, unit));
      return { number, unit };
    });
  }

  set(place, number, unit, alarm = false) {
    const tile = this.tiles[place];
    tile.number.textContent = number;
    tile.unit.textContent = unit || "\u00a0";
    tile.number.classList.toggle("alarm", alarm);
  }

  cluster({ nodes }) {
    const up = nodes.filter((node) => node.state === "up").length;
    this.set(0, `${up} of ${nodes.length}`, up < nodes.length ? "others are away" : "all of them", up < nodes.length);
  }

  history({ lasted_s, hints_pending, levels }) {
    const minute = (values) => last(lastMinute(values, lasted_s));
    const total = (name) => LEVELS.reduce((sum, level) => sum + (minute(levels[level][name]) ?? 0), 0);
    const lasted = minute(lasted_s);
    this.set(1, rate(lasted && total("reads") / lasted), "here, in the last minute");
    this.set(2, rate(lasted && total("writes") / lasted), "here, in the last minute");
    this.set(3, seconds(lastKnown(levels.quorum.read_p99_s)), "here, lately");
    const [judged, stale] = ["judged", "stale"].map((name) => minute(levels.one[name]));
    const of = judged ? `of ${whole(judged)} in a minute` : "none judged lately";
    this.set(4, judged ? percent(stale / judged) : "–", judged && !stale ? `${of}, ${below(judged)}` : of);
    const hints = last(hints_pending);
    this.set(5, whole(hints), hints ? "for nodes that are away" : "nothing waits");
  }
}
