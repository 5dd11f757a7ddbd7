"""`load_stack.series: all`, from what list_inputs wrote."""

import os
from pathlib import Path

import pytest
import yaml
from clearfield.errors import ClearfieldError
from clearfield.workflow.all_series import is_listing, list_command
from clearfield.workflow.run import Run

ROOT = Path(__file__).parents[3]
HEADER = "sample\tpath\tload_stack.series\tseries_name\n"


def load(name):
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("raw").mkdir()
    for name in ("a.lif", "b.czi"):
        Path("raw", name).write_bytes(b"x")
    return tmp_path


def write_list(rows, unread=()):
    Path("results").mkdir(exist_ok=True)
    for name, lines in (("inputs", rows), ("inputs_unread", unread)):
        text = HEADER + "".join("\t".join(map(str, row)) + "\n" for row in lines)
        Path(f"results/{name}.tsv").write_text(text, "utf-8")


def run(series="all", samples="raw/*"):
    config = load("config/config.yaml")
    config |= {"samples": samples, "load_stack": config["load_stack"] | {"series": series}}
    schemas = {f"{name}_schema": load(f"workflow/schemas/{file}.schema.yaml")
               for name, file in (("config", "config"), ("sample", "samples"))}  # fmt: skip
    return Run(config, **schemas, clone=str(ROOT))


def taken(found):
    return {
        name: (sample.path, dict(sample.cells).get("load_stack.series"))
        for name, sample in found.samples.items()
    }


A = [("a__left", "raw/a.lif", 0, "left"), ("a__right", "raw/a.lif", 2, "right")]
B = [("b", "raw/b.czi", 0, "")]


def test_each_series_is_a_sample(folder):
    write_list(A + B, [("a__1", "raw/a.lif", 1, "was cut short")])
    found = run()
    assert taken(found) == {
        "a__1": ("raw/a.lif", 1),
        "a__left": ("raw/a.lif", 0),
        "a__right": ("raw/a.lif", 2),
        "b": ("raw/b.czi", 0),
    }
    assert found.missing == ""
    assert found.names_and_paths == ["a", "raw/a.lif", "b", "raw/b.czi"]  # to list them again
    assert found.raw_files == ["raw/a.lif", "raw/b.czi"]
    assert found.settings("a__left")["load_stack"] == run(0).settings("a")["load_stack"]


def test_a_sheet_may_want_it_of_some_samples_and_more_than_once(folder):
    write_list(A)
    Path("s.tsv").write_text(
        "sample\tpath\tload_stack.series\tsubtract_background.tophat.radius\tcondition\n"
        "small\traw/a.lif\tall\t5\tx\nlarge\traw/a.lif\tall\t50\ty\nb\traw/b.czi\t\t\t\n"
    )
    found = run(0, "s.tsv")
    assert taken(found) == {
        "b": ("raw/b.czi", None),
        "large__left": ("raw/a.lif", 0), "large__right": ("raw/a.lif", 2),
        "small__left": ("raw/a.lif", 0), "small__right": ("raw/a.lif", 2),
    }  # fmt: skip
    assert found.config_of("small__right")["subtract_background"]["tophat"]["radius"] == 5
    assert found.samples["large__left"].groups == (("condition", "y"),)


def test_a_list_that_is_not_of_these_files_is_missed(folder):
    assert run().missing == "raw/a.lif"
    write_list(A)
    assert run().missing == "raw/b.czi"
    write_list([("other__left", "raw/a.lif", 0, ""), *B])
    assert run().missing == "raw/a.lif"
    write_list(A + B)
    later = Path("results/inputs.tsv").stat().st_mtime_ns + 10**9
    os.utime("raw/b.czi", ns=(later, later))
    assert run().missing == "raw/b.czi"
    assert run(0).missing == ""
    for text in ("", "no table", "sample\tpath\tload_stack.series\na\traw/a.lif\tx\n"):
        Path("results/inputs.tsv").write_text(text)
        assert run().missing == "raw/a.lif"


def test_a_copy_with_an_old_time_is_missed(folder):
    """The time of a copy is that of its source: a file may be replaced by an older one."""
    write_list(A + B)
    for name in ("inputs", "inputs_unread"):
        os.utime(f"results/{name}.tsv", ns=(1, 1))
    Path("raw/new").write_bytes(b"y")
    os.utime("raw/new", ns=(0, 0))
    Path("raw/new").replace("raw/b.czi")
    assert run().missing == "raw/b.czi"


def test_names_stay_apart_and_short(folder):
    Path("raw/a__left.tif").touch()
    write_list([*A, *B, ("a__left", "raw/a__left.tif", 0, "")])
    with pytest.raises(ClearfieldError, match="two samples have the name 'a__left'"):
        run()
    Path("raw/a__left.tif").unlink()
    write_list([("a__" + "x" * 120, "raw/a.lif", 0, ""), *B])
    with pytest.raises(ClearfieldError, match="cannot be the name of a sample"):
        run()


@pytest.mark.parametrize(
    ("targets", "expected"),
    [(["list_inputs"], True), (["small_list_inputs"], True), (["small/results/inputs.tsv"], True),
     ([], False), (["all"], False), (["list_inputs", "all"], False)],
)  # fmt: skip
def test_what_asks_for_the_list(targets, expected):
    assert is_listing(targets) is expected


def test_the_command_that_lists():
    words = ["x/__main__.py", "--cores", "2", "all", "--directory", "my data"]
    command = "snakemake list_inputs --force --cores 2 --directory 'my data'"
    assert list_command(words, ["all"]) == command
