"""Show one plane of a sample under many methods and sizes."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def explore_parameters(
    projection: str, figure: str, page: str, sample: str, settings: dict, threads: int
) -> None:
    """Write one sheet with a panel for each combination of sizes, and a page with sliders.

    Parameters
    ----------
    projection, figure, page, sample
        Paths and name.
    settings : dict
        ``explore_parameters`` of the config, and ``subtract_background`` of the sample.
    threads : int
    """
    from clearfield.errors import ClearfieldError
    from clearfield.figures.canvas import save_png
    from clearfield.figures.explore_page import pack_trial, write_explore_page
    from clearfield.figures.figure_settings import name_channel
    from clearfield.figures.parameter_sheet import cut_window, draw_trials, sheet_panel
    from clearfield.figures.qc_figure import describe_settings
    from clearfield.figures.trials import list_trials
    from clearfield.methods.channels import resolve_channels
    from clearfield.qc.granulometry import measure_sizes
    from clearfield.results.ometiff import read_ome_tiff
    from clearfield.results.whole_files import replacing

    source = read_ome_tiff(projection)
    time, channel = settings["time"], settings["channel"]
    for key, index, length in (
        ("time", time, source.shape[0]),
        ("channel", channel, source.shape[1]),
    ):
        if not 0 <= index < length:
            raise ClearfieldError(
                f"explore_parameters.{key} is {index}, but {sample} has {key}s 0 to {length - 1}"
            )
    subtract = settings["subtract_background"]
    configured = resolve_channels(subtract, source.channel_names, source.pixel_size_um, sample)
    whole = source.plane(time, channel)
    plane = cut_window(whole, settings["window"])
    sizes = measure_sizes(plane, configured[channel]["light_background"])
    unit, pixel_um = subtract["unit"], source.pixel_size_um["x"]
    trials, packed = [], []
    for trial, result, background in list_trials(
        plane, sizes, settings | {"unit": unit}, configured=configured[channel],
        pixel_size_um=source.pixel_size_um, panel=sheet_panel(plane.shape), threads=threads,
    ):  # fmt: skip
        trials.append(trial)
        packed.append(pack_trial(plane, trial, result, background, sizes))
    subtitle = f"{name_channel(source.channel_names[channel], channel)}, time {time}, "
    subtitle += "all" if plane.shape == tuple(whole.shape) else "the middle"
    subtitle += f" {plane.shape[1]} × {plane.shape[0]} px"
    subtitle += f", {pixel_um:.4g} µm/px" if pixel_um else ""
    subtitle += f"; configured: {describe_settings(configured[channel])}"
    drawn = draw_trials(sample, subtitle, plane, trials, sizes, unit=unit, pixel_um=pixel_um)
    save_png(drawn, figure, {"Title": sample, "clearfield:settings": settings})
    names = source.channel_names
    key = names[channel] if names.count(names[channel]) == 1 else str(channel)
    with replacing(page) as temporary, temporary.open("w", encoding="utf-8") as file:
        for piece in write_explore_page(
            sample, subtitle, plane, packed, sizes,
            unit=unit, pixel_um=pixel_um, channel=key if len(names) > 1 else None,
            light=configured[channel]["light_background"],
        ):  # fmt: skip
            file.write(piece)
    print(f"{sample}: {len(trials)} combinations of sizes drawn")


if __name__ == "__main__":
    run_job(explore_parameters)
