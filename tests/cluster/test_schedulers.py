"""The workflow on real schedulers: the same bytes as on a workstation, whatever befalls it."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from stand import wait_for

pytestmark = pytest.mark.second_tier
EXAMPLE = Path(__file__).parents[2] / "resources/example"
SAMPLES = {"nuclei_high_haze", "nuclei_low_haze", "timelapse_bleached_saturated"}
ONE = "nuclei_low_haze"


def of_sample(outputs: dict[str, bytes], sample: str) -> dict[str, bytes]:
    return {name: data for name, data in outputs.items() if Path(name).name.startswith(sample)}


def only_one(cluster, reference) -> dict[str, bytes]:
    """Let a run have one sample, and give what it has to make of it."""
    cluster.config = {"samples": str(EXAMPLE / f"{ONE}.tif")}
    return of_sample(reference, ONE)


def test_the_example_gives_the_same_bytes_in_one_submission_a_sample(cluster, reference):
    before = len(cluster.stand.finished())
    text = cluster.run()
    assert cluster.outputs() == reference
    assert cluster.submissions(text) == len(SAMPLES)
    # The scheduler's own accounting has seen as many.
    assert len(cluster.stand.finished()) - before == len(SAMPLES)
    # And the workstation has nothing left to do there.
    assert "Nothing to be done" in cluster.run("-n", profile="workstation")


def test_samples_in_one_submission_give_the_same_bytes(cluster, reference):
    text = cluster.run(*cluster.stand.a_node, "--group-components", "sample=20")
    assert cluster.submissions(text) == 1
    assert cluster.outputs() == reference


def test_a_broken_file_costs_its_group_and_then_only_itself(cluster, reference):
    folder = cluster.folder / "raw"
    folder.mkdir()
    good = sorted(SAMPLES)[:2]
    for name in good:
        shutil.copy(*EXAMPLE.glob(f"{name}.*"), folder)
    (folder / "broken.tif").write_bytes((EXAMPLE / f"{ONE}.tif").read_bytes()[:5000])
    cluster.config = {"samples": str(folder / "*.tif")}

    # Three samples in one submission, one of them broken: nothing is left of any.
    text = cluster.run("--group-components", "sample=3", "--retries", "0", status=1)
    assert cluster.submissions(text) == 1
    assert not [name for name in cluster.outputs() if name.endswith((".tif", ".png"))]
    last = text[text.rindex("3 of 3 samples failed") :]
    assert "in which broken failed" in last
    assert "killed" not in last

    # One in a submission: the others are whole, the broken one was not tried again.
    text = cluster.run(status=1)
    assert cluster.submissions(text) == len(good) + 1
    for name in good:
        assert cluster.outputs(name) == of_sample(reference, name)
    assert not cluster.outputs("broken")
    assert not cluster.unfinished()
    # Which sample, which rule, why, and where that stands.
    last = text[text.rindex("samples failed") :]
    assert "broken, load_stack: " in last
    assert "results/logs/load_stack/broken.log" in text


def test_a_job_over_its_memory_is_tried_again_with_more(cluster, reference):
    expected = only_one(cluster, reference)
    (cluster.faults / "ballast").write_text("600")
    resources = "project_stack:mem_mb=500*attempt"
    text = cluster.run("--set-resources", resources)
    assert cluster.submissions(text) == 2
    assert cluster.outputs(ONE) == expected
    assert not cluster.unfinished()


def test_no_try_asks_for_more_time_than_the_partition_gives(cluster):
    """It would wait for ever with PartitionTimeLimit, and the driver with it."""
    if cluster.stand.name == "sge":
        pytest.skip("the time that a partition gives is Slurm's")
    cluster.config = {"samples": str(EXAMPLE / f"{ONE}.tif")}
    (cluster.faults / "ballast").write_text("2000")
    # 40 and 80 minutes for the second step alone, and too little memory in both tries.
    resources = ("project_stack:mem_mb=500", "project_stack:runtime=40*attempt")
    driver = cluster.start(
        "--set-resources", *resources, "--default-resources", "slurm_partition=hour",
        "slurm_extra=''", "--retries", "1",
    )  # fmt: skip
    text = cluster.finish(driver, status=1)
    assert cluster.submissions(text) == 2
    assert "1 of 1 samples failed" in text
    assert not cluster.unfinished()


def test_a_cancelled_job_is_submitted_again(cluster, reference):
    expected = only_one(cluster, reference)
    (cluster.faults / "hold").touch()
    driver = cluster.start()
    job = cluster.hold(driver)
    assert cluster.unfinished()
    assert not cluster.outputs(ONE).keys() & expected.keys()  # nothing half-written
    cluster.stand.cancel(job)
    wait_for("the end of the job", lambda: job not in cluster.stand.running())
    (cluster.faults / "hold").unlink()
    text = cluster.finish(driver)
    assert cluster.submissions(text) == 2
    assert cluster.outputs(ONE) == expected
    assert not cluster.unfinished()


def test_a_lost_node_s_job_runs_again(cluster, reference):
    expected = only_one(cluster, reference)
    (cluster.faults / "hold").touch()
    driver = cluster.start()
    job = cluster.hold(driver)
    node = cluster.stand.running()[job]
    cluster.stand.fail_node(node)
    (cluster.faults / "hold").unlink()
    assert not cluster.outputs(ONE).keys() & expected.keys()
    if cluster.stand.nodes == 1:  # no other node to run on: it comes back
        cluster.stand.start_node(node)
    cluster.stand.await_requeue(job)
    text = cluster.finish(driver)
    if cluster.stand.nodes > 1:
        cluster.stand.start_node(node)
    # The scheduler itself ran it again, under the same number.
    assert cluster.submissions(text) == 1
    assert cluster.outputs(ONE) == expected
    assert not cluster.unfinished()


def test_a_killed_driver_is_started_again(cluster, reference):
    expected = only_one(cluster, reference)
    (cluster.faults / "hold").touch()
    driver = cluster.start()
    job = cluster.hold(driver)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait(10)
    assert job in cluster.stand.running()  # the job does not know
    assert "LockException" in cluster.run(status=1)
    cluster.run("--unlock")
    driver = cluster.start()
    # Wait until the second run has submitted or found the job, then let all jobs go on.
    log = cluster.folder / "run.log"
    wait_for(
        "the second run",
        lambda: len(cluster.held()) > 1 or "Resuming incomplete job" in log.read_text(),
        120,
    )
    (cluster.faults / "hold").unlink()
    cluster.finish(driver)
    assert cluster.outputs(ONE) == expected
    assert not cluster.unfinished()
