// Builds the page from the data beside it: the list of keys, a section a key, what is shown at the pointer and pinned.
const data = JSON.parse(document.getElementById("data").textContent);
const tip = document.getElementById("tip"), pin = document.getElementById("pin");
const ROWS_MAX = 400;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function card(stage, index) {
  const view = stage.view, bar = stage.key.bars[index], trial = view.trialOf(index);
  const list = make("dl");
  for (const [name, text] of view.describe(index)) list.append(make("dt", {}, name), make("dd", {}, String(text)));
  const parts = [make("b", {}, `${bar[BAR.what]}`), make("span", { class: "soft" }, `  operation ${bar[BAR.number]}`), list];
  if (trial) parts.push(make("div", { class: "why" }, trial.why));
  return parts;
}

function hover(stage, index, event, pointer) {
  tip.hidden = index === null && event === null;
  if (tip.hidden) return;
  if (index !== null) tip.replaceChildren(...card(stage, index));
  else tip.replaceChildren(make("b", {}, event.text), make("div", { class: "soft" }, event.until === null ? seconds(event.at) : `${seconds(event.at)} to ${seconds(event.until)}`));
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(pointer.clientX + 14, window.innerWidth - box.width - 8))}px`;
  tip.style.top = `${pointer.clientY + 18 + box.height > window.innerHeight ? Math.max(4, pointer.clientY - box.height - 12) : pointer.clientY + 18}px`;
}

function unpin(except) {
  pin.hidden = true;
  for (const section of sections) if (section.stage && section.stage !== except && section.stage.pinned !== null) { section.stage.pinned = null; section.stage.draw(); }
}

function pinDown(stage, index) {
  unpin(stage);
  if (index === null) return;
  pin.replaceChildren(make("button", { onclick: () => { stage.pinned = null; stage.draw(); unpin(); }, style: "float:right" }, "×"), ...card(stage, index));
  pin.hidden = false;
}

class Section {
  constructor(key, number) {
    this.key = key;
    this.views = key.views.map((view) => new View(key, view));
    this.canvas = make("canvas", { tabindex: 0, "aria-label": `operations on ${key.name}; the same as text at the end of the page` });
    this.reason = make("p", { class: "reason" });
    this.buttons = this.views.map((view, i) => make("button", { onclick: () => this.show(i) }, `${view.name} (${view.bars.length})`));
    this.tries = make("button", { onclick: () => this.jump() }, "where it fails");
    const spacing = make("button", { onclick: () => { this.stage.setSpacing(!this.stage.byEvents); spacing.textContent = this.stage.byEvents ? "spaced by events" : "spaced by time"; }, title: "events: every call and return gets the same room; time: to scale" }, "spaced by events");
    this.table = make("tbody");
    this.details = make("details", { ontoggle: () => this.fill() }, make("summary", {}, "Operations as a table"), this.#table());
    this.element = make("section", { class: key.verdict, id: `key-${number}` },
      make("h2", {}, key.name, " ", make("span", { class: `verdict ${key.verdict}` }, key.verdict), " ", make("span", { class: "soft" }, key.method)),
      this.reason,
      make("div", { class: "tools" }, ...this.buttons, make("span", { class: "gap" }), this.#tool("−", () => this.stage.zoomBy(1 / 1.6), "zoom out"), this.#tool("+", () => this.stage.zoomBy(1.6), "zoom in"), this.#tool("all", () => this.stage.fit(), "everything"), spacing, this.tries),
      make("div", { class: "stage" }, this.canvas), this.details);
  }

  #tool(text, onclick, title) { return make("button", { onclick, title }, text); }

  #table() {
    const heads = ["operation", "client", "what", "outcome"].map((name) => make("th", {}, name));
    return make("table", {}, make("thead", {}, make("tr", {}, ...heads, ...["version", "called", "returned", "place"].map((name) => make("th", { class: "n" }, name)))), this.table);
  }

  // Called when the section comes into sight for the first time: a thousand keys are not drawn at once.
  open() {
    if (this.stage) return;
    this.stage = new Stage(this.canvas, this.key, data.events, { hover, pin: pinDown });
    this.show(0);
  }

  show(number) {
    const view = this.views[number];
    this.buttons.forEach((button, i) => button.setAttribute("aria-pressed", i === number));
    this.reason.textContent = view.reason;
    this.tries.hidden = !view.trials.length && !view.culprits.size;
    this.stage.hovered = this.stage.pinned = null;
    this.stage.show(view);
    if (view.bars.length > 80) this.centre();
    this.fill();
  }

  // The operation that does not fit in the middle; undefined where there is none.
  centre() {
    const view = this.stage.view, [trial] = view.trials, [culprit] = view.culprits;
    const index = trial ? trial.bar : culprit;
    if (index !== undefined) this.stage.centre(index);
    return index;
  }

  // The same, and into sight if there are many lanes.
  jump() {
    const index = this.centre();
    if (index === undefined) return;
    const y = this.canvas.getBoundingClientRect().top + this.stage.depth(index);
    if (y < 0 || y > window.innerHeight - 40) window.scrollBy(0, y - window.innerHeight / 2);
  }

  // The rows around the place where it fails, the first ones of a legal key.
  fill() {
    if (!this.details.open) return;
    const view = this.stage.view, bars = this.key.bars, order = view.orders[0];
    const sorted = [...view.bars].sort((a, b) => bars[a][BAR.called] - bars[b][BAR.called]);
    const [trial] = view.trials;
    const middle = trial ? sorted.indexOf(trial.bar) : 0;
    const from = Math.max(0, Math.min(middle - ROWS_MAX / 2, sorted.length - ROWS_MAX));
    this.table.replaceChildren(...sorted.slice(from, from + ROWS_MAX).map((index) => this.#row(view, order, index)));
    if (sorted.length > ROWS_MAX) this.table.append(make("tr", {}, make("td", { colspan: 8 }, `${ROWS_MAX} of ${sorted.length} operations, from number ${from + 1} by call`)));
  }

  #row(view, order, index) {
    const bar = this.key.bars[index], place = order?.place.get(index);
    const cells = [bar[BAR.number], bar[BAR.process], bar[BAR.what], bar[BAR.outcome]].map((text) => make("td", {}, String(text)));
    const numbers = [bar[BAR.version] ?? "", seconds(bar[BAR.called]), seconds(bar[BAR.returned]), place === undefined ? "" : place + 1].map((text) => make("td", { class: "n" }, String(text)));
    return make("tr", { class: view.culprits.has(index) || view.trialOf(index) ? "culprit" : "", onclick: () => { this.stage.centre(index); this.stage.pinned = index; this.stage.draw(); pinDown(this.stage, index); } }, ...cells, ...numbers);
  }
}

function legend() {
  const colours = [["write", "write"], ["read", "read"], ["cas", "compare-and-set, other updates"], ["failed", "failed: never happened"]];
  const parts = colours.map(([name, text]) => make("span", {}, make("i", { style: `background:var(--${name})` }), text));
  parts.push(make("span", {}, make("i", { style: "background:linear-gradient(90deg,var(--open),transparent)" }), "outcome unknown: no end"));
  parts.push(make("span", {}, make("i", { style: "height:2px;background:var(--path)" }), "● longest legal order: where each took effect"));
  parts.push(make("span", {}, make("i", { style: "height:2px;background:var(--dim)" }), "other orders"));
  parts.push(make("span", { style: "color:var(--bad)" }, "⊗ tried here, does not fit"));
  parts.push(make("span", {}, make("i", { style: "border:2px solid var(--bad)" }), "named in the reason"));
  if (data.events.length) parts.push(make("span", { style: "color:var(--event)" }, "┆ fault or remark"));
  parts.push(make("span", {}, "drag: move · ctrl+wheel, double click, + −: zoom · click: pin · Esc: unpin · n: next illegal key"));
  document.getElementById("legend").append(...parts);
}

function nextBad() {
  const bad = sections.filter((section) => section.key.verdict === "illegal");
  const next = bad.find((section) => section.element.getBoundingClientRect().top > 60) ?? bad[0];
  if (next) { next.open(); next.element.scrollIntoView(); next.jump(); }
}

const sections = data.keys.map((key, number) => new Section(key, number));
document.getElementById("sections").append(...sections.map((section) => section.element));
document.getElementById("keys").append(
  ...(data.keys.some((key) => key.verdict === "illegal") ? [make("button", { onclick: nextBad, id: "next-bad" }, "next illegal key")] : []),
  ...sections.map((section) => make("a", { href: `#${section.element.id}`, class: section.key.verdict }, section.key.name)));
legend();
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) sections.find((section) => section.element === entry.target).open();
}, { rootMargin: "300px" });
sections.forEach((section) => watcher.observe(section.element));
window.addEventListener("resize", () => sections.forEach((section) => section.stage?.draw()));
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => sections.forEach((section) => section.stage?.draw()));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") unpin();
  if (event.key === "n" && !event.ctrlKey && !event.metaKey) nextBad();
});
document.documentElement.dataset.ready = "yes";
