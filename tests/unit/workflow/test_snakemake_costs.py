"""What this workflow takes hold of inside Snakemake is still there, and means the same."""

import inspect

from snakemake.jobs import GroupJob, Job
from snakemake.scheduling import job_scheduler


def test_a_scheduler_without_limiter_keeps_to_no_rate():
    """See `lift_rate_limit`: where this fails, look whether its cost is gone."""
    code = inspect.getsource(job_scheduler.JobScheduler)
    assert "if self.job_rate_limiter is None" in code
    assert "if self.job_rate_limiter is not None" in code


def test_groups_say_what_failed_where_we_listen():
    """See `clearfield.workflow.submissions`; each run fails at its start without these names."""
    parameters = inspect.signature(GroupJob.log_error).parameters
    assert list(parameters)[:3] == ["self", "msg", "aux_logs"]
    assert all(kind.restart_times.fget for kind in (Job, GroupJob))
    assert GroupJob.resources.fget
    assert "self._resources is None" in inspect.getsource(inspect.unwrap(GroupJob.resources.fget))
