// A sample in place: projection, background and result at full size, moved and zoomed together.
let arrived = null; // what the last script told: planes lie beside the figures, and come as scripts
window.clearfieldPlanes = (view) => { arrived = view; };

function loadView(address) {
  return new Promise((done) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => { script.remove(); done(arrived); arrived = null; };
    script.onerror = () => { script.remove(); done(null); };
    document.head.append(script);
  });
}

const dialog = document.getElementById("viewer");
const part = (name) => dialog.querySelector(`[data-part=${name}]`);
const digits = (level) => (Number.isNaN(level) ? "not a number" : Number(level.toPrecision(6)));
const PANELS = ["projection", "background", "result"];
let open = null; // the link that opened it, what was told of the sample, its maps and planes

async function openSample(link) {
  const { sample, planes } = link.dataset, views = JSON.parse(link.dataset.views ?? "[]");
  open?.maps?.forEach((map) => map.remove());
  part("name").textContent = sample;
  part("figure").href = link.href;
  part("body").replaceChildren();
  part("levels").textContent = "";
  part("tools").hidden = part("swipe-row").hidden = true;
  if (!dialog.open) dialog.showModal();
  open = { link, sample, addresses: views.map(([, file]) => `${planes}/${file}`) };
  const choice = part("view");
  choice.replaceChildren(...views.map(([title], index) => new Option(title, index)));
  choice.hidden = views.length < 2;
  if (views.length) return showView(0);
  showFigure();
}

async function showView(index) {
  const mine = open;
  part("message").textContent = "Opening …";
  const view = await loadView(mine.addresses[index]);
  if (open !== mine) return;
  if (!view) return showFigure();
  const planes = await unpackView(view).catch(() => null);
  if (open !== mine) return;
  if (!planes) return showFigure("This browser cannot unpack the planes; here is the figure.");
  Object.assign(open, { view, planes });
  part("tools").hidden = false;
  resetRanges();
  layOut();
}

// Where the planes did not come along, the figure; where it did not either, what to do.
function showFigure(words = "") {
  const mine = open, figure = new Image();
  part("message").textContent = words;
  figure.alt = `Figure of ${mine.sample}`;
  figure.onerror = () => {
    if (open !== mine) return;
    figure.remove();
    part("message").textContent =
      "The images of this sample did not come with this page. Copy the folder results/qc along, " +
      "to the place beside the page's own folder that it has there.";
  };
  figure.src = mine.link.href;
  part("body").replaceChildren(figure);
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
function resetRanges() {
  const { view, planes } = open;
  setRange("projection", view.range, planes.projection);
  setRange("background", view.background_range, planes.background);
  setRange("result", view.result_range, planes.result);
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
  const frames = (compare ? [["projection", "result"]] : PANELS.map((name) => [name]));
  // All frames first: a map fits its image into the room that it has then.
  const boxes = frames.map((names) => {
    const figure = document.createElement("figure"), box = document.createElement("div");
    const caption = document.createElement("figcaption");
    caption.textContent = names.length > 1 ? "Projection | result"
      : names[0][0].toUpperCase() + names[0].slice(1);
    figure.append(caption, box);
    body.append(figure);
    return box;
  });
  open.maps = frames.map((names, index) => {
    const map = makeMap(boxes[index], view.shape,
      `${names.join(" and ")} of ${open.sample}, ${view.title}; arrow keys move, + and - zoom`);
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
    ? `Shown at 1/${view.factor} of its size; the full image is results/projections/${open.sample}.ome.tif.`
    : "";
  draw();
  if (compare) swipe();
}

function draw() {
  const { view, planes, canvases } = open;
  for (const [name, canvas] of Object.entries(canvases)) {
    const range = rangeOf(name);
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
    resetRanges();
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
  const { link } = open;
  open = null;
  link.focus();
});
