// Numbers as people read them. A share is never shown without what it is a share of, and 0 says how sure it is.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const NOTHING = "–";

export const known = (value) => value !== null && value !== undefined && Number.isFinite(value);
export const whole = (value) => (known(value) ? WHOLE.format(value) : NOTHING);

function short(value) {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(digits).replace(/\.?0+$/, (tail) => (tail.startsWith(".") ? "" : tail));
}

export function seconds(value) {
  if (!known(value)) return NOTHING;
  if (value === 0) return "0 ms";
  return value < 0.001 ? `${short(value * 1e6)} µs` : value < 1 ? `${short(value * 1000)} ms` : `${short(value)} s`;
}

export function age(value) {
  if (!known(value)) return NOTHING;
  if (value < 60) return `${Math.round(value)} s`;
  if (value < 3600) return `${Math.round(value / 60)} min`;
  return value < 172800 ? `${Math.round(value / 3600)} h` : `${Math.round(value / 86400)} d`;
}

export function percent(value) {
  if (!known(value)) return NOTHING;
  if (value === 0) return "0%";
  return value < 0.0001 ? `${(value * 100).toExponential(0)}%` : `${short(value * 100)}%`;
}

export function bytes(value) {
  if (!known(value)) return NOTHING;
  let step = 0;
  for (; value >= 1024 && step < 4; step += 1) value /= 1024;
  return `${short(value)} ${["B", "KiB", "MiB", "GiB", "TiB"][step]}`;
}

export const rate = (value) => (known(value) ? (value < 10 ? short(value) : whole(value)) : NOTHING);

// None among n: at 95% the share is below 3/n (the rule of three).
export const below = (count) => `below ${percent(Math.min(1, 3 / count))}`;

export function share(count, total) {
  if (!total) return "none judged";
  return count ? `${percent(count / total)} of ${whole(total)}` : `0 of ${whole(total)} (${below(total)})`;
}

export const clock = (at_s) => new Date(at_s * 1000).toLocaleTimeString("en-GB");
