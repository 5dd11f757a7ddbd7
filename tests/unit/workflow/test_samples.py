"""Samples from a glob and from a sheet."""

import re
from pathlib import Path

import pytest
import yaml
from clearfield.errors import ClearfieldError
from clearfield.workflow.samples import find_samples

SCHEMAS = Path(__file__).parents[3] / "workflow/schemas"
SAMPLE = yaml.safe_load((SCHEMAS / "samples.schema.yaml").read_text("utf-8"))
CONFIG = yaml.safe_load((SCHEMAS / "config.schema.yaml").read_text("utf-8"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"x")


def find(source):
    return find_samples(source, SAMPLE, CONFIG)


def test_a_glob_names_samples_after_their_files(folder):
    touch("n/cell 7.ome.tif", "n/MAX_1.0 Hours.tif", "n/Zelle_ä.TIF")
    assert list(find("n/*.[tT][iI][fF]")) == ["MAX_1.0 Hours", "Zelle_ä", "cell 7"]


def test_folders_that_vary_are_part_of_the_name(folder):
    touch("d/plate1/well1/stack.tif", "d/plate1/well2/stack.tif", "d/a.tif")
    names = ["plate1__well1__stack", "plate1__well2__stack"]
    assert list(find("d/plate*/well*/stack.tif")) == names
    assert list(find("d/**/*.tif")) == ["a", *names]


def test_what_a_glob_finds_beside_images_is_left_out_and_named(folder):
    touch("raw/a.tif", "raw/b.CZI", "raw/notes.txt", "raw/Thumbs.db", "raw/image.xml")
    touch("raw/logs/today.log", "raw/planes/z0.tif", "raw/plate/TimePoint_1/ZStep_1/a.TIF")
    touch("raw/plate/plate.HTD")
    Path("raw/empty").mkdir()
    Path("raw/README").write_text("wie es war: ä" * 500, "utf-8")  # text, whatever its name
    left_out = []
    samples = find_samples("raw/*", SAMPLE, CONFIG, left_out)
    assert list(samples) == ["a", "b", "planes", "plate"]
    assert sorted(left_out) == [
        "raw/README", "raw/Thumbs.db", "raw/empty", "raw/image.xml", "raw/logs", "raw/notes.txt",
    ]  # fmt: skip
    assert samples["plate"].files == (
        "raw/plate/plate.HTD",
        "raw/plate/TimePoint_1/ZStep_1/a.TIF",  # whose change has it run again
    )


@pytest.mark.parametrize("name", ["a.vsi", "a.oir", "A.VSI", "a.ics", "a.png", "a.zip", "a.xyz"])
def test_images_that_are_not_read_stay_samples(folder, name):
    """Their owner means them: each becomes an error of its own."""
    touch("raw/b.tif")
    Path("raw", name).write_bytes(b"\xff\xfe\0 pixels")
    left_out = []
    assert len(find_samples("raw/*", SAMPLE, CONFIG, left_out)) == 2
    assert left_out == []


def test_what_is_named_is_meant(folder):
    touch("raw/notes.txt")
    Path("s.tsv").write_text("sample\tpath\none\traw/notes.txt\n")
    for source in ("s.tsv", "raw/notes.txt"):
        left_out = []
        (sample,) = find_samples(source, SAMPLE, CONFIG, left_out).values()
        assert (sample.path, left_out) == ("raw/notes.txt", [])


def test_a_glob_that_finds_no_image(folder):
    touch("raw/notes.txt", "raw/b.log")
    with pytest.raises(
        ClearfieldError, match=r"2 that the glob found .*raw/b\.log, raw/notes\.txt"
    ):
        find("raw/*")


def test_a_letter_that_the_end_of_the_sample_cuts_is_text(folder):
    touch("raw/a.tif")
    for number, start in enumerate(("", "x")):
        Path(f"raw/text{number}").write_text(start + "ä" * 4000, "utf-8")
    assert list(find("raw/*")) == ["a"]


def test_a_folder_of_planes_is_a_sample_with_its_files(folder):
    touch("f/one/z0.tif", "f/one/z1.tif")
    sample = find("f/*")["one"]
    assert (sample.path, sample.files) == ("f/one", ("f/one/z0.tif", "f/one/z1.tif"))


def test_an_oif_has_the_files_of_its_folder(folder):
    touch("f/[1].oif", "f/[1].oif.files/z1.tif", "f/[1].oif.files/z0.tif")
    sample = find("f/*.oif")["[1]"]
    planes = ("f/[1].oif.files/z0.tif", "f/[1].oif.files/z1.tif")
    assert (sample.path, sample.files) == ("f/[1].oif", ("f/[1].oif", *planes))


@pytest.mark.parametrize(("cell", "value"), [("Pos2", "Pos2"), ("2", 2), ("2.0", 2)])
def test_a_sheet_takes_a_series_by_name_or_number(folder, cell, value):
    touch("a.tif")
    Path("s.tsv").write_text(f"sample\tpath\tload_stack.series\none\ta.tif\t{cell}\n")
    assert find("s.tsv")["one"].cells == (("load_stack.series", value),)


@pytest.mark.parametrize(("name", "separator"), [("s.tsv", "\t"), ("s.csv", ","), ("s.csv", ";")])
def test_a_sheet_gives_names_and_overrides(folder, name, separator):
    touch("a.tif", "b.tif")
    rows = [
        ["sample", "path", "subtract_background.tophat.radius", "shape"],
        ["one", "a.tif", "7", "1x2"],
        ["two", "b.tif", "", ""],
    ]
    text = "\ufeff" + "\r\n".join(separator.join(row) for row in rows)
    Path(name).write_text(text, encoding="utf-8")
    samples = find(name)
    assert samples["one"].cells == (("subtract_background.tophat.radius", 7),)
    assert samples["two"].cells == ()


def test_one_error_lists_all_that_is_wrong(folder):
    touch("a.tif")
    Path("s.tsv").write_text(
        "sample\tpath\tload_stack.series\n"
        "one\ta.tif\t1.5\n"
        "one\ta.tif\t0\n"
        "../out\ta.tif\t\n"
        "{x}\ta.tif\t\n"
        "gone\tb.tif\t\n"
        "\ta.tif\t\n"
    )
    with pytest.raises(ClearfieldError) as error:
        find("s.tsv")
    lines = str(error.value).splitlines()
    wanted = ["row 7 lacks a sample", "'x'", "the name 'one'", "'../out'", "'{x}'", "b.tif"]
    wanted[1] = "a whole number"
    assert len(lines) == len(wanted)
    for word in wanted:
        assert any(word in line for line in lines), word


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("sample\tfile", "path is missing"),
        ("sample\tpath\tload_stack.serie", "did you mean load_stack.series?"),
        ("sample\tpath\tpath", "stands twice"),
        ("sample\tpath\tsamples", "whole run"),
    ],
)
def test_a_wrong_header_is_named(folder, header, words):
    touch("a.tif")
    Path("s.tsv").write_text(header + "\none\ta.tif\t\n")
    with pytest.raises(ClearfieldError, match=r"s\.tsv") as error:
        find("s.tsv")
    assert words in str(error.value)


