"""What a run leaves behind when some of its samples failed: who, where, why, what to do.

This is the side of the workflow that runs in Snakemake's own process: no numpy here.
"""

import csv
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType

from ..errors import ClearfieldError
from ..jobs.joblog import INTERRUPTED, MEND_AND_REPEAT, OUT_OF_MEMORY, UNFINISHED
from ..results.whole_files import remove_orphans, replacing
from .all_series import is_listing, say_unlisted
from .submissions import Failed, last_of, listen, try_only_what_may_end_otherwise
from .verdict_counts import count_verdicts, read_rows

CHAIN = (
    "fetch_stack", "load_stack", "keep_stack", "project_stack", "correct_light",
    "subtract_background",
    "save_background", "plot_qc",
)  # fmt: skip
WHOLE_RUN = ("summarize_qc", "report_run")
COLUMNS = ("sample", "rule", "reason", "remedy")
RESULTS = Path("results")
CONFIG = RESULTS / "config.yaml"
FAILURES = RESULTS / "qc/failures.tsv"
PARTIAL = RESULTS / "qc/metrics_partial.tsv"
METRICS = RESULTS / "qc/metrics.tsv"
PAGE = RESULTS / "report/index.html"
_LOCK = Path(".snakemake/clearfield.lock")
_REMEDY = "copy the file again or correct its settings, or take it out of the samples"
_SHOWN = 50  # failures on the terminal; the table has them all
_stops: list[int] = []  # signals that asked this run to stop
NO_SAMPLES_NAMED = (
    "No samples are named, so these are the simulated stacks of the example, not yours. "
    "For your own, set the key samples (--configfile, or config: of a module)."
)
_notes: list[str] = []  # to be said at the start and at the end
_beside: set[str] = set()  # the targets of this run, where all are beside a run


SIDE_TARGETS = {"list_inputs", "explore_parameters"}
"""What is asked for beside a run; the report of the run stays as it is."""


def start_run(
    resolved_config: str,
    targets: Collection[str] = (),
    *,
    example: bool = False,
    notes: Collection[str] = (),
    missing: str = "",
) -> None:
    """Write the resolved config of the run, and remove what an earlier failed one left.

    With `example`, say that the samples are the example's, here and at the end of the run. Also
    say the `notes`, here alone. `missing` is a path whose series have to be listed before a run.

    Where nothing but `SIDE_TARGETS` is asked for, config and report of the last run stay.

    Raises
    ------
    ClearfieldError
        Where results/ cannot be written, or another run is at work in this folder.
    """
    if missing and not is_listing(targets):
        raise ClearfieldError(say_unlisted(missing, targets))
    _claim_folder()
    _note_stops()
    if example:
        _notes.append(NO_SAMPLES_NAMED)
        print(NO_SAMPLES_NAMED, file=sys.stderr)
    for note in notes:
        print(note, file=sys.stderr)
    listen()
    try_only_what_may_end_otherwise(is_final)
    try:
        remove_orphans(RESULTS)
        if targets and SIDE_TARGETS.issuperset(targets):
            _beside.update(targets)
            return
        with replacing(CONFIG) as temporary:
            temporary.write_text(resolved_config, encoding="utf-8")
        if FAILURES.exists():
            PAGE.unlink(missing_ok=True)  # it is that of the failed run
        for stale in (FAILURES, PARTIAL):
            stale.unlink(missing_ok=True)
    except OSError as error:
        raise ClearfieldError(_cannot_write(error)) from None


def _claim_folder() -> None:
    """Lock the folder until this process ends, however it ends.

    Snakemake's own lock is looked for and then written: two runs that start at the same moment
    may both pass it.
    """
    with suppress(OSError):
        _LOCK.parent.mkdir(exist_ok=True)
        descriptor = os.open(_LOCK, os.O_CREAT | os.O_RDWR, 0o666)  # left open on purpose
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClearfieldError(
                f"another run is at work in {Path.cwd()}; wait until it has ended, then run the "
                "same command again"
            ) from None


