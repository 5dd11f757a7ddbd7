# What the rules share: the checked config, the samples, and the values that each rule is handed.
import gc
import inspect
import os
import sys
from pathlib import Path

import yaml
from snakemake.common import overwrite_function_params
from snakemake.exceptions import WorkflowError
from snakemake.resources import Resource

from scripts.clearfield.errors import ClearfieldError
from scripts.clearfield.jobs.codehash import hash_code
from scripts.clearfield.jobs.forkserver import start_server
from scripts.clearfield.workflow.failures import end_run, finish_failed_run, start_run
from scripts.clearfield.workflow.resources import (
    job_disk_mb,
    job_memory_mb,
    job_runtime_min,
    job_threads,
    measure,
)
from scripts.clearfield.workflow.run import Run, software_versions
from scripts.clearfield.workflow.settings import json_text

# Jobs find the python that runs Snakemake, whether its environment was activated or not (a conda
# environment of --sdm conda still comes before it); jobs and profiles find their scripts in
# $CLEARFIELD, the clone, whatever the working directory.
os.environ.update(
    PATH=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]),
    CLEARFIELD=str(workflow.basedir),
)


# Of the millions of objects that Snakemake makes of 10,000 samples nearly all stay: to look for
# garbage among them as often as Python does by itself takes a tenth of a dry run's time.
gc.set_threshold(100_000, 50, 100)


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


def for_each_job(function):
    """Note a function's parameters: Snakemake asks for them up to three times a job, 25 µs each."""
    overwrite_function_params(function, inspect.signature(function).parameters)
    return function


for_each_job(Resource.evaluate)  # through it, Snakemake calls those below


@for_each_job
def raw_files(wildcards):
    files = RUN.samples[wildcards.sample].files
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
    return hash_code(f"{workflow.basedir}/scripts", rule)


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


def runtime_of(rule):
    """Give the function that estimates a rule's time in minutes, more on each try."""

    @for_each_job
    def runtime(wildcards, attempt):
        return job_runtime_min(rule, geometry(wildcards)) * attempt

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
        start_server(f"{workflow.basedir}/scripts")
    try:
        start_run(
            yaml.safe_dump(RUN.config, sort_keys=False, allow_unicode=True),
            workflow.dag_settings.targets,
        )
    except ClearfieldError as error:
        raise WorkflowError(str(error))


onsuccess:
    end_run()


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
    )