def test_an_empty_glob_and_a_bare_folder_say_what_to_do(folder):
    touch("d/a.tif")
    with pytest.raises(ClearfieldError, match=r"no file matches x/\*"):
        find("x/*")
    with pytest.raises(ClearfieldError, match=r"write d/\* for the stacks in it, or d/\*\*/\*"):
        find("d")


@pytest.mark.parametrize("names", [("s.czi", "s.lif"), ("s.tif", "s.tiff"), ("s.tif", "s.ome.tif")])
def test_files_that_differ_in_their_suffix_keep_it(folder, names):
    touch(*(f"a/{name}" for name in (*names, "t.tif")))
    assert list(find("a/*")) == [*sorted(names), "t"]


def test_two_files_of_one_name_are_both_named(folder):
    touch("d/a__b.tif", "d/a/b.tif")
    with pytest.raises(ClearfieldError, match=r"d/a/b\.tif and d/a__b\.tif"):
        find("d/**/*.tif")


def test_a_glob_that_finds_folders_and_their_files(folder):
    """Folders of slices are stacks, of others the files are."""
    touch("raw/a.czi", "raw/day 1/a.lif", "raw/day 1/notes.txt", "raw/day 1/b.tif")
    touch("raw/day 1/c.tif", "raw/day 2/z_t1.tif", "raw/day 2/z_t2.tif")
    touch("raw/cell/s_z0_c0.tif", "raw/cell/s_z1_c0.tif", "raw/cell/s_MIP.tif", "raw/cell/x.czi")
    touch("raw/plate/p.HTD", "raw/plate/TimePoint_1/ZStep_1/a.TIF")
    touch("raw/plate/TimePoint_1/ZStep_2/a.TIF", "raw/nd/Full resolution/NDTiff.index")
    touch("raw/nd/Full resolution/x_NDTiffStack.tif", "raw/nd/Full resolution/x_NDTiffStack_1.tif")
    touch(*(f"raw/e/{name}{n}/z{z}.tif" for name in "cs" for n in (1, 2) for z in (0, 1)))
    touch("raw/d.zarr/0/x.tif", "raw/plain/zarr.json", "raw/plain/0/zarr.json", "raw/plain/0/c/0")
    paths = {sample.path: sample.name for sample in find("raw/**/*").values()}
    assert paths == {
        "raw/a.czi": "a",
        "raw/cell": "cell",
        "raw/cell/x.czi": "cell__x",
        "raw/d.zarr": "d",
        "raw/day 1/a.lif": "day 1__a",
        "raw/day 1/b.tif": "day 1__b",
        "raw/day 1/c.tif": "day 1__c",
        "raw/day 2/z_t1.tif": "day 2__z_t1",
        "raw/day 2/z_t2.tif": "day 2__z_t2",
        "raw/e/c1": "e__c1",
        "raw/e/c2": "e__c2",
        "raw/e/s1": "e__s1",
        "raw/e/s2": "e__s2",
        "raw/nd": "nd",
        "raw/plain": "plain",
        "raw/plate": "plate",
    }
    assert {s.path for s in find("raw/*").values()} >= {"raw/day 1", "raw/cell", "raw/plate"}


