"use strict";
// The page asks the server's own endpoints, and shows what they answer.
const place = (id) => document.getElementById(id);
const root = document.currentScript.src.replace(/\/assets\/serve\.js.*$/, "");

function headers(more = {}) {
  const key = place("key");
  return key && key.value ? { ...more, Authorization: `Bearer ${key.value}` } : more;
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(root + path, { ...options, headers: headers(options.headers) });
  } catch {
    throw new Error("The server does not answer: it may have been stopped.");
  }
  if (response.ok) return response;
  let told = null;
  try { told = (await response.json()).error; } catch { /* not ours: the status has to do */ }
  const error = new Error(told || `The server answered with status ${response.status}.`);
  error.status = response.status;
  throw error;
}

function problem(where, error) {
  const line = document.createElement("p");
  line.className = "problem";
  line.textContent = error.message;
  where.replaceChildren(line);
}

function showHtml(where, html) {
  where.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
}

// One text.
const one = place("one"), run = place("run");
let asked = 0;

function pairs() {
  const chosen = run.selectedOptions ? run.selectedOptions[0] : run;
  place("second").hidden = !chosen.dataset.pairs;
}
run.addEventListener("change", pairs);
pairs();

async function part(what, body) {
  const form = { "Content-Type": "application/x-www-form-urlencoded", "X-Part": what };
  return (await ask("/try", { method: "POST", headers: form, body })).text();
}

one.addEventListener("submit", async (event) => {
  event.preventDefault();
  const mine = ++asked, body = new URLSearchParams(new FormData(one)).toString();
  const button = one.querySelector("button");
  button.disabled = true;
  // What was said of the text before is not of this one; and an answer stands though no words may come.
  let where = "answer";
  place("words").replaceChildren();
  try {
    const answer = await part("answer", body);
    if (mine !== asked) return;
    showHtml(place("answer"), answer);
    button.disabled = false;
    where = "words";
    const words = await part("words", body);
    if (mine === asked) showHtml(place("words"), words);
  } catch (error) {
    if (mine === asked) problem(place(where), error);
  } finally {
    button.disabled = false;
  }
});
place("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) one.requestSubmit();
});

// A file.
const drop = place("drop"), input = place("file"), bar = place("bar"), told = place("told"), result = place("result");
place("files").hidden = false;
let job = null, stopped = false;

takeDrops(drop, input, place("file-form"));
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const number = (value) => value.toLocaleString("en-US");

function busy(on) {
  place("file-form").querySelector("button[type=submit]").disabled = on;
  place("stop").hidden = !on;
  bar.hidden = !on;
}

async function follow(id) {
  for (;;) {
    const state = await (await ask(`/files/${id}`)).json();
    if (state.rows) { bar.max = state.rows; bar.value = state.done; }
    if (state.state === "failed") throw new Error(state.error);
    if (state.state === "done") return state;
    told.textContent = state.rows ? `${number(state.done)} of ${number(state.rows)} rows` : "The file is being read";
    await wait(400);
  }
}

async function offer(id, state) {
  const path = `/files/${id}/result`;
  if (place("key")) {
    // A link cannot bear a key.
    result.href = URL.createObjectURL(await (await ask(path)).blob());
  } else {
    result.href = root + path;
  }
  result.download = state.name;
  result.hidden = false;
  result.focus();
}

place("file-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!input.files.length) return;
  result.hidden = true;
  stopped = false;
  bar.removeAttribute("value");
  told.className = "";
  told.textContent = "The file is being sent";
  busy(true);
  try {
    const file = input.files[0];
    const query = new URLSearchParams({ name: file.name, run: run.value, excel_safe: place("excel").checked });
    const sent = { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file };
    job = (await (await ask(`/files?${query}`, sent)).json()).id;
    if (stopped) await ask(`/files/${job}`, { method: "DELETE" });
    const state = await follow(job);
    told.textContent = state.summary;
    await offer(job, state);
  } catch (error) {
    told.className = stopped ? "" : "problem";
    told.textContent = stopped ? "Stopped." : error.message;
  } finally {
    job = null;
    busy(false);
  }
});
place("stop").addEventListener("click", async () => {
  stopped = true;
  if (job) await ask(`/files/${job}`, { method: "DELETE" }).catch(() => {});
});
