"""The schedulers, and runs of the workflow through them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_run import PLUGINS, STANDS, STARTS, ClusterRun


def _reason_to_skip(name: str) -> str | None:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [str(p) for p in STANDS[name].PROGRAMS if not shutil.which(str(p), path=path)]
    if missing:
        return f"needs Debian's packages of this scheduler: no {', '.join(missing)}"
    try:
        __import__(f"snakemake_executor_plugin_{PLUGINS[name]}")
    except ImportError:
        return f"needs the Python package snakemake-executor-plugin-{PLUGINS[name]}"
    return None


@pytest.fixture(scope="session", params=["slurm", "slurm-grouped", "sge"])
def stand(request) -> Iterator:
    """A running scheduler, one after the other."""
    if reason := _reason_to_skip(request.param):
        pytest.skip(reason)
    start = STARTS[request.param]
    # Not under pytest's own folder: munge wants its socket's parents open, and its path short.
    with tempfile.TemporaryDirectory(prefix="stand-") as folder:
        Path(folder).chmod(0o755)
        with start(Path(folder) / request.param) as running:
            running.name = request.param  # that of the profile
            yield running


@pytest.fixture
def cluster(stand, tmp_path: Path) -> Iterator[ClusterRun]:
    """An empty folder to run in, on the scheduler."""
    run = ClusterRun(tmp_path / "run", stand)
    yield run
    run.close()


@pytest.fixture(scope="session")
def reference(tmp_path_factory) -> dict[str, bytes]:
    """What the workstation makes of the example: every file under results/ but the logs."""
    run = ClusterRun(tmp_path_factory.mktemp("reference") / "run")
    run.run()
    return run.outputs()
