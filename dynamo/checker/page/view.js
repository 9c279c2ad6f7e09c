// What a section shows at one time: all operations of a key, or those of its counterexample alone, on the lanes they need.
const BAR = { lane: 0, process: 1, called: 2, returned: 3, outcome: 4, colour: 5, what: 6, version: 7, number: 8 };
const STEP = { bar: 0, at: 1, state: 2 };

class View {
  constructor(key, data) {
    this.name = data.name;
    this.reason = data.reason;
    this.bars = data.bars === null ? key.bars.map((_, index) => index) : data.bars;
    this.orders = data.orders.map((steps, number) => ({
      steps,
      leftOut: data.left_out[number],
      place: new Map(steps.map((step, i) => [step[STEP.bar], i])),
    }));
    this.trials = data.trials;
    this.culprits = new Set(data.culprits);
    this.key = key;
    this.lanes = this.#lanes();
    const moments = this.bars.flatMap((index) => {
      const bar = key.bars[index];
      return bar[BAR.returned] === null ? [bar[BAR.called]] : [bar[BAR.called], bar[BAR.returned]];
    });
    this.first = moments.reduce((a, b) => Math.min(a, b), Infinity);
    this.last = moments.reduce((a, b) => Math.max(a, b), -Infinity);
    // What has no end needs room in which to be seen not to end.
    this.end = this.last + (this.last - this.first || 1) * 0.03;
    this.moments = [...moments, this.end];
  }

  #lanes() {
    const used = new Map();
    for (const index of this.bars) {
      const lane = this.key.bars[index][BAR.lane];
      if (!used.has(lane)) used.set(lane, []);
      used.get(lane).push(index);
    }
    const called = (index) => this.key.bars[index][BAR.called];
    return [...used.keys()].sort((a, b) => a - b).map((lane) => {
      const bars = used.get(lane).sort((a, b) => called(a) - called(b));
      const clients = [...new Set(bars.map((index) => this.key.bars[index][BAR.process]))];
      // On a shared row only who is seen there is named.
      const name = clients.length < 3 && this.key.lanes[lane].includes(", ") ? clients.join(", ") : this.key.lanes[lane];
      return { name, bars, calls: Float64Array.from(bars, called) };
    });
  }

  rowOf(index) {
    this.rows ??= new Map(this.lanes.flatMap((lane, row) => lane.bars.map((bar) => [bar, row])));
    return this.rows.get(index);
  }

  // The longest order that holds this operation; the first one if none does.
  orderWith(index) {
    let best = 0, length = -1;
    this.orders.forEach((order, number) => {
      if (order.place.has(index) && order.steps.length > length) { best = number; length = order.steps.length; }
    });
    return best;
  }

  trialOf(index) { return this.trials.find((trial) => trial.bar === index); }

  // Where an open-ended bar stops being drawn: at the next one of its lane, or at the end.
  endOf(lane, place) {
    const bar = this.key.bars[lane.bars[place]];
    if (bar[BAR.returned] !== null) return bar[BAR.returned];
    return place + 1 < lane.bars.length ? lane.calls[place + 1] : this.end;
  }

  // What is known of an operation, as rows of a name and a text.
  describe(index) {
    const bar = this.key.bars[index], order = this.orders[this.orderWith(index)], rows = [];
    const called = bar[BAR.called], returned = bar[BAR.returned];
    rows.push(["client", bar[BAR.process]]);
    rows.push(["outcome", bar[BAR.outcome]]);
    if (bar[BAR.version] !== null) rows.push(["version", bar[BAR.version]]);
    rows.push(["called", seconds(called)]);
    rows.push(["returned", returned === null ? "never" : `${seconds(returned)} (after ${seconds(returned - called)})`]);
    const place = order ? order.place.get(index) : undefined;
    if (place !== undefined) {
      const first = order.leftOut ? "not shown" : this.key.initial;
      rows.push(["place", `${place + 1 + order.leftOut} of ${order.steps.length + order.leftOut} in the longest legal order`]);
      rows.push(["state before", place ? order.steps[place - 1][STEP.state] : first]);
      rows.push(["state after", order.steps[place][STEP.state]]);
    } else rows.push(["place", "in no order that was found"]);
    return rows;
  }
}
