// Draws a view on a canvas: only what is in sight, so that ten thousand operations move as quickly as ten.
const GUTTER = 118, AXIS = 22, EVENT_ROW = 18, ROW_MAX = 34, ROW_MIN = 13, LETTER = 6.3;
const POINT = 0.72; // where in a row the points are: below the words
const COLOURS = ["ink", "soft", "line", "paper", "row", "bad", "open", "write", "read", "cas", "other", "failed", "path", "dim",
  "event", "label"];

class Stage {
  constructor(canvas, key, events, listeners) {
    this.canvas = canvas;
    this.key = key;
    this.events = events;
    this.listeners = listeners;
    this.byEvents = true;
    this.hovered = null;
    this.pinned = null;
    this.#listen();
  }

  show(view) {
    this.view = view;
    this.inView = this.events.filter((event) => event.at <= view.end && (event.until ?? event.at) >= view.first);
    this.eventLanes = [...new Set(this.inView.map((event) => event.lane))].sort();
    this.scale = new Scale(view.moments, this.byEvents);
    this.row = Math.max(ROW_MIN, Math.min(ROW_MAX, 1400 / Math.max(view.lanes.length, 1)));
    this.top = AXIS + this.eventLanes.length * EVENT_ROW + 4;
    this.canvas.style.height = `${this.top + view.lanes.length * this.row + 8}px`;
    this.fit();
  }

  setSpacing(byEvents) {
    const middle = this.scale.moment(this.left + 0.5 / this.zoom);
    this.byEvents = byEvents;
    this.scale = new Scale(this.view.moments, byEvents);
    this.left = this.scale.share(middle) - 0.5 / this.zoom;
    this.draw();
  }

  fit() { this.zoom = 1; this.left = 0; this.draw(); }

  zoomBy(factor, x = GUTTER + this.width / 2) {
    const under = this.left + (x - GUTTER) / this.width / this.zoom;
    this.zoom = Math.min(Math.max(this.zoom * factor, 1), Math.max(50, this.view.moments.length * 2));
    this.left = under - (x - GUTTER) / this.width / this.zoom;
    this.draw();
  }

  panBy(pixels) { this.left += pixels / this.width / this.zoom; this.draw(); }

  // How far down the canvas an operation is drawn.
  depth(index) { return this.y(this.view.rowOf(index)); }

  // Brings an operation to the middle, with about sixty events in sight.
  centre(index) {
    const bar = this.key.bars[index];
    this.zoom = Math.max(1, this.view.moments.length / 60);
    const end = bar[BAR.returned] === null ? bar[BAR.called] : bar[BAR.returned];
    this.left = (this.scale.share(bar[BAR.called]) + this.scale.share(end)) / 2 - 0.5 / this.zoom;
    this.draw();
  }

  x(at) { return GUTTER + (this.scale.share(at) - this.left) * this.zoom * this.width; }
  y(row) { return this.top + row * this.row; }

  draw() {
    const ratio = window.devicePixelRatio || 1, box = this.canvas.getBoundingClientRect();
    if (!box.width) return;
    this.canvas.width = Math.round(box.width * ratio);
    this.canvas.height = Math.round(box.height * ratio);
    this.width = box.width - GUTTER;
    this.left = Math.min(Math.max(this.left, 0), 1 - 1 / this.zoom);
    this.height = box.height;
    const style = getComputedStyle(document.documentElement);
    this.colour = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    const pen = this.pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    pen.fillStyle = this.colour.paper;
    pen.fillRect(0, 0, box.width, box.height);
    this.from = this.scale.moment(this.left);
    this.to = this.scale.moment(this.left + 1 / this.zoom);
    this.#rows();
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, 0, this.width, box.height);
    pen.clip();
    this.#axis();
    this.#events();
    this.drawn = 0;
    this.view.lanes.forEach((lane, row) => this.#bars(lane, row));
    this.#orders();
    this.#trials();
    pen.restore();
    this.canvas.dataset.drawn = this.drawn;
  }

