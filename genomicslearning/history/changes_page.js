const rows = [...document.querySelectorAll("#rows tbody tr")].map(row => [row, row.textContent.toLowerCase()]);
const field = name => document.getElementById(name);
function filter() {
  const text = field("text").value.toLowerCase(), change = field("change").value, event = field("event").value, kind = field("kind").value;
  let shown = 0;
  for (const [row, words] of rows) {
    const keep = words.includes(text) && (!change || row.dataset.change === change) && (!event || row.dataset.event === event)
      && (!kind || row.dataset.kind.split("|").includes(kind));
    row.hidden = !keep;
    shown += keep;
  }
  field("count").textContent = shown.toLocaleString("en") + " variants";
}
for (const name of ["text", "change", "event", "kind"]) field(name).addEventListener("input", filter);
filter();
