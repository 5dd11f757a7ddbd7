"""Write what subtract_background subtracts from each projected plane of one sample."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def save_background(
    projection: str, sample: str, background: str, settings: dict, threads: int
) -> None:
    """Write the background of each plane, estimated as subtract_background does."""
    from clearfield.methods.channels import resolve_channels
    from clearfield.methods.subtraction import background_blocks, background_dtype
    from clearfield.results.ometiff import read_ome_tiff, write_ome_tiff

    source = read_ome_tiff(projection)
    channels = resolve_channels(settings, source.channel_names, source.pixel_size_um, sample)
    dtype = background_dtype(source.dtype, channels)

    def blocks():
        for time in range(source.shape[0]):
            for index, channel in enumerate(channels):
                plane = source.plane(time, index)
                for first, last, block in background_blocks(plane, channel, threads=threads):
                    yield time, index, first, last, block.astype(dtype, copy=False)

    write_ome_tiff(
        background, blocks(), name=sample, shape=source.shape, dtype=dtype,
        pixel_size_um=source.pixel_size_um, channel_names=source.channel_names,
        provenance=source.provenance | {"save_background": {"channels": channels}},
    )  # fmt: skip
    print(f"{sample}: {source.shape[0] * len(channels)} backgrounds written, {dtype.name}")


if __name__ == "__main__":
    run_job(save_background)