def _note_stops() -> None:
    """Remember a Ctrl-C: the jobs that it ends before they can say so have not failed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)

        def note(number: int, frame: FrameType | None, handler=handler) -> None:
            _stops.append(number)
            handler(number, frame)

        if callable(handler):  # else the run was started so as to ignore it, or to end at once
            signal.signal(number, note)


def end_run() -> None:
    """Remove what killed tries of jobs left."""
    with suppress(OSError):
        remove_orphans(RESULTS)


def finish_run() -> None:
    """Say after a complete run how it went, and where to look."""
    end_run()
    if _beside:
        return
    with suppress(OSError, BrokenPipeError, csv.Error, KeyError, ValueError):
        lines = ["", count_verdicts(read_rows(METRICS)), f"The page of the run: {PAGE}", *_notes]
        print("\n".join(lines), file=sys.stderr)


def _cannot_write(error: OSError) -> str:
    return (
        f"{(Path.cwd() / RESULTS)} cannot be written ({error.strerror}); free space on its disk or "
        "give yourself permission to write, then run the same command again"
    )


def find_failures(
    samples: list[str], fetched: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """Read from the logs which rule of which sample failed in this run, in its last try, and why.

    `fetched` is `Run.fetched_as`: several samples may wait for one copy of their file.

    Returns
    -------
    list of dict
        ``sample, rule, reason, remedy``, one for each failed sample.
    """
    begin = CONFIG.stat().st_mtime_ns if CONFIG.exists() else 0
    lost = {} if _stops else {name: last_of[name] for name in samples if name in last_of}
    own = {}
    for sample in samples:
        for rule in CHAIN:
            name = (fetched or {}).get(sample, sample) if rule == CHAIN[0] else sample
            log = RESULTS / f"logs/{rule}/{name}.log"
            if why := _read_failure(log, begin, sample in lost):
                if sample in lost and why["reason"] in UNFINISHED:
                    why = _of_killed(lost[sample], rule, why["reason"])
                if (RESULTS / f"qc/{sample}.png").exists():
                    why["reason"] += " (its figure is that of an earlier run)"
                own[sample] = {"sample": sample, "rule": rule, **why}
                break
    failures = []
    for sample in samples:
        if sample in own:
            failures.append(own[sample])
        elif sample in lost and not _is_new(RESULTS / f"qc/{sample}.png", begin):
            failures.append({"sample": sample, **_of_submission(lost[sample], own)})
    for log in sorted((RESULTS / "logs/estimate_flatfield").glob("*.log")):
        if why := _read_failure(log, begin):
            group = f"all samples of {log.stem}"
            failures.append({"sample": group, "rule": "estimate_flatfield", **why})
    for rule in WHOLE_RUN:
        if why := _read_failure(RESULTS / f"logs/{rule}.log", begin):
            failures.append({"sample": "all samples", "rule": rule, **why})
    return failures


def _is_new(path: Path, begin: int) -> bool:
    try:
        return path.stat().st_mtime_ns >= begin
    except OSError:
        return False


def is_final(log: str) -> bool:
    """Tell whether a job would fail the same way again: its log of this run says a user's mistake.

    More memory, more time or another node may help where it was killed or found no memory, and
    where a disk did not answer.
    """
    begin = CONFIG.stat().st_mtime_ns if CONFIG.exists() else 0
    why = _read_failure(Path(log), begin)
    if why is None or why["remedy"].startswith("a bug of clearfield"):
        return False
    sentence = f"error: {why['reason']}; {why['remedy']}\n"
    return sentence != UNFINISHED and not (
        OUT_OF_MEMORY in sentence or why["remedy"].startswith(MEND_AND_REPEAT)
    )


def _of_killed(failed: Failed, rule: str, reason: str) -> dict[str, str]:
    """Tell what ended a job on a cluster, where fewer --cores would not help."""
    said = f" ({failed.said})" if failed.said else ""
    remedy = (
        f"give it more with --set-resources {rule}:mem_mb=N or {rule}:runtime=MINUTES; no job gets "
        "more than mem_mb and runtime at the top of the profile"
    )
    return {"reason": reason + said, "remedy": remedy}


def _of_submission(failed: Failed, own: dict[str, dict[str, str]]) -> dict[str, str]:
    """Tell why a sample has no result although none of its own jobs failed."""
    said = f": {failed.said}" if failed.said else ""
    if failed.refused:
        reason = f"nothing was submitted, the scheduler refused it{said}"
        remedy = (
            "correct the lines at the top of the profile: cores and mem_mb are what a node has, "
            "the partition (or queue) and the account are yours"
        )
    elif culprits := [name for name in failed.samples if name in own]:
        reason = f"its results were discarded with its submission, in which {culprits[0]} failed"
        remedy = "run the same command with --group-components sample=1"
    else:
        reason = f"its submission ended before its jobs were done{said}"
        log = failed.log or "the scheduler's logs under .snakemake/"
        remedy = f"see {log} and run the same command again"
    return {"rule": "load_stack", "reason": reason, "remedy": remedy}


def _read_failure(log: Path, begin: int, lost: bool = False) -> dict[str, str] | None:
    """Tell a failure's log from a success's: a success says one line and never "error:".

    Where a submission failed, Snakemake makes an empty log for each job that did not begin.
    """
    if not _is_new(log, begin):
        return None  # of an earlier run
    try:
        text = log.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
    if lost and not text:
        return None
    text = text or UNFINISHED.strip()
    lines = text.splitlines()
    if text.endswith(INTERRUPTED.strip()) or lines[-1] == "KeyboardInterrupt":
        return None
    errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    if _stops and (text == UNFINISHED.strip() or not errors):
        return None  # ended by hand, while it started or imported, which may hide the interrupt
    if errors:
        sentence = " ".join(lines[errors[-1] :]).removeprefix("error: ")
        reason, _, remedy = sentence.rpartition("; ")
        if not reason:
            reason, remedy = remedy, _REMEDY
        return {"reason": reason, "remedy": remedy}
    if any(line.startswith("Traceback") for line in lines):
        return {"reason": lines[-1], "remedy": f"a bug of clearfield: please report {log}"}
    return None


def finish_failed_run(
    samples: list[str], scripts: Path, page_settings: dict | None,
    tables: Collection[str] = (), fetched: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Summarize what there is, name what failed, and leave the summary to a complete run.

    A run that was only interrupted, or asked for `SIDE_TARGETS` alone, leaves the last summary and
    page as they are.

    Parameters
    ----------
    samples : list of str
        Of the run.
    scripts : Path
        The folder of the scripts; the summary and the page are made by their own functions.
    page_settings : dict, optional
        Arguments of summarize_qc and of report_run by name; without them no page is made. Of
        report_run also ``samples``, the lines that tell of them.
    tables : collection of str
        What summarize_qc is to read of all samples, a line each (`Run.tables`).
    fetched : mapping of str, optional, `Run.fetched_as`
    """
    end_run()
    if _beside:
        return  # Snakemake shows the log of what failed
    failures = find_failures(samples, fetched)
    try:
        if failures:
            _summarize(tables, failures, scripts, page_settings)
    except OSError as error:
        print(_cannot_write(error), file=sys.stderr)
    _print_failures(failures, len(samples))


