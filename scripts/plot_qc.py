"""Draw the QC figure of one sample and write its metrics."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def plot_qc(
    projection: str,
    statistics: str,
    subtracted: str,
    summary: str,
    figure: str,
    table: str,
    sample: str,
    settings: dict,
) -> None:
    """Write the figure, and a table with a row for each time point and channel."""
    import json
    from pathlib import Path

    from clearfield.figures.canvas import save_png
    from clearfield.figures.grey_image import panel_size
    from clearfield.figures.plane_view import check_row, make_view, share_ranges
    from clearfield.figures.qc_figure import describe_settings, draw_figure, panel_limit
    from clearfield.qc.granulometry import measure_sizes
    from clearfield.qc.known_metrics import COLUMNS
    from clearfield.qc.measurement import measure_plane
    from clearfield.qc.metrics.along_time import add_time_drift
    from clearfield.qc.qc_table import KEYS, write_table
    from clearfield.results.ometiff import read_ome_tiff

    before, after = read_ome_tiff(projection), read_ome_tiff(subtracted)
    stack = json.loads(Path(statistics).read_text(encoding="utf-8"))
    done = json.loads(Path(summary).read_text(encoding="utf-8"))
    times, channels, *shape = before.shape
    row = check_row(settings["profile"], shape[0], sample)
    shown = sorted({0, times // 2, times - 1})
    size = panel_size(shape, panel_limit(len(shown) * channels))

    rows, views = {}, {}
    for index, channel in enumerate(done["channels"]):
        for time in range(times):
            planes = before.plane(time, index), after.plane(time, index)
            known = {
                "channel": channel,
                "output": done["output"],
                "statistics": stack["statistics"][time * channels + index],
                "clipped": done["clipped"][time * channels + index],
            }
            sizes = measure_sizes(planes[0], channel["light_background"])
            rows[time, index] = measure_plane(
                planes[1], sizes, original=planes[0], pixel_size_um=before.pixel_size_um, **known
            )
            if time in shown:
                view = make_view(
                    *planes, profile=row, size=size, folder=Path(figure).parent, threads=1, **known
                )
                view.sizes = sizes
                if channel["method"] != "dog":  # a sigma is no radius
                    view.radius_px = rows[time, index]["radius_px"]
                view.title = f"{channel['name']} (channel {index})"
                view.title += f", time {time} of 0–{times - 1}" if times > 1 else ""
                view.title += f": {describe_settings(channel)}"
                if settings["steps"]:
                    from clearfield.figures.method_steps import list_steps

                    view.steps = list_steps(*planes, channel, size)
                views[index, time] = view
        add_time_drift([rows[time, index] for time in range(times)])
        share_ranges(
            [views[index, time] for time in shown],
            None if settings["range"] == "auto" else settings["range"],
            done["output"],
        )
        for time in range(times):
            low, high = views[index, shown[0]].raw_range
            rows[time, index] |= {"range_low": low, "range_high": high}

    pixel_um, (first, last) = before.pixel_size_um, stack["planes"]
    method, source = stack["project_stack"]["method"], stack["source"]
    whole = last - first + 1 == stack["depth"]
    recorded = {
        "projection": method if whole else f"{method} of planes {first} to {last} (counted from 0)"
    }
    if "unused_channels" in done:
        recorded["unused_channels"] = "; ".join(done["unused_channels"])
    if "series_in_file" in source:
        recorded["series"] = f"{source['series']} of {source['series_in_file']}"
    calibration = f"{pixel_um['x']:.4g} µm/px" if pixel_um["x"] else "not calibrated"
    even = " in even light" * ("correct_light" in before.provenance)
    drawn = draw_figure(
        sample,
        f"{method} projection of planes {first} to {last} (from 0), "
        f"{shape[1]} × {shape[0]} px, {calibration}, {before.dtype.name}",
        list(views.values()),
        pixel_um=pixel_um["x"],
        projection_name=f"{method.capitalize()} projection{even}",
    )
    save_png(drawn, figure)
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
