"""Subtract the background of each projected plane of one sample."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def subtract_background(
    projection: str, sample: str, subtracted: str, summary: str, settings: dict, threads: int
) -> None:
    """Write the background-free planes and a summary of what was done to them."""
    import json

    from clearfield.methods.channels import resolve_channels, unused_channels
    from clearfield.methods.subtraction import output_dtype, subtract_blocks
    from clearfield.results.ometiff import read_ome_tiff, write_ome_tiff
    from clearfield.results.whole_files import replacing

    source = read_ome_tiff(projection)
    channels = resolve_channels(settings, source.channel_names, source.pixel_size_um, sample)
    output = settings["output"]
    dtype = output_dtype(source.dtype, channels, dtype=output["dtype"], negative=output["negative"])
    clipped = []

    def blocks():
        for time in range(source.shape[0]):
            for index, channel in enumerate(channels):
                count = {"time": time, "channel": index}
                count |= dict.fromkeys(("clipped_low", "clipped_high", "nonfinite"), 0)
                for block in subtract_blocks(
                    source.plane(time, index), channel, dtype=dtype, threads=threads,
                    negative=output["negative"], offset=output.get("offset", 0),
                ):  # fmt: skip
                    count["clipped_low"] += block.clipped_low
                    count["clipped_high"] += block.clipped_high
                    count["nonfinite"] += block.nonfinite
                    yield time, index, block.first, block.last, block.result
                clipped.append(count)

    provenance = source.provenance | {
        "subtract_background": {"channels": channels, "output": output | {"dtype": dtype.name}}
    }
    write_ome_tiff(
        subtracted, blocks(), name=sample, shape=source.shape, dtype=dtype, provenance=provenance,
        pixel_size_um=source.pixel_size_um, channel_names=source.channel_names,
    )  # fmt: skip
    done = provenance["subtract_background"] | {"clipped": clipped, "provenance": source.provenance}
    if unused := unused_channels(settings, source.channel_names):
        done["unused_channels"] = unused
        print(f"{sample}: settings of channels that it does not have: {', '.join(unused)}")
    with replacing(summary) as temporary:
        temporary.write_text(
            json.dumps(done, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    total = sum(count["clipped_low"] + count["clipped_high"] for count in clipped)
    print(f"{sample}: {len(clipped)} planes subtracted, {total} pixels clipped, {dtype.name}")


if __name__ == "__main__":
    run_job(subtract_background)
