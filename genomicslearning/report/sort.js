"use strict";
// Tables of class "sortable": a click on a column's head sorts by it, another one turns the order round.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const value = (row, place) => row.cells[place].dataset.value ?? row.cells[place].textContent.trim();
  heads.forEach((head, place) => head.querySelector("button")?.addEventListener("click", () => {
    const falling = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const numeric = head.dataset.kind === "number";
    const rows = [...body.rows].sort((a, b) => {
      const [one, two] = [value(a, place), value(b, place)];
      if ((one === "") !== (two === "")) return one === "" ? 1 : -1; // what is missing stands last, both ways
      const order = numeric ? one - two : one.localeCompare(two, "en");
      return falling ? -order : order;
    });
    body.append(...rows);
  }));
}
