"""Copy the file of one sample from its server."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def fetch_stack(url: str, version: str, fetched: str) -> None:
    """Copy what lies at `url` to `fetched`, if it still is the `version` of the run."""
    from pathlib import Path

    from clearfield.formats.remote import fetch

    print(f"{Path(fetched).name}: {fetch(url, Path(fetched), version)} bytes of {url}")


if __name__ == "__main__":
    run_job(fetch_stack)
