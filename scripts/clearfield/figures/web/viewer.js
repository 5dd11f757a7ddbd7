// A sample in place: projection, background and result at full size, moved and zoomed together.
const files = new Map(); // of planes, by sample: they lie beside the figures, and come as scripts
window.clearfieldPlanes = (told) => files.set(told.sample, told);

function loadPlanes(sample, address) {
  return new Promise((done) => {
    if (files.has(sample)) return done(files.get(sample));
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => { script.remove(); done(files.get(sample)); };
    script.onerror = () => { script.remove(); done(undefined); };
    document.head.append(script);
  });
}

const dialog = document.getElementById("viewer");
const part = (name) => dialog.querySelector(`[data-part=${name}]`);
const digits = (level) => (Number.isNaN(level) ? "not a number" : Number(level.toPrecision(6)));
const PANELS = ["projection", "background", "result"];
let open = null; // the link that opened it, what was told of the sample, its maps and planes

async function openSample(link) {
  const { sample, planes } = link.dataset;
  part("name").textContent = sample;
  part("figure").href = link.href;
  part("body").replaceChildren();
  part("message").textContent = "Opening …";
  if (!dialog.open) dialog.showModal();
  open = { link };
  const told = planes ? await loadPlanes(sample, planes) : undefined;
  if (open?.link !== link) return;
  if (told) {
    open.told = told;
    const choice = part("view");
    choice.replaceChildren(...told.views.map((view, i) => new Option(view.title, i)));
    choice.disabled = told.views.length < 2;
    return showView(0);
  }
  open.told = null;
  part("tools").hidden = true;
  const figure = new Image();
  figure.alt = `Figure of ${sample}`;
  figure.onload = () => { part("message").textContent = ""; };
  figure.onerror = () => {
    figure.remove();
    part("message").textContent =
      "The images of this sample lie in results/qc/, which did not come with this page. " +
      "Copy that folder along, to the place that it has beside the page's own.";
  };
  figure.src = link.href;
  part("body").append(figure);
}

async function showView(index) {
  const view = open.told.views[index], { link } = open;
  part("message").textContent = "Opening …";
  const planes = await unpackView(view).catch(() => null);
  if (open?.link !== link) return;
  if (!planes) {
    part("message").textContent = "This browser cannot unpack the planes; the figure has them small.";
    return;
  }
  Object.assign(open, { view, planes });
  part("tools").hidden = false;
  setRange("raw", view.range, planes.projection);
  setRange("result", view.result_range, planes.result);
  layOut();
}

// Two numbers and two sliders for each range; "as in the figure" sets them back.
function setRange(name, [low, high], values) {
  let least = low, most = high;
  for (const level of values) { if (level < least) least = level; if (level > most) most = level; }
  for (const [end, value] of [["low", low], ["high", high]]) {
    const slider = part(`${name}-${end}-slider`), box = part(`${name}-${end}`);
    slider.min = least; slider.max = most; slider.step = (most - least) / 2000 || 1;
    slider.value = value;
    box.value = digits(value);
  }
}
const rangeOf = (name) => [part(`${name}-low`).valueAsNumber, part(`${name}-high`).valueAsNumber];

function layOut() {
  const { view, planes } = open, compare = part("compare").checked;
  const old = open.maps?.[0];
  const place = old && [old.getCenter(), old.getZoom()];
  open.maps?.forEach((map) => map.remove());
  const body = part("body");
  body.className = compare ? "one" : "three";
  part("swipe-row").hidden = !compare;
  body.replaceChildren();
  open.canvases = {};
  open.maps = (compare ? [["projection", "result"]] : PANELS.map((name) => [name])).map((names) => {
    const figure = document.createElement("figure"), box = document.createElement("div");
    const caption = document.createElement("figcaption");
    caption.textContent = names.length > 1 ? "Projection | result"
      : names[0][0].toUpperCase() + names[0].slice(1);
    figure.append(caption, box);
    body.append(figure);
    const map = makeMap(box, view.shape,
      `${names.join(" and ")} of ${open.told.sample}, ${view.title}; arrow keys move, + and - zoom`);
    for (const name of names) {
      const pane = names.length > 1 && name === "result" ? "after" : null;
      if (pane) map.createPane(pane).style.zIndex = 450;
      open.canvases[name] = addCanvas(map, view.shape, pane);
    }
    map.on("mousemove", ({ latlng }) => tell(latlng));
    if (compare) map.on("move zoom resize", swipe);
    return map;
  });
  joinMaps(open.maps);
  if (place) open.maps[0].setView(...place, { animate: false });
  part("message").textContent = view.factor > 1
    ? `Shown at 1/${view.factor} of its size; the full image is results/projections/${open.told.sample}.ome.tif.`
    : "";
  draw();
  if (compare) swipe();
}

function draw() {
  const { view, planes, canvases } = open;
  for (const [name, canvas] of Object.entries(canvases)) {
    const range = rangeOf(name === "result" ? "result" : "raw");
    if (range.every(Number.isFinite)) drawPlane(canvas, planes[name], view.shape, range);
  }
}

// Before on the left of the line, after on its right.
function swipe() {
  const [map] = open.maps, pane = map.getPane("after");
  const size = map.getSize(), x = (size.x * part("swipe").value) / 100;
  const start = map.containerPointToLayerPoint([x, 0]), end = map.containerPointToLayerPoint(size);
  pane.style.clip = `rect(${start.y}px, ${end.x}px, ${end.y}px, ${start.x}px)`;
  const line = part("body").querySelector(".swipe-line") ?? document.createElement("i");
  line.className = "swipe-line";
  line.style.left = `${x}px`;
  map.getContainer().append(line);
}

function tell({ lat, lng }) {
  const { view, planes } = open, [rows, columns] = view.shape;
  const row = Math.floor(-lat), column = Math.floor(lng);
  const inside = row >= 0 && column >= 0 && row < rows && column < columns;
  part("levels").textContent = inside
    ? `row ${row * view.factor}, column ${column * view.factor}: ` +
      PANELS.map((name) => `${name} ${digits(planes[name][row * columns + column])}`).join(", ")
    : "";
}

dialog.addEventListener("input", ({ target }) => {
  const name = target.dataset.part;
  if (name === "view") return showView(Number(target.value));
  if (name === "compare") return layOut();
  if (name === "swipe") return swipe();
  if (name.endsWith("-slider")) part(name.slice(0, -7)).value = digits(target.valueAsNumber);
  else if (Number.isFinite(target.valueAsNumber)) part(`${name}-slider`).value = target.value;
  requestAnimationFrame(draw);
});
dialog.addEventListener("click", ({ target }) => {
  const name = target.dataset.part;
  if (name === "close") dialog.close();
  if (name === "next" || name === "previous") step(name === "next" ? 1 : -1);
  if (name === "reset") {
    setRange("raw", open.view.range, open.planes.projection);
    setRange("result", open.view.result_range, open.planes.result);
    draw();
  }
  if (name === "whole") open.maps.forEach((map) => map.fitBounds([[-open.view.shape[0], 0], [0, open.view.shape[1]]]));
});
function step(by) {
  const links = [...document.querySelectorAll("a.open")];
  const next = links[links.indexOf(open.link) + by];
  if (next) openSample(next);
}
dialog.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select") || event.ctrlKey || event.metaKey) return;
  if (event.key === "n") step(1);
  if (event.key === "p") step(-1);
});
dialog.addEventListener("close", () => {
  open?.maps?.forEach((map) => map.remove());
  files.clear(); // a plane takes 12 bytes a pixel
  const { link } = open;
  open = null;
  link.focus();
});
