"""List every series of every file: what a folder holds, and a sample sheet to run it all."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def list_inputs(table: str, unread: str) -> None:
    """Write a row for each series of each file that can be read; name the others.

    Parameters
    ----------
    table : str
        The table to write. Standard input names the files, a line each: sample, tab, path, and of
        a file that was copied from a server another tab and its address; 10,000 of them do not fit
        on a command line.
    unread : str
        The table to write of those that cannot be read.
    """
    import sys

    from clearfield.errors import ClearfieldError
    from clearfield.formats.known_formats import open_series
    from clearfield.formats.remote import is_remote
    from clearfield.formats.series_table import (
        Unread,
        describe_series,
        write_inputs,
        write_unread,
    )

    files = [line.partition("\t") for line in sys.stdin.read().split("\n") if line]
    failed: list[Unread] = []
    notes: dict[str, None] = {}
    listed: set[str] = set()

    def rows():
        for sample, _, path in files:
            place, _, address = path.rpartition("\t")
            path, place = (address, place) if place and is_remote(address) else (path, path)
            try:
                for row in describe_series(sample, path, open_series(place), failed, notes):
                    listed.add(path)
                    yield row
            except Exception as error:  # one file must not hide the others
                known = isinstance(error, ClearfieldError)
                reason = str(error) if known else f"{path}: {error!r}"
                failed.append(Unread(sample, sample, path, 0, reason))

    count = write_inputs(table, rows())
    write_unread(unread, failed)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    for one in failed:
        print(f"not listed: {one.file}: {one.reason}", file=sys.stderr)
    if not count:
        raise ClearfieldError(
            f"none of the {len(files)} files can be read (the lines above say why); mend them"
        )
    print(f"{count} series in {len(listed)} of {len(files)} files: {table}")


if __name__ == "__main__":
    run_job(list_inputs)
