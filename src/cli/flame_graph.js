"use strict";
const whole = 1180, margin = 10;
const boxes = [...document.querySelectorAll("g")].map(g => {
  const [title, rect, text] = g.children;
  const at = name => Number(rect.getAttribute(name));
  return { g, rect, text, x: at("x"), y: at("y"), width: at("width"),
    name: title.textContent.replace(/ \(\d+ samples, [\d.]+%\)$/, "") };
});
function show(to) {
  for (const box of boxes) {
    // Those below it have called it, and are as wide as the picture.
    const outer = box.y > to.y && box.x <= to.x + 0.02
      && box.x + box.width >= to.x + to.width - 0.02;
    const inner = box.y <= to.y && box.x >= to.x - 0.02
      && box.x + box.width <= to.x + to.width + 0.02;
    const x = outer ? margin : margin + (box.x - to.x) / to.width * whole;
    const width = outer ? whole : box.width / to.width * whole;
    box.g.style.display = outer || inner ? "" : "none";
    box.g.classList.toggle("outer", outer);
    box.rect.setAttribute("x", x);
    box.rect.setAttribute("width", width);
    box.text.setAttribute("x", x + 3);
    const room = Math.floor((width - 6) / 6.65);
    box.text.textContent = box.name.length <= room ? box.name
      : room < 3 ? "" : box.name.slice(0, room - 2) + "..";
  }
}
for (const box of boxes)
  box.g.addEventListener("click", () => show(box));
