# What the rules share: the checked config, the samples, and the values that each rule is handed.
import os
import re
import runpy
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import LocalSourceFile
from snakemake.utils import update_config

# What needs the code, wherever the workflow itself lies; what these import comes with them.
SCRIPTS = (
    "load_stack",
    "keep_stack",
    "project_stack",
    "subtract_background",
    "save_background",
    "plot_qc",
    "summarize_qc",
    "report_run",
    "list_inputs",
    "explore_parameters",
    "clearfield/jobs/serve_jobs",
)
STATUS_COMMANDS = tuple(
    f"workflow/profiles/{profile}/status.sh"
    for profile in ("slurm-grouped", "sge", "generic")
)


def fetch(path, copy):
    """Copy a file of a repository that is elsewhere; tell whether there is one."""
    try:
        cached = workflow.source_path(f"../../{path}")
    except WorkflowError:
        return False
    text = Path(cached).read_bytes()
    # Snakemake's way to Git takes the end of the last line away, and the hash of code with it.
    copy.write_bytes(text if text.endswith(b"\n") else text + b"\n")
    return True


def find_clone():
    """Give the folder of the code: the clone, or what of it a remote module needs.

    Of a module, workflow.basedir is the folder of whoever imports it: this file knows its own.
    """
    here = workflow.current_basedir
    if isinstance(here, LocalSourceFile):
        return str(Path(here.path).parents[1])
    code = workflow.source_path("../../scripts/clearfield/jobs/codehash.py")
    collect_code = runpy.run_path(code)["collect_code"]
    own = Path(workflow.source_path("common.smk")).read_text(encoding="utf-8")
    imported = re.findall(r"^from (clearfield[.\w]*) import", own, re.MULTILINE)
    scripts = (*SCRIPTS, *(name.replace(".", "/") for name in imported))
    home = Path(".snakemake/clearfield").absolute()
    try:
        return str(collect_code(fetch, scripts, STATUS_COMMANDS, home))
    except OSError as error:
        raise WorkflowError(
            f"the code of clearfield cannot be copied from {here} to {home} ({error}); "
            "name a tag that has it, and a folder with space that you may write to"
        )


CLONE = find_clone()
if f"{CLONE}/scripts" not in sys.path:
    sys.path.insert(0, f"{CLONE}/scripts")

import clearfield

if Path(clearfield.__file__).parents[1].resolve() != Path(CLONE, "scripts").resolve():
    raise WorkflowError(
        f"this workflow takes clearfield from {CLONE}, but {Path(clearfield.__file__).parents[1]} "
        "is imported already; take all modules of it from one place and one version"
    )

from clearfield.errors import ClearfieldError
from clearfield.jobs.forkserver import start_server
from clearfield.workflow.failures import (
    finish_failed_run,
    finish_run,
    start_run,
)
from clearfield.workflow.rule_values import rule_values, spare_snakemake
from clearfield.workflow.run import Run, software_versions
from clearfield.workflow.settings import json_text
from clearfield.workflow.submissions import limit_minutes

# Jobs find the python that runs Snakemake, whether its environment was activated or not (a conda
# environment of --sdm conda still comes before it); jobs and profiles find their scripts in
# $CLEARFIELD, the clone, whatever the working directory.
python_folder = os.path.dirname(sys.executable)
path_entries = os.environ.get("PATH", "").split(os.pathsep)
if path_entries[0] != python_folder:  # a second module finds it there
    path_entries.insert(0, python_folder)
os.environ.update(PATH=os.pathsep.join(path_entries), CLEARFIELD=CLONE)


spare_snakemake()


def read_yaml(path):
    with open(workflow.source_path(path), encoding="utf-8") as file:
        return yaml.safe_load(file)


# Whoever imports this as a module with `config:` may give only the keys that differ.
settings_given = config
config = read_yaml("../../config/config.yaml")
update_config(config, settings_given)


try:
    RUN = Run(
        config,
        config_schema=read_yaml("../schemas/config.schema.yaml"),
        sample_schema=read_yaml("../schemas/samples.schema.yaml"),
        clone=CLONE,
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


_values = rule_values(
    RUN,
    f"{CLONE}/scripts",
    modifier=workflow.modifier.path_modifier,
    longest_min=limit_minutes(workflow.global_resources),
)
raw_files, raw_path = _values.raw_files, _values.raw_path
as_it_stands, tables_read = _values.as_it_stands, _values.tables
minutes = _values.minutes
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
        start_server(f"{CLONE}/scripts")
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
        Path(CLONE) / "scripts",
        {
            "summarize_qc": {
                "folder": "results/qc/samples",
                "settings": RUN.config["summarize_qc"],
            },
            "report_run": {
                "figures": "results/qc",
                "page": "results/report/index.html",
                "config": RUN.settings_in_use,
                "samples": RUN.told,
                "versions": VERSIONS,
            },
        },
        RUN.tables,
    )
