"""The embedded example, end to end, as a new user runs it."""

import json
import shlex
import subprocess
import sys

import numpy as np
import pytest
import skimage.morphology
import tifffile
from runner import ROOT, Runner, copy_clone

SAMPLES = sorted(
    path.name.removesuffix(".tif").removesuffix(".ome")
    for path in (ROOT / "resources/example").glob("*.tif")
)


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Runner:
    """A finished run on the example, from a folder that is not the clone."""
    runner = Runner(tmp_path_factory.mktemp("example") / "run")
    runner.config = {
        "load_stack": {"keep": True},
        "subtract_background": {"save_background": True},
    }
    runner.run()
    return runner


def test_every_output_of_the_contract_is_there(example):
    results = example.folder / "results"
    for sample in SAMPLES:
        for name in (
            f"stacks/{sample}.ome.tif",
            f"projections/{sample}.ome.tif",
            f"subtracted/{sample}.ome.tif",
            f"backgrounds/{sample}.ome.tif",
            f"qc/{sample}.png",
            f"qc/samples/{sample}.tsv",
        ):
            assert (results / name).stat().st_size > 0, name
        assert not (results / f"stacks/{sample}.stack").exists()
    header = (results / "qc/metrics.tsv").read_text("utf-8").splitlines()[0].split("\t")
    assert header[:6] == ["sample", "time", "channel", "channel_name", "status", "reason"]
    assert "radius: 25" in (results / "config.yaml").read_text("utf-8")


def test_nothing_is_left_to_do(example):
    assert "Nothing to be done" in example.run("-n").text


def test_no_temporary_file_is_left(example):
    assert [path for path in example.folder.rglob(".*.tmp")] == []


def read(path):
    """Pixels and axes, as tifffile reads them."""
    with tifffile.TiffFile(path) as file:
        return file.series[0].asarray(), file.series[0].axes


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_files_hold_what_the_arrays_say(example, sample):
    results = example.folder / "results"
    stack, axes = read(results / f"stacks/{sample}.ome.tif")
    (raw,) = (ROOT / "resources/example").glob(f"{sample}.*tif")
    pixels, raw_axes = read(raw)
    assert np.array_equal(stack, pixels.transpose([raw_axes.index(axis) for axis in axes]))
    depth = axes.index("Z")
    projection = tifffile.imread(results / f"projections/{sample}.ome.tif")
    assert np.array_equal(np.squeeze(projection), np.squeeze(stack.max(axis=depth)))
    subtracted = tifffile.imread(results / f"subtracted/{sample}.ome.tif")
    background = tifffile.imread(results / f"backgrounds/{sample}.ome.tif")
    assert np.array_equal(projection - background, subtracted)
    plane, result = (array.reshape(-1, *array.shape[-2:])[0] for array in (projection, subtracted))
    assert np.array_equal(
        result, skimage.morphology.white_tophat(plane, skimage.morphology.disk(25))
    )


@pytest.mark.parametrize("sample", SAMPLES)
def test_calibration_and_channel_names_reach_every_output(example, sample):
    with tifffile.TiffFile(example.folder / f"results/stacks/{sample}.ome.tif") as file:
        kept = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    for folder in ("projections", "subtracted", "backgrounds"):
        with tifffile.TiffFile(example.folder / f"results/{folder}/{sample}.ome.tif") as file:
            pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        for key in ("PhysicalSizeX", "PhysicalSizeY", "SizeC", "SizeT"):
            assert pixels[key] == kept[key]
        names = [channel.get("Name") for channel in np.atleast_1d(pixels["Channel"])]
        assert names == [channel.get("Name") for channel in np.atleast_1d(kept["Channel"])]
        assert pixels["SizeZ"] == 1
    assert kept["PhysicalSizeX"] > 0


def test_provenance_names_settings_and_versions_but_no_folder(example):
    sample = SAMPLES[0]
    with tifffile.TiffFile(example.folder / f"results/subtracted/{sample}.ome.tif") as file:
        text = file.ome_metadata
    assert str(ROOT) not in text
    assert str(example.folder) not in text
    for word in ("subtract_background", "radius", "clearfield", sample):
        assert word in text
    summary = json.loads((example.folder / f"results/subtracted/{sample}.json").read_text())
    assert summary["channels"][0]["radius"] == 25


