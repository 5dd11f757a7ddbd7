// Planes as figures/plane_file.py packs them, back to numbers, and drawn as grey levels.
async function inflate(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Undo what `pack_plane` does: bytes of each block apart, zigzag, differences along a row.
async function unpack({ data, zero, step, bytes, block, empty }, [rows, columns]) {
  const raw = await inflate(data);
  const values = new Float32Array(rows * columns);
  for (let first = 0, at = 0; first < rows; first += block) {
    const count = Math.min(block, rows - first) * columns;
    for (let i = 0, row = first * columns, level = 0; i < count; i++) {
      if (i % columns === 0) level = 0;
      const coded = raw[at + i] | (bytes === 2 ? raw[at + count + i] << 8 : 0);
      level = (level + ((coded >>> 1) ^ -(coded & 1))) & (bytes === 2 ? 0xffff : 0xff);
      values[row + i] = level === empty ? NaN : zero + step * level;
    }
    at += count * bytes;
  }
  return values;
}

// All planes of a view; what can be had from the other two is not stored.
async function unpackView(view) {
  const planes = {};
  for (const [name, packed] of Object.entries(view.planes))
    planes[name] = await unpack(packed, view.shape);
  const { projection, background } = planes;
  if (!planes.result) {
    const sign = view.light ? -1 : 1;
    planes.result = projection.map((level, i) => sign * (level - background[i]) + view.offset);
  }
  return planes;
}

function drawPlane(canvas, values, [rows, columns], [low, high], signed) {
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const scale = 255 / Math.max(high - low, 1e-12);
  for (let i = 0; i < pixels.length; i++) {
    const level = values[i];
    if (level !== level) { pixels[i] = 0xffa779cc; continue; } // not a number: purple
    const shade = (level - low) * scale;
    if (signed && level < 0) { // below zero: as bright a blue
      const strength = Math.min(-level / Math.max(high, 1e-12), 1);
      pixels[i] = 0xff000000 | ((233 * strength) << 16) | ((180 * strength) << 8) | (86 * strength);
      continue;
    }
    const grey = shade <= 0 ? 0 : shade >= 255 ? 255 : (shade + 0.5) | 0;
    pixels[i] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  context.putImageData(image, 0, 0);
}

// A Leaflet map that shows one canvas, a pixel a unit; its rows count downwards.
function makeMap(place, [rows, columns], label) {
  const bounds = [[-rows, 0], [0, columns]];
  const map = L.map(place, {
    crs: L.CRS.Simple, attributionControl: false, zoomControl: false, zoomSnap: 0.25, zoomDelta: 0.5,
    minZoom: -8, maxZoom: 6, zoomAnimation: false, fadeAnimation: false, inertia: false,
  });
  place.setAttribute("role", "application");
  place.setAttribute("aria-label", label);
  map.fitBounds(bounds);
  return map;
}

function addCanvas(map, [rows, columns], pane) {
  const canvas = document.createElement("canvas");
  L.svgOverlay(canvas, [[-rows, 0], [0, columns]], pane ? { pane } : {}).addTo(map);
  const smooth = () => { canvas.style.imageRendering = map.getZoom() < 0 ? "auto" : "pixelated"; };
  map.on("zoomend", smooth);
  smooth();
  return canvas;
}

// Whoever moves one map moves all.
function joinMaps(maps) {
  let busy = false;
  maps.forEach((map) => map.on("move zoom", () => {
    if (busy) return;
    busy = true;
    maps.forEach((other) => other !== map &&
      other.setView(map.getCenter(), map.getZoom(), { animate: false }));
    busy = false;
  }));
}
