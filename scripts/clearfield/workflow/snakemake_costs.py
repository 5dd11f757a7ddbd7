"""What Snakemake's own process is spared where a run is long; no result depends on it.

Measured on two shared cores of an Intel Xeon, Snakemake 9.27, medians in turns.
"""

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snakemake.workflow import Workflow


def collect_less_garbage() -> None:
    """Look less often for garbage among the objects of all jobs, of which nearly all stay.

    A dry run of 2,000 samples took 6.4 s CPU, and 7.9 with the thresholds that Python has by
    itself. This relies on no version, and is needless once that is less than a tenth.
    """
    gc.set_threshold(100_000, 50, 100)


def lift_rate_limit(workflow: "Workflow") -> None:
    """Let Snakemake 9 start jobs at any rate; on a cluster, what the profile says is kept.

    To keep to a rate of jobs, its scheduler looks for new ones once more, a second after each look,
    for every job that has ended: after 1,000 stacks that is thousands of times a second. A run of
    100 small stacks took 32 s CPU, and 39 with the limit. No setting ends it: a longer timespan
    would hold up the end of the run for as long, for its timers have to run out.

    It relies on `JobScheduler.job_rate_limiter` being None where there is no limit
    (`tests/unit/workflow/test_snakemake_costs.py` notices when that changes). Where Snakemake
    looks but once for all jobs that have ended, this can go.
    """
    workflow.scheduler.job_rate_limiter = None
