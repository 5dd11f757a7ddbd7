# What the rules share: the checked config, the samples, and the values that each rule is handed.
import gc
import inspect
import os
import runpy
import sys
from pathlib import Path

import yaml
from snakemake.common import overwrite_function_params
from snakemake.exceptions import WorkflowError
from snakemake.io import flag
from snakemake.path_modifier import PATH_MODIFIER_FLAG
from snakemake.resources import Resource
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
    "clearfield/jobs/codehash",
    "clearfield/workflow/failures",
    "clearfield/workflow/resources",
    "clearfield/workflow/run",
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
    home = Path(".snakemake/clearfield").absolute()
    try:
        return str(collect_code(fetch, SCRIPTS, STATUS_COMMANDS, home))
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
from clearfield.jobs.codehash import hash_code
from clearfield.jobs.forkserver import start_server
from clearfield.workflow.failures import end_run, finish_failed_run, start_run
from clearfield.workflow.resources import (
    job_disk_mb,
    job_memory_mb,
    job_runtime_min,
    job_threads,
    measure,
)
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


# Of the millions of objects that Snakemake makes of 10,000 samples nearly all stay: to look for
# garbage among them as often as Python does by itself takes a tenth of a dry run's time.
gc.set_threshold(100_000, 50, 100)


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


def for_each_job(function):
    """Note a function's parameters: Snakemake asks for them up to three times a job, 25 µs each."""
    overwrite_function_params(function, inspect.signature(function).parameters)
    return function


for_each_job(Resource.evaluate)  # through it, Snakemake calls those below


def has_prefix(modifier):
    """Tell whether a module, or one that it is in, was given `prefix:` or `replace_prefix:`."""
    return modifier is not None and bool(
        modifier.prefix
        or modifier.modifies_prefixes
        or has_prefix(modifier.inner_modifier)
    )


PREFIXED = has_prefix(workflow.modifier.path_modifier)


def as_it_stands(files):
    """Keep a module's prefix, which is for results, away from raw files."""
    return [flag(file, PATH_MODIFIER_FLAG) for file in files] if PREFIXED else files


@for_each_job
def raw_files(wildcards):
    files = as_it_stands(RUN.samples[wildcards.sample].files)
    return files[0] if len(files) == 1 else files  # a list costs 0.7 kB a job


@for_each_job
def raw_path(wildcards):
    return RUN.samples[wildcards.sample].path


def settings_of(rule):
    """Give the function that hands `rule` its settings for a sample, as JSON."""

    @for_each_job
    def settings(wildcards):
        return RUN.settings(wildcards.sample)[rule]

    return settings


def code_of(rule):
    """Hash a rule's script and what it imports, so that content decides over re-runs."""
    return hash_code(f"{CLONE}/scripts", rule)


def json_of(section):
    """Give a section of the config that holds for the whole run, as JSON."""
    return json_text(RUN.config[section])


@for_each_job
def source_of(wildcards):
    """Say how a stack was loaded: the stack itself is temporary, and gone when this changes."""
    return f"{RUN.settings(wildcards.sample)['load_stack']} {code_of('load_stack')}"


def geometry(wildcards):
    return measure(RUN.samples[wildcards.sample].files)


@for_each_job
def threads_of(wildcards):
    return job_threads(geometry(wildcards))


def memory_of(rule):
    """Give the function that estimates a rule's memory in MB, more on each try."""

    @for_each_job
    def memory(wildcards, attempt):
        config = RUN.config_of(wildcards.sample)
        return job_memory_mb(rule, geometry(wildcards), config) * attempt

    return memory


LONGEST_MIN = limit_minutes(workflow.global_resources)


def minutes(wanted):
    """Give the minutes to ask for, which are at most those of the partition."""
    return min(wanted, LONGEST_MIN or wanted)


def runtime_of(rule):
    """Give the function that estimates a rule's time in minutes, more on each try."""

    @for_each_job
    def runtime(wildcards, attempt):
        return minutes(job_runtime_min(rule, geometry(wildcards)) * attempt)

    return runtime


def disk_of(rule):
    """Give the function that estimates what a rule writes, in MB."""

    @for_each_job
    def disk(wildcards):
        return job_disk_mb(rule, geometry(wildcards), RUN.config_of(wildcards.sample))

    return disk


onstart:
    # To keep to a rate of jobs, Snakemake 9 looks for new ones once a second for every job that has
    # ended: after 1,000 stacks that is thousands of times a second. One machine needs no such rate.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    # Environments of --sdm have packages of their own to import.
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        start_server(f"{CLONE}/scripts")
    try:
        start_run(yaml.safe_dump(RUN.config, sort_keys=False, allow_unicode=True))
    except ClearfieldError as error:
        raise WorkflowError(str(error))


onsuccess:
    end_run()


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
                "versions": VERSIONS,
            },
        },
    )
