"""Take the camera's offset off each projected plane of one sample, and the light's unevenness."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def correct_light(
    projection: str, profile: str | None, sample: str, corrected: str, settings: dict
) -> None:
    """Write the planes as they would be in even light.

    Parameters
    ----------
    projection, sample, corrected
        Paths and name.
    profile : str
        The profile to divide by, a plane for each channel; None for even light.
    settings : dict
        ``offset``: grey levels, or a file of dark frames; ``flatfield``: "estimate", a file, or
        "none".
    """
    from clearfield.errors import ClearfieldError
    from clearfield.light.correction import (
        check_gain,
        correct_blocks,
        corrected_dtype,
        offsets_in,
    )
    from clearfield.light.given_images import DARK, FLAT, read_given
    from clearfield.results.ometiff import read_ome_tiff, write_ome_tiff

    source = read_ome_tiff(projection)
    times, channels, *shape = source.shape
    how = source.provenance["project_stack"]
    times_dark = offsets_in(how["method"], how["last_plane"] - how["first_plane"] + 1)
    dark = flat = None
    if isinstance(settings["offset"], str):
        dark = read_given(settings["offset"], DARK)
    if profile:
        flat = read_given(profile, FLAT)

    def blocks():
        for channel in range(channels):
            try:
                offset = settings["offset"]
                if dark:
                    offset = dark.of_channel(source.channel_names, channel, shape)
                offsets.append(offset * times_dark)
                gain = flat and flat.of_channel(source.channel_names, channel, shape)
                gains.append(None if gain is None else check_gain(gain, flat.name))
            except ClearfieldError as error:
                raise ClearfieldError(f"{sample}: {error}") from None
        for time in range(times):
            for channel in range(channels):
                plane = source.plane(time, channel)
                for first, last, block in correct_blocks(plane, offsets[channel], gains[channel]):
                    yield time, channel, first, last, block

    offsets, gains = [], []
    dtype = corrected_dtype(source.dtype)
    write_ome_tiff(
        corrected, blocks(), shape=source.shape, dtype=dtype,
        pixel_size_um=source.pixel_size_um, channel_names=source.channel_names,
        provenance=source.provenance | {"correct_light": settings},
    )  # fmt: skip
    print(f"{sample}: {times * channels} planes corrected, {dtype.name}")


if __name__ == "__main__":
    run_job(correct_light)
