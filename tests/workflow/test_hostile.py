"""Input that means harm, or looks like it: handled, or refused in one sentence; never executed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from clearfield.errors import ClearfieldError
from clearfield.workflow.run import Run
from runner import PROFILE, ROOT, Runner, write_stack

SCHEMAS = ROOT / "workflow/schemas"
DEFAULTS = (ROOT / "config/config.yaml").read_text(encoding="utf-8")

# Names that a shell, Snakemake, a path or a spreadsheet could take for something else.
NAMES = (
    "$(touch pwned)", "`touch pwned`", "; touch pwned;", "a' && touch pwned '", 'a"b', "-rf",
    "--config", "a b  c", "Zelle 7 ä ß", "細胞", "🔬", "a*b?[c]", "x & y | z", "<in >out", "#x",
    "!x", "~", "a%20b", "=1+1", "@SUM(A1)", "+cmd", "a,b;c", "name.with.dots", "null", "1e5",
    "$HOME", "\\n".replace("\\", "%"), "a=b", "((1))", "__", "a:b", "^x$",
)  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def resolve(**changed) -> Run:
    """Check a config as the Snakefile does, in this process."""
    config = yaml.safe_load(DEFAULTS)
    config.update(changed)
    schemas = {
        f"{kind}_schema": yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text("utf-8"))
        for kind, name in (("config", "config"), ("sample", "samples"))
    }
    return Run(config, clone=str(ROOT), **schemas)


def refused(match: str, **changed) -> str:
    """The one error of a config, in sentences."""
    with pytest.raises(ClearfieldError, match=match or None) as caught:
        resolve(**changed)
    return str(caught.value)


def sheet(text: str | bytes, name: str = "sheet.tsv") -> str:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return name


# ---- names that work ----


def files_outside(folder: Path) -> set[str]:
    """Every file of a run's folder that is neither input, nor result, nor Snakemake's."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file()
        and path.relative_to(folder).parts[0] not in ("results", ".snakemake", "raw [1] 'x'")
    }


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory) -> Runner:
    """A run of one stack under some of the names, in a folder whose name has braces."""
    runner = Runner(tmp_path_factory.mktemp("hostile") / "a {folder} $(touch pwned) 'x'")
    source = write_stack(runner.folder / "raw [1] 'x'/-b $(touch pwned).tif", 1, (2, 16, 16))
    rows = ["sample\tpath\tload_stack.channel_names"]
    rows += [
        f"{quoted(name)}\t{source.relative_to(runner.folder)}\t{quoted(name.replace(',', ''))}"
        for name in NAMES[::6]
    ]
    (runner.folder / "sheet.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    runner.config = {"samples": "sheet.tsv", "subtract_background": {"tophat": {"radius": 2}}}
    runner.run()
    return runner


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def test_hostile_names_of_samples_and_channels_work(hostile_run):
    for name in NAMES[::6]:
        assert (hostile_run.folder / f"results/subtracted/{name}.ome.tif").exists(), name
        assert (hostile_run.folder / f"results/qc/{name}.png").exists(), name
    assert "Nothing to be done" in hostile_run.run("-n").text


def test_nothing_is_written_outside_of_the_results(hostile_run):
    assert files_outside(hostile_run.folder) == {"sheet.tsv", "config.yaml"}
    assert not list(hostile_run.folder.parent.rglob("pwned"))
    assert not Path("pwned").exists()


@pytest.mark.second_tier
def test_every_hostile_name_works(tmp_path):
    runner = Runner(tmp_path / "run")
    for number, name in enumerate(NAMES):
        write_stack(runner.folder / f"raw/{name}.tif", number, (2, 16, 16))
    runner.config = {"samples": "raw/*.tif", "subtract_background": {"tophat": {"radius": 2}}}
    runner.run()
    for name in NAMES:
        assert (runner.folder / f"results/qc/{name}.png").exists(), name
    assert not list(tmp_path.rglob("pwned"))


# ---- names that are refused ----


@pytest.mark.parametrize(
    "name",
    [
        "../up", "..", ".", ".hidden", "/etc/passwd", "a/b", "a\\b", "{x}", "{input.raw}", "a\tb",
        "a\x7fb", "a\x1bb", "x" * 121, "細" * 90, "a\u0085b", "a\u2028b", "a\u202eb",
    ],
)  # fmt: skip
def test_names_that_cannot_be_names_of_files(here, name):
    write_stack(here / "a.tif", 1, (2, 16, 16))
    path = sheet(f"sample,path\n{quoted(name)},a.tif\n", "sheet.csv")
    text = refused("cannot be the name of a sample", samples=path)
    assert len(text.splitlines()) == 1


def test_braces_in_a_path_are_refused(here):
    """Snakemake would put a sample's name in the place of {sample}: another file."""
    write_stack(here / "{sample}/a.tif", 1, (2, 16, 16))
    refused("rename the folder", samples="{sample}/*.tif")
    refused("rename the folder", samples=sheet("sample\tpath\na\t{sample}/a.tif\n"))


def test_a_name_that_is_not_text_is_refused(here):
    write_stack(here / os.fsdecode(b"a\xff.tif"), 1, (2, 16, 16))
    refused("cannot be the name", samples="*.tif")


def test_all_that_is_wrong_is_said_at_once(here):
    write_stack(here / "a.tif", 1, (2, 16, 16))
    path = sheet("sample\tpath\n../a\ta.tif\n{x}\ta.tif\nb\tmissing.tif\na\ta.tif\na\ta.tif\n")
    text = refused("samples", samples=path)
    assert len(text.splitlines()) == 4
    for word in ("'../a'", "'{x}'", "missing.tif", "two samples"):
        assert word in text


# ---- sheets and configs ----


@pytest.mark.parametrize(
    "text",
    [
        b"sample\tpath\na\0b\ta.tif\n",
        b"sample\tpath\nb\ta\0.tif\n",
        b"\xff\xfe\x00s\x00a",
        b"sample\tpath\n" + b"b\t" + b"x" * 200_000 + b"\n",
        b'sample\tpath\n"open\ta.tif\n',
        b"sample\tpath\tload_stack.axes\nb\ta.tif\t!!python/object/apply:os.system [touch pwned]\n",
        b"sample\tpath\tload_stack.series\nb\ta.tif\t=cmd|' /C calc'!A0\n",
        b"sample\tpath\tload_stack.series\nb\ta.tif\t" + b"9" * 5000 + b"\n",
        b"sample\tpath\t__class__.__init__\nb\ta.tif\t1\n",
        b"sample\tpath\tload_stack.pixel_size_um\nb\ta.tif\tnan\n",
        b"sample\tpath\tsubtract_background.channels.\nb\ta.tif\t1\n",
        b"sample\tpath\tload_stack.select.{x}\nb\ta.tif\t1\n",
        b"sample\tpath\t\nb\ta.tif\t1\n",
        b"sample\tpath\n",
        b"",
        b"\n\n#\n",
    ],
    ids=range(16),
)  # fmt: skip
def test_sheets_are_refused_in_sentences(here, text):
    write_stack(here / "a.tif", 1, (2, 16, 16))
    message = refused("samples", samples=sheet(text))
    assert not Path("pwned").exists()
    assert len(message) < 1000


def test_a_folder_or_a_pipe_in_the_place_of_a_file(here):
    (here / "sheet.tsv").mkdir()
    refused("sheet.tsv", samples="sheet.tsv")
    os.mkfifo(here / "pipe.tif")
    refused("pipe.tif", samples="*.tif")
    (here / "loop.ome.tif").symlink_to("loop.ome.tif")
    refused("loop.ome.tif", samples="loop*.tif")


def bomb(levels: int = 12) -> object:
    """A table that is small as YAML and grows tenfold at each level."""
    table: object = "x"
    for _ in range(levels):
        table = dict.fromkeys("abcdefghij", table)
    return table


@pytest.mark.parametrize(
    "changed",
    [
        {"plot_qc": bomb()},
        {"subtract_background": bomb()},
        {"samples": "{x}"},
        {"samples": "\0"},
        {"samples": "x" * 5000},
        {"samples": ["a"]},
        {"{x}": 1},
        {"load_stack": {"channel_names": ["{x}"], "nonsense": "$(touch pwned)"}},
    ],
    ids=range(8),
)
def test_configs_are_refused_in_sentences(here, changed):
    assert len(refused("", **changed)) < 2000
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "samples: !!python/object/apply:os.system ['touch pwned']\n",
        "samples: !!python/object/new:os.system ['touch pwned']\n",
        "a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
        "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nsamples: *c\n",
        "samples: {\n",
    ],
    ids=["apply", "new", "bomb", "broken"],
)
@pytest.mark.second_tier
def test_yaml_tags_execute_nothing(runner, text):
    (runner.folder / "bad.yaml").write_text(text)
    done = subprocess.run(
        runner.command("--configfile", str(runner.folder / "bad.yaml")), capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert not list(runner.folder.rglob("pwned"))
    assert not Path("pwned").exists()
    assert not (runner.folder / "results").exists()


# ---- files ----

OME = (
    '<?xml version="1.0"?>{doctype}<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    '<Image ID="Image:0" Name="{name}"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
    'SizeX="16" SizeY="16" SizeZ="2" SizeC="1" SizeT="1">{channel}'
    '<TiffData IFD="0" PlaneCount="2"/></Pixels></Image></OME>'
)
LAUGHS = '<!DOCTYPE l [<!ENTITY a0 "ha">' + "".join(
    f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)
) + "]>"  # fmt: skip
DOCTYPES = {
    "laughs": (LAUGHS, "&a11;"),
    "external": ('<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]>', "&x;"),
    "parameter": ('<!DOCTYPE l [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]>', ""),
    "far behind": (" " * 100_000 + LAUGHS, "&a11;"),
    "behind a comment": (f"<!--{'x' * 100_000}-->" + LAUGHS, "&a11;"),
}


