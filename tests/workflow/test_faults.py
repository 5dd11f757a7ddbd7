"""Faults in real runs: what is seen, what one types, and the same bytes in the end."""

import contextlib
import ctypes.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from clearfield.results.whole_files import remove_orphans, replacing
from runner import ROOT, Runner, write_stack

pytestmark = pytest.mark.second_tier

SAMPLES = ("a", "b", "c")


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Path:
    """Three stacks, one of them compressed."""
    folder = tmp_path_factory.mktemp("raw")
    for number, name in enumerate(SAMPLES):
        options = {"compression": "zlib"} if name == "b" else {}
        write_stack(folder / f"{name}.tif", number, (3, 64, 64), **options)
    return folder


def new_run(folder: Path, raw: Path) -> Runner:
    runner = Runner(folder)
    shutil.copytree(raw, folder / "raw")
    runner.config = {"samples": "raw/*.tif", "subtract_background": {"tophat": {"radius": 3}}}
    return runner


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, raw) -> dict[str, bytes]:
    """What a run gives that nothing disturbs."""
    runner = new_run(tmp_path_factory.mktemp("undisturbed") / "run", raw)
    runner.run()
    return runner.outputs()


@pytest.fixture
def night(tmp_path, raw) -> Runner:
    """A folder to run in, nothing done yet."""
    return new_run(tmp_path / "run", raw)


