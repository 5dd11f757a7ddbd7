// Sliders over what was computed: methods and sizes, figures of merit as curves, and the YAML for it.
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const told = read("told"), trials = read("trials"), at = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");
const scale = told.unit === "um" && told.pixel_um ? told.pixel_um : 1;
const unit = told.unit === "um" ? "µm" : "px";
// An option is on or off, a size has a unit.
const shown = (px) => (typeof px === "boolean" ? px : Number((px * scale).toPrecision(4)));
const withUnit = (px) => (typeof px === "boolean" ? (px ? "on" : "off") : `${shown(px)} ${unit}`);
const percent = (column) => !told.in_sigma.includes(column);

// Each set of sizes, also of those that give the same, leads to its trial.
const keyOf = (method, sizes) => [method, ...Object.values(sizes)].join("|");
const found = new Map(), steps = {};
for (const trial of trials) {
  for (const sizes of [trial.sizes, ...trial.alike]) {
    found.set(keyOf(trial.method, sizes), trial);
    for (const [name, px] of Object.entries(sizes)) {
      const own = ((steps[trial.method] ??= {})[name] ??= []);
      if (!own.includes(px)) own.push(px);
    }
  }
}
Object.values(steps).forEach((own) => Object.values(own).forEach((list) => list.sort((a, b) => a - b)));
// Not each position of each slider was computed: of those that were with the value that was moved,
// the one nearest to the others.
function nearest(method, sizes, moved) {
  const apart = (one) => Object.entries(one).reduce((sum, [name, px]) =>
    sum + Math.abs(Math.log((Number(px) + 1) / (Number(sizes[name]) + 1))), 0);
  return trials.filter((trial) => trial.method === method)
    .flatMap((trial) => [trial.sizes, ...trial.alike])
    .filter((one) => one[moved] === sizes[moved])
    .sort((a, b) => apart(a) - apart(b))[0];
}
const marked = (method, mark) =>
  trials.find((trial) => trial.method === method && trial.marks[mark])?.marks[mark];
const configured = trials.find((trial) => trial.marks.configured);

const state = { method: null, sizes: {}, moved: null };
const methods = Object.keys(told.methods);
at("method").append(...methods.map((name) => new Option(told.methods[name].text, name)));

function choose(method, sizes) {
  const movable = Object.entries(steps[method]).filter(([, list]) => list.length > 1);
  Object.assign(state, { method, sizes: { ...sizes }, moved: movable[0]?.[0] ?? Object.keys(sizes)[0] });
  at("method").value = method;
  at("sliders").replaceChildren(...movable.map(([name, list]) => {
    const label = document.createElement("label"), slider = document.createElement("input");
    const output = document.createElement("output");
    Object.assign(slider, { type: "range", min: 0, max: list.length - 1, step: 1 });
    slider.dataset.size = name;
    slider.setAttribute("aria-label", told.methods[method].sizes[name]);
    slider.value = list.indexOf(sizes[name]);
    slider.addEventListener("input", () => {
      state.moved = name;
      state.sizes = { ...nearest(method, { ...state.sizes, [name]: list[slider.value] }, name) };
      show();
    });
    label.append(`${told.methods[method].sizes[name]} `, slider, output);
    return label;
  }));
  at("to-advised").disabled = !marked(method, "advised");
  at("to-configured").disabled = !configured;
  at("high").value = Number(Math.max(...trials.filter((t) => t.method === method)
    .map((t) => t.high)).toPrecision(4));
  show();
}

