// What a run's page does: its table, its plots, blocks to copy or save, and samples that open in place.
const read = (id) => JSON.parse(document.getElementById(id)?.textContent || "null");
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark", dark.matches);
paint();
dark.addEventListener("change", paint);

// Data without a name of their own have that of the run's folder: FOLDER/results/report/index.html.
const unnamed = document.getElementById("data");
const folder = decodeURIComponent(location.pathname).split("/").at(-4);
if (unnamed && folder) {
  unnamed.textContent = folder;
  document.title = `${folder}: quality of the run`;
}

// The table: DataTables makes elements only of the rows on screen.
const bytes = Uint8Array.from(atob(read("bundle")), (letter) => letter.charCodeAt(0));
const address = URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
const { jQuery } = await import(address);
URL.revokeObjectURL(address);
const { hidden, numbers } = read("columns");
const atLeast = { extend: "searchNumber", placeholder: "at least",
  excludeLogic: ["equal", "notEqual", "greater", "less"] };
const table = jQuery("#table").DataTable({
  data: read("rows"),
  columnDefs: [
    { targets: hidden, visible: false },
    { targets: numbers, columnControl: [
      { target: 0, content: ["order"] }, { target: 1, content: [atLeast] }] },
  ],
  columnControl: [{ target: 0, content: ["order"] }, { target: 1, content: ["search"] }],
  ordering: { indicators: false, handler: true },
  deferRender: true,
  order: [],
  pageLength: 25,
  scrollX: true,
  layout: { topStart: ["pageLength", { buttons: ["colvis"] }], topEnd: "search" },
});
// On paper: all rows that the filters leave.
let shown = 25;
addEventListener("beforeprint", () => { shown = table.page.len(); table.page.len(-1).draw(); });
addEventListener("afterprint", () => table.page.len(shown).draw());

// The cohort: each point names its sample and leads to its card.
const palette = () => ({
  ink: getComputedStyle(document.body).color,
  line: dark.matches ? "#3b434c" : "#d4d8dc",
  point: dark.matches ? "#56b4e9aa" : "#0072b28c",
  far: dark.matches ? "#ff8a50" : "#d55e00",
});
function drawCohort(canvas, { channels, points }) {
  const colour = palette();
  // Whole steps of the golden ratio spread the points evenly, the same each time.
  const data = points.map(([at, y, far, sample, time], i) => ({
    x: at + 0.5 * (((i * 0.6180339887) % 1) - 0.5), y, far, sample, time, name: channels[at],
  }));
  const medians = channels.map((_, at) => {
    const own = points.filter((p) => p[0] === at).map((p) => p[1]).sort((a, b) => a - b);
    const half = own.length >> 1;
    return own.length % 2 ? own[half] : (own[half - 1] + own[half]) / 2;
  });
  const line = medians.flatMap((y, at) => [{ x: at - 0.38, y }, { x: at + 0.38, y }, { x: NaN, y }]);
  return new Chart(canvas, {
    type: "scatter",
    data: { datasets: [
      { data, pointRadius: 4, pointHoverRadius: 7, borderWidth: 0,
        backgroundColor: data.map((p) => (p.far ? colour.far : colour.point)) },
      { data: line, showLine: true, pointRadius: 0, pointHitRadius: 0, spanGaps: false,
        borderColor: colour.ink, borderWidth: 2 },
    ] },
    options: {
      animation: false, maintainAspectRatio: false, color: colour.ink,
      onClick: (_, [hit]) => { if (hit) location.hash = cardOf(data[hit.index].sample); },
      onHover: (event, [hit]) => { event.native.target.style.cursor = hit ? "pointer" : ""; },
      scales: {
        x: { min: -0.6, max: channels.length - 0.4, grid: { display: false },
          afterBuildTicks: (axis) => { axis.ticks = channels.map((_, value) => ({ value })); },
          ticks: { color: colour.ink, autoSkip: false, maxRotation: 90,
            minRotation: channels.length > 4 ? 90 : 0,
            callback: (at) => shorten(channels[at] ?? "") } },
        y: { grid: { color: colour.line }, ticks: { color: colour.ink } },
      },
      plugins: { legend: { display: false }, tooltip: {
        filter: (item) => item.datasetIndex === 0,
        callbacks: { label: ({ raw }) =>
          `${raw.sample}, ${raw.name}, time ${raw.time}: ${Number(raw.y.toPrecision(4))}` } } },
    },
  });
}
const shorten = (text) => (text.length > 16 ? `${text.slice(0, 9)}…${text.slice(-6)}` : text);
const escaped = (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`;
const cardOf = (name) => `#s-${encodeURIComponent(name).replace(/[!'()*]/g, escaped)}`;
const cohort = read("cohort") ?? {};
const charts = new Map();
const watch = new IntersectionObserver((seen) => seen.forEach(({ isIntersecting, target }) => {
  if (isIntersecting && !charts.has(target))
    charts.set(target, drawCohort(target, cohort[target.dataset.column]));
}), { rootMargin: "400px" });
document.querySelectorAll("canvas[data-column]").forEach((canvas) => watch.observe(canvas));
dark.addEventListener("change", () => charts.forEach((chart, canvas) => {
  chart.destroy();
  charts.set(canvas, drawCohort(canvas, cohort[canvas.dataset.column]));
}));
addEventListener("beforeprint", () => document.querySelectorAll("canvas[data-column]").forEach((c) => {
  if (!charts.has(c)) charts.set(c, drawCohort(c, cohort[c.dataset.column]));
}));

// A card opens its sample in place; with another key or button, its figure as any link does.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a.open");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openSample(link);
});
document.documentElement.dataset.ready = "true";