def test_a_wide_glob_leaves_out_results_under_a_prefix(folder):
    touch("small/results/logs/load_stack/a.log", "small/results/subtracted/a.ome.tif")
    touch("small/results/stacks/a.ome.tif", "small/results/raw.tif", "d/results/stacks/c.tif")
    touch("d/a.tif", "logs/load_stack/a.log", "subtracted/a.tif")
    assert sorted(sample.path for sample in find("**/*.tif").values()) == [
        "d/a.tif", "d/results/stacks/c.tif", "small/results/raw.tif",
    ]  # fmt: skip
    for named in ("small/results/stacks/*.tif", "small/results/*/*.tif"):
        assert "small/results/stacks/a.ome.tif" in [s.path for s in find(named).values()]


def test_a_wide_glob_leaves_out_results_and_what_is_inside_of_stacks(folder):
    touch("d/a.tif", "d/b.oif", "d/b.oif.files/z1.tif", "d/c.zarr/0/x.tif", "results/qc/a.tif")
    assert list(find("**/*.tif")) == list(find(f"{folder}/**/*.tif")) == ["d__a"]
    assert list(find("d/*")) == ["a", "b", "c"]
    assert list(find("d/c.zarr/*/x.tif")) == ["0__x"]
    with pytest.raises(ClearfieldError, match=r"no file matches results/\*/\*\.tif outside of res"):
        find("results/*/*.tif")
    Path("s.tsv").write_text("sample\tpath\na\tresults/qc/a.tif\n")
    with pytest.raises(ClearfieldError, match=r"lies in results/, where this run writes; move it"):
        find("s.tsv")


