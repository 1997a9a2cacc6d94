"use strict";
(() => {
  const search = document.getElementById("search");
  const boxes = [...document.querySelectorAll("input[name=verdict]")];
  const only = document.getElementById("only-findings");
  const body = document.querySelector("#packages tbody");
  if (!body) return;
  const rows = [...body.rows].map(row => ({
    row,
    text: row.textContent.toLowerCase(),
    verdict: row.dataset.verdict,
    findings: Number(row.dataset.findings)
  }));
  const count = document.getElementById("count");

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = new Set(boxes.filter(box => box.checked).map(box => box.value));
    let shown = 0;
    for (const each of rows) {
      const visible = wanted.has(each.verdict) && (!only.checked || each.findings > 0) &&
        words.every(word => each.text.includes(word));
      if (each.row.hidden === visible) each.row.hidden = !visible;
      if (visible) shown++;
    }
    count.textContent = `${shown} of ${rows.length}`;
  }

  let waiting = 0;
  function soon() {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(filter);
  }
  search.addEventListener("input", soon);
  for (const box of [...boxes, only]) box.addEventListener("change", soon);

  document.querySelectorAll("#packages th button").forEach((button, column) => {
    button.addEventListener("click", () => {
      const head = button.parentElement;
      const rising = head.getAttribute("aria-sort") !== "ascending";
      for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const key = row => row.cells[column].dataset.key ?? row.cells[column].textContent;
      const order = new Intl.Collator(undefined, { numeric: true });
      rows.sort((a, b) => (rising ? 1 : -1) * order.compare(key(a.row), key(b.row)));
      body.append(...rows.map(each => each.row));
    });
  });

  document.addEventListener("keydown", event => {
    const typing = event.target instanceof HTMLInputElement;
    if (event.key === "/" && !typing) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && event.target === search) {
      search.value = "";
      filter();
    }
  });
  filter();
})();
