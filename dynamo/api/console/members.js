// The nodes: each with its facts, and with what every other one holds it to be.

import { card } from "./card.js";
import { el, refill, table } from "./markup.js";
import { age, bytes, whole } from "./words.js";

const state = (word) => el("span", { class: `state ${word}` }, word);

function home(node, here) {
  if (node.id === here) return el("th", { scope: "row" }, node.id, el("span", { class: "quiet" }, " (this one)"));
  const host = node.host.includes(":") ? `[${node.host}]` : node.host;
  return el("th", { scope: "row" }, el("a", { href: `http://${host}:${node.ops_port}/console`, title: `The console of ${node.id}` }, node.id));
}

export class Members {
  constructor() {
    const { box, body } = card("Nodes", "As this node hears from them, and what each holds the others to be.", "wide");
    this.box = box;
    this.facts = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Facts of each node" });
    this.views = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "What each node holds the others to be" });
    body.append(this.facts, el("div", { class: "gap" }), this.views);
  }

  show({ nodes, node: here }) {
    const names = nodes.map((node) => node.id);
    const zoned = nodes.some((node) => node.zone), hosted = nodes.some((node) => node.host_label);
    const facts = nodes.map((node) => [home(node, here), state(node.state), whole(node.partitions), whole(node.keys), bytes(node.store_bytes), age(node.uptime_s), node.version ?? "–", ...(zoned ? [node.zone || "–"] : []), ...(hosted ? [node.host_label || "–"] : [])]);
    refill(this.facts, table(["Node", "Answers", "Partitions", "Keys", "Store", "Up for", "Version", ...(zoned ? ["Zone"] : []), ...(hosted ? ["Host"] : [])], facts, "left1"));
    const seen = nodes.map((node) => [node.id, ...names.map((watcher) => (watcher === node.id ? el("span", { class: "quiet" }, "itself") : state(node.seen[watcher] ?? "unknown")))]);
    refill(this.views, table(["Is held to be", ...names.map((name) => `by ${name}`)], seen, "words"));
  }
}
