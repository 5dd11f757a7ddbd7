"""What the page of every run has: its head, its style and its script."""

from __future__ import annotations

HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{css}</style>
<style>{style}</style>
</head>
<body>
<nav class="top"><b>clearfield</b> <a href="#samples">Samples</a> <a href="#metrics">Metrics</a>
<a href="#distributions">Cohort</a> <a href="#range">Grey range</a> <a href="#methods">Methods</a>
<a href="#settings">Settings</a> <a href="#versions">Software</a></nav>
<main>
"""


STYLE = """
body { margin: 0; font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
main { max-width: 1500px; margin: 0 auto; padding: 0 24px 60px; }
nav.top { position: sticky; top: 0; z-index: 10; background: #22313f; color: #fff;
  padding: 8px 24px; display: flex; flex-wrap: wrap; gap: 0 18px; }
nav.top a { color: #cfe3f5; text-decoration: none; }
h1 { font-size: 26px; } h2 { font-size: 20px; margin-top: 44px; scroll-margin-top: 48px; }
pre, blockquote { background: #f4f5f6; padding: 12px 16px; margin: 8px 0; overflow-x: auto; }
blockquote { border-left: 4px solid #0072b2; max-width: 90ch; }
table { border-collapse: collapse; } td, th { padding: 3px 10px; text-align: left; }
details td, .lost td { border-top: 1px solid #ddd; }
img.wide { max-width: 100%; }
.frame { overflow-x: auto; }
.frame tr > :first-child, .dt-scroll table.dataTable tr > :first-child { position: sticky; left: 0;
  z-index: 1; max-width: min(22em, 30vw); white-space: normal; overflow-wrap: break-word; }
.dt-scroll table.nowrap tbody tr > td:first-child { white-space: normal; }
.frame tr > :first-child, .dt-scroll tbody tr > :first-child, .dt-scroll thead tr > :first-child {
  background: #fff; }
main p, main h2, main blockquote, summary { overflow-wrap: anywhere; }
.totals { display: flex; flex-wrap: wrap; gap: 12px; list-style: none; padding: 0; }
.totals li { padding: 8px 18px; border: 1px solid #d4d8dc; border-radius: 6px; }
.totals b { font-size: 24px; margin-right: 4px; }
.lost { border: 2px solid #b03a00; border-radius: 6px; padding: 0 18px 14px; margin-top: 20px; }
.lost h2 { margin-top: 12px; color: #b03a00; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(340px, 100%), 1fr));
  gap: 14px; }
.card { content-visibility: auto; contain-intrinsic-size: 340px 190px; border: 1px solid #d4d8dc;
  border-left: 6px solid #009e73; border-radius: 6px; padding: 8px; color: inherit;
  text-decoration: none; overflow-wrap: anywhere; }
.card:hover { background: #f3f8fc; } .card img { max-width: 100%; height: auto; display: block; }
.card ul { margin: 2px 0 0; padding-left: 18px; font-size: 13px; }
.card.warn { border-left-color: #e69f00; } .card.fail { border-left-color: #d55e00; }
.badge { display: inline-block; padding: 0 8px; border-radius: 9px; font-size: 13px; color: #fff;
  background: #007a59; }
.badge.warn, .card.warn .badge { background: #946200; }
.badge.fail, .card.fail .badge { background: #b03a00; }
.totals .ok b { color: #007a59; } .totals .warn b { color: #946200; }
.totals .fail b { color: #b03a00; }
table.dataTable tbody td:nth-child(6) { white-space: normal; min-width: 260px; }
"""


# The bundle is a module of its own: imported from memory, it needs no network and no second file.
SCRIPT = """<script type="module">
const bytes = Uint8Array.from(atob("{bundle}"), (letter) => letter.charCodeAt(0));
const address = URL.createObjectURL(new Blob([bytes], {{ type: "text/javascript" }}));
const {{ jQuery }} = await import(address);
URL.revokeObjectURL(address);
const read = (id) => JSON.parse(document.getElementById(id).textContent);
jQuery("#table").DataTable({{
  data: read("rows"),
  columnDefs: [{{ targets: read("hidden"), visible: false }}],
  columnControl: [{{ target: 0, content: ["order"] }}, {{ target: 1, content: ["search"] }}],
  ordering: {{ indicators: false, handler: true }},
  deferRender: true,
  order: [],
  pageLength: 25,
  scrollX: true,
  layout: {{ topStart: ["pageLength", {{ buttons: ["colvis"] }}], topEnd: "search" }},
}});
document.documentElement.dataset.ready = "true";
</script>
"""
