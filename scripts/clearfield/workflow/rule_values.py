"""The run in; out come the functions that hand each rule its values, job by job."""

import gc
import inspect
from collections.abc import Callable
from types import SimpleNamespace

from snakemake.common import overwrite_function_params
from snakemake.resources import Resource

from ..jobs.codehash import hash_code
from .resources import job_disk_mb, job_memory_mb, job_runtime_min, job_threads, measure
from .run import Run
from .settings import json_text


def spare_snakemake() -> None:
    """Let Snakemake 9.27 do less for each of 10,000 samples; no result depends on it.

    Of the millions of objects that it makes nearly all stay. To look for garbage among them as
    often as Python does by itself takes a tenth of a dry run's time. Snakemake also asks for the
    parameters of a function up to three times a job, 25 µs each, unless they are noted. It calls
    the functions of this module by `Resource.evaluate`. Every run fails at its start where one of
    these names is gone from Snakemake.
    """
    gc.set_threshold(100_000, 50, 100)
    _for_each_job(Resource.evaluate)


def _for_each_job(function: Callable) -> Callable:
    overwrite_function_params(function, inspect.signature(function).parameters)
    return function


def rule_values(run: Run, scripts: str) -> SimpleNamespace:
    """Give the functions that rules name as their inputs, params and resources.

    Parameters
    ----------
    run : Run
        The checked config and its samples.
    scripts : str
        Folder of the rules' scripts.

    Returns
    -------
    SimpleNamespace
        ``raw_files, raw_path, source_of, threads_of`` take a job's wildcards. ``settings_of``,
        ``memory_of``, ``runtime_of`` and ``disk_of`` take a rule and give such a function.
        ``code_of`` takes a rule, ``json_of`` a section of the config, and give text.
    """

    @_for_each_job
    def raw_files(wildcards):
        files = run.samples[wildcards.sample].files
        return files[0] if len(files) == 1 else files  # a list costs 0.7 kB a job

    @_for_each_job
    def raw_path(wildcards):
        return run.samples[wildcards.sample].path

    def settings_of(rule):
        """Give the function that hands `rule` its settings for a sample, as JSON."""
        return _for_each_job(lambda wildcards: run.settings(wildcards.sample)[rule])

    def code_of(rule):
        """Hash a rule's script and what it imports, so that content decides over re-runs."""
        return hash_code(scripts, rule)

    def json_of(section):
        """Give a section of the config that holds for the whole run, as JSON."""
        return json_text(run.config[section])

    @_for_each_job
    def source_of(wildcards):
        """Say how a stack was loaded: the stack itself is temporary, and gone when this changes."""
        return f"{run.settings(wildcards.sample)['load_stack']} {code_of('load_stack')}"

    def geometry(wildcards):
        return measure(run.samples[wildcards.sample].files)

    @_for_each_job
    def threads_of(wildcards):
        return job_threads(geometry(wildcards))

    def memory_of(rule):
        """Give the function that estimates a rule's memory in MB, more on each try."""

        @_for_each_job
        def memory(wildcards, attempt):
            config = run.config_of(wildcards.sample)
            return job_memory_mb(rule, geometry(wildcards), config) * attempt

        return memory

    def runtime_of(rule):
        """Give the function that estimates a rule's time in minutes, more on each try."""

        @_for_each_job
        def runtime(wildcards, attempt):
            return job_runtime_min(rule, geometry(wildcards)) * attempt

        return runtime

    def disk_of(rule):
        """Give the function that estimates what a rule writes, in MB."""

        @_for_each_job
        def disk(wildcards):
            return job_disk_mb(rule, geometry(wildcards), run.config_of(wildcards.sample))

        return disk

    return SimpleNamespace(
        raw_files=raw_files, raw_path=raw_path, source_of=source_of, threads_of=threads_of,
        settings_of=settings_of, memory_of=memory_of, runtime_of=runtime_of, disk_of=disk_of,
        code_of=code_of, json_of=json_of,
    )  # fmt: skip
