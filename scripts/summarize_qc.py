"""Gather the QC numbers of all samples into one table, each row judged."""

from clearfield.jobs.job import run_job  # first: it limits numpy's threads


def summarize_qc(folder: str, metrics: str, settings: dict) -> None:
    """Judge each row of the samples' tables and write them as one.

    Parameters
    ----------
    folder : str
        Where the samples' tables lie; what else does belongs to removed samples and is named.
    metrics : str
        The table to write. Rows stand in the order of standard input, which names the samples'
        tables, one a line. They pass one at a time, twice: the first time for what is usual in
        this run, so that 10,000 need little more memory than one.
        Behind a tab may stand the columns of the user's own sheet, as JSON.
    settings : dict
        The thresholds of `summarize_qc` in the config.
    """
    import json
    import sys
    from collections import Counter
    from pathlib import Path

    from clearfield.qc.known_metrics import COLUMNS
    from clearfield.qc.metrics.cohort import Cohort
    from clearfield.qc.qc_table import KEYS, VERDICT, read_table, write_table
    from clearfield.qc.verdict import judge

    # A name of old may hold a tab; the columns are an object of JSON.
    lines = [line.partition("\t{") for line in sys.stdin.read().split("\n") if line]
    paths = [Path(folder) / Path(path).name for path, _, _ in lines]
    groups = [json.loads(f"{{{text}" if found else "{}") for _, found, text in lines]
    own = dict.fromkeys(column for columns in groups for column in columns)
    counts: Counter[str] = Counter()

    cohort = Cohort()
    for path in paths:
        cohort.add(read_table(path))
    unusual = cohort.outliers()

    def rows():
        for path, columns in zip(paths, groups, strict=True):
            for row in read_table(path):
                row |= unusual.get((row["sample"], row["channel"]), {})
                status, reason = judge(row, settings)
                counts[status] += 1
                yield row | {"status": status, "reason": reason} | columns

    write_table(metrics, [*KEYS, *VERDICT, *COLUMNS, *own], rows())
    summary = ", ".join(f"{counts[status]} {status}" for status in ("ok", "warn", "fail"))
    print(f"{len(paths)} samples, {counts.total()} rows: {summary}")
    names = {path.name for path in paths}
    removed = sorted(path.stem for path in Path(folder).glob("*.tsv") if path.name not in names)
    if removed:
        shown = ", ".join(removed[:10]) + (", …" if len(removed) > 10 else "")
        print(f"earlier results left out, not in this run ({len(removed)}): {shown}")


if __name__ == "__main__":
    run_job(summarize_qc)
