"""Write the stack of one sample as an OME-TIFF for the user to keep."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def keep_stack(stack: str, kept: str, threads: int) -> None:
    """Write every plane, axes T, C, Z, Y, X, as it was loaded."""
    from pathlib import Path

    import numpy as np
    from clearfield import __version__
    from clearfield.results.ometiff import image_name, write_ome_tiff
    from clearfield.stack.description import read_stack

    description = read_stack(stack)
    write_ome_tiff(
        kept, description.open().blocks(threads), name=image_name(kept),
        shape=description.shape, dtype=description.dtype,
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