  #rows() {
    const pen = this.pen;
    this.view.lanes.forEach((lane, row) => {
      if (row % 2 === 0) { pen.fillStyle = this.colour.row; pen.fillRect(0, this.y(row), GUTTER + this.width, this.row); }
      pen.fillStyle = this.colour.ink;
      pen.fillText(cut(lane.name, GUTTER - 12), 8, this.y(row) + this.row / 2);
    });
    pen.fillStyle = this.colour.event;
    this.eventLanes.forEach((lane, row) => pen.fillText(cut(lane, GUTTER - 12), 8, AXIS + (row + 0.5) * EVENT_ROW));
  }

  #axis() {
    const pen = this.pen, marks = [];
    if (this.byEvents) {
      for (let x = GUTTER + 40; x < GUTTER + this.width; x += 110) marks.push([x, this.scale.moment(this.left + (x - GUTTER) / this.width / this.zoom)]);
    } else {
      const step = roundStep(((this.to - this.from) * 90) / this.width);
      for (let at = Math.ceil(this.from / step) * step; at <= this.to; at += step) marks.push([this.x(at), at]);
    }
    pen.strokeStyle = this.colour.line;
    pen.fillStyle = this.colour.soft;
    for (const [x, at] of marks) {
      pen.beginPath(); pen.moveTo(x, AXIS - 4); pen.lineTo(x, this.height); pen.stroke();
      pen.fillText(seconds(at, this.to - this.from), x + 3, AXIS / 2);
    }
  }

  #events() {
    const pen = this.pen;
    const taken = {};
    for (const event of this.inView) {
      const row = this.eventLanes.indexOf(event.lane), x = this.x(event.at);
      const y = AXIS + row * EVENT_ROW;
      pen.fillStyle = pen.strokeStyle = this.colour.event;
      if (event.until !== null) {
        pen.globalAlpha = 0.25; pen.fillRect(x, y + 3, Math.max(this.x(event.until) - x, 2), EVENT_ROW - 6); pen.globalAlpha = 1;
      }
      pen.globalAlpha = 0.35;
      pen.setLineDash([2, 4]);
      pen.beginPath(); pen.moveTo(x, y + 2); pen.lineTo(x, this.height); pen.stroke();
      pen.setLineDash([]);
      pen.globalAlpha = 1;
      pen.fillRect(x - 1, y + 3, 3, EVENT_ROW - 6);
      if (x > (taken[row] ?? -1) && x >= GUTTER && x < GUTTER + this.width) { pen.fillText(event.text, x + 5, y + EVENT_ROW / 2); taken[row] = x + event.text.length * LETTER + 14; }
    }
  }

  // The bars of a lane that are in sight; all before the first may reach into it, so one more is looked at.
  inSight(lane) { return [Math.max(firstAbove(lane.calls, this.from) - 2, 0), firstAbove(lane.calls, this.to)]; }

  #bars(lane, row) {
    const pen = this.pen, y = this.y(row) + 2, height = this.row - 4;
    const [first, last] = this.inSight(lane);
    for (let place = first; place < last; place++) {
      const index = lane.bars[place], bar = this.key.bars[index];
      const open = bar[BAR.returned] === null;
      const x = this.x(bar[BAR.called]), end = Math.max(this.x(this.view.endOf(lane, place)) - (open ? 3 : 0), x + 2);
      if (end < GUTTER) continue;
      this.drawn++;
      pen.fillStyle = this.#fill(bar, x, end);
      pen.globalAlpha = index === this.hovered || index === this.pinned ? 1 : 0.86;
      pen.fillRect(x, y, end - x, height);
      pen.globalAlpha = 1;
      const culprit = this.view.culprits.has(index);
      if (culprit || index === this.hovered || index === this.pinned) {
        pen.strokeStyle = culprit ? this.colour.bad : this.colour.ink;
        pen.lineWidth = culprit ? 2.5 : 1.5;
        pen.strokeRect(x, y, end - x, height);
        pen.lineWidth = 1;
      }
      this.#label(bar, Math.max(x, GUTTER), Math.min(end, GUTTER + this.width), y, height);
    }
  }

  #fill(bar, x, end) {
    const plain = bar[BAR.outcome] === "fail" ? this.colour.failed : this.colour[bar[BAR.colour]] || this.colour.other;
    if (bar[BAR.returned] !== null) return plain;
    const fading = this.pen.createLinearGradient(x, 0, end, 0);
    fading.addColorStop(0, this.colour.open);
    fading.addColorStop(1, `${this.colour.open}22`);
    return fading;
  }

  #label(bar, x, end, y, height) {
    if (end - x < 26 || height < 10) return;
    this.pen.fillStyle = this.colour.label;
    this.pen.fillText(cut(bar[BAR.what], end - x - 8), x + 4, y + height / 2 + (height > 20 ? -6 : 0.5));
  }

  #orders() {
    const shown = this.hovered ?? this.pinned;
    this.chosen = shown === null ? 0 : this.view.orderWith(shown);
    this.view.orders.forEach((order, number) => { if (number !== this.chosen) this.#order(order, this.colour.dim, 1); });
    if (this.view.orders.length) this.#order(this.view.orders[this.chosen], this.colour.path, 1.4);
  }

  // The line of points: each operation takes effect at one moment between its call and its return.
  #order(order, colour, width) {
    const pen = this.pen, points = [];
    order.times ??= Float64Array.from(order.steps, (step) => step[STEP.at]);
    const first = Math.max(firstAbove(order.times, this.from) - 2, 0);
    const last = Math.min(firstAbove(order.times, this.to) + 1, order.steps.length);
    for (let place = first; place < last; place++) {
      const [bar, at] = order.steps[place], row = this.view.rowOf(bar);
      if (row !== undefined) points.push([this.x(at), this.y(row) + this.row * POINT]);
    }
    pen.strokeStyle = pen.fillStyle = colour;
    pen.lineWidth = width;
    pen.globalAlpha = points.length > 1200 ? 0.12 : 0.9;
    pen.beginPath();
    points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.stroke();
    if (points.length <= 1200) for (const [x, y] of points) this.#dot(x, y, colour);
    pen.globalAlpha = 1;
    pen.lineWidth = 1;
  }

  #dot(x, y, colour) {
    const pen = this.pen;
    pen.fillStyle = this.colour.paper;
    pen.beginPath(); pen.arc(x, y, 4, 0, 7); pen.fill();
    pen.fillStyle = colour;
    pen.beginPath(); pen.arc(x, y, 2.8, 0, 7); pen.fill();
  }

  // Where an operation was tried and did not fit: a dashed line from the last point, and a red cross; a small one for
  // those that could have waited.
  #trials() {
    for (const trial of this.view.trials) {
      if (trial.order !== this.chosen || (!trial.stuck && this.view.bars.length > 60)) continue;
      const x = this.x(trial.at), y = this.y(this.view.rowOf(trial.bar)) + this.row * POINT;
      this.pen.strokeStyle = this.colour.bad;
      if (trial.stuck) this.#dash(this.view.orders[trial.order], x, y);
      this.#cross(x, y, trial.stuck ? 3 : 2);
    }
  }

  #dash(order, x, y) {
    if (!order.steps.length) return;
    const pen = this.pen, [bar, at] = order.steps[order.steps.length - 1];
    pen.lineWidth = 2;
    pen.setLineDash([4, 3]);
    pen.beginPath();
    pen.moveTo(this.x(at), this.y(this.view.rowOf(bar)) + this.row * POINT);
    pen.lineTo(x, y);
    pen.stroke();
    pen.setLineDash([]);
  }

  #cross(x, y, arm) {
    const pen = this.pen;
    pen.lineWidth = arm > 2 ? 2 : 1;
    pen.fillStyle = this.colour.paper;
    pen.beginPath(); pen.arc(x, y, arm * 2 + 1, 0, 7); pen.fill(); pen.stroke();
    pen.beginPath();
    pen.moveTo(x - arm, y - arm); pen.lineTo(x + arm, y + arm);
    pen.moveTo(x + arm, y - arm); pen.lineTo(x - arm, y + arm);
    pen.stroke();
    pen.lineWidth = 1;
  }

  // The operation under a point of the canvas, or null.
  at(x, y) {
    const lane = this.view.lanes[Math.floor((y - this.top) / this.row)];
    if (!lane || x < GUTTER) return null;
    const [first, last] = this.inSight(lane);
    for (let place = last - 1; place >= first; place--) {
      const from = this.x(lane.calls[place]), to = Math.max(this.x(this.view.endOf(lane, place)), from + 3);
      if (x >= from - 1 && x <= to) return lane.bars[place];
    }
    return null;
  }

  eventAt(x, y) {
    const lane = this.eventLanes[Math.floor((y - AXIS) / EVENT_ROW)];
    if (y < AXIS || lane === undefined) return null;
    return this.inView.find((event) => event.lane === lane && x >= this.x(event.at) - 4 && x <= Math.max(this.x(event.until ?? event.at), this.x(event.at) + 6)) ?? null;
  }

  #listen() {
    const canvas = this.canvas;
    let held = null, moved = false;
    canvas.addEventListener("pointerdown", (event) => { held = event.clientX; moved = false; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointerup", (event) => {
      if (held !== null && !moved) { this.pinned = this.at(event.offsetX, event.offsetY); this.draw(); this.listeners.pin(this, this.pinned); }
      held = null;
    });
    canvas.addEventListener("pointermove", (event) => {
      if (held !== null && (moved || Math.abs(event.clientX - held) > 3)) {
        moved = true;
        this.panBy(held - event.clientX);
        held = event.clientX;
        return;
      }
      const under = this.at(event.offsetX, event.offsetY);
      if (under !== this.hovered) { this.hovered = under; this.draw(); }
      this.listeners.hover(this, under, this.eventAt(event.offsetX, event.offsetY), event);
    });
    canvas.addEventListener("pointerleave", () => { this.hovered = null; this.draw(); this.listeners.hover(this, null, null, null); });
    canvas.addEventListener("dblclick", (event) => this.zoomBy(2, event.offsetX));
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.shiftKey) return;
      event.preventDefault();
      if (event.shiftKey) this.panBy(event.deltaY || event.deltaX); else this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8, event.offsetX);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const act = { "+": () => this.zoomBy(1.5), "-": () => this.zoomBy(1 / 1.5), 0: () => this.fit(), ArrowLeft: () => this.panBy(-80), ArrowRight: () => this.panBy(80) }[event.key];
      if (act) { event.preventDefault(); act(); }
    });
  }
}

function cut(text, width) {
  const letters = Math.floor(width / LETTER);
  if (text.length <= letters) return text;
  return letters > 1 ? `${text.slice(0, letters - 1)}…` : "";
}
