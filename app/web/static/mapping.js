// The mapping of a source: what the preview found is offered and shown beside the properties.
"use strict";

const mapping = document.querySelector("#mapping");
const preview = document.querySelector("#preview");

function learn() {
  const fields = [...preview.querySelectorAll("[data-fields] [data-name]")];
  document.querySelector("#source-fields").replaceChildren(...fields.map((field) => {
    const option = document.createElement("option");
    option.value = field.dataset.name;
    option.label = field.textContent.slice(0, 60);
    return option;
  }));
  document.querySelector("[data-match]").hidden = !fields.length;
  let object = {};
  try { object = JSON.parse(preview.querySelector("[data-mapped]")?.textContent ?? "{}"); } catch { /* none */ }
  for (const cell of document.querySelectorAll("[data-example]")) {
    const value = object[cell.dataset.example];
    const text = value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
    cell.textContent = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  }
}

function match() {
  const plain = (text) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
  const names = [...preview.querySelectorAll("[data-fields] [data-name]")].map((field) => field.dataset.name);
  for (const input of mapping.querySelectorAll("input[data-property]")) {
    if (input.value) continue;
    const wanted = plain(input.dataset.property);
    const found = names.find((name) => name === input.dataset.property)
      ?? names.find((name) => plain(name) === wanted)
      ?? names.find((name) => plain(name.split(".").pop()) === wanted);
    if (found) input.value = found;
  }
  mapping.dispatchEvent(new Event("input", { bubbles: true }));
}

document.querySelector("[data-match]").addEventListener("click", match);
preview.addEventListener("htmx:after:swap", learn);
