// What the pages do by themselves. Forms and lists work without it; live pieces do not.
"use strict";

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

/** Ask the server; answers the piece of page it sends. Raises TypeError when it is away. */
async function piece(address, options = {}) {
  const answer = await fetch(address, { ...options, headers: { Accept: "text/html" } });
  if (answer.redirected && new URL(answer.url).pathname === "/login") location.reload();
  return answer.text();
}

/** Parse a piece of page. Scripts in it do not run: the policy of the page forbids them. */
function parsed(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

function show(target, html) {
  target.replaceChildren(...parsed(html).body.childNodes);
}

function away(target) {
  const note = document.createElement("p");
  note.className = "error";
  note.textContent = document.documentElement.dataset.away;
  target.replaceChildren(note);
}

async function busily(button, work) {
  if (button) { button.disabled = true; button.setAttribute("aria-busy", "true"); }
  try { await work(); } finally {
    if (button) { button.disabled = false; button.removeAttribute("aria-busy"); }
  }
}

// -- top bar --------------------------------------------------------------------------------

$("[data-slim]")?.addEventListener("click", (event) => {
  const slim = document.body.classList.toggle("slim");
  event.currentTarget.setAttribute("aria-pressed", String(slim));
  document.cookie = `openregister_navigation=${slim ? "slim" : "wide"};path=/;max-age=31536000;samesite=lax`;
});

document.addEventListener("click", (event) => {
  for (const menu of $$("[data-menu][open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of $$("[data-menu][open]")) { menu.open = false; $("summary", menu).focus(); }
});

for (const select of $$("[data-filter] select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

// -- forms that show only what belongs to what was chosen ------------------------------------

function arrange(root = document) {
  for (const box of $$("[data-variants]", root)) {
    const select = $("select", box);
    const update = () => {
      for (const part of box.querySelectorAll(":scope > [data-variant]")) {
        part.hidden = part.dataset.variant !== select.value;
      }
    };
    select.addEventListener("change", update);
    update();
  }
  for (const select of $$("[data-shows]", root)) {
    const part = document.getElementById(select.dataset.shows);
    const update = () => { part.hidden = part.dataset.for !== select.value; };
    select.addEventListener("change", update);
    update();
  }
  for (const note of $$("[data-warn-off]", root)) {
    const box = document.getElementById(note.dataset.warnOff);
    box.addEventListener("change", () => { note.hidden = box.checked; });
  }
}
arrange();

// A form whose faults come back in place keeps the secrets that were typed: no page holds them.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-keep]")) return;
  event.preventDefault();
  const secrets = $$("input[type=password]", form).map((input) => [input.name, input.value]);
  const body = new FormData(form, event.submitter);
  busily(event.submitter, async () => {
    try {
      const answer = await fetch(form.action, {
        method: "POST", body: new URLSearchParams(body), headers: { Accept: "text/html" },
      });
      if (answer.redirected) { location.assign(answer.url); return; }
      const page = parsed(await answer.text());
      const renewed = $("form[data-keep]", page);
      if (!renewed) { location.reload(); return; }
      form.replaceChildren(...renewed.childNodes);
      for (const [name, value] of secrets) {
        const input = form.elements.namedItem(name);
        if (input) input.value = value;
      }
      arrange(form);
      const fault = $(".note.bad, .faulty input", form);
      fault?.scrollIntoView({ block: "center" });
    } catch { away($("#problem", form)); }
  });
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-test]");
  if (!button) return;
  const into = document.getElementById(button.dataset.into);
  busily(button, async () => {
    try {
      const body = new URLSearchParams(new FormData(button.form));
      show(into, await piece(button.dataset.test, { method: "POST", body }));
    } catch { away(into); }
  });
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.fragment) return;
  event.preventDefault();
  const into = document.getElementById(form.dataset.fragment);
  busily(event.submitter, async () => {
    try {
      const body = new URLSearchParams(new FormData(form));
      show(into, await piece(form.action, { method: "POST", body }));
    } catch { away(into); }
  });
});

// -- a run on its way -----------------------------------------------------------------------

const strip = $("[data-strip]");
if (strip?.dataset.live) follow();

async function follow() {
  let pause = 400;
  for (;;) {
    await new Promise((done) => setTimeout(done, pause));
    if (document.hidden) continue;
    try {
      const html = await piece(strip.dataset.strip);
      show(strip, html);
      pause = Math.min(pause * 1.2, 2000);
      const state = $("[data-state]", strip)?.dataset.state;
      if (state !== "queued" && state !== "running") break;
    } catch { pause = 3000; }
  }
  const run = $("[data-run]");
  if (run) run.disabled = false;
  // tables of the tab are about this run: fetch them anew, but leave forms as they are
  if (!$(".body form[data-keep], .body form[data-preview], .body form[data-schedule]")) {
    const page = parsed(await piece(location.href));
    for (const selector of [".body", ".head .purpose"]) {
      const now = $(selector), then = $(selector, page);
      if (now && then) now.replaceChildren(...then.childNodes);
    }
    const renewed = $(".paper", page);
    for (const old of $$(".paper > .body ~ *")) old.remove();
    let place = $(".paper > .body");
    for (const node of renewed ? renewed.querySelectorAll(":scope > .body ~ *") : []) {
      place.after(node);
      place = node;
    }
  }
}

// -- mapping: live preview --------------------------------------------------------------------

const mapping = $("form[data-preview]");
if (mapping && !$("fieldset:disabled", mapping)) {
  const target = $("#preview");
  let latest = 0, timer = 0;

  const preview = async (again = false) => {
    const number = ++latest;
    const body = new URLSearchParams(new FormData(mapping));
    if (again) body.set("again", "1");
    target.setAttribute("aria-busy", "true");
    try {
      const html = await piece(mapping.dataset.preview, { method: "POST", body });
      if (number !== latest) return;
      const open = new Set($$("details", target).map((one, i) => (one.open ? i : -1)));
      const before = $$("details", target).length;
      show(target, html);
      if (before) $$("details", target).forEach((one, i) => { one.open = open.has(i); });
      learn();
    } catch { if (number === latest) away(target); }
    target.removeAttribute("aria-busy");
  };

  const learn = () => {
    const fields = $$("[data-fields] [data-name]", target);
    $("#source-fields").replaceChildren(...fields.map((field) => {
      const option = document.createElement("option");
      option.value = field.dataset.name;
      option.label = field.textContent.slice(0, 60);
      return option;
    }));
    $("[data-match]").hidden = !fields.length;
    let object = {};
    try { object = JSON.parse($("[data-mapped]", target)?.textContent ?? "{}"); } catch { /* none */ }
    for (const cell of $$("[data-example]")) {
      const value = object[cell.dataset.example];
      const text = value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
      cell.textContent = text.length > 60 ? `${text.slice(0, 60)}…` : text;
    }
  };

  mapping.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(preview, 350); });
  $("[data-again]", mapping).addEventListener("click", (event) => {
    event.preventDefault();
    busily(event.currentTarget, () => preview(true));
  });
  $("[data-match]").addEventListener("click", () => {
    const plain = (text) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
    const names = $$("[data-fields] [data-name]", target).map((field) => field.dataset.name);
    for (const input of $$("input[data-property]", mapping)) {
      if (input.value) continue;
      const wanted = plain(input.dataset.property);
      const found = names.find((name) => name === input.dataset.property)
        ?? names.find((name) => plain(name) === wanted)
        ?? names.find((name) => plain(name.split(".").pop()) === wanted);
      if (found) input.value = found;
    }
    preview();
  });
  preview();
}

// -- schedule: what it would mean -------------------------------------------------------------

const schedule = $("form[data-schedule]");
if (schedule) {
  let timer = 0, latest = 0;
  const written = () => {
    const value = (name) => schedule.elements.namedItem(name).value.trim();
    switch (value("kind")) {
      case "every": return `every ${value("count") || "?"} ${value("unit")}`;
      case "hourly": return "hourly";
      case "daily": return `daily ${value("time")}`.trim();
      case "cron": return value("cron");
      default: return "manual";
    }
  };
  const look = async () => {
    const number = ++latest;
    const query = new URLSearchParams({ schedule: written(), timezone: schedule.elements.timezone.value });
    try {
      const html = await piece(`${schedule.dataset.schedule}?${query}`);
      if (number === latest) show($("#outlook"), html);
    } catch { away($("#outlook")); }
  };
  const reveal = () => {
    for (const part of $$("[data-for-kind]", schedule)) {
      part.hidden = part.dataset.forKind !== schedule.elements.kind.value;
    }
  };
  schedule.addEventListener("input", () => { reveal(); clearTimeout(timer); timer = setTimeout(look, 250); });
  reveal();
}
