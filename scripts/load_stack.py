"""Describe the stack of one sample."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def load_stack(
    path: str, sample: str, stack: str, settings: dict, fetched: str | None = None
) -> None:
    """Write to `stack` where the planes of `path` lie, or the parts that they are encoded in.

    `fetched` is where a file was copied to whose path is an address.
    """
    from clearfield.stack.loading import load

    found = load(fetched or path, stack, settings, copied=bool(fetched))
    how = "used in place" if found.offsets else "to be decoded"
    source = found.source
    if "series_in_file" in source:
        print(
            f"{sample}: series {source['series']} of {source['series_in_file']}, counted from 0 "
            "(load_stack.series: all takes each of them)"
        )
    for note in source.get("notes", ()):
        print(f"{sample}: {note}")
    print(f"{sample}: TCZYX {' x '.join(map(str, found.shape))} of {found.dtype}, {how}")


if __name__ == "__main__":
    run_job(load_stack)