// The maps: before, background, result; planes are unpacked when they are first shown.
const boxes = ["Before", "Background", "Result"].map((name) => {
  const figure = document.createElement("figure"), box = document.createElement("div");
  const caption = document.createElement("figcaption");
  caption.textContent = name;
  figure.append(caption, box);
  at("maps").append(figure);
  return [name, box];
});
const maps = boxes.map(([name, box]) => {
  const map = makeMap(box, told.shape, `${name}; arrow keys move, + and - zoom`);
  return { map, canvas: addCanvas(map, told.shape) };
});
joinMaps(maps.map(({ map }) => map));
const projection = await unpack(told.projection, told.shape);
drawPlane(maps[0].canvas, projection, told.shape, told.range);
const unpacked = new Map();
async function planesOf(trial) {
  if (!unpacked.has(trial)) {
    if (unpacked.size > 24) unpacked.delete(unpacked.keys().next().value);
    const background = await unpack(trial.planes.background, told.shape);
    const result = trial.planes.result ? await unpack(trial.planes.result, told.shape)
      : projection.map((level, i) => (told.light ? background[i] - level : level - background[i]));
    unpacked.set(trial, { background, result });
  }
  return unpacked.get(trial);
}

let current = null;
async function show() {
  const { method, sizes } = state;
  at("sliders").querySelectorAll("input").forEach((slider) => {
    slider.value = steps[method][slider.dataset.size].indexOf(sizes[slider.dataset.size]);
    slider.nextSibling.value = withUnit(sizes[slider.dataset.size]);
  });
  const trial = found.get(keyOf(method, sizes));
  current = trial;
  at("said").textContent = describe(trial);
  at("yaml").textContent = yaml(method, sizes);
  drawCurves();
  const { background, result } = await planesOf(trial);
  if (current !== trial) return;
  let low = Infinity, high = -Infinity;
  for (const level of background) { if (level < low) low = level; if (level > high) high = level; }
  drawPlane(maps[1].canvas, background, told.shape, low < high ? [low, high] : [low - 1, low + 1]);
  drawPlane(maps[2].canvas, result, told.shape, [0, at("high").valueAsNumber || trial.high], true);
  document.documentElement.dataset.shown = keyOf(method, sizes);
}
const write = (column, value) => (value === null ? "unknown"
  : percent(column) ? `${value > 10 ? "over 1000" : Number((100 * value).toPrecision(3))} %`
    : Number(value.toPrecision(3)));
function describe(trial) {
  const words = Object.entries(told.merit)
    .map(([column, name]) => `${name.replace(/, %.*/, "")} ${write(column, trial.merit[column])}`);
  const marks = ["advised", "configured"].filter((mark) => trial.marks[mark] &&
    keyOf(trial.method, trial.marks[mark]) === keyOf(state.method, state.sizes)).join(", ");
  return `${words.join("; ")}${marks && ` (${marks})`}`;
}

// A name in double quotes is YAML, whatever it holds.
function yaml(method, sizes) {
  const lines = [`method: ${method}`, `light_background: ${told.light}`, `${method}:`,
    ...Object.entries(sizes).map(([name, px]) => `  ${name}: ${shown(px)}`)];
  const indent = (by) => lines.map((line) => " ".repeat(by) + line).join("\n");
  const head = `subtract_background:\n  unit: ${told.unit}\n`;
  return told.channel === null ? `${head}${indent(2)}\n`
    : `${head}  channels:\n    ${JSON.stringify(told.channel)}:\n${indent(6)}\n`;
}

