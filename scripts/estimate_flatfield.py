"""Estimate the profile of the light that all images of a group share."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def estimate_flatfield(
    profile: str, facts: str, figure: str, folder: str, group: str, settings: dict, threads: int
) -> None:
    """Write the profile of each channel, what is known of it, and a figure.

    Parameters
    ----------
    profile : str
        The OME-TIFF to write, one plane for each channel: what is applied, which is 1 everywhere
        where it is not to be.
    facts : str
        The JSON to write: for each channel whether its profile is applied, and why not.
    figure : str
    folder : str
        Takes ``{group}_{channel}.ome.tif``, each profile as it was estimated.
    group : str
    settings : dict
        ``offset`` of the config. Standard input names the projections, or the stacks, a path a
        line.
    threads : int
    """
    import json
    import sys
    from pathlib import Path

    import numpy as np
    from clearfield import __version__
    from clearfield.figures.canvas import save_png
    from clearfield.figures.light_figure import draw_light
    from clearfield.light.group import Group
    from clearfield.results.ometiff import write_ome_tiff
    from clearfield.results.whole_files import replacing

    paths = [line for line in sys.stdin.read().split("\n") if line]
    found = Group(paths, settings["offset"])
    provenance = {
        "estimate_flatfield": {"group": group, "offset": settings["offset"]},
        "software": {"clearfield": __version__, "numpy": np.__version__},
    }
    channels, drawn, applied = [], [], []
    for old in Path(folder).glob(f"{group}_*.ome.tif"):
        old.unlink()  # of a channel that is no more
    for name in found.channel_names:
        channel = found.estimate(name, threads)
        file = f"{group}_{channel.file_name}.ome.tif"
        write_ome_tiff(
            Path(folder) / file, [(0, 0, 0, found.shape[0], channel.gain)],
            shape=(1, 1, *found.shape), dtype="f4", pixel_size_um=found.pixel_size_um,
            channel_names=[name], provenance=provenance | {"profile": channel.facts},
        )  # fmt: skip
        applied.append(channel.gain if channel.facts["applied"] else np.ones_like(channel.gain))
        channels.append(channel.facts | {"file": file})
        drawn.append(channel)
        print(f"{group}: {channel.sentence}")
    write_ome_tiff(
        profile, [(0, c, 0, found.shape[0], gain) for c, gain in enumerate(applied)],
        shape=(1, len(applied), *found.shape), dtype="f4", pixel_size_um=found.pixel_size_um,
        channel_names=found.channel_names, provenance=provenance | {"profiles": channels},
    )  # fmt: skip
    save_png(draw_light(group, found, drawn), figure)
    with replacing(facts) as temporary:
        text = {"group": group, "samples": len(paths), "left_out": found.left_out}
        text |= {"channels": channels}
        temporary.write_text(
            json.dumps(text, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    for sample, reason in found.left_out.items():
        print(f"{group}: left out of the estimate: {sample}: {reason}")


if __name__ == "__main__":
    run_job(estimate_flatfield)