def load_in_a_job(path: Path, megabytes: int = 1500) -> subprocess.CompletedProcess:
    """Run load_stack and project_stack as jobs with an end of memory and of time."""
    limit = f"ulimit -v {megabytes * 1024} -t 60 -f 200000"
    command = (
        f'{limit}; "$0" "$1/load_stack.py" --path "$2" --sample x --stack s.stack --settings "{{}}"'
        ' && "$0" "$1/project_stack.py" --stack s.stack --projection p.ome.tif'
        ' --statistics p.json --settings "{}" --threads 1'
    ).replace("{{}}", "{}")
    return subprocess.run(
        ["bash", "-c", command, sys.executable, ROOT / "scripts", path], cwd=path.parent,
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("kind", DOCTYPES)
def test_entities_of_ome_xml_are_refused(tmp_path, kind):
    doctype, use = DOCTYPES[kind]
    text = OME.format(doctype=doctype, name=use, channel="")
    path = write_stack(
        tmp_path / "a.ome.tif", 1, (2, 16, 16), description=text, metadata=None, ome=False
    )
    done = load_in_a_job(path)
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("error: a.ome.tif"), done.stderr
    assert done.stderr.count("\n") == 1
    assert "root:" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["&lt;script&gt;alert(1)&lt;/script&gt;", "$(touch pwned)", "{x}"])
