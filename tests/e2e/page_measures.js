// What a page looks like, measured: evaluated in the browser by test_report_page.py, which says what may be.
() => {
  document.querySelectorAll("details").forEach((one) => (one.open = true));
  const visible = (one) => one.getClientRects().length > 0;
  const said = (one) => `${one.tagName} ${(one.textContent || "").trim().slice(0, 60)}`;

  // A box is an element that scrolls by itself: what it holds may be wider.
  const scrolls = (one) => ["auto", "scroll"].includes(getComputedStyle(one).overflowX);
  const insideBox = (one) => {
    for (let parent = one.parentElement; parent; parent = parent.parentElement) if (scrolls(parent)) return true;
    return false;
  };
  const elements = [...document.querySelectorAll("body *")].filter((one) => visible(one) && !insideBox(one) && !one.parentElement.closest("svg"));
  const outside = elements
    .filter((one) => {
      const box = one.getBoundingClientRect();
      return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1);
    })
    .map(said);

  // Texts of a figure: within it, and apart from each other.
  const cut = [];
  const overlapping = [];
  for (const figure of document.querySelectorAll("svg")) {
    const frame = figure.getBoundingClientRect();
    const texts = [...figure.querySelectorAll("text")].map((one) => [one.textContent.trim(), one.getBoundingClientRect()]);
    texts.forEach(([text, box], at) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
        cut.push(text);
      for (const [other, place] of texts.slice(at + 1)) {
        const wide = Math.min(box.right, place.right) - Math.max(box.left, place.left);
        const high = Math.min(box.bottom, place.bottom) - Math.max(box.top, place.top);
        // The boxes of letters have room above and below.
        if (wide > 1 && high > 3) overlapping.push(`${text} / ${other}`);
      }
    });
  }

  // Contrast as WCAG 2 defines it, of each element that holds text by itself, against the colours behind it.
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const paint = (colours) => {
    brush.clearRect(0, 0, 1, 1);
    for (const colour of colours) {
      brush.fillStyle = colour;
      brush.fillRect(0, 0, 1, 1);
    }
    return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (one) => {
    const colours = [];
    for (let at = one; at; at = at.parentElement) colours.unshift(getComputedStyle(at).backgroundColor);
    return ["white", ...colours];
  };
  const holdsText = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const contrasts = [...document.querySelectorAll("body *")]
    .filter((one) => visible(one) && holdsText(one) && !["SCRIPT", "STYLE", "style"].includes(one.tagName))
    .map((one) => {
      const style = getComputedStyle(one);
      const under = behind(one);
      const [ink, paper] = [paint([...under, one.closest("svg") ? style.fill : style.color]), paint(under)].map(light);
      return { text: said(one), ratio: (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05) };
    });

  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  const levels = [...document.querySelectorAll("h1,h2,h3,h4,h5,h6")].map((one) => +one.tagName[1]);
  const unnamed = [...document.querySelectorAll("svg")].filter((one) => !one.getAttribute("aria-label")).map(said);
  unnamed.push(...[...document.querySelectorAll("table th")].filter((one) => !one.scope).map(said));
  return {
    scrollWidth: document.documentElement.scrollWidth,
    outside, cut, overlapping, contrasts, unnamed,
    repeatedIds: ids.filter((id, at) => ids.indexOf(id) !== at),
    skippedHeadings: levels.filter((level, at) => level > (levels[at - 1] || 0) + 1),
    scrolling: elements
      .filter((one) => scrolls(one) && one.scrollWidth > one.clientWidth + 1)
      .map((one) => ({ tabIndex: one.tabIndex, label: one.getAttribute("aria-label") || "" })),
  };
}
