"""The run in; out come the functions that hand each rule its values, job by job."""

from types import SimpleNamespace
from typing import TYPE_CHECKING

from snakemake.exceptions import WorkflowError
from snakemake.io import flag
from snakemake.path_modifier import PATH_MODIFIER_FLAG, PathModifier

from ..formats.remote import is_remote
from ..jobs.codehash import hash_code
from .remote_samples import size_of
from .resources import guess, job_disk_mb, job_memory_mb, job_runtime_min, job_threads, measure
from .run import Run
from .settings import json_text
from .submissions import limit_minutes

if TYPE_CHECKING:
    from snakemake.workflow import Workflow


def _has_prefix(modifier: PathModifier | None) -> bool:
    """Tell whether a module, or one that it is in, was given `prefix:` or `replace_prefix:`."""
    return modifier is not None and bool(
        modifier.prefix or modifier.modifies_prefixes or _has_prefix(modifier.inner_modifier)
    )


def rule_values(run: Run, workflow: "Workflow") -> SimpleNamespace:
    """Give the functions that rules name as their inputs, params and resources.

    Parameters
    ----------
    run : Run
        The checked config and its samples.
    workflow : Workflow
        Snakemake's. Its path modifier puts the `prefix:` of a module before paths; its resources
        may name the minutes that no job may ask for more than.

    Returns
    -------
    SimpleNamespace
        ``raw_files, raw_path, source_of, threads_of`` take a job's wildcards, ``raw_copy`` and
        ``version_of`` too, which tell of what lies on a server. ``settings_of``,
        ``memory_of``, ``runtime_of`` and ``disk_of`` take a rule and give such a function.
        ``code_of`` takes a rule, ``json_of`` a section of the config, and give text.
        ``all_raw`` and ``names_and_paths`` are what list_inputs reads. ``tables_read`` is what
        summarize_qc reads. ``minutes`` keeps a time within the limit. ``light_images`` to
        ``facts_path`` are for the rules of the light.

    Raises
    ------
    WorkflowError
        Names what cannot be had from a server. Jobs ask only for their own files.
    """
    scripts = f"{run.clone}/scripts"
    modifier = workflow.modifier.path_modifier
    longest_min = limit_minutes(workflow.global_resources)
    prefixed = _has_prefix(modifier)
    if workflow.is_main_process and (problems := run.ask_servers()):
        raise WorkflowError("samples: " + "\nsamples: ".join(problems))

    def as_it_stands(files):
        """Keep a module's prefix, which is for results, away from raw files."""
        return [flag(file, PATH_MODIFIER_FLAG) for file in files] if prefixed else files

    def minutes(wanted):
        """Give the minutes to ask for."""
        return min(wanted, longest_min or wanted)

    def moved(path):
        """Put the prefix before the path of a result, where Snakemake does not."""
        return modifier.replace_prefix(path) if prefixed else path

    def raw_files(wildcards):
        if copy := run.fetched_file(wildcards.sample):
            return copy
        files = as_it_stands(run.samples[wildcards.sample].files)
        return files[0] if len(files) == 1 else files  # a list costs 0.7 kB a job

    def raw_path(wildcards):
        return run.samples[wildcards.sample].path

    def raw_copy(wildcards, input):
        """Give where the file was copied to from its server, as JSON; null where it was not."""
        return json_text(str(input.raw) if run.fetched_file(wildcards.sample) else None)

    def version_of(wildcards):
        path = run.samples[wildcards.sample].path
        return run.remote.of(path).version if is_remote(path) else ""

    def all_raw():
        """List the files of all samples, those that are copied first as their copies."""
        copies = (run.fetched_file(name) for name in run.samples)
        return as_it_stands(run.raw_files) + list(dict.fromkeys(filter(None, copies)))

    def names_and_paths():
        """List name and path of each file; of one that is copied also its address, behind a tab."""
        pairs = list(run.names_and_paths)
        copies = {run.samples[name].path: run.fetched_file(name) for name in run.fetched_as}
        for number, path in enumerate(pairs):
            if number % 2 and path in copies:
                pairs[number] = f"{moved(copies[path])}\t{path}"
        return pairs

    def light_images(wildcards):
        """List what a group's profile is estimated from."""
        missing = [f"results/light/no group of this run is called {wildcards.group}"]
        return run.light.images(wildcards.group) or missing

    def light_raw(wildcards):
        files = []
        for name in run.light.of_planes(wildcards.group):
            found = raw_files(SimpleNamespace(sample=name))
            files += [found] if isinstance(found, str) else found
        return list(dict.fromkeys(files))

    def light_source(wildcards):
        """Say how the stacks were loaded: they are temporary, and gone when this changes."""
        names = run.light.of_planes(wildcards.group)
        ways = {run.settings(name)["load_stack"] for name in names}
        return f"{sorted(ways)} {code_of('load_stack')}" if names else ""

    def profile_of(wildcards):
        """Give the profile that a sample is divided by: its group's, the user's, or none."""
        own = run.light.profile_of(wildcards.sample)
        return own or next(iter(as_it_stands(run.light.flat)), [])

    def profile_path(wildcards, input):
        """Give the same as JSON: of no file, "{input:q}" would be no argument at all."""
        return json_text(str(input.profile) or None)

    def facts_path(wildcards, input):
        """List what is known of the light, as JSON."""
        return json_text(list(input.light))

    def settings_of(rule):
        """Give the function that hands `rule` its settings for a sample, as JSON."""
        return lambda wildcards: run.settings(wildcards.sample)[rule]

    def code_of(rule):
        """Hash a rule's script and what it imports, so that content decides over re-runs."""
        return hash_code(scripts, rule)

    def json_of(section):
        """Give a section of the config that holds for the whole run, as JSON."""
        return json_text(run.config[section])

    def source_of(wildcards):
        """Say how a stack was loaded: the stack itself is temporary, and gone when this changes."""
        loaded = f"{run.settings(wildcards.sample)['load_stack']} {code_of('load_stack')}"
        version = version_of(wildcards)
        return f"{loaded} {version}" if version else loaded

    def geometry(wildcards):
        sample = run.samples[wildcards.sample]
        if is_remote(sample.path):
            return guess(size_of(sample.path, run.remote.of(sample.path)))
        return measure(sample.files)

    def threads_of(wildcards):
        return job_threads(geometry(wildcards))

    def memory_of(rule):
        """Give the function that estimates a rule's memory in MB, more on each try."""

        def memory(wildcards, attempt):
            config = run.config_of(wildcards.sample)
            return job_memory_mb(rule, geometry(wildcards), config) * attempt

        return memory

    def runtime_of(rule):
        """Give the function that estimates a rule's time in minutes, more on each try."""

        def runtime(wildcards, attempt):
            return minutes(job_runtime_min(rule, geometry(wildcards)) * attempt)

        return runtime

    def disk_of(rule):
        """Give the function that estimates what a rule writes, in MB."""

        def disk(wildcards):
            return job_disk_mb(rule, geometry(wildcards), run.config_of(wildcards.sample))

        return disk

    return SimpleNamespace(
        raw_files=raw_files, raw_path=raw_path, source_of=source_of, threads_of=threads_of,
        settings_of=settings_of, memory_of=memory_of, runtime_of=runtime_of, disk_of=disk_of,
        code_of=code_of, json_of=json_of, raw_copy=raw_copy, version_of=version_of,
        all_raw=all_raw(), names_and_paths=names_and_paths(), tables_read=run.tables,
        minutes=minutes, json_text=json_text,
        light_images=light_images, light_raw=light_raw, light_source=light_source,
        light_dark=as_it_stands(run.light.dark), profile_of=profile_of, profile_path=profile_path,
        facts_path=facts_path,
    )  # fmt: skip
