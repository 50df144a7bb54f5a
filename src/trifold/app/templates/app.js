"use strict";
// Files are sent, and the parts of a page that a job changes are replaced as the app tells.
const token = document.querySelector("meta[name=token]").content;

function part(html) {
  return [...new DOMParser().parseFromString(html, "text/html").body.childNodes];
}

// News of a job. A page that is not looked at does not listen: a browser has few connections to one server.
const live = document.querySelector("[data-job]");
let source = null;

function listen() {
  source = new EventSource(`/jobs/${live.dataset.job}/events`);
  source.addEventListener("message", (event) => {
    for (const [name, html] of Object.entries(JSON.parse(event.data))) {
      const place = live.querySelector(`[data-part="${name}"]`);
      if (!place || place.innerHTML.trim() === html.trim()) continue;
      const open = [...place.querySelectorAll("details")].map((one) => one.open);
      place.replaceChildren(...part(html));
      place.querySelectorAll("details").forEach((one, at) => { one.open = one.open || Boolean(open[at]); });
    }
  });
  source.addEventListener("over", () => {
    source.close();
    location.reload();
  });
}

function listenWhileSeen() {
  if (document.hidden) {
    if (source) source.close();
    source = null;
  } else if (!source) {
    listen();
  }
}

if (live) {
  document.addEventListener("visibilitychange", listenWhileSeen);
  listenWhileSeen();
}

// A file that is given. XMLHttpRequest tells how much of it is sent, fetch does not.
function send(file, query, tell) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/files?${query}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-Token", token);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => tell(event.loaded / event.total));
    request.addEventListener("load", () => {
      const answer = request.response || {};
      if (request.status === 201) done(answer.next);
      else failed(new Error(answer.error || `The app answered with status ${request.status}.`));
    });
    request.addEventListener("error", () => failed(new Error("The app does not answer: it may have been ended.")));
    request.send(file);
  });
}

for (const form of document.querySelectorAll("form.give")) {
  const drop = form.querySelector(".drop"), input = form.querySelector("input[type=file]");
  const bar = form.querySelector("progress"), told = form.querySelector(".told"), button = form.querySelector("button");
  takeDrops(drop, input, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!input.files.length) return;
    const query = new URLSearchParams(form.dataset.query), tick = form.querySelector("[name=excel_safe]");
    const use = form.querySelector("[name=use]:checked");
    query.set("name", input.files[0].name);
    if (use) query.set("use", use.value);
    if (tick && tick.checked) query.set("excel_safe", "true");
    button.disabled = true;
    bar.hidden = false;
    told.className = "told";
    told.textContent = "The file is being sent";
    try {
      location.assign(await send(input.files[0], query, (share) => { bar.value = share; }));
    } catch (error) {
      told.className = "told problem";
      told.textContent = error.message;
    } finally {
      button.disabled = false;
      bar.hidden = true;
    }
  });
}

// A form that takes its time cannot be sent twice.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", () => {
    for (const button of form.querySelectorAll("button")) setTimeout(() => { button.disabled = true; });
  });
}
window.addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form[method=post] button")) button.disabled = false;
});

// The forecast of the methods that are ticked.
const methods = document.querySelector("#methods");
if (methods) {
  methods.addEventListener("change", () => {
    const ticked = [...methods.querySelectorAll("[data-seconds]:checked")];
    const seconds = ticked.reduce((sum, one) => sum + Number(one.dataset.seconds), 0);
    const words = seconds < 60 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`;
    methods.querySelector("#forecast").textContent = ticked.length ? `Forecast: about ${words} in all.` : "No method is ticked.";
  });
}
