"""Show one plane of a sample under many filter sizes."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def explore_parameters(
    projection: str, figure: str, sample: str, settings: dict, threads: int
) -> None:
    """Write one sheet with a panel for each combination of sizes.

    Parameters
    ----------
    projection, figure, sample
        Paths and name.
    settings : dict
        ``explore_parameters`` of the config, and ``light_background`` of the channel.
    threads : int
    """
    from clearfield.errors import ClearfieldError
    from clearfield.figures.canvas import save_png
    from clearfield.figures.parameter_sheet import cut_window, draw_trials, list_trials
    from clearfield.qc.granulometry import measure_sizes
    from clearfield.results.ometiff import read_ome_tiff

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
    whole = source.plane(time, channel)
    plane = cut_window(whole, settings["window"])
    sizes = measure_sizes(plane, settings["light_background"])
    trials = list(
        list_trials(plane, sizes, settings, pixel_size_um=source.pixel_size_um, threads=threads)
    )
    pixel_um = source.pixel_size_um["x"]
    subtitle = f"{source.channel_names[channel]} (channel {channel}), time {time}, "
    subtitle += "all" if plane.shape == tuple(whole.shape) else "the middle"
    subtitle += f" {plane.shape[1]} × {plane.shape[0]} px"
    subtitle += f", {pixel_um:.4g} µm/px" if pixel_um else ""
    save_png(draw_trials(sample, subtitle, plane, trials, sizes, settings), figure)
    print(f"{sample}: {len(trials)} combinations of sizes drawn")


if __name__ == "__main__":
    run_job(explore_parameters)
