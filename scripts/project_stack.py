"""Project the stack of one sample along Z."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def project_stack(
    stack: str, projection: str, statistics: str, settings: dict, threads: int
) -> None:
    """Write the projection of each time and channel, and what QC tells of their planes."""
    import json
    import sys
    from pathlib import Path

    import numpy as np
    from clearfield import __version__
    from clearfield.errors import ClearfieldError
    from clearfield.results.ometiff import image_name, write_ome_tiff
    from clearfield.results.whole_files import replacing
    from clearfield.stack import projection as along_z
    from clearfield.stack.description import read_stack

    # Else a thread that has decoded a part may wait 5 ms for Python's lock: a tenth of the whole.
    sys.setswitchinterval(1e-4)
    description = read_stack(stack)
    method = settings.get("method") or "max"
    first, last = along_z.plane_range(
        description, settings.get("first_plane"), settings.get("last_plane")
    )
    provenance = {
        "source": description.source,
        "load_stack": description.settings,
        "project_stack": {"method": method, "first_plane": first, "last_plane": last},
        "software": {"clearfield": __version__, "numpy": np.__version__},
    }
    planes = description.open()
    found: list[dict] = []

    def blocks():
        yield from along_z.project(planes, method, first, last, threads=threads, statistics=found)
        planes.check()
        if all(row["nonfinite_fraction"] == 1 for row in found):
            raise ClearfieldError(
                f"{description.source['name']} has no finite pixel: all are NaN or infinite"
            )

    times, channels, _, height, width = description.shape
    write_ome_tiff(
        projection, blocks(), shape=(times, channels, height, width),
        dtype=along_z.output_dtype(method, np.dtype(description.dtype)),
        pixel_size_um=description.pixel_size_um, channel_names=description.channel_names,
        provenance=provenance, name=image_name(projection),
    )  # fmt: skip
    with replacing(statistics) as temporary:
        temporary.write_text(
            json.dumps(
                {
                    "statistics": found,
                    "planes": [first, last],
                    "depth": description.shape[2],
                    **provenance,
                }
            )
            + "\n"
        )
    absent = max(row["absent_fraction"] for row in found)
    if absent:
        print(
            f"{description.source['name']}: up to {100 * absent:.2g} % of the pixels of a channel "
            "were never stored (absent chunks), and count as the fill value; see absent_fraction "
            "in results/qc/metrics.tsv"
        )
    print(f"{Path(projection).name}: {method} of planes {first} to {last}")


if __name__ == "__main__":
    run_job(project_stack)
