"""Draw the QC figure of one sample and write its metrics."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def plot_qc(
    projection: str,
    statistics: str,
    subtracted: str,
    summary: str,
    figure: str,
    table: str,
    planes: str,
    sample: str,
    settings: dict,
) -> None:
    """Write the figure, planes for the page, and a table with a row for each time and channel."""
    import json
    from pathlib import Path

    from clearfield.figures.canvas import save_png
    from clearfield.figures.figure_settings import channel_range, check_row, name_channel
    from clearfield.figures.grey_image import panel_size
    from clearfield.figures.plane_file import pack_view, view_file, write_view
    from clearfield.figures.plane_view import (
        find_background,
        is_difference,
        make_view,
        share_ranges,
    )
    from clearfield.figures.qc_figure import describe_settings, draw_figure, panel_limit
    from clearfield.qc.granulometry import measure_sizes
    from clearfield.qc.known_metrics import COLUMNS
    from clearfield.qc.measurement import measure_plane
    from clearfield.qc.metrics.along_time import add_time_drift
    from clearfield.qc.qc_table import KEYS, format_value, write_table
    from clearfield.qc.verdict import judge
    from clearfield.results.ometiff import read_ome_tiff

    before, after = read_ome_tiff(projection), read_ome_tiff(subtracted)
    stack = json.loads(Path(statistics).read_text(encoding="utf-8"))
    done = json.loads(Path(summary).read_text(encoding="utf-8"))
    times, channels, *shape = before.shape
    row = check_row(settings["profile"], shape[0], sample)
    shown = sorted({0, times // 2, times - 1})
    size = panel_size(shape, panel_limit(len(shown) * channels))

    folder = Path(planes)
    folder.mkdir(parents=True, exist_ok=True)
    rows, views, packed = {}, {}, {}
    for index, channel in enumerate(done["channels"]):
        for time in range(times):
            pair = before.plane(time, index), after.plane(time, index)
            known = {
                "channel": channel,
                "output": done["output"],
                "statistics": stack["statistics"][time * channels + index],
                "clipped": done["clipped"][time * channels + index],
            }
            sizes = measure_sizes(pair[0], channel["light_background"])
            rows[time, index] = measure_plane(
                pair[1], sizes, original=pair[0], pixel_size_um=before.pixel_size_um, **known
            )
            if time in shown:
                background = find_background(
                    *pair, channel, done["output"], known["clipped"],
                    folder=Path(figure).parent, threads=1,
                )  # fmt: skip
                view = make_view(*pair, profile=row, size=size, background=background, **known)
                if settings["planes"]:
                    kept = {"projection": pair[0], "background": background}
                    if not is_difference(channel, known["clipped"]):
                        kept["result"] = pair[1]
                    packed[index, time] = pack_view(kept)
                view.sizes = sizes
                if channel["method"] != "dog":  # a sigma is no radius
                    view.radius_px = rows[time, index]["radius_px"]
                view.unit, view.pixel_um = settings["unit"], before.pixel_size_um["x"]
                view.title = name_channel(channel["name"], index)
                view.title += f", time {time} of 0–{times - 1}" if times > 1 else ""
                view.title += f": {describe_settings(channel)}"
                if settings["steps"]:
                    from clearfield.figures.method_steps import list_steps

                    view.steps = list_steps(*pair, channel, size)
                views[index, time] = view
        add_time_drift([rows[time, index] for time in range(times)])
        share_ranges(
            [views[index, time] for time in shown],
            channel_range(settings["range"], channel["name"], index),
            done["output"],
        )
        for time in range(times):
            low, high = views[index, shown[0]].raw_range
            rows[time, index] |= {"range_low": low, "range_high": high}

    offset = done["output"].get("offset", 0) if done["output"]["negative"] == "offset" else 0
    for (index, time), view in packed.items():
        drawn = views[index, time]
        told = {
            "title": drawn.title, "range": drawn.raw_range, "result_range": drawn.result_range,
            "background_range": drawn.background_limits,
            "light": done["channels"][index]["light_background"], "offset": offset,
        }  # fmt: skip
        write_view(folder / view_file(index, time), view | told)

    pixel_um, (first, last) = before.pixel_size_um, stack["planes"]
    method, source = stack["project_stack"]["method"], stack["source"]
    whole = last - first + 1 == stack["depth"]
    recorded = {
        "unit": settings["unit"],
        "projection": method if whole else f"{method} of planes {first} to {last} (counted from 0)",
    }
    if "unused_channels" in done:
        recorded["unused_channels"] = "; ".join(done["unused_channels"])
    if "series_in_file" in source:
        recorded["series"] = f"{source['series']} of {source['series_in_file']}"
    calibration = f"{pixel_um['x']:.4g} µm/px" if pixel_um["x"] else "not calibrated"
    even = " in even light" * ("correct_light" in before.provenance)
    for (index, time), view in views.items():
        cells = {
            name: format_value(value) for name, value in (rows[time, index] | recorded).items()
        }
        view.verdict = ": ".join(filter(None, judge(cells, settings["judge"])))
    taken = f"{method} projection of planes {first} to {last} (from 0)"
    drawn = draw_figure(
        sample,
        f"{'2-D image' if stack['depth'] == 1 else taken}, "
        f"{shape[1]} × {shape[0]} px, {calibration}, {before.dtype.name}",
        list(views.values()),
        pixel_um=pixel_um["x"],
        projection_name=("Image" if stack["depth"] == 1 else f"{method.capitalize()} projection")
        + even,
    )
    panels = [
        {"channel": str(index), "time": str(time), "title": view.title, "box": view.box}
        for (index, time), view in views.items()
    ]
    done_before = before.provenance | {key: done[key] for key in ("channels", "output")}
    save_png(
        drawn,
        figure,
        {
            "Title": sample,
            "clearfield:settings": done_before | {"plot_qc": settings},
            "clearfield:panels": panels,
        },
    )
    write_table(
        table,
        [*KEYS, *COLUMNS],
        [
            {
                "sample": sample,
                "time": time,
                "channel": index,
                "channel_name": before.channel_names[index],
                **rows[time, index],
                **recorded,
            }
            for time, index in sorted(rows)
        ],
    )
    print(f"{sample}: {len(views)} planes drawn, {len(rows)} measured")


if __name__ == "__main__":
    run_job(plot_qc)
