// What the dashboard is made of: elements, texts of figures, graphs.
// Names, output and messages come from others: they go into the page as text, never as HTML.

const POINTS = 60; // of a graph

export const $ = (id) => document.getElementById(id);

let noticeTimer;
export function notice(text, bad) {
  clearTimeout(noticeTimer);
  $("notice").textContent = text;
  $("notice").classList.toggle("bad", Boolean(bad));
  $("notice").hidden = false;
  noticeTimer = setTimeout(() => ($("notice").hidden = true), bad ? 15000 : 5000);
}

export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function make(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; n >= 1024 && unit < units.length - 1; unit++) n /= 1024;
  return `${unit && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

export function age(since) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(since)) / 1000));
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["m", 60]]) {
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)}${unit}`;
  }
  return `${seconds || 0}s`;
}

function tell(button) {
  const text = button.classList.contains("sure") ? "Sure?" : button.dataset.label;
  say(button, text);
  button.setAttribute("aria-label", `${text} ${button.dataset.what}`);
}

// A button that wants to be pressed twice.
export function twice(action) {
  const button = make("button", { type: "button" });
  const sure = (is) => {
    button.classList.toggle("sure", is);
    tell(button);
  };
  button.addEventListener("blur", () => sure(false));
  button.addEventListener("click", async () => {
    if (!button.classList.contains("sure")) {
      sure(true);
      setTimeout(() => sure(false), 10000);
      return;
    }
    sure(false);
    button.disabled = true;
    try {
      await action();
    } catch (problem) {
      notice(problem.message, true);
    }
    button.disabled = false;
  });
  return button;
}

// What such a button does, and to what.
export function label(button, text, what) {
  Object.assign(button.dataset, { label: text, what });
  tell(button);
}

// ---- Graphs

const SVG = "http://www.w3.org/2000/svg";

export function graph() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${POINTS - 1} 20`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  for (const kind of ["area", "line"]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", kind);
    svg.append(path);
  }
  return svg;
}

// The newest point is at the right; the top is the largest of them, or `least`.
export function draw(svg, points, least) {
  const top = Math.max(least, ...points) * 1.1;
  const first = POINTS - points.length;
  const at = points.map((point, i) => `${first + i} ${(19.5 - (19 * point) / top).toFixed(2)}`);
  const line = `M${at.join("L")}`;
  svg.lastChild.setAttribute("d", line);
  svg.firstChild.setAttribute("d", `${line}L${POINTS - 1} 20L${first} 20Z`);
}

export const past = new Map(); // of a uuid, or of all
export function remember(key, cpu, memory, fresh) {
  let points = past.get(key);
  if (!points) past.set(key, (points = { cpu: [], memory: [] }));
  for (const [list, value] of [[points.cpu, cpu], [points.memory, memory]]) {
    if (!fresh) list.pop();
    list.push(value);
    if (list.length > POINTS) list.shift();
  }
  return points;
}
