"""What a scheduler said of the submissions that failed, and which samples were in each.

Snakemake 9 drops what its executors say as soon as the jobs are a group: of a partition that does
not exist the user would read "Error in group" and no more. It also tries every failed job again,
and asks for the sum of its jobs' minutes, however long the partition lets a job run.

This saves no time of a job. What it gives: the scheduler's own sentence on the terminal and in
failures.tsv, with the samples that were discarded; one submission of a broken file, not three; and
a submission that the partition takes. It relies on Snakemake 9.27's `GroupJob.log_error`,
`restart_times` and `resources`. `tests/unit/workflow/test_snakemake_costs.py` notices when one of
them changes, and `tests/cluster/test_schedulers.py` sees what they give on two real schedulers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps


@dataclass(frozen=True)
class Failed:
    """A submission that failed.

    Attributes
    ----------
    samples : tuple of str
        Whose jobs were in it; Snakemake discards the results of all of them.
    said : str
        What the executor says of it; may be empty.
    refused : bool
        Whether it never came into the queue.
    log : str
        What its jobs wrote themselves, where the executor names it.
    """

    samples: tuple[str, ...]
    said: str
    refused: bool
    log: str


last_of: dict[str, Failed] = {}
"""The last failed submission of each sample; a later one may have gone well."""


def listen() -> None:
    """From now on, show and note what executors say of groups that failed."""
    from snakemake.jobs import GroupJob
    from snakemake.logging import logger

    log_error = GroupJob.log_error
    if hasattr(log_error, "__wrapped__"):
        return

    @wraps(log_error)
    def log_and_note(group, msg=None, aux_logs=None, **kwargs):
        log_error(group, msg, aux_logs, **kwargs)
        samples = {getattr(job.wildcards, "sample", None) for job in group.jobs} - {None}
        said = shorten(msg or "")
        if said:
            logger.error(said)
        log = str(aux_logs[0]) if aux_logs and aux_logs[0] else ""
        failed = Failed(tuple(sorted(samples)), said, "external_jobid" not in kwargs, log)
        last_of.update(dict.fromkeys(samples, failed))

    GroupJob.log_error = log_and_note


def try_only_what_may_end_otherwise(is_final: Callable[[str], bool]) -> None:
    """From now on, try no job again whose log says what the user has to mend.

    Parameters
    ----------
    is_final : callable
        Tells of the path of a log whether the job would fail the same way again. One such job of a
        submission is enough: the others would be discarded with it once more.
    """
    from snakemake.jobs import GroupJob, Job

    for kind in (Job, GroupJob):
        times = kind.restart_times.fget
        if hasattr(times, "__wrapped__"):
            continue

        @wraps(times)
        def restart_times(job, times=times):
            return 0 if any(is_final(str(log)) for log in job.log) else times(job)

        kind.restart_times = property(restart_times)


_longest_min: list[int] = []


def limit_minutes(resources) -> int | None:
    """From now on, ask for no more minutes for all jobs of a submission than the profile allows.

    A scheduler lets a submission that asks for more than its partition gives wait for ever; and
    the sum of its jobs' minutes is large because each estimate is generous.

    Parameters
    ----------
    resources : Resources
        Snakemake's for the whole run. Their ``runtime`` is the limit; it is taken out, because
        Snakemake would take it for the sum of all jobs at one time.

    Returns
    -------
    int or None
        The limit, also to a second module of a workflow; None where there is none.
    """
    if "runtime" in resources and resources["runtime"].value is not None:
        _longest_min[:] = [resources["runtime"].value]
        resources["runtime"] = None
    if not _longest_min:
        return None
    from snakemake.jobs import GroupJob

    of_group = GroupJob.resources.fget
    if not hasattr(of_group, "__wrapped__"):

        @wraps(of_group)
        def within_limit(group):
            new = group._resources is None
            found = of_group(group)
            if new and (found.get("runtime") or 0) > _longest_min[0]:
                group._resources["runtime"] = _longest_min[0]
                found = of_group(group)
            return found

        GroupJob.resources = property(within_limit)
    return _longest_min[0]


def shorten(message: str) -> str:
    """Leave out the command line, which is pages long, and what holds of every failure."""
    for tail in ("sbatch call:", "sbatch script:", "For further error details"):
        message = message.partition(tail)[0]
    return " ".join(message.split()).rstrip(".:")