// Curves: one plot for each figure of merit.
const charts = {};
const lines = { // where the advised and the configured size lie
  id: "marks",
  afterDraw(chart) {
    const { ctx, chartArea: { top, bottom }, scales: { x } } = chart;
    for (const [place, colour] of chart.options.marks ?? []) {
      ctx.save();
      ctx.strokeStyle = colour;
      ctx.lineWidth = 2;
      ctx.setLineDash(colour === "#009e73" ? [] : [5, 3]);
      ctx.beginPath();
      ctx.moveTo(x.getPixelForValue(place), top);
      ctx.lineTo(x.getPixelForValue(place), bottom);
      ctx.stroke();
      ctx.restore();
    }
  },
};
for (const [column, name] of Object.entries(told.merit)) {
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  const box = document.createElement("div"), canvas = document.createElement("canvas");
  caption.textContent = name;
  box.className = "plot";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${name} along the size; the line above the images has it too`);
  box.append(canvas);
  figure.append(caption, box);
  at("curves").append(figure);
  charts[column] = new Chart(canvas, {
    type: "line",
    data: { datasets: [{ data: [], borderColor: "#0072b2", borderWidth: 2 }] },
    options: {
      animation: false, maintainAspectRatio: false,
      scales: { x: { type: "linear", title: { display: true } }, y: { beginAtZero: true } },
      plugins: { legend: { display: false }, tooltip: { callbacks: {
        title: ([item]) => withUnit(item.raw.px) } } },
      onClick: (_, [hit]) => {
        if (!hit) return;
        state.sizes[state.moved] = charts[column].data.datasets[0].data[hit.index].px;
        show();
      },
    },
    plugins: [lines],
  });
}
function drawCurves() {
  const { method, sizes, moved } = state, list = steps[method][moved];
  const ink = getComputedStyle(document.body).color, grid = dark.matches ? "#3b434c" : "#d4d8dc";
  const own = list.map((px) => [px, found.get(keyOf(method, { ...sizes, [moved]: px }))])
    .filter(([, trial]) => trial);
  const marks = [["advised", "#009e73"], ["configured", "#d55e00"]]
    .map(([mark, colour]) => [marked(method, mark), colour])
    .filter(([own]) => own).map(([own, colour]) => [Number(shown(own[moved])), colour]);
  for (const [column, chart] of Object.entries(charts)) {
    const factor = percent(column) ? 100 : 1;
    chart.data.datasets[0].data = own.map(([px, trial]) => ({ x: Number(shown(px)), px,
      y: trial.merit[column] === null ? NaN : factor * Math.min(trial.merit[column], 1e4) }));
    chart.data.datasets[0].pointRadius = own.map(([px]) => (px === sizes[moved] ? 8 : 4));
    Object.assign(chart.options, { marks, color: ink });
    Object.assign(chart.options.scales.x.title,
      { text: `${told.methods[method].sizes[moved]}${typeof list[0] === "boolean" ? "" : `, ${unit}`}`,
        color: ink });
    for (const axis of Object.values(chart.options.scales)) {
      axis.ticks = { ...axis.ticks, color: ink };
      axis.grid = { color: grid };
    }
    chart.update();
  }
}
dark.addEventListener("change", drawCurves);

at("method").addEventListener("change", () => {
  const method = at("method").value;
  choose(method, marked(method, "advised") ?? trials.find((one) => one.method === method).sizes);
});
at("to-advised").addEventListener("click", () => {
  choose(state.method, marked(state.method, "advised"));
});
at("to-configured").addEventListener("click", () => {
  choose(configured.method, configured.marks.configured);
});
at("high").addEventListener("input", show);
maps[0].map.getContainer().parentElement.parentElement.addEventListener("mousemove", (event) => {
  const map = maps.find((one) => one.map.getContainer().contains(event.target))?.map;
  if (!map || !current || !unpacked.has(current)) return;
  const { lat, lng } = map.mouseEventToLatLng(event), [rows, columns] = told.shape;
  const row = Math.floor(-lat), column = Math.floor(lng);
  const inside = row >= 0 && column >= 0 && row < rows && column < columns;
  const { background, result } = unpacked.get(current), place = row * columns + column;
  at("levels").textContent = inside
    ? `row ${row}, column ${column}: before ${Number(projection[place].toPrecision(6))}, background ` +
      `${Number(background[place].toPrecision(6))}, result ${Number(result[place].toPrecision(6))}`
    : "\u00a0";
});
choose(...(configured ? [configured.method, configured.marks.configured]
  : [trials[0].method, trials[0].sizes]));
document.documentElement.dataset.ready = "true";
