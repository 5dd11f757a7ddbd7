"""Light corrected in real runs: what is made, what runs again, what goes wrong."""

import json
import shutil

import numpy as np
import pytest
import tifffile
from clearfield.results.ometiff import read_ome_tiff
from runner import Runner

SLOPE = np.linspace(0.6, 1.4, 48)
FIRST, GROUP, REST = ("load_stack", "project_stack"), "estimate_flatfield", (
    "correct_light", "subtract_background", "plot_qc",
)  # fmt: skip
SUMMARY = {"summarize_qc": 1, "report_run": 1}


def write_stack(path, seed, gain=SLOPE, shape=(3, 40, 48)):
    """A stack of an even ground and some squares in uneven light; the camera adds 100."""
    random = np.random.RandomState(seed)
    truth = np.full(shape[1:], 400.0)
    for y, x in random.randint(4, 30, (3, 2)):
        truth[y : y + 5, x : x + 5] += 600
    stack = random.poisson(truth * gain, shape) + 100
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, stack.astype("u2"), photometric="minisblack", metadata={"axes": "ZYX"})


def write_sheet(runner, plates):
    rows = ["sample\tpath\tplate", *(f"{n}\traw/{n}.tif\t{p}" for n, p in plates.items())]
    (runner.folder / "samples.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two plates: the light of one has a slope, the other has too few images."""
    runner = Runner(tmp_path_factory.mktemp("light") / "run")
    plates = {f"s{n}": "one" for n in range(4)} | {"t": "two"}
    for number, name in enumerate(plates):
        write_stack(runner.folder / f"raw/{name}.tif", number)
    write_sheet(runner, plates)
    runner.config = {
        "samples": "samples.tsv",
        "subtract_background": {"tophat": {"radius": 4}},
        "correct_light": {"offset": 100, "flatfield": "estimate", "group": "plate"},
    }
    runner.plates = plates
    runner.run()
    return runner


@pytest.fixture
def again(finished, tmp_path):
    copied = finished.copy(tmp_path / "run")
    copied.plates = dict(finished.plates)
    return copied


def facts(runner, group):
    path = runner.folder / f"results/light/groups/{group}.json"
    return json.loads(path.read_text("utf-8"))["channels"][0]


def plane(runner, path):
    return np.asarray(read_ome_tiff(runner.folder / "results" / path).plane(0, 0))


def test_each_group_has_its_profile_its_figure_and_its_place_on_the_page(finished):
    light = finished.folder / "results/light"
    names = {path.name for path in light.iterdir() if path.is_file()}
    assert names == {"one_channel-0.ome.tif", "two_channel-0.ome.tif", "one.png", "two.png"}
    assert abs(plane(finished, "light/one_channel-0.ome.tif").mean(0) / SLOPE - 1).max() < 0.05
    assert facts(finished, "one")["applied"]
    assert "need 4" in facts(finished, "two")["reason"]
    page = (finished.folder / "results/report/index.html").read_text("utf-8")
    assert 'href="../light/one.png"' in page
    assert "two halves of them need 4" in page


def test_planes_are_corrected_in_float_and_without_a_profile_only_of_the_offset(finished):
    projected, corrected = (
        plane(finished, f"{f}/s0.ome.tif") for f in ("projections", "corrected")
    )
    gain = plane(finished, "light/one_channel-0.ome.tif")
    assert corrected.dtype == "f4"
    assert np.allclose(corrected, (projected.astype(float) - 100) / gain, rtol=1e-5)
    assert np.array_equal(
        plane(finished, "corrected/t.ome.tif"),
        plane(finished, "projections/t.ome.tif") - np.float32(100),
    )
    subtracted = tifffile.imread(finished.folder / "results/subtracted/s0.ome.tif")
    assert subtracted.dtype == "f4"


@pytest.mark.second_tier
def test_another_number_of_cores_gives_the_same_bytes(again, finished):
    shutil.rmtree(again.folder / "results")
    again.run(cores=1)
    made, known = again.outputs(), finished.outputs()
    assert {name for name in known if made.get(name) != known[name]} <= {"config.yaml"}


def test_nothing_runs_again_without_an_edit_and_an_edit_of_the_offset_runs_the_light(again):
    assert again.run().jobs == {}
    again.config["correct_light"]["offset"] = 101
    assert again.run("-n").jobs == {GROUP: 2} | dict.fromkeys(REST, 5) | SUMMARY


def test_a_sample_added_to_a_group_runs_this_group_again_and_no_other(again):
    write_stack(again.folder / "raw/new.tif", 50)
    write_sheet(again, again.plates | {"new": "one"})
    assert again.run("-n").jobs == (
        dict.fromkeys(FIRST, 1)
        | {GROUP: 1, "correct_light": 5, "subtract_background": 5, "plot_qc": 5}
        | SUMMARY
    )


@pytest.mark.second_tier
def test_light_is_off_by_default_and_turning_it_off_gives_what_a_plain_run_gives(again, tmp_path):
    del again.config["correct_light"]
    done = again.run()
    assert done.jobs == {"subtract_background": 5, "plot_qc": 5} | SUMMARY
    plain = Runner(tmp_path / "plain" / again.folder.name)  # the page has the name of the folder
    shutil.copytree(again.folder / "raw", plain.folder / "raw")
    write_sheet(plain, again.plates)
    plain.config = again.config
    plain.run()
    made = again.outputs()
    assert {name for name, data in plain.outputs().items() if made[name] != data} == set()


@pytest.mark.second_tier
def test_a_profile_of_an_earlier_run_is_used_again(again):
    shutil.copy(again.folder / "results/light/one_channel-0.ome.tif", again.folder / "flat.ome.tif")
    before = plane(again, "corrected/s0.ome.tif")
    again.config["correct_light"] = {"offset": 100, "flatfield": "flat.ome.tif"}
    assert again.run().jobs == dict.fromkeys(REST, 5) | SUMMARY
    assert np.allclose(plane(again, "corrected/s0.ome.tif"), before, rtol=1e-6)
    shutil.copy(again.folder / "results/light/two_channel-0.ome.tif", again.folder / "flat.ome.tif")
    assert again.run("-n").jobs == dict.fromkeys(REST, 5) | SUMMARY


@pytest.mark.second_tier
def test_dark_frames_alone_are_taken_off(again):
    dark = np.random.RandomState(9).poisson(100, (5, 40, 48)).astype("u2")
    tifffile.imwrite(again.folder / "dark frames.tif", dark, photometric="minisblack")
    again.config["correct_light"] = {"offset": "dark frames.tif"}
    again.run()
    exact = plane(again, "projections/s0.ome.tif") - dark.mean(0)
    assert np.allclose(plane(again, "corrected/s0.ome.tif"), exact, rtol=1e-6)
    page = (again.folder / "results/report/index.html").read_text("utf-8")
    assert "offset (the mean of dark frames) was subtracted." in page


@pytest.mark.second_tier
def test_light_of_single_planes_corrects_alike(again):
    again.config["correct_light"]["apply_to"] = "planes"
    jobs = again.run().jobs
    assert (
        jobs == {"load_stack": 5, "project_stack": 5, GROUP: 2} | dict.fromkeys(REST, 5) | SUMMARY
    )
    assert abs(plane(again, "light/one_channel-0.ome.tif").mean(0) / SLOPE - 1).max() < 0.05
    assert again.run().jobs == {}


@pytest.mark.second_tier
def test_a_sample_of_another_size_is_named_and_the_others_are_finished(again):
    write_stack(again.folder / "raw/t.tif", 3, gain=1, shape=(3, 30, 48))
    write_sheet(again, dict.fromkeys(again.plates, "one"))
    done = again.run("--keep-going", status=1)
    assert "t: correct_light.flatfield: one.ome.tif has 48 × 40 pixels, but the images have" in (
        done.text.replace("\n", " ")
    )
    failures = (again.folder / "results/qc/failures.tsv").read_text("utf-8").splitlines()
    assert [row.split("\t")[:2] for row in failures[1:]] == [["t", "correct_light"]]
    assert (again.folder / "results/qc/s0.png").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"flatfield": "flat.tif"}, "correct_light.flatfield is 'flat.tif', and there is no such"),
        ({"offset": "dark.tif"}, "correct_light.offset is 'dark.tif', and there is no such file"),
        ({"flatfield": "estimate", "group": "day"}, "'day', which is no column of your own"),
        ({"offset": -1}, "correct_light.offset is -1, but must be a number of at least 0"),
        ({"apply_to": "stack"}, "must be projection or planes"),
        ({"flatfeild": "estimate"}, "did you mean correct_light.flatfield?"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(again, settings, said):
    again.config["correct_light"] = settings
    assert said in again.run("-n", status=1).text


def test_an_empty_cell_of_the_group_is_said_before_anything_runs(again):
    write_sheet(again, again.plates | {"t": ""})
    assert "t has no plate, and correct_light.group asks for one" in again.run("-n", status=1).text
