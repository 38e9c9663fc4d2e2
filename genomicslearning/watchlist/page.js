"use strict";
const body = document.querySelector("tbody"), heads = [...document.querySelectorAll("th")];
const rows = [...body.rows].map(row => ({
  row, cells: [...row.cells].map(cell => cell.dataset.value ?? cell.textContent), text: row.textContent.toLowerCase(),
}));
const field = name => document.getElementById(name);
const conflictOf = cells => cells[5].replace(/\s[01]\.\d+$/, "");
function filter() {
  const words = field("text").value.toLowerCase().split(/\s+/).filter(Boolean), least = parseFloat(field("least").value) / 100;
  let count = 0;
  for (const { row, cells, text } of rows) {
    const keep = words.every(word => text.includes(word)) && !(cells[2] < least)
      && (!field("classification").value || cells[4] === field("classification").value)
      && (!field("conflict").value || conflictOf(cells) === field("conflict").value);
    row.hidden = !keep;
    count += keep;
  }
  field("count").textContent = `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows`;
}
for (const name of ["text", "classification", "conflict", "least"]) field(name).addEventListener("input", filter);
heads.forEach((head, place) => head.querySelector("button").addEventListener("click", event => {
  const numeric = event.currentTarget.dataset.kind === "number";
  const falling = head.getAttribute("aria-sort") === "ascending";
  heads.forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const sign = falling ? -1 : 1;
  rows.sort((a, b) => sign * (numeric ? a.cells[place] - b.cells[place] : a.cells[place].localeCompare(b.cells[place], "en")));
  body.append(...rows.map(({ row }) => row));
}));
