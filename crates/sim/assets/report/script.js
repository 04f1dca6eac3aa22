// Tables sort by a click on a heading; without this script they stay in the order in which they were written.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (!body || body.rows.length < 3) continue;
  const number = (text) => {
    const digits = text.replace(/,/g, "").replace(/\u2212/g, "-").match(/^[^\d-]*(-?\d+(\.\d+)?(e-?\d+)?)/);
    return digits ? parseFloat(digits[1]) : NaN;
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falls = head.getAttribute("aria-sort") === "descending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falls ? "ascending" : "descending");
      const sign = falls ? 1 : -1;
      const cells = [...body.rows].map((row) => [row.cells[column].textContent.trim(), row]);
      const values = cells.filter(([text]) => text && text !== "n/a");
      const numeric = values.every(([text]) => !isNaN(number(text)));
      const order = (a, b) => numeric ? number(a) - number(b) : a.localeCompare(b, undefined, { numeric: true });
      // What has no value comes last, whichever way.
      const empty = cells.filter(([text]) => !text || text === "n/a");
      values.sort((a, b) => sign * order(a[0], b[0]));
      body.append(...[...values, ...empty].map(([, row]) => row));
    });
  });
}
// Paper cannot be clicked.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => (part.open = true)));
