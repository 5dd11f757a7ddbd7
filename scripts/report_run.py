"""Make one page of a whole run."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def report_run(
    metrics: str,
    failures: str,
    figures: str,
    page: str,
    config: dict,
    versions: dict,
    light: list | None = None,
) -> None:
    """Write the page.

    Parameters
    ----------
    metrics : str
        The table of all samples.
    failures : str
        A table of failed jobs (sample, rule, reason, remedy); it may be absent, or "".
    figures : str
        Folder of the samples' figures.
    page : str
        The page to write.
    config : dict
        The resolved config of the run.
    versions : dict
        Program to version.
    light : list of str
        Files that tell of the light's profiles, of each group one; those that exist are read.

    Standard input tells of the samples: of each a line with a JSON list of its name, its path and
    its cells of the sheet.
    """
    import csv
    import json
    import sys
    from pathlib import Path

    from clearfield.figures.advice import read_told
    from clearfield.figures.report_page import write_page
    from clearfield.qc.known_metrics import COLUMNS
    from clearfield.qc.qc_table import read_table
    from clearfield.results.whole_files import replacing

    rows = list(read_table(metrics))
    facts = [
        json.loads(Path(path).read_text(encoding="utf-8"))
        for path in light or ()
        if Path(path).exists()
    ]
    with Path(metrics).open(encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file, delimiter="\t"))
    failed = []
    if failures and Path(failures).exists():
        failed = list(read_table(failures, required=("sample", "rule", "reason", "remedy")))
    with replacing(page) as temporary, temporary.open("w", encoding="utf-8") as file:
        for piece in write_page(
            rows, columns, COLUMNS, failed, config=config, versions=versions,
            figures=Path(figures), page=Path(page), light=facts,
            told=read_told(line for line in sys.stdin.read().split("\n") if line),
        ):  # fmt: skip
            file.write(piece)
    print(f"{len({row['sample'] for row in rows})} samples, {len(rows)} rows, {len(failed)} failed")


if __name__ == "__main__":
    run_job(report_run)