def _summarize(
    tables: Collection[str], failures: list[dict[str, str]], scripts: Path,
    page_settings: dict | None,
) -> None:  # fmt: skip
    # Without metrics.tsv the next run has to make the summary and the page again.
    METRICS.unlink(missing_ok=True)
    PAGE.unlink(missing_ok=True)
    with replacing(FAILURES) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, COLUMNS, delimiter="\t", lineterminator="\n")
        table.writeheader()
        table.writerows(failures)
    failed = {failure["sample"] for failure in failures}
    paths = {line: Path(line.partition("\t{")[0]) for line in tables}
    tables = [line for line, path in paths.items() if path.stem not in failed and path.is_file()]
    if page_settings:
        _make_page(scripts, tables, page_settings)


def _make_page(scripts: Path, tables: list[str], page_settings: dict) -> None:
    summary, page = page_settings["summarize_qc"], dict(page_settings["report_run"])
    samples = page.pop("samples")
    steps = (
        ("summarize_qc", summary | {"metrics": str(PARTIAL)}, "\n".join(tables) + "\n"),
        (
            "report_run",
            page | {"metrics": str(PARTIAL), "failures": str(FAILURES)},
            "\n".join(samples),
        ),
    )
    for script, values, text in steps:
        arguments = []
        for name, value in values.items():
            arguments += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
        done = subprocess.run(
            [sys.executable, scripts / f"{script}.py", *arguments],
            input=text, text=True, encoding="utf-8", capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            message = (done.stderr.strip().splitlines() or ["no message"])[-1]
            print(f"{script} of the finished samples: {message}", file=sys.stderr)
            return


def _print_failures(failures: list[dict[str, str]], total: int) -> None:
    if failures:
        alike: dict[tuple[str, ...], list[str]] = {}
        for failure in failures:
            what = (failure["rule"], failure["reason"], failure["remedy"])
            alike.setdefault(what, []).append(failure["sample"])
        lines = ["", f"{len(failures)} of {total} samples failed (also in {FAILURES}):"]
        for (rule, reason, remedy), (first, *others) in list(alike.items())[:_SHOWN]:
            more = f" and {len(others)} more" if others else ""
            lines += [f"  {first}{more}, {rule}: {reason}", f"    → {remedy}"]
        if len(alike) > _SHOWN:
            lines.append(f"  and {len(alike) - _SHOWN} more reasons")
        lines.append("Mend them and run the same command: only what is missing is done again.")
        with suppress(OSError, csv.Error, KeyError, ValueError):
            rows = read_rows(PARTIAL)
            finished = len({row["sample"] for row in rows})
            lines += [f"Finished: {count_verdicts(rows)}", f"Not finished: {total - finished}"]
        if PAGE.exists():
            lines.append(f"The page of what is finished: {PAGE}")
    else:
        lines = [
            "",
            "The run was stopped before it was complete; the messages above say why.",
            "Run the same command again: only what is missing is done.",
        ]
    with suppress(BrokenPipeError):
        print("\n".join(lines), file=sys.stderr, flush=True)
