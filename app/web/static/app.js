// What every page does. Forms and lists work without scripts; live pieces do not. Requests for
// pieces of a page are htmx's (attributes `hx-…` in the templates); this file adds what it lacks.
"use strict";

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

// -- menus and navigation --------------------------------------------------------------------

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

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-filter] select")) event.target.form.requestSubmit();
});

// -- forms that show only what belongs to what was chosen ------------------------------------

function arrange(root) {
  for (const box of $$("[data-variants]", root)) {
    const chosen = $("select", box).value;
    for (const part of box.querySelectorAll(":scope > [data-variant]")) part.hidden = part.dataset.variant !== chosen;
  }
  for (const select of $$("[data-shows]", root)) {
    const part = document.getElementById(select.dataset.shows);
    part.hidden = part.dataset.for !== select.value;
  }
  for (const note of $$("[data-warn-off]", root)) note.hidden = document.getElementById(note.dataset.warnOff).checked;
  for (const part of $$("[data-for-kind]", root)) part.hidden = part.dataset.forKind !== part.closest("form").elements.kind.value;
}
arrange(document);
document.addEventListener("input", (event) => { if (event.target.form) arrange(event.target.form); });
document.addEventListener("htmx:after:settle", (event) => arrange(event.target.parentNode ?? document));

// the name of a source follows its title until somebody types one
document.addEventListener("input", ({ target }) => {
  if (target.id === "name") delete $("[data-slug=name]")?.dataset.slug;
  const name = target.dataset.slug && document.getElementById(target.dataset.slug);
  if (name) name.value = target.value.normalize("NFKD").replace(/[^\x00-\x7f]/g, "").toLowerCase()
    .replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
});

// -- work that is not saved yet --------------------------------------------------------------

const changed = new Set();
document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (form?.matches("[data-guard]")) { changed.add(form); form.dataset.changed = ""; }
});
document.addEventListener("submit", (event) => saved(event.target));
window.addEventListener("beforeunload", (event) => {
  if ([...changed].some((form) => form.isConnected)) event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "s" || !(event.ctrlKey || event.metaKey)) return;
  const form = document.activeElement?.form ?? $("form[data-guard]");
  if (!form?.matches("[data-guard]")) return;
  event.preventDefault();
  form.requestSubmit($("button.primary", form));
});

function saved(form) { changed.delete(form); delete form.dataset?.changed; }

// -- requests: busy buttons, a server that is away, a session that has ended --------------------

const away = $("#message");
let refused = null; // the submission that a session which had ended turned away

function button(context) {
  const source = context.sourceElement;
  return context.request.submitter ?? (source.matches("button") ? source : null);
}
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  const pressed = button(ctx);
  if (pressed) { pressed.disabled = true; pressed.setAttribute("aria-busy", "true"); }
  if (ctx.target?.hasAttribute?.("aria-live")) ctx.target.setAttribute("aria-busy", "true");
});
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  const pressed = button(ctx);
  if (pressed) { pressed.disabled = false; pressed.removeAttribute("aria-busy"); }
  ctx.target?.removeAttribute?.("aria-busy");
});
document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
  if (ctx?.status?.includes("AbortError")) return;
  if (ctx?.request.form?.matches("[data-guard]")) changed.add(ctx.request.form);
  $(".note", away) ?? away.append($("#away").content.cloneNode(true));
  away.dataset.away = "";
});
document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  if ("away" in away.dataset) { away.replaceChildren(); delete away.dataset.away; }
  if (ctx.response.status < 400) return;
  if (ctx.request.form?.matches("[data-guard]")) changed.add(ctx.request.form);
  if (ctx.response.status === 401 && ctx.sourceEvent?.type === "submit") {
    refused = { form: ctx.request.form, submitter: ctx.request.submitter };
  }
});
document.addEventListener("session-ended", () => {
  const dialog = $("#session");
  if (dialog.open) return;
  dialog.showModal();
  $("[type=password]", dialog).focus();
});
document.addEventListener("signed-in", ({ detail: { csrf } }) => {
  $("meta[name=csrf-token]").content = csrf;
  for (const input of $$("input[name=_csrf]")) input.value = csrf;
  $("#session").close();
  if (refused?.form.isConnected) refused.form.requestSubmit(refused.submitter);
  refused = null;
});

// the first error of a form that came back is brought into view
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (ctx.request?.form?.matches("[data-guard]") && ctx.request.method === "POST") {
    const within = ctx.target.querySelector ? ctx.target : document; // a name after HX-Retarget
    $(".note.bad, .faulty input, .conflict", within)?.scrollIntoView({ block: "center" });
  }
});
