// Consistency levels from the weakest to the strongest: always this order, always these colours and dashes.

export const LEVELS = ["one", "quorum", "all", "linearizable"];
export const DASHES = { one: [], quorum: [7, 3], all: [2, 3], linearizable: [9, 3, 2, 3] };

export const lines = () => LEVELS.map((level) => ({ name: level, colour: level, dash: DASHES[level] }));

// Sums over the windows of about a minute before each: single windows have too few reads for a share.
export function lastMinute(values, lasted_s) {
  let sum = 0, time_s = 0, first = 0;
  return values.map((value, place) => {
    sum += value;
    time_s += lasted_s[place];
    for (; first < place && time_s - lasted_s[first] >= 60; first += 1) {
      sum -= values[first];
      time_s -= lasted_s[first];
    }
    return sum;
  });
}

export const quotient = (parts, wholes) => parts.map((part, place) => (wholes[place] ? part / wholes[place] : null));
