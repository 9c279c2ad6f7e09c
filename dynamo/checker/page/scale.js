// A time axis: from a moment to a share of the width, 0 to 1, and back. By events every call and return gets the same
// room, however close together they were, so that nanoseconds can be read beside pauses of seconds.
class Scale {
  constructor(moments, byEvents) {
    const sorted = Float64Array.from(moments).sort();
    let kept = 0;
    for (let i = 0; i < sorted.length; i++) if (!i || sorted[i] !== sorted[kept - 1]) sorted[kept++] = sorted[i];
    this.moments = sorted.subarray(0, kept);
    this.byEvents = byEvents && kept > 1;
    this.first = kept ? this.moments[0] : 0;
    this.last = kept ? this.moments[kept - 1] : 1;
    if (this.last <= this.first) this.last = this.first + 1;
  }

  // A margin of one part in 40, at least that of an event, stays free at both ends.
  get margin() { return this.byEvents ? Math.max(1 / 40, 1 / (this.moments.length + 1)) : 1 / 40; }

  share(at) { return this.margin + (1 - 2 * this.margin) * (this.byEvents ? this.rank(at) : this.linear(at)); }

  moment(share) {
    const inner = (share - this.margin) / (1 - 2 * this.margin);
    if (!this.byEvents) return this.first + inner * (this.last - this.first);
    const places = inner * (this.moments.length - 1);
    const below = Math.min(Math.max(Math.floor(places), 0), this.moments.length - 2);
    return this.moments[below] + (places - below) * (this.moments[below + 1] - this.moments[below]);
  }

  linear(at) { return (at - this.first) / (this.last - this.first); }

  rank(at) {
    const all = this.moments, top = all.length - 1;
    if (at <= all[0]) return at < all[0] ? -0.02 : 0;
    if (at >= all[top]) return at > all[top] ? 1.02 : 1;
    const above = firstAbove(all, at);
    const below = above - 1;
    return (below + (at - all[below]) / (all[above] - all[below])) / top;
  }
}

// The first place of a sorted array that holds more than this.
function firstAbove(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] > value) high = middle; else low = middle + 1;
  }
  return low;
}

// Round steps for the marks of a linear axis: 1, 2 or 5 times a power of ten.
function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  for (const factor of [1, 2, 5, 10]) if (factor * power >= least) return factor * power;
  return 10 * power;
}

// A time, as fine as a span of that length asks for.
function seconds(value, span) {
  if (value === null) return "never";
  const size = Math.max(Math.abs(value), span ?? 0);
  const [unit, factor] = size === 0 || size >= 1 ? ["s", 1] : size >= 1e-3 ? ["ms", 1e3] : ["µs", 1e6];
  const digits = span ? Math.min(Math.max(Math.ceil(2.5 - Math.log10(span * factor)), 0), 9) : 6;
  return `${+(value * factor).toFixed(digits)} ${unit}`;
}
