"""Write the stack of one sample as an OME-TIFF for the user to keep."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads

_BLOCK_BYTES = 1 << 24  # of the rows that are read at a time


def keep_stack(stack: str, kept: str, threads: int) -> None:
    """Write every plane, axes T, C, Z, Y, X, as it was loaded."""
    from pathlib import Path

    import numpy as np
    from clearfield import __version__
    from clearfield.results.ometiff import image_name, write_ome_tiff
    from clearfield.stack.description import read_stack

    description = read_stack(stack)
    planes = description.open(stack)
    height = description.shape[3]
    step = max(1, _BLOCK_BYTES * height // description.plane_bytes)

    def blocks():
        for index in np.ndindex(description.shape[:3]):
            for first in range(0, height, step):
                last = min(first + step, height)
                yield *index, first, last, planes.rows(index, first, last)
        planes.check()

    write_ome_tiff(
        kept, blocks(), name=image_name(kept), shape=description.shape, dtype=description.dtype,
        pixel_size_um=description.pixel_size_um, channel_names=description.channel_names,
        provenance={
            "source": description.source,
            "load_stack": description.settings,
            "software": {"clearfield": __version__, "numpy": np.__version__},
        },
    )  # fmt: skip
    print(f"{Path(kept).name}: TCZYX {' x '.join(map(str, description.shape))}")


if __name__ == "__main__":
    run_job(keep_stack)
