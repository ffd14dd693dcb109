// The dashboard: shows what the supervisor tells, and has it start and stop modules.

import { Problem, ask, follow, json, onTokenWanted, useToken } from "./api.js";
import { $, age, bytes, draw, graph, label, make, notice, past, remember, say, twice } from "./parts.js";

const PERIOD = 2000; // ms between two points of a graph
const ROWS = 300; // modules that are shown
const EVENTS = 200;
const LINES = 1000;

// ---- Runtimes and modules

let sampled = 0;
const rows = new Map();
const folded = new Set();
let chosen = null;
let state = { runtimes: [], modules: [], stats: null };

const over = (module) => module.state === "exited" || module.state === "lost";

function row(kind, uuid, head, button) {
  const figure = () => make("td", { className: "figure" }, graph(), make("span"));
  const node = make("tr", { className: kind },
    make("th", { scope: "row" }, head),
    make("td", {}, make("span", { className: "state" })), figure(), figure(),
    ...Array.from({ length: 4 }, () => make("td", { className: "wide" })),
    make("td", {}, ...(button ? [button] : [])));
  rows.set(uuid, node);
  return node;
}

function fill(node, word, why, points, texts) {
  const badge = node.children[1].firstChild;
  say(badge, why ? `${word}: ${why}` : word);
  badge.dataset.state = why && word === "exited" ? "failed" : word;
  [[points.cpu, 2, 1, (n) => `${n.toFixed(1)} %`], [points.memory, 3, 1024, bytes]].forEach(
    ([list, cell, least, text]) => {
      draw(node.children[cell].firstChild, list, least);
      say(node.children[cell].lastChild, text(list.at(-1)));
    });
  texts.forEach((text, i) => say(node.children[4 + i], text));
}

function runtimeRow(runtime) {
  const { uuid } = runtime;
  let node = rows.get(uuid);
  if (!node) {
    const toggle = make("button", { type: "button", className: "link", title: uuid });
    toggle.addEventListener("click", () => {
      if (!folded.delete(uuid)) folded.add(uuid);
      show();
    });
    const stop = twice(async () => {
      const { result } = await (await ask("DELETE", `/api/v1/runtimes/${uuid}`)).json();
      notice(result === "stopping" ? "The runtime was asked to end." : "The runtime is forgotten.");
      refresh();
    });
    node = row("runtime", uuid, toggle, stop);
  }
  const toggle = node.firstChild.firstChild;
  say(toggle, `${folded.has(uuid) ? "▸" : "▾"} ${runtime.name}`);
  toggle.setAttribute("aria-expanded", String(!folded.has(uuid)));
  label(node.lastChild.firstChild, runtime.state === "lost" ? "Forget" : "Stop", `the runtime ${runtime.name}`);
  const modules = runtime.nmodules === 1 ? "1 module" : `${runtime.nmodules} modules`;
  fill(node, runtime.state, "", past.get(uuid), [modules, "", "", age(runtime.registered)]);
  return node;
}

function moduleRow(module) {
  const { uuid } = module;
  let node = rows.get(uuid);
  if (!node) {
    const open = make("button", { type: "button", className: "link", textContent: module.name });
    open.title = `output of ${uuid}`;
    open.addEventListener("click", () => choose(uuid, module.name));
    const stop = twice(async () => {
      await ask("DELETE", `/api/v1/modules/${uuid}`);
      notice(`${module.name} is stopped and forgotten.`);
      refresh();
    });
    node = row("module", uuid, open, stop);
  }
  label(node.lastChild.firstChild, over(module) ? "Remove" : "Stop", module.name);
  node.classList.toggle("chosen", uuid === chosen);
  const { usage, exit } = module;
  // A module that runs again has the end of its last run still.
  const failed = (over(module) || module.state === "back-off") && exit && exit.code !== 0;
  fill(node, module.state, failed ? exit.message || exit.reason : "", past.get(uuid), [
    `${usage.messages_in} / ${usage.messages_out}`, module.engine ?? "", String(module.restarts),
    age(module.started ?? module.created),
  ]);
  return node;
}

// Puts these rows there. Rows that stay are not moved, since that would take the focus from them.
function place(wanted) {
  const body = $("rows");
  const stay = new Set(wanted);
  for (const node of [...body.children]) if (!stay.has(node)) node.remove();
  let at = body.firstElementChild;
  for (const node of wanted) {
    if (node === at) at = at.nextElementSibling;
    else body.insertBefore(node, at);
  }
}

