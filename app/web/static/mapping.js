// The mapping of a source: fields of the sample to pick or drag, and remedies for its errors.

const mapping = document.querySelector("#mapping");
const preview = document.querySelector("#preview");
const all = (selector, within = mapping) => [...within.querySelectorAll(selector)];
const cells = () => all("input[data-property]");
const names = () => all("#fields [data-name]").map((field) => field.dataset.name);
let last = null; // the cell that a picked field goes to

function changed() { mapping.dispatchEvent(new Event("input", { bubbles: true })); mark(); }

function put(cell, name) {
  cell.value = name;
  cell.focus();
  cell.dispatchEvent(new Event("input", { bubbles: true }));
}

function learn() {
  const fields = all("[data-fields] > li", preview);
  if (fields.length) mapping.querySelector("#fields").replaceChildren(...fields);
  document.querySelector("#source-fields").replaceChildren(...names().map((name) => {
    const option = document.createElement("option");
    option.value = name;
    return option;
  }));
  mapping.querySelector("[data-match]").hidden = !names().length;
  let object = {};
  try { object = JSON.parse(preview.querySelector("[data-mapped]")?.textContent ?? "{}"); } catch { /* none */ }
  for (const cell of all("[data-example]")) {
    const value = object[cell.dataset.example];
    const text = value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
    cell.textContent = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  }
  mark();
}

// fields that no cell names stand out; the search and "unmapped only" narrow both sides
function mark() {
  const used = new Set(cells().flatMap(({ value }) => [value, ...value.split(/[^\p{L}\p{N}_.-]+/u)]));
  const wanted = mapping.querySelector("[data-narrow]").value.trim().toLowerCase();
  const open = mapping.querySelector("[data-unmapped]").checked;
  for (const field of all("#fields [data-name]")) {
    const mapped = used.has(field.dataset.name);
    field.classList.toggle("mapped", mapped);
    field.hidden = !field.dataset.name.toLowerCase().includes(wanted) || (open && mapped);
  }
  for (const line of all("tr[data-line]")) {
    const cell = line.querySelector("input[data-property]");
    const text = `${line.dataset.line} ${cell.value}`.toLowerCase();
    const away = !text.includes(wanted) || (open && cell.value !== "");
    line.hidden = away && cell !== document.activeElement;
  }
}

function match() {
  const plain = (text) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
  for (const input of cells()) {
    if (input.value) continue;
    const wanted = plain(input.dataset.property);
    const found = names().find((name) => name === input.dataset.property)
      ?? names().find((name) => plain(name) === wanted)
      ?? names().find((name) => plain(name.split(".").pop()) === wanted);
    if (found) input.value = found;
  }
  // a closed schema takes no other fields, and those of the same name are mapped now
  mapping.elements.passthrough.checked &&= !("closed" in mapping.elements.passthrough.dataset);
  changed();
}

// a conversion joins those under "Casts, constants, tables"
function cast(button) {
  const rest = mapping.querySelector("#rest");
  let document_ = {};
  try { document_ = JSON.parse(rest.value || "{}"); } catch { rest.focus(); return; }
  document_.casts = { ...document_.casts, [button.dataset.property]: JSON.parse(button.dataset.cast) };
  rest.value = JSON.stringify(document_, null, 2);
  rest.dispatchEvent(new Event("input", { bubbles: true }));
}

mapping.addEventListener("focusin", (event) => { if (event.target.matches(".mapping .code")) last = event.target; });
mapping.addEventListener("input", (event) => { if (event.target !== mapping) mark(); });
for (const control of all("[data-narrow], [data-unmapped]")) { // they change what is shown, not the mapping
  control.addEventListener("input", (event) => { event.stopPropagation(); mark(); });
  control.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
}
mapping.addEventListener("click", (event) => {
  const name = event.target.closest("[data-pick]")?.dataset.pick;
  if (event.target.closest("[data-match]")) match();
  if (name === undefined) return;
  const same = cells().find((cell) => !cell.value && cell.dataset.property === name);
  const cell = last?.isConnected ? last : same ?? cells().find((one) => !one.value);
  if (cell) put(cell, name);
});
mapping.addEventListener("dragstart", (event) => {
  event.dataTransfer.setData("text/plain", event.target.closest("[data-pick]")?.dataset.pick ?? "");
});
mapping.addEventListener("drop", (event) => {
  const name = event.dataTransfer.getData("text/plain");
  if (!event.target.matches(".mapping .code") || !names().includes(name)) return;
  event.preventDefault();
  put(event.target, name);
});
preview.addEventListener("click", (event) => {
  const button = event.target.closest("[data-cast]");
  if (button) cast(button);
});
preview.addEventListener("htmx:after:swap", learn);
