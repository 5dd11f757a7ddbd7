"""What a run leaves behind when some of its samples failed: who, where, why, what to do.

This is the side of the workflow that runs in Snakemake's own process: no numpy here.
"""

import csv
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from .files import replacing

CHAIN = ("load_stack", "project_stack", "subtract_background", "plot_qc")
COLUMNS = ("sample", "rule", "reason", "remedy")
FAILURES = Path("results/qc/failures.tsv")
PARTIAL = Path("results/qc/metrics_partial.tsv")
METRICS = Path("results/qc/metrics.tsv")


def start_run(resolved_config: str) -> None:
    """Write the resolved config of the run and forget the failures of the last one."""
    with replacing("results/config.yaml") as temporary:
        temporary.write_text(resolved_config, encoding="utf-8")
    for stale in (FAILURES, PARTIAL):
        stale.unlink(missing_ok=True)


def find_failures(samples: list[str]) -> list[dict[str, str]]:
    """Read from the logs which rule of which sample failed in its last try, and why.

    Returns
    -------
    list of dict
        ``sample, rule, reason, remedy``, one for each failed sample.
    """
    failures = []
    for sample in samples:
        for rule in CHAIN:
            log = Path(f"results/logs/{rule}/{sample}.log")
            if log.is_file() and (why := _read_failure(log)):
                failures.append({"sample": sample, "rule": rule, **why})
                break
    return failures


def _read_failure(log: Path) -> dict[str, str] | None:
    """Tell a failure's log from a success's: a success says one line and never "error:"."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if not lines:
        return {
            "reason": "the job ended without a word: killed, or out of memory",
            "remedy": "run the same command again, with fewer --cores or more mem_mb",
        }
    errors = [line for line in lines if line.startswith("error: ")]
    if errors:
        reason, _, remedy = errors[-1].removeprefix("error: ").rpartition("; ")
        if not reason:
            reason, remedy = remedy, "mend the file or its settings"
        return {"reason": reason, "remedy": remedy}
    if any(line.startswith("Traceback") for line in lines):
        return {"reason": lines[-1], "remedy": f"a bug of clearfield: please report {log}"}
    return None


def finish_failed_run(samples: list[str], scripts: Path, page_settings: dict | None) -> None:
    """Summarize what there is, name what failed, and leave the summary to a complete run.

    Parameters
    ----------
    samples : list of str
        Of the run.
    scripts : Path
        The folder of the scripts; the summary and the page are made by their own functions.
    page_settings : dict, optional
        Arguments of report_run; without them no page is made.
    """
    failures = find_failures(samples)
    with replacing(FAILURES) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, COLUMNS, delimiter="\t", lineterminator="\n")
        table.writeheader()
        table.writerows(failures)
    # Without metrics.tsv the next run has to make the summary and the page again.
    METRICS.unlink(missing_ok=True)
    failed = {failure["sample"] for failure in failures}
    tables = [f"results/qc/samples/{name}.tsv" for name in samples if name not in failed]
    tables = [table for table in tables if Path(table).is_file()]
    if page_settings and tables:
        _make_page(scripts, tables, page_settings)
    _print_failures(failures, len(samples))


def _make_page(scripts: Path, tables: list[str], page_settings: dict) -> None:
    summary, page = page_settings["summarize_qc"], page_settings["report_run"]
    steps = (
        ("summarize_qc", summary | {"metrics": str(PARTIAL)}, "\n".join(tables) + "\n"),
        ("report_run", page | {"metrics": str(PARTIAL), "failures": str(FAILURES)}, ""),
    )
    for script, values, text in steps:
        arguments = []
        for name, value in values.items():
            arguments += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
        done = subprocess.run(
            [sys.executable, scripts / f"{script}.py", *arguments],
            input=text, text=True, capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            message = (done.stderr.strip().splitlines() or ["no message"])[-1]
            print(f"{script} of the finished samples: {message}", file=sys.stderr)
            return


def _print_failures(failures: list[dict[str, str]], total: int) -> None:
    lines = ["", f"{len(failures)} of {total} samples failed (also in {FAILURES}):"]
    for failure in failures:
        lines.append(f"  {failure['sample']}, {failure['rule']}: {failure['reason']}")
        lines.append(f"    → {failure['remedy']}")
    if not failures:
        lines = ["", "No sample failed by itself; the messages above say what stopped the run."]
    lines.append("Mend them and run the same command: only what is missing is done again.")
    with suppress(BrokenPipeError):
        print("\n".join(lines), file=sys.stderr, flush=True)
