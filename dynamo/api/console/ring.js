// The ring: one slice a partition, in the order of tokens, coloured by the node that is the first primary of its keys.

import { card, tableView } from "./card.js";
import { draw, el } from "./markup.js";
import { percent, whole } from "./words.js";

const OUTER = 100, INNER = 72, GAP = 0.12;

function slice(from, to) {
  const point = (radius, turn) => `${(radius * Math.sin(turn)).toFixed(2)} ${(-radius * Math.cos(turn)).toFixed(2)}`;
  const wide = to - from > Math.PI ? 1 : 0;
  return `M${point(OUTER, from)}A${OUTER} ${OUTER} 0 ${wide} 1 ${point(OUTER, to)}L${point(INNER, to)}A${INNER} ${INNER} 0 ${wide} 0 ${point(INNER, from)}Z`;
}

export function shade(place, count) {
  const step = count > 1 ? place / (count - 1) : 0;
  return `hsl(var(--hue) 45% calc(var(--node-low) + (var(--node-high) - var(--node-low)) * ${step.toFixed(3)}))`;
}

export class Ring {
  constructor() {
    const { box, body } = card("Ring", "Who is the first primary of which partition; the next nodes clockwise hold its copies.", "narrow");
    Object.assign(this, { box, ring: null, drawn: "", chosen: null });
    this.picture = draw("svg", { class: "ring", viewBox: "-102 -102 204 204", role: "img" });
    this.keys = el("ul", { class: "legend keys" });
    body.append(this.picture, this.keys);
    this.view = tableView("Ring", () => this.rows());
    box.append(this.view.details);
  }

  show(ring) {
    const same = JSON.stringify(ring);
    if (same === this.drawn) return;
    Object.assign(this, { ring, drawn: same, chosen: null });
    const step = (2 * Math.PI) / ring.owners.length;
    const gap = Math.min(GAP * step, 0.004);
    this.slices = ring.owners.map((owner, place) => {
      const path = draw("path", { d: slice(place * step + gap, (place + 1) * step - gap) });
      path.style.fill = shade(owner, ring.members.length);
      return path;
    });
    this.big = draw("text", { class: "big", y: 2 }, whole(ring.partitions));
    this.small = draw("text", { class: "soft", y: 20 }, "partitions");
    this.picture.replaceChildren(...this.slices, this.big, this.small);
    this.picture.setAttribute("aria-label", `Ring of ${ring.partitions} partitions on ${ring.members.length} nodes; the buttons below show one node's.`);
    this.keys.replaceChildren(...ring.members.map((name, place) => el("li", {}, this.key(name, place))));
    this.view.refresh();
  }

  key(name, place) {
    const swatch = el("span", { class: "swatch" });
    swatch.style.background = shade(place, this.ring.members.length);
    return el("button", { type: "button", "aria-pressed": "false", onclick: () => this.choose(this.chosen === place ? null : place) }, swatch, name);
  }

  choose(place) {
    this.chosen = place;
    this.picture.classList.toggle("chosen", place !== null);
    this.slices.forEach((path, at) => path.classList.toggle("mine", this.ring.owners[at] === place));
    [...this.keys.querySelectorAll("button")].forEach((button, at) => button.setAttribute("aria-pressed", String(at === place)));
    this.big.textContent = whole(place === null ? this.ring.partitions : this.count(place));
    this.small.textContent = place === null ? "partitions" : `first on ${this.ring.members[place]}`;
  }

  count(place) {
    return this.ring.owners.filter((owner) => owner === place).length;
  }

  rows() {
    const { members, partitions } = this.ring;
    const rows = members.map((name, place) => [name, this.count(place), this.count(place) / partitions]);
    return { head: ["Node", "Partitions", "Share"], rows, shown: rows.map(([name, count, part]) => [name, whole(count), percent(part)]) };
  }
}
