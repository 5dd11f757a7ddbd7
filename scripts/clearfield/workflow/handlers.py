"""What Snakemake's own process does before, at the start, and at the end of a run; see common.smk.

Of a module, Snakemake calls no `onstart` and the like: no result depends on `begin` and `fail`.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import LocalSourceFile
from snakemake.utils import update_config

from ..errors import ClearfieldError
from ..jobs.forkserver import ADDRESS, start_server
from .failures import NO_SAMPLES_NAMED, finish_failed_run, start_run
from .remote_example import EXAMPLE, bring_example
from .run import Run
from .settings import json_text
from .snakemake_costs import collect_less_garbage, lift_rate_limit

if TYPE_CHECKING:
    from snakemake.workflow import Workflow


def prepare(clone: str, workflow: "Workflow") -> None:
    """Do what has to be done before the rules are read, on every node."""
    show_jobs_the_way(clone)
    serve_submission(clone, workflow)
    collect_less_garbage()


def show_jobs_the_way(clone: str) -> None:
    """Put into the environment where jobs find their Python and their scripts.

    Jobs find the python that runs Snakemake, whether its environment was activated or not (a conda
    environment of --sdm conda still comes before it); jobs and profiles find their scripts in
    $CLEARFIELD, the clone, whatever the working directory.
    """
    python_folder = os.path.dirname(sys.executable)  # noqa: PTH120  (no link is followed)
    path_entries = os.environ.get("PATH", "").split(os.pathsep)
    if path_entries[0] != python_folder:  # a second module finds it there
        path_entries.insert(0, python_folder)
    os.environ.update(PATH=os.pathsep.join(path_entries), CLEARFIELD=clone)


def serve_submission(clone: str, workflow: "Workflow") -> None:
    """Start the server of jobs on the node of a submission that holds several samples.

    The Snakemake there calls no `onstart`. It says by its command line alone, until it has read the
    rules, how many jobs it has, and whether it does them itself: with an executor of its own, as
    under Slurm's plugin, it starts one more Snakemake for each of them.
    """
    jobs = sum(":sample=" in word for word in sys.argv)
    if (
        workflow.remote_exec
        and "--executor" not in sys.argv
        and not workflow.deployment_settings.deployment_method
        and ADDRESS not in os.environ  # of a second module
        and jobs >= _JOBS_OF_A_SERVER
    ):
        start_server(f"{clone}/scripts")


# To start the server costs as much CPU time as the imports of two samples' jobs.
_JOBS_OF_A_SERVER = 9


def open_run(given: dict, clone: str, workflow: "Workflow") -> Run:
    """Check the config and find the samples.

    Whoever imports this as a module with `config:` may give only the keys that differ.

    Raises
    ------
    WorkflowError
        For all that is wrong in the config or in the sample sheet.
    """

    def read_yaml(path: str) -> dict:
        return yaml.safe_load(Path(clone, path).read_text(encoding="utf-8"))

    config = read_yaml("config/config.yaml")
    update_config(config, given)
    home = workflow.current_basedir
    if config["samples"] == EXAMPLE and not isinstance(home, LocalSourceFile):
        bring_example(home, clone)
    try:
        run = Run(
            config,
            config_schema=read_yaml("workflow/schemas/config.schema.yaml"),
            sample_schema=read_yaml("workflow/schemas/samples.schema.yaml"),
            clone=clone,
            listed=workflow.modifier.path_modifier.replace_prefix("results/inputs.tsv"),
        )
    except ClearfieldError as error:
        raise WorkflowError(str(error)) from None
    is_module = workflow.modifier.parent_modifier is not None
    if is_module and run.example_elsewhere and workflow.is_main_process:  # no handler will say it
        print(NO_SAMPLES_NAMED, file=sys.stderr)
    return run


def begin(run: Run, workflow: "Workflow") -> None:
    """Write the config of the run, and start the server of its jobs."""
    if workflow.local_exec:
        lift_rate_limit(workflow)
    # Environments of --sdm have packages of their own to import.
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        start_server(f"{run.clone}/scripts")
    try:
        start_run(
            yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True),
            workflow.dag_settings.targets,
            example=run.example_elsewhere,
            notes=run.notes,
            missing=run.missing,
        )
    except ClearfieldError as error:
        raise WorkflowError(str(error)) from None


def fail(run: Run) -> None:
    """Name what failed, and make the page of what there is."""
    finish_failed_run(
        list(run.samples),
        Path(run.clone) / "scripts",
        {
            "summarize_qc": {
                "folder": "results/qc/samples",
                "settings": run.config["summarize_qc"],
            },
            "report_run": {
                "figures": "results/qc",
                "page": "results/report/index.html",
                "config": run.settings_in_use,
                "samples": run.told,
                "versions": run.versions,
                "light": json_text(run.light.facts),
            },
        },
        run.tables,
        run.fetched_as,
    )
