"""Copy the file of one sample from its server."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def fetch_stack(url: str, version: str, folder: str) -> None:
    """Copy `url` into `folder`, under its own name, if it still is the `version` of the run."""
    from pathlib import Path

    from clearfield.formats.remote import fetch, file_name

    Path(folder).mkdir(parents=True, exist_ok=True)
    size = fetch(url, Path(folder) / file_name(url), version)
    print(f"{file_name(url)}: {size} bytes of {url}")


if __name__ == "__main__":
    run_job(fetch_stack)