def test_hostile_names_of_channels_are_only_text(tmp_path, name):
    channel = f'<Channel ID="Channel:0:0" Name="{name}" SamplesPerPixel="1"/>'
    text = OME.format(doctype="", name="x", channel=channel)
    path = write_stack(
        tmp_path / "a.ome.tif", 1, (2, 16, 16), description=text, metadata=None, ome=False
    )
    done = load_in_a_job(path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("big", [False, True])
def test_headers_that_claim_terabytes_are_refused(tmp_path, compression, big):
    path = write_stack(
        tmp_path / "a.tif", 1, (2, 16, 16), compression=compression, bigtiff=big, metadata=None
    )
    import tifffile

    with tifffile.TiffFile(path, mode="r+b") as file:
        for page in file.pages:
            page.tags["ImageWidth"].overwrite(1_000_000, dtype="I")
            page.tags["ImageLength"].overwrite(1_000_000, dtype="I")
    done = load_in_a_job(path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: a.tif"), done.stderr
    assert "Traceback" not in done.stderr
    assert resolve_quietly(tmp_path)


def resolve_quietly(folder: Path) -> bool:
    """The driver, too, measures such a file without harm."""
    from clearfield.workflow.resources import measure

    files = tuple(str(path) for path in folder.glob("*.tif"))
    return measure(files).plane_bytes >= 0


def test_the_profile_and_the_tests_agree():
    assert "keep-going: true" in (PROFILE / "config.yaml").read_text()