def test_a_link_to_nothing_is_named(folder):
    Path("a.tif").symlink_to("gone.tif")
    with pytest.raises(ClearfieldError, match=r"is a link to gone\.tif, which is not there"):
        find("*.tif")


def test_a_file_that_may_not_be_read_is_left_to_its_job(folder, monkeypatch):
    touch("a.tif", "b.tif")
    monkeypatch.setattr("os.access", lambda path, mode: path != "b.tif")  # root may read all
    assert {name: sample.files for name, sample in find("*.tif").items()} == {
        "a": ("a.tif",), "b": ()
    }  # fmt: skip


def test_empty_columns_and_rows_of_a_spreadsheet_are_no_matter(folder):
    touch("a.tif")
    Path("s.csv").write_text("sample;path;plot_qc.steps;;\na;a.tif;;;\n;;;;\n")
    assert find("s.csv")["a"].cells == ()
    Path("s.csv").write_text("sample;;path;plot_qc.steps\na;;a.tif\n")
    with pytest.raises(ClearfieldError, match="column 2 has no name"):
        find("s.csv")


def test_brackets_may_be_part_of_a_name(folder):
    touch("d [1]/a [2].nd2")
    assert [sample.path for sample in find("d [1]/a [2].nd2").values()] == ["d [1]/a [2].nd2"]
    assert list(find("d [[]1]/*.nd2")) == ["d [1]__a [2]"]
    with pytest.raises(ClearfieldError, match=r'is written "\[\[\]"'):
        find("d [1]/*.nd2")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("radius", "write subtract_background.tophat.radius, or give the column another name"),
        ("Series", "write load_stack.series"),
        ("status", "has the name of a column of metrics.tsv"),
        ("samples", "holds for the whole run"),
        ("plot_qc", "is a table of keys; name one"),
    ],
)
def test_a_column_that_looks_like_a_key_is_not_taken_for_the_users_own(folder, column, said):
    """It would change nothing, and its user would not know."""
    touch("a.tif")
    Path("s.tsv").write_text(f"sample\tpath\t{column}\na\ta.tif\t7\n", encoding="utf-8")
    with pytest.raises(ClearfieldError, match=re.escape(said)):
        find("s.tsv")


def test_a_column_without_a_dot_is_the_users_own(folder):
    touch("a.tif")
    Path("s.tsv").write_text("sample\tcondition\tpath\tday\na\tKO 5'\ta.tif\n", encoding="utf-8")
    assert find("s.tsv")["a"].groups == (("condition", "KO 5'"), ("day", ""))
    assert find("s.tsv")["a"].cells == ()


@pytest.mark.parametrize("name", ["sheet.xlsx", "sheet.ODS", "sheet.txt", "sheet.tab"])
def test_a_sheet_of_another_suffix_is_named_as_such(folder, name):
    Path(name).write_text("sample\tpath\na\ta.tif\n")
    with pytest.raises(ClearfieldError, match=rf"{name} has not the suffix .* save it as \.tsv"):
        find(name)


@pytest.mark.parametrize("path", ["raw/<b>.tif", "<plate_1>/a.tif"])
def test_a_word_that_snakemake_would_fill_in_is_refused(folder, path):
    touch(path, "raw/1 < 2 > 0.tif")
    with pytest.raises(ClearfieldError, match=r"<(b|plate_1)>.* cannot be .*word in <>.*rename"):
        find("*/*.tif")
    Path("s.tsv").write_text(f"sample\tpath\na\t{path}\n")
    with pytest.raises(ClearfieldError, match=r"has <(b|plate_1)> in its path.*rename"):
        find("s.tsv")
    Path(path).unlink()
    assert list(find("raw/*.tif")) == ["1 < 2 > 0"]
    Path("s.tsv").write_text("sample\tpath\n<b>\traw/1 < 2 > 0.tif\n")
    with pytest.raises(ClearfieldError, match="'<b>' cannot be the name of a sample"):
        find("s.tsv")
