// Filters the mistakes of each method by their true label, by what was said, and by words of their text; a number in the
// confusion matrix shows the mistakes that it counts.
for (const form of document.querySelectorAll("form.filter")) {
  const section = form.closest("section");
  const items = [...section.querySelectorAll(".mistakes > li")];
  const texts = items.map((item) => item.querySelector(".text").textContent.toLowerCase());
  const rest = section.querySelector("details.rest");
  const told = section.querySelector(".filtered");
  const { true: trueLabel, said, words } = form.elements;
  const has = (labels, select) => !select.value || labels.split(" ").includes(select.value);
  // Signs of direction in a label, or in what was typed, end with it.
  const isolated = (text) => `\u2068${text}\u2069`;
  const nameOf = (select) => isolated(select.selectedOptions[0].dataset.label);

  const filter = () => {
    const sought = words.value.trim().toLowerCase();
    let shown = 0;
    items.forEach((item, at) => {
      const fits = has(item.dataset.true, trueLabel) && has(item.dataset.said, said) && texts[at].includes(sought);
      item.hidden = !fits;
      shown += fits;
    });
    // On paper the fields are left out, so the sentence says what they hold.
    const by = [];
    if (trueLabel.value) by.push(`true is ${nameOf(trueLabel)}`);
    if (said.value) by.push(`said ${nameOf(said)}`);
    if (sought) by.push(`with “${isolated(words.value.trim())}”`);
    told.textContent = by.length ? `${shown} of these ${items.length} shown: ${by.join(", ")}.` : "";
    if (rest) {
      rest.classList.toggle("filtering", by.length > 0);
      if (by.length) rest.open = true;
    }
  };
  form.addEventListener("input", filter);
  // The fields are emptied once all have heard of it.
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;

  const method = form.closest("details.method");
  for (const cell of method.querySelectorAll("td[data-true]")) {
    const { true: own, said: given } = cell.dataset;
    // The surest mistakes are listed; a pair of labels may have none among them.
    if (!items.some((item) => item.dataset.true === own && item.dataset.said === given)) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = cell.textContent;
    button.setAttribute("aria-label", `${cell.textContent}: show these mistakes`);
    button.addEventListener("click", () => {
      form.reset();
      [trueLabel.value, said.value] = [own, given];
      filter();
      form.scrollIntoView({ block: "center" });
      trueLabel.focus({ preventScroll: true });
    });
    cell.replaceChildren(button);
    method.querySelector(".pointed").hidden = false;
  }
  // A browser may have kept what the fields held before the page was loaded again.
  filter();
}
