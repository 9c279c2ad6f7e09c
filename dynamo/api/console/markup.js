// Elements from code. Text is set as text, so that no name of a node or a bucket is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, fields, children) {
  for (const [name, value] of Object.entries(fields)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const el = (tag, fields = {}, ...children) => fill(document.createElement(tag), fields, children);
export const draw = (tag, fields = {}, ...children) => fill(document.createElementNS(SVG, tag), fields, children);
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// Replaces what is in a box, unless somebody is using a part of it: focus must not be lost to a refresh.
export function refill(box, ...children) {
  const focus = document.activeElement;
  if (focus === box || !box.contains(focus)) box.replaceChildren(...children);
}

// `kind` words: all columns begin at the left; left1: the first two.
export function table(head, rows, kind = "") {
  const cell = (content, place) =>
    content instanceof Node && ["TD", "TH"].includes(content.tagName)
      ? content
      : el(place ? "td" : "th", place ? {} : { scope: "row" }, content);
  return el(
    "table",
    { class: kind },
    el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell)))),
  );
}
