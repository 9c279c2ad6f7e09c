// A card: heading, sentence, content. A chart's card also has its numbers as a table, and as a file.

import { el, table } from "./markup.js";

export function card(title, note, size = "") {
  const body = el("div", { class: "body" });
  const box = el("article", { class: `card ${size}` }, el("h3", {}, title), el("p", { class: "note" }, note), body);
  return { box, body };
}

function csv(head, rows) {
  const cell = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return [head, ...rows].map((row) => row.map((each) => cell(String(each ?? ""))).join(",")).join("\n") + "\n";
}

function save(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

// `read()` gives {head, rows, shown}: rows of numbers for the file, the same in words for the table.
export function tableView(title, read) {
  const place = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, as a table` });
  const file = `${title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}.csv`;
  const button = el("button", { type: "button", onclick: () => { const { head, rows } = read(); save(file, csv(head, rows)); } }, "Save as CSV");
  const details = el("details", {}, el("summary", {}, "Table"), place, button);
  const refresh = () => {
    if (!details.open) return;
    const { head, shown } = read();
    place.replaceChildren(table(head, shown));
  };
  details.addEventListener("toggle", refresh);
  return { details, refresh };
}
