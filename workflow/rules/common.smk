# What the rules share: the checked config, the samples, and the values that each rule is handed.
import os
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

from scripts.clearfield.errors import ClearfieldError
from scripts.clearfield.jobs.forkserver import start_server
from scripts.clearfield.workflow.failures import (
    finish_failed_run,
    finish_run,
    start_run,
)
from scripts.clearfield.workflow.rule_values import rule_values, spare_snakemake
from scripts.clearfield.workflow.run import Run, software_versions
from scripts.clearfield.workflow.settings import json_text

# Jobs find the python that runs Snakemake, whether its environment was activated or not (a conda
# environment of --sdm conda still comes before it); jobs and profiles find their scripts in
# $CLEARFIELD, the clone, whatever the working directory.
os.environ.update(
    PATH=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]),
    CLEARFIELD=str(workflow.basedir),
)


spare_snakemake()


def read_yaml(path):
    with open(workflow.source_path(path), encoding="utf-8") as file:
        return yaml.safe_load(file)


try:
    RUN = Run(
        config,
        config_schema=read_yaml("../schemas/config.schema.yaml"),
        sample_schema=read_yaml("../schemas/samples.schema.yaml"),
        clone=workflow.basedir,
    )
except ClearfieldError as error:
    raise WorkflowError(str(error))


# The programs of this run, for its page and for the methods section of a paper.
VERSIONS = json_text(
    software_versions(("snakemake", "numpy", "tifffile", "matplotlib"))
)


def for_samples(pattern, rule=None, key=None):
    """Fill `pattern` for all samples, or for those whose config sets `rule`.`key`."""
    return [pattern.format(sample=name) for name in RUN.samples_with(rule, key)]


_values = rule_values(RUN, f"{workflow.basedir}/scripts")
raw_files, raw_path = _values.raw_files, _values.raw_path
source_of, threads_of = _values.source_of, _values.threads_of
settings_of, memory_of = _values.settings_of, _values.memory_of
runtime_of, disk_of = _values.runtime_of, _values.disk_of
code_of, json_of = _values.code_of, _values.json_of


onstart:
    # To keep to a rate of jobs, Snakemake 9 looks for new ones once a second for every job that has
    # ended: after 1,000 stacks that is thousands of times a second. One machine needs no such rate.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    # Environments of --sdm have packages of their own to import.
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        start_server(f"{workflow.basedir}/scripts")
    try:
        start_run(
            yaml.safe_dump(RUN.config, sort_keys=False, allow_unicode=True),
            workflow.dag_settings.targets,
            example=RUN.example_elsewhere,
            notes=RUN.notes,
        )
    except ClearfieldError as error:
        raise WorkflowError(str(error))


onsuccess:
    finish_run()


onerror:
    finish_failed_run(
        list(RUN.samples),
        Path(workflow.basedir) / "scripts",
        {
            "summarize_qc": {
                "folder": "results/qc/samples",
                "settings": RUN.config["summarize_qc"],
            },
            "report_run": {
                "figures": "results/qc",
                "page": "results/report/index.html",
                "config": RUN.settings_in_use,
                "versions": VERSIONS,
            },
        },
        RUN.tables,
    )
