"""What can be said of the profiles with no scheduler: dry runs, and a stand-in for PBS."""

import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from clearfield.jobs.joblog import MEND_AND_REPEAT, OUT_OF_MEMORY, UNFINISHED
from clearfield.workflow.failures import is_final
from cluster_run import EXAMPLE, PROFILES, ClusterRun

CLUSTERS = ("slurm", "slurm-grouped", "sge", "generic")
STEPS = {
    "load_stack", "keep_stack", "project_stack", "subtract_background", "save_background",
    "plot_qc",
}  # fmt: skip


def needs(plugin: str) -> None:
    if importlib.util.find_spec(f"snakemake_executor_plugin_{plugin}") is None:
        pytest.skip(f"needs the package snakemake-executor-plugin-{plugin.replace('_', '-')}")


def read(profile: str) -> dict:
    return yaml.safe_load((PROFILES / profile / "config.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("profile", CLUSTERS)
def test_all_steps_of_a_sample_are_one_submission(profile):
    found = read(profile)
    assert found["groups"] == dict.fromkeys(STEPS, "sample")
    assert found["group-components"] == {"sample": 20 if profile == "slurm-grouped" else 1}
    assert found["retries"] >= 1 and found["keep-going"] and found["rerun-incomplete"]


@pytest.mark.parametrize("profile", ["workstation", *CLUSTERS])
def test_each_entry_says_why(profile):
    lines = (PROFILES / profile / "config.yaml").read_text(encoding="utf-8").splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        if re.match(r"[a-z-]+:", line) and not line.startswith(
            ("resources:", "default-resources:")
        ):
            explained = "#" in line or "#" in before or line.startswith(("executor", "printshell"))
            assert explained or before.startswith("# "), line


def test_settings_that_clusters_share_are_the_same():
    settings = [read(profile) for profile in CLUSTERS]
    shared = {"groups", "retries", "latency-wait", "keep-going", "rerun-incomplete", "scheduler"}
    assert all({k: s[k] for k in shared} == {k: settings[0][k] for k in shared} for s in settings)


@pytest.mark.parametrize("profile", CLUSTERS)
def test_a_dry_run_goes_through(profile, tmp_path):
    needs("slurm" if profile == "slurm" else "cluster_generic")
    run = ClusterRun(tmp_path / "run")
    text = run.run("-n", profile=profile)
    assert "plot_qc" in text


# Answers as PBS Pro's commands do, and runs the job at once.
QSUB = """\
#!/bin/sh
for script; do :; done
number=$(($(cat "$PBS_STAND_IN/last" 2>/dev/null || echo 0) + 1))
echo $number > "$PBS_STAND_IN/last"
echo "$@" >> "$PBS_STAND_IN/calls"
(sh "$script" > "$PBS_STAND_IN/$number.log" 2>&1; echo $? > "$PBS_STAND_IN/$number") &
echo $number.server
"""
QSTAT = """\
#!/bin/sh
for job; do :; done
[ -e "$PBS_STAND_IN/${job%.server}" ] || { echo "    job_state = R"; exit; }
echo "    job_state = F"
echo "    Exit_status = $(cat "$PBS_STAND_IN/${job%.server}")"
"""


def with_stand_in(folder: Path, qsub: str = QSUB) -> tuple[ClusterRun, Path]:
    """Give a run whose scheduler is a folder of stand-ins, which is the second value."""
    needs("cluster_generic")
    stand_in = folder / "bin"
    stand_in.mkdir()
    for name, text in (("qsub", qsub), ("qstat", QSTAT)):
        (stand_in / name).write_text(text)
        (stand_in / name).chmod(0o755)
    run = ClusterRun(folder / "run")
    run.environment |= {"PBS_STAND_IN": str(stand_in)}
    run.environment["PATH"] = f"{stand_in}:{run.environment['PATH']}"
    return run, stand_in


@pytest.mark.second_tier
def test_the_template_submits_and_asks(tmp_path, reference):
    run, stand_in = with_stand_in(tmp_path)
    run.run("--seconds-between-status-checks", "1", profile="generic")
    assert run.outputs() == reference
    calls = (stand_in / "calls").read_text().splitlines()
    assert len(calls) == 3
    assert all(re.search(r"select=1:ncpus=\d+:mem=\d+mb -l walltime=\d+ ", call) for call in calls)


def minutes(call: str) -> float:
    return int(re.search(r"walltime=(\d+)", call)[1]) / 60


@pytest.mark.second_tier
def test_what_the_user_has_to_mend_is_not_tried_again(tmp_path):
    run, stand_in = with_stand_in(tmp_path)
    raw = tmp_path / "raw"
    raw.mkdir()
    whole = (EXAMPLE / "nuclei_low_haze.tif").read_bytes()
    (raw / "good.tif").write_bytes(whole)
    (raw / "cut.tif").write_bytes(whole[: len(whole) // 3])
    run.config = {"samples": str(raw / "*.tif")}
    text = run.run("--seconds-between-status-checks", "1", profile="generic", status=1)
    assert "1 of 2 samples failed" in text and "cut, load_stack" in text
    calls = (stand_in / "calls").read_text().splitlines()
    assert len(calls) == 2  # one for each: `retries: 2` would have made it four
    assert [minutes(call) for call in calls] == [8, 8]  # four jobs of two minutes


@pytest.mark.second_tier
def test_a_try_asks_for_no_more_time_than_the_partition_gives(tmp_path):
    # The first submission ends as one that ran out of time, before it did anything.
    killed = '\n[ $number = 1 ] && echo "exit 143" > "$script"\necho "$@"'
    run, stand_in = with_stand_in(tmp_path, QSUB.replace('\necho "$@"', killed))
    run.config = {"samples": str(EXAMPLE / "nuclei_low_haze.tif")}
    options = ["--seconds-between-status-checks", "1"]
    run.run(*options, "--resources", "mem_mb=64000", "runtime=10", profile="generic")
    calls = (stand_in / "calls").read_text().splitlines()
    assert [minutes(call) for call in calls] == [8, 10]  # twice 8 would be 16


@pytest.mark.parametrize("profile", CLUSTERS)
def test_each_profile_names_the_longest_time_at_its_top(profile):
    top = (PROFILES / profile / "config.yaml").read_text().partition("# --- From here on")[0]
    assert yaml.safe_load(top)["resources"]["runtime"] == 60


@pytest.mark.parametrize(
    ("log", "final"),
    [
        ("error: a.tif is cut short; copy the file again\n", True),
        ("error: a.tif has no Z axis\n", True),
        (UNFINISHED, False),
        (UNFINISHED + "error: a.tif is cut short; copy the file again\n", True),
        ("error: interrupted; run the same command again\n", False),
        (f"error: {OUT_OF_MEMORY}; give it more with --set-resources load_stack:mem_mb=N\n", False),
        (f"error: Stale file handle: results/a; {MEND_AND_REPEAT} and run the same again\n", False),
        ("Traceback (most recent call last):\nValueError: x\n", False),
        ("a: TCZYX 1 x 1 x 3 x 4 x 4 of uint16, used in place\n", False),
        ("", False),
    ],
)
def test_only_what_may_end_otherwise_is_tried_again(log, final, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("results/logs/load_stack/a.log")
    path.parent.mkdir(parents=True)
    path.write_text(log)
    assert is_final(str(path)) == final
    # A log of an earlier run says nothing of this one.
    Path("results/config.yaml").touch()
    os.utime(path, (0, 0))
    assert not is_final(str(path))
    assert not is_final("results/logs/load_stack/b.log")


REFUSE = """\
#!/bin/sh
echo "$@" >> "$CALLS"
echo "the partition does not exist" >&2
exit 1
"""


@pytest.mark.second_tier
@pytest.mark.parametrize("together", [1, 7, 40])
def test_a_submission_fits_a_node_and_its_refusal_is_told(together, tmp_path):
    needs("slurm")
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(40):
        (raw / f"s{number}.tif").symlink_to(EXAMPLE / "nuclei_low_haze.tif")
    (tmp_path / "sbatch").write_text(REFUSE)
    (tmp_path / "sbatch").chmod(0o755)
    run = ClusterRun(tmp_path / "run")
    run.config = {"samples": str(raw / "*.tif")}
    run.environment |= {"CALLS": str(tmp_path / "calls")}
    run.environment["PATH"] = f"{tmp_path}:{run.environment['PATH']}"
    text = run.run(
        "--cores", "4", "--resources", "mem_mb=1500", "--retries", "0",
        "--group-components", f"sample={together}", profile="slurm", status=1,
    )  # fmt: skip
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == -(-40 // together)
    for call in calls:
        cores = int(re.search(r"--cpus-per-task=(\d+)", call)[1])
        memory = int(re.search(r"--mem (\d+)", call)[1])
        assert cores <= 4
        assert memory <= 1500
        assert (together == 1) == (cores == 1)
    last = text[text.rindex("40 of 40 samples failed") :]
    assert "nothing was submitted" in last
    assert "the partition does not exist" in last
    assert "killed" not in last


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("    job_state = Q", "running"),
        ("    job_state = F\n    Exit_status = 0", "success"),
        ("    job_state = F\n    Exit_status = 271", "failed"),
        ("qstat: Unknown Job Id 7.server", "failed"),
        ("qstat: cannot connect to server", "running"),
    ],
)
def test_the_template_reads_pbs(answer, state, tmp_path):
    (tmp_path / "qstat").write_text(f"#!/bin/sh\necho {json.dumps(answer)}\n".replace("\\n", "\n"))
    (tmp_path / "qstat").chmod(0o755)
    done = subprocess.run(
        [PROFILES / "generic/status.sh", "7.server"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == state


@pytest.mark.parametrize(
    ("states", "record", "state"),
    [
        ("7 0.5 name me r", "", "running"),
        ("7 0.5 name me qw", "", "running"),
        ("7 0.5 name me Eqw", "", "failed"),
        ("17 0.5 name me r", "failed 0\nexit_status 0", "success"),
        ("", "failed 0\nexit_status 1", "failed"),
        ("", "failed 100 : assumedly after job\nexit_status 137", "failed"),
        ("", "failed 37\nexit_status 1\nfailed 0\nexit_status 0", "success"),
        ("", "", "running"),
        # The record of a run that its node's death ended says nothing of the next one.
        ("", "failed 19 : before writing exit_status\nexit_status 0", "running"),
        ("", "failed 19\nexit_status 0\nfailed 0\nexit_status 0", "success"),
        ("", "failed 0\nexit_status 0\nfailed 19\nexit_status 0", "success"),
        ("", "failed 25 : rescheduling\nexit_status 137", "running"),
    ],
)
def test_the_status_of_a_grid_engine_job(states, record, state, tmp_path):
    assert grid_engine_status(states, record, tmp_path) == state


def test_a_grid_engine_job_without_a_record_is_given_up(tmp_path):
    lost = "failed 19\nexit_status 0"
    missing = tmp_path / ".snakemake/sge_logs/no_record.7"
    for record in ("", lost):
        assert grid_engine_status("", record, tmp_path) == "running"
        os.utime(missing, (0, 0))
        assert grid_engine_status("", record, tmp_path) == "failed"
        # One that came back into the queue is waited for anew.
        assert grid_engine_status("7 0.5 name me Rr", record, tmp_path) == "running"


def grid_engine_status(states: str, record: str, tmp_path: Path) -> str:
    (tmp_path / ".snakemake/sge_logs").mkdir(parents=True, exist_ok=True)
    for name, text in (("qstat", states), ("qacct", record), ("qdel", "")):
        (tmp_path / name).write_text(f"#!/bin/sh\ncat <<'E'\n{text}\nE\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [PROFILES / "sge/status.sh", "7"], cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("queue", "database", "state"),
    [
        ("PENDING", "", "running"),
        ("RUNNING", "", "running"),
        ("COMPLETED", "", "success"),
        ("OUT_OF_MEMORY", "", "failed"),
        ("slurm_load_jobs error: Unable to contact slurm controller", "", "running"),
        ("slurm_load_jobs error: Invalid job id specified", "COMPLETED", "success"),
        ("slurm_load_jobs error: Invalid job id specified", "CANCELLED by 7", "failed"),
        ("slurm_load_jobs error: Invalid job id specified", "", "failed"),
    ],
)
def test_the_status_of_a_slurm_job(queue, database, state, tmp_path):
    for name, text in (("squeue", queue), ("sacct", database)):
        (tmp_path / name).write_text(f"#!/bin/sh\nprintf '%s' '{text}'\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        [PROFILES / "slurm-grouped/status.sh", "7"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == state


def test_scripts_of_profiles_may_be_run():
    assert all(file.stat().st_mode & 0o111 for file in Path(PROFILES).glob("*/*.sh"))
