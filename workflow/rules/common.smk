# What the rules share: the checked config, the samples, and the values that each rule is handed.
import runpy
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import LocalSourceFile


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
    jobs = "../../scripts/clearfield/jobs"
    hashes = runpy.run_path(workflow.source_path(f"{jobs}/codehash.py"))
    remote = runpy.run_path(workflow.source_path(f"{jobs}/remote_code.py"))
    rules = Path(workflow.source_path("common.smk")).read_text(encoding="utf-8")
    home = Path(".snakemake/clearfield").absolute()
    try:
        return str(remote["collect_code"](fetch, rules, home, hashes["code_files"]))
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

from clearfield.workflow.failures import finish_run
from clearfield.workflow.handlers import begin, fail, open_run, prepare
from clearfield.workflow.rule_values import rule_values

prepare(CLONE, workflow)
RUN = open_run(config, CLONE, workflow)


def for_samples(pattern, rule=None, key=None):
    """Fill `pattern` for all samples, or for those whose config sets `rule`.`key`."""
    return [pattern.format(sample=name) for name in RUN.samples_with(rule, key)]


# The functions that the rules name as their inputs, params and resources.
_values = rule_values(RUN, workflow)
raw_files, raw_path = _values.raw_files, _values.raw_path
source_of, settings_of = _values.source_of, _values.settings_of
threads_of, memory_of = _values.threads_of, _values.memory_of
runtime_of, disk_of = _values.runtime_of, _values.disk_of
code_of, json_of, json_text = _values.code_of, _values.json_of, _values.json_text
raw_copy, version_of = _values.raw_copy, _values.version_of
all_raw, names_and_paths = _values.all_raw, _values.names_and_paths
tables_read = _values.tables_read
minutes, VERSIONS = _values.minutes, RUN.versions


onstart:
    begin(RUN, workflow)


onsuccess:
    finish_run()


onerror:
    fail(RUN)