def test_one_and_four_threads_and_another_folder_give_the_same_bytes(example, tmp_path):
    other = Runner(tmp_path / "other folder", copy_clone(tmp_path / "another clone"))
    other.config = example.config
    other.run(cores=1)
    ours, theirs = example.outputs(), other.outputs()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


@pytest.mark.skipif(sys.platform != "linux", reason="there is a fork server on Linux only")
def test_forked_jobs_import_nothing_and_give_the_same_bytes(example, tmp_path):
    def run(folder: str, temporary: str) -> tuple[bool, dict]:
        """Run; tell whether every figure's job imported NumPy itself."""
        (tmp_path / temporary).mkdir()
        runner = Runner(tmp_path / folder)
        runner.config = example.config
        # Python then writes each import to standard error, which is the log.
        spied = {"PYTHONPROFILEIMPORTTIME": "1", "TMPDIR": str(tmp_path / temporary)}
        runner.run(environment=spied)
        logs = (tmp_path / folder).glob("results/logs/plot_qc/*.log")
        return all(" numpy\n" in log.read_text() for log in logs), runner.outputs()

    imported, forked = run("forked", "t")
    assert not imported
    imported, alone = run("alone", "no socket has so long a path" * 5)
    assert imported
    assert forked == alone == example.outputs()


@pytest.mark.skipif(sys.platform != "linux", reason="there is a fork server on Linux only")
def test_a_submission_of_several_samples_has_a_server_on_its_node(example, tmp_path):
    """As an executor starts Snakemake there, without its hooks."""
    runner = Runner(tmp_path / "node")
    rules = ("load_stack", "project_stack", "subtract_background", "plot_qc")

    def imported(samples: list[str]) -> bool:
        jobs = [f"{rule}:sample={sample}" for sample in samples for rule in rules]
        runner.run(
            "--target-jobs", *jobs, "--allowed-rules", *rules, "--mode", "remote", "--no-hooks",
            "--nolock", "--force", environment={"PYTHONPROFILEIMPORTTIME": "1"},
        )  # fmt: skip
        logs = [runner.folder / f"results/logs/plot_qc/{sample}.log" for sample in samples]
        return all(" numpy\n" in log.read_text() for log in logs)

    assert not imported(SAMPLES)
    made = {name: text for name, text in runner.outputs().items() if ".stack" not in name}
    assert set(made) >= {f"qc/{sample}.png" for sample in SAMPLES}
    assert made.items() <= example.outputs().items()
    assert imported(SAMPLES[:1])  # one sample's jobs cost less than the server


def test_the_workflow_is_linted_and_formatted():
    def check(*command):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr

    snakefmt, ruff = (
        [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow"],
        [sys.executable, "-m", "ruff"],
    )
    check(*snakefmt)
    check(*ruff, "check", ".")
    check(*ruff, "format", "--check", ".")
    check(sys.executable, "-m", "snakemake", "--lint")


def test_each_target_is_described_where_snakemake_lists_them(tmp_path):
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    for line in ("list_inputs", "explore_parameters", "all"):
        found = next(text for text in done.stdout.splitlines() if text.split()[:1] == [line])
        assert len(found.split()) > 3, found


@pytest.mark.parametrize(("version", "said"), [((3, 9, 2), True), ((3, 11, 0), False)])
def test_the_first_command_names_the_python_that_is_needed_before_anything_else(version, said):
    command = (ROOT / "README.md").read_text("utf-8").partition("```sh\n")[2].partition("\n```")[0]
    python, c, code, then, *_ = shlex.split(command)
    assert (python, c, then) == ("python3", "-c", "&&")
    code = code.replace("sys.version_info", repr(version))
    done = subprocess.run([sys.executable, c, code], capture_output=True, text=True, check=False)
    assert (done.returncode, "3.11 or newer is needed" in done.stderr) == (int(said), said)