function show() {
  const { runtimes, modules } = state;
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = modules.filter((module) => {
    if (over(module) && !$("ended").checked && module.uuid !== chosen) return false;
    const text = `${module.name} ${module.state} ${module.uuid} ${module.runtime?.name ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const groups = new Map(runtimes.map((runtime) => [runtime.uuid, []]));
  const homeless = [];
  for (const module of wanted) (groups.get(module.runtime?.uuid) ?? homeless).push(module);
  const list = [];
  let left = ROWS;
  const add = (group) => {
    for (const module of group.slice(0, left)) list.push(moduleRow(module));
    left = Math.max(0, left - group.length);
  };
  const found = runtimes.filter((runtime) => groups.get(runtime.uuid).length ||
    words.every((word) => runtime.name.toLowerCase().includes(word)));
  for (const runtime of found.slice(0, ROWS)) {
    const group = groups.get(runtime.uuid);
    list.push(runtimeRow(runtime));
    if (!folded.has(runtime.uuid)) add(group);
  }
  if (homeless.length) {
    let node = rows.get("homeless");
    if (!node) {
      node = make("tr", { className: "runtime" }, make("th", { colSpan: 9, textContent: "On no runtime" }));
      rows.set("homeless", node);
    }
    list.push(node);
    add(homeless);
  }
  if (!list.length) {
    const text = words.length ? "Nothing has such a name or state." : "There is no runtime yet: `arena runtime` starts one.";
    list.push(make("tr", {}, make("td", { colSpan: 9, textContent: text })));
  }
  place(list);
  const hidden = [wanted.length > ROWS && `${wanted.length} modules`, found.length > ROWS && `${found.length} runtimes`];
  $("more").hidden = !hidden.some(Boolean);
  say($("more"), `Of ${hidden.filter(Boolean).join(" and ")} the first ${ROWS} are shown; the filter finds the others.`);
}

function take(runtimes, modules, stats) {
  state = { runtimes, modules, stats };
  const now = performance.now();
  const fresh = now - sampled > PERIOD * 0.9;
  if (fresh) sampled = now;
  let [cpu, memory] = [0, 0];
  const known = new Set(["all", "homeless"]);
  for (const { uuid, state, load } of runtimes) {
    known.add(uuid);
    remember(uuid, load.cpu_percent, load.memory, fresh);
    if (state !== "alive") continue;
    cpu += load.cpu_percent;
    memory += load.memory;
  }
  for (const { uuid, usage } of modules) {
    known.add(uuid);
    remember(uuid, usage.cpu_percent, usage.memory, fresh);
  }
  for (const map of [past, rows]) for (const key of map.keys()) if (!known.has(key)) map.delete(key);
  const all = remember("all", cpu, memory, fresh);
  for (const [id, points, least, text] of [["all-cpu", all.cpu, 1, `${cpu.toFixed(1)} %`], ["all-memory", all.memory, 1024, bytes(memory)]]) {
    const figure = $(id);
    if (!figure.querySelector("svg")) figure.append(graph());
    draw(figure.lastChild, points, least);
    say(figure.querySelector("b"), text);
  }
  const lost = stats.runtimes.lost ? `, ${stats.runtimes.lost} lost` : "";
  say($("n-runtimes"), `${stats.runtimes.alive}${lost}`);
  say($("n-modules"), String(stats.modules.running));
  say($("realm"), stats.realm);
  const choice = $("runtime");
  const alive = runtimes.filter((runtime) => runtime.state === "alive");
  if (choice.dataset.known !== JSON.stringify(alive.map((r) => [r.uuid, r.name]))) {
    choice.dataset.known = JSON.stringify(alive.map((r) => [r.uuid, r.name]));
    const { value } = choice;
    choice.replaceChildren(make("option", { value: "", textContent: "any" }),
      ...alive.map((r) => make("option", { value: r.uuid, textContent: r.name })));
    choice.value = alive.some((r) => r.uuid === value) ? value : "";
  }
  show();
}

function linked(kind, text) {
  $("link").className = kind;
  say($("link"), text);
}

let active = false;
let asking = false;
let due = null; // the timer of the next refresh
let took = 0;

function plan(wait) {
  clearTimeout(due);
  due = active ? setTimeout(refresh, wait) : null;
}

async function refresh() {
  if (asking || !active) return;
  asking = true;
  clearTimeout(due);
  const began = performance.now();
  soonPlanned = false;
  try {
    const [{ runtimes }, { modules }, stats] = await Promise.all([
      json("/api/v1/runtimes"), json("/api/v1/modules"), json("/api/v1/stats"),
    ]);
    take(runtimes, modules, stats);
    if (stats.broker.connected) linked("good", "live");
    else linked("bad", "the supervisor has no broker");
  } catch (problem) {
    linked("bad", problem.message);
  }
  took = performance.now() - began;
  asking = false;
  // A realm with very many modules is asked less often.
  plan(soonPlanned ? Math.max(150, 3 * took) : Math.max(PERIOD, 5 * took));
}

let soonPlanned = false;
// Something has happened.
function soon() {
  if (soonPlanned) return;
  soonPlanned = true;
  if (!asking) plan(Math.max(150, 3 * took));
}

// ---- Output

let stopOutput = null;
let waiting = []; // lines that are not in the page yet

function flushLines() {
  const pane = $("lines");
  if (!waiting.length) return;
  const down = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 40;
  for (const { at, text, note } of waiting.splice(0).slice(-LINES)) {
    pane.append(make("div", { textContent: note ?? (text || "\u00a0"), title: at ?? "" }));
  }
  while (pane.childElementCount > LINES) pane.firstElementChild.remove();
  if (down) pane.scrollTop = pane.scrollHeight;
}

function addLine(line) {
  if (!waiting.length) requestAnimationFrame(flushLines);
  waiting.push(line);
  if (waiting.length > 2 * LINES) waiting.splice(0, LINES);
}

function readOutput(uuid) {
  stopOutput?.();
  const path = `/api/v1/modules/${uuid}/logs?follow=true&tail=${LINES / 2}`;
  stopOutput = follow(path, () => {
    waiting = [];
    $("lines").replaceChildren();
    say($("output-state"), "");
  }, ({ kind, item }) => {
    if (kind === "message") addLine(item);
    else if (kind === "missed") addLine({ note: `… ${item.missed} lines are missing` });
    else if (kind === "end") {
      say($("output-state"), item.exit?.message ? `${item.end}: ${item.exit.message}` : item.end);
      return true;
    }
    return false;
  }, (problem) => say($("output-state"), problem.message));
}

function choose(uuid, name) {
  chosen = uuid;
  say($("output-name"), name);
  $("output").hidden = false;
  readOutput(uuid);
  $("output").scrollIntoView({ block: "nearest" });
  show();
}

$("output-close").addEventListener("click", () => {
  const from = rows.get(chosen);
  chosen = null;
  stopOutput?.();
  $("output").hidden = true;
  show();
  from?.querySelector("button")?.focus();
});

// ---- Events

let stopEvents = null;
let newEvents = [];

function flushEvents() {
  const list = $("events");
  for (const event of newEvents.splice(0).slice(-EVENTS)) {
    const time = make("time", { dateTime: event.at, title: event.at, textContent: new Date(event.at).toLocaleTimeString() });
    list.prepend(make("li", {}, time, make("b", { textContent: event.kind }),
      [event.name, event.message].filter(Boolean).join(": ")));
  }
  while (list.childElementCount > EVENTS) list.lastElementChild.remove();
}

function readEvents() {
  stopEvents?.();
  stopEvents = follow("/api/v1/events?follow=true&after=0", (last) => {
    if (last === null) $("events").replaceChildren();
  }, ({ kind, item }) => {
    if (kind !== "message") return false;
    if (!newEvents.length) requestAnimationFrame(flushEvents);
    newEvents.push(item);
    if (newEvents.length > 2 * EVENTS) newEvents.splice(0, EVENTS);
    soon();
    return false;
  });
}

// ---- Deploying

const lines = (id) => $(id).value.split("\n").map((line) => line.trim()).filter(Boolean);

function options() {
  const channels = lines("channels").map((line) => {
    const parts = /^([^=]+)=(.+?)(?::(r|w|rw))?$/.exec(line);
    if (!parts) throw new Problem(0, `"${line}" is no channel: PATH=TOPIC, and :r, :w or :rw`);
    const [, path, topic, mode] = parts;
    return { path, topic, mode: mode ?? "rw" };
  });
  const given = {
    name: $("name").value.trim(), runtime: $("runtime").value, restart: $("restart").value,
    memory: $("memory").value.trim(), args: lines("args"), env: lines("env"), channels,
    replicas: $("replicas").value === "1" ? "" : Number($("replicas").value),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value.length || value > 1));
}

async function deploy(files) {
  $("start").disabled = true;
  try {
    const request = options();
    if (files.length > 1) delete request.name;
    for (const file of files) {
      notice(`${file.name} is on its way.`);
      const put = await ask("PUT", `/store/users/web/${encodeURIComponent(file.name)}`, { body: file });
      const stored = await put.json();
      const answer = await ask("POST", "/api/v1/modules", {
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ ...request, file: stored.name }),
      });
      const { modules } = await answer.json();
      const [module] = modules;
      const where = module.runtime ? ` on ${module.runtime.name}` : "";
      notice(`${modules.map((m) => m.name).join(", ")}: ${module.state}${where}.`);
      choose(module.uuid, module.name);
    }
    for (const id of ["file", "name"]) $(id).value = "";
  } catch (problem) {
    notice(problem.message, true);
  }
  $("start").disabled = false;
  refresh();
}

$("deploy").addEventListener("submit", (event) => {
  event.preventDefault();
  deploy([...$("file").files]);
});

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  document.body.classList.add("dragging");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
addEventListener("drop", (event) => {
  document.body.classList.remove("dragging");
  if (!hasFiles(event)) return;
  event.preventDefault();
  if (!$("start").disabled) deploy([...event.dataTransfer.files]);
});

// ---- Beginning and ending

onTokenWanted(() => {
  if (!$("login").hidden) return;
  $("login").hidden = false;
  $("token").focus();
  stop();
});

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken($("token").value.trim());
  $("token").value = "";
  $("login").hidden = true;
  start();
});

$("filter").addEventListener("input", show);
$("ended").addEventListener("change", show);

function start() {
  if (active) return;
  active = true;
  refresh();
  readEvents();
  if (chosen) readOutput(chosen);
}

function stop() {
  active = false;
  clearTimeout(due);
  stopEvents?.();
  stopOutput?.();
}

// A browser has few connections to one host; a page that nobody sees leaves them to others.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stop();
  else if ($("login").hidden) start();
});

if (!document.hidden) start();