@contextlib.contextmanager
def started(runner: Runner, *arguments: str, wrap: tuple = (), **options) -> Iterator:
    """A run in a session of its own, ended with all its jobs when the block ends."""
    text = runner.folder / "terminal.txt"
    with text.open("w") as out:
        process = subprocess.Popen(
            [*wrap, *runner.command(*arguments, **options)],
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    process.text = lambda: text.read_text(encoding="utf-8")
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
        wait_for(lambda: not jobs_of(process), 60)


def jobs_of(process: subprocess.Popen, script: str = "/scripts/") -> list[int]:
    """The jobs of a run that are at work, by process id."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            session = (entry / "stat").read_text().rpartition(")")[2].split()[3]
            command = (entry / "cmdline").read_bytes().split(b"\0")
            python = int(session) == process.pid and command[0].endswith(b"python")
            if python and script.encode() in command[1]:
                found.append(int(entry.name))
    return found


def wait_for(condition: Callable, seconds: float = 120) -> object:
    """Wait until `condition` gives something true, and give that."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)
    return found


def wait_for_file(runner: Runner, pattern: str) -> Path:
    return wait_for(lambda: next(iter((runner.folder / "results").glob(pattern)), None))


def no_leftovers(runner: Runner) -> bool:
    return not list(runner.folder.rglob(".*.tmp")) and not list(
        runner.folder.glob("results/stacks/*.stack")
    )


# ---- snakemake itself is stopped ----


@pytest.mark.parametrize("at", ["projections/*.json", "qc/*.png"])
@pytest.mark.parametrize("stop", ["SIGINT", "SIGTERM"])
def test_stopped_by_hand(night, undisturbed, stop, at):
    with started(night) as run:
        wait_for_file(night, at)
        if stop == "SIGINT":
            os.killpg(run.pid, signal.SIGINT)  # Ctrl-C reaches the jobs too
        else:
            run.terminate()
        assert run.wait(120) == 1
        text = run.text()
    assert "Run the same command again: only what is missing is done." in text
    assert "samples failed" not in text
    # Ctrl-C may meet a job while Python or a library starts: what that says is its own.
    assert stop == "SIGINT" or "Traceback" not in text
    assert not (night.folder / "results/qc/failures.tsv").exists()
    night.run()
    assert night.outputs() == undisturbed
    assert no_leftovers(night)


@pytest.mark.parametrize("script", ["load_stack", "plot_qc"])
def test_ctrl_c_meets_a_job_before_it_can_say_so(night, undisturbed, script):
    """Python has not started: its log is empty, as that of a job that was killed."""
    begin = night.folder / "begin"
    begin.mkdir()
    (begin / "sitecustomize.py").write_text(
        "import os, signal, sys, time\n"
        f"if '/{script}.py' in sys.orig_argv[1]:\n"
        "    signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
        "    open(os.environ['PYTHONPATH'] + '/began', 'w').close()\n"
        "    time.sleep(60)\n"
    )
    with started(night, wrap=("env", f"PYTHONPATH={begin}")) as run:
        wait_for((begin / "began").exists)
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(120) == 1
        text = run.text()
    assert "Run the same command again: only what is missing is done." in text
    assert "samples failed" not in text
    assert not (night.folder / "results/qc/failures.tsv").exists()
    night.run()
    assert night.outputs() == undisturbed
    assert no_leftovers(night)


@pytest.mark.parametrize("wait", [True, False], ids=["jobs ended", "jobs still at work"])
def test_snakemake_is_killed(night, undisturbed, wait):
    with started(night) as run:
        wait_for_file(night, "subtracted/*.json")
        run.kill()
        run.wait(60)
        if wait:
            wait_for(lambda: not jobs_of(run), 60)
        text = night.run(status=1).text
        assert "cannot be locked" in text
        assert "--unlock" in text
        night.run("--unlock")
        night.run()
    assert night.outputs() == undisturbed
    assert no_leftovers(night)


def test_two_runs_in_one_folder(night, undisturbed):
    with started(night) as first:
        wait_for_file(night, "config.yaml")
        text = night.run(status=1).text
        assert "cannot be locked" in text
        assert first.wait(120) == 0
    assert night.outputs() == undisturbed


def test_two_runs_at_the_same_moment(night, undisturbed):
    other = Runner(night.folder)
    other.config = night.config
    with started(night) as first, started(other) as second:
        codes = sorted([first.wait(240), second.wait(240)])
    text = (night.folder / "terminal.txt").read_text()
    assert codes == [0, 1], text
    assert night.outputs() == undisturbed
    assert night.run().samples == {}


# ---- a job is stopped ----


def test_a_job_is_killed(night, undisturbed):
    with started(night) as run:
        pid = wait_for(lambda: jobs_of(run, "/scripts/plot_qc.py"))[0]
        os.kill(pid, signal.SIGKILL)
        assert run.wait(120) == 1
        text = run.text()
    assert "1 of 3 samples failed" in text
    assert "plot_qc: the job did not end by itself: it was killed" in text
    rows = (night.folder / "results/qc/failures.tsv").read_text().splitlines()
    assert len(rows) == 2
    sample = rows[1].split("\t")[0]
    assert not (night.folder / f"results/qc/{sample}.png").exists()
    done = night.run()
    assert done.samples == {"plot_qc": [sample], "summarize_qc": [""], "report_run": [""]}
    assert night.outputs() == undisturbed
    assert no_leftovers(night)


def test_a_job_runs_out_of_memory(tmp_path, raw):
    # A plane of 1.8 GB in one compressed strip, where 1.2 GB of addresses are to be had.
    night = new_run(tmp_path / "run", raw)
    tifffile.imwrite(
        night.folder / "raw/big.tif", np.zeros((30_000, 30_000), "u2"), rowsperstrip=30_000,
        compression="zlib", compressionargs={"level": 1},
    )  # fmt: skip
    limit = ("bash", "-c", 'ulimit -v 1200000; exec "$@"', "bash")
    with started(night, wrap=limit) as run:
        assert run.wait(240) == 1
        text = run.text()
    assert "1 of 4 samples failed" in text
    assert "big, project_stack: the job ran out of memory" in text
    assert "Traceback" not in text
    assert "project_stack:mem_mb=" in text
    for sample in SAMPLES:
        assert (night.folder / f"results/qc/{sample}.png").exists()


def test_a_write_is_cut_short_by_a_dead_process(tmp_path):
    """What a power cut or SIGKILL leaves in the middle of a write."""
    target = tmp_path / "result.tif"
    code = (
        "import os, sys, signal; sys.path.insert(0, sys.argv[1])\n"
        "from clearfield.results.whole_files import replacing\n"
        "with replacing(sys.argv[2]) as temporary:\n"
        "    file = temporary.open('wb'); file.write(b'half'); file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for before in (None, b"whole, of an earlier run"):
        if before:
            target.write_bytes(before)
        done = subprocess.run(
            [sys.executable, "-c", code, ROOT / "scripts", target], check=False, timeout=60
        )
        assert done.returncode == -signal.SIGKILL
        assert (target.read_bytes() if target.exists() else None) == before
        (left,) = tmp_path.glob(".result.tif.*.tmp")
        assert left.read_bytes() == b"half"
        remove_orphans(tmp_path)
        assert not left.exists()


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Else a power cut could leave the name on blocks that were never written."""
    order = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(descriptor):
        order.append(("fsync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def note_replace(self, target):
        order.append(("rename", self.name))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    with replacing(tmp_path / "a") as temporary:
        temporary.write_bytes(b"1")
    assert order == [("fsync", temporary.name), ("rename", temporary.name)]


def test_a_living_process_keeps_its_temporary_file(tmp_path):
    with replacing(tmp_path / "a") as temporary:
        temporary.write_bytes(b"1")
        remove_orphans(tmp_path)
        assert temporary.exists()


@pytest.mark.parametrize("rule", ["load_stack", "project_stack", "subtract_background", "plot_qc"])
def test_a_job_killed_at_any_moment_leaves_whole_files_or_none(tmp_path, raw, rule):
    """Every script writes under a temporary name: its job is killed again and again."""
    night = new_run(tmp_path / "run", raw)
    shutil.rmtree(night.folder / "raw")
    write_stack(night.folder / "raw/b.tif", 1, (4, 700, 700), compression="zlib")
    night.run("--notemp")
    whole = night.outputs()
    mine = {
        "load_stack": ("stacks",), "project_stack": ("projections",),
        "subtract_background": ("subtracted",), "plot_qc": ("qc",),
    }[rule]  # fmt: skip
    command = shell_command(night, rule)
    begin = time.monotonic()
    where = os.environ | {"CLEARFIELD": str(ROOT)}
    subprocess.run(command, shell=True, cwd=night.folder, env=where, check=True, timeout=120)
    length = time.monotonic() - begin
    names = [name for name in whole if name.startswith(mine) and "metrics" not in name]
    assert names
    for moment in range(12):
        for name in names:
            (night.folder / "results" / name).unlink(missing_ok=True)
        job = subprocess.Popen(
            command, shell=True, cwd=night.folder, start_new_session=True,
            executable="/bin/bash", env=where,
        )  # fmt: skip
        time.sleep(length * (0.3 + moment / 14))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
        job.wait(60)
        found = night.outputs()
        for name in names:
            if name in found:
                assert found[name] == whole[name], name
    for _ in range(100):  # the shell has ended; what it started may take a moment more to die
        remove_orphans(night.folder / "results")
        if not list(night.folder.rglob(".*.tmp")):
            break
        time.sleep(0.1)
    assert not list(night.folder.rglob(".*.tmp"))


def shell_command(runner: Runner, rule: str) -> str:
    """The command of a rule's job, as Snakemake prints it."""
    text = runner.run("-n", "-p", "--forcerun", rule, "--notemp").text
    (line,) = {line.strip() for line in text.splitlines() if f"/scripts/{rule}.py" in line}
    return line.removeprefix("Shell command: ").replace("python ", f"{sys.executable} ", 1)


# ---- the disk ----


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")


@contextlib.contextmanager
def small_disk(folder: Path, options: str) -> Iterator[None]:
    """A small file system in memory at `folder`."""
    if os.geteuid() or not ctypes.util.find_library("c"):
        pytest.skip("needs root, to mount a small file system")
    folder.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_the_disk_fills_up_in_a_job(night, undisturbed):
    with small_disk(night.folder / "results", "size=100k"):
        text = night.run(status=1).text
        assert "No space left on device" in text
        assert "Traceback" not in text
        assert not list((night.folder / "results").rglob(".*.tmp"))
        for name, content in night.outputs().items():
            if name in undisturbed and name.startswith(("proj", "sub", "qc/a", "qc/b", "qc/c")):
                assert content == undisturbed[name], name
        mount("-o", "remount,size=50m", str(night.folder / "results"))
        night.run()
        assert night.outputs() == undisturbed


@pytest.mark.parametrize("room", ["size=40k", "size=60k", "nr_inodes=12", "nr_inodes=25"])
def test_the_disk_fills_up_in_the_bookkeeping(night, undisturbed, room):
    with small_disk(night.folder / ".snakemake", room):
        with started(night) as run:
            assert run.wait(240) != 0
            text = run.text()
        assert "No space left on device" in text
        bigger = room.split("=")[0] + ("=50m" if "size" in room else "=100k")
        mount("-o", f"remount,{bigger}", str(night.folder / ".snakemake"))
        with started(night) as run:
            code = run.wait(240)
            text = run.text()
        if code:  # a lock may have been left
            assert "--unlock" in text
            night.run("--unlock")
            night.run()
        assert night.outputs() == undisturbed
        # The edit of a parameter is seen all the same.
        night.config["subtract_background"]["tophat"]["radius"] = 4
        ran = night.run().samples
        assert ran["subtract_background"] == list(SAMPLES)


def test_the_results_are_read_only(night, undisturbed):
    results = night.folder / "results"
    with small_disk(results, "size=50m"):
        mount("-o", "remount,ro", str(results))
        text = night.run(status=1).text
        assert "results cannot be written (Read-only file system)" in text
        assert "Traceback" not in text
        mount("-o", "remount,rw", str(results))
        night.run()
        assert night.outputs() == undisturbed


# ---- the raw files ----


@pytest.mark.parametrize("what", ["grows", "is replaced", "is cut", "vanishes"])
@pytest.mark.parametrize("rule", ["load_stack", "project_stack"])
@pytest.mark.parametrize("kind", ["in place", "encoded"])
def test_a_raw_file_while_it_is_read(night, undisturbed, what, kind, rule):
    path = night.folder / f"raw/{'a' if kind == 'in place' else 'b'}.tif"
    good = path.read_bytes()
    before = path.stat()
    script = f"/scripts/{rule}.py"
    with started(night, cores=1) as run:
        pid = wait_for(lambda: [p for p in jobs_of(run, script) if named(p, path.name)])[0]
        os.kill(pid, signal.SIGSTOP)
        if what == "grows":
            path.write_bytes(good + bytes(1000))
        elif what == "is replaced":
            write_stack(path, 77, (3, 64, 64))
        elif what == "is cut":
            os.truncate(path, len(good) // 3)
        else:
            path.unlink()
        os.kill(pid, signal.SIGCONT)
        code = run.wait(240)
        text = run.text()
    if code:
        assert "Traceback" not in text
        assert f"  {path.stem}, " in text
        assert path.name in text
    path.write_bytes(good)
    if code:
        # Put back with the time it had: results of other content would look up to date.
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    night.run()
    assert night.outputs() == undisturbed


def named(pid: int, name: str) -> bool:
    stem = name.removesuffix(".tif")
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        return f"/{name}" in command or f"stacks/{stem}.stack" in command
    return False
