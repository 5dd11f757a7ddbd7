"""What a scheduler said of the submissions that failed, and which samples were in each.

Snakemake 9 drops what its executors say as soon as the jobs are a group: of a partition that does
not exist the user would read "Error in group" and no more.
"""

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


def shorten(message: str) -> str:
    """Leave out the command line, which is pages long, and what holds of every failure."""
    for tail in ("sbatch call:", "sbatch script:", "For further error details"):
        message = message.partition(tail)[0]
    return " ".join(message.split()).rstrip(".:")
