"""A run as the config describes it: its samples and the settings of each.

This is the side of the workflow that runs in Snakemake's own process: no numpy here.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from .. import __version__
from ..errors import ClearfieldError
from ..formats.remote import file_name, is_remote, is_store
from .all_series import ALL, KEY, take_all
from .config_check import check_config, check_relations
from .light import Light
from .remote_example import EXAMPLE
from .remote_samples import RemoteFiles
from .samples import find_samples, sample_name
from .settings import json_text, override, rule_settings
from .sidecars import say_left_out


class Run:
    """The checked config, the samples by name, and what each rule is handed for each.

    Parameters
    ----------
    config : dict
        As Snakemake read it, defaults filled in.
    config_schema, sample_schema : dict
        JSON schemas.
    clone : str
        The folder of the Snakefile; the embedded example lies there.
    listed : str
        What list_inputs writes, for ``load_stack.series: all``.

    Attributes
    ----------
    missing : str
        A path of which all series are to be taken, and that `listed` does not list; or "".

    Raises
    ------
    ClearfieldError
        Before anything runs, for all that is wrong in the config or in the sample sheet.
    """

    def __init__(
        self,
        config: dict,
        *,
        config_schema: dict,
        sample_schema: dict,
        clone: str,
        listed: str = "results/inputs.tsv",
    ):
        self.clone = clone
        self.config = check_config(config, config_schema)
        source = self.config["samples"]
        elsewhere = not Path(clone).samefile(".")
        self.example_elsewhere = source == EXAMPLE and elsewhere
        if self.example_elsewhere:
            source = str(Path(clone) / source)  # the one default that works from anywhere
            if not Path(source).parent.exists():
                raise ClearfieldError(
                    "config: samples names the embedded example, which is not here; name files of "
                    "your own"
                )
        self.left_out: list[str] = []  # what its glob found that is no image
        self._named = find_samples(source, sample_schema, config_schema, self.left_out)
        self.remote = RemoteFiles()
        self._resolved: dict[tuple, tuple[dict, dict[str, str]]] = {}
        names = self.names_and_paths
        self.samples, self.missing = take_all(
            self._named, self._with_all_series(), dict(zip(names[1::2], names[::2], strict=True)),
            listed, sample_schema,
        )  # fmt: skip
        # Of a file on a server, the name of its copy: one for all its series, below the first.
        first: dict[str, str] = {}
        self.fetched_as = {
            name: f"{first.setdefault(sample.path, name)}/{file_name(sample.path)}"
            for name, sample in self.samples.items()
            if is_remote(sample.path) and not is_store(sample.path)
        }
        problems = []
        for name, sample in self.samples.items():
            known = len(self._resolved)
            config_of_sample, _ = self._resolve(sample.cells)
            if sample.cells and len(self._resolved) > known:
                problems += [f"{source}: {name}: {p}" for p in check_relations(config_of_sample)]
        self.light = Light(self.config["correct_light"], self.samples, source)
        explored = self.config["explore_parameters"]["sample"]
        if explored is not None and explored not in self.samples and not self.missing:
            near = get_close_matches(explored, self.samples, n=1, cutoff=0)
            raise ClearfieldError(
                f"config: explore_parameters.sample is {explored!r}, which is not a sample of "
                f"{source}; the nearest is {near[0]!r}"
            )
        if problems:
            raise ClearfieldError("samples: " + "\nsamples: ".join(problems))

    def _with_all_series(self) -> list[str]:
        of_all = self.config["load_stack"]["series"]
        return [
            name
            for name, sample in self._named.items()
            if dict(sample.cells).get(KEY, of_all) == ALL
        ]

    def _resolve(self, cells: tuple) -> tuple[dict, dict[str, str]]:
        key = tuple((name, str(value)) for name, value in cells)
        if key not in self._resolved:
            config = override(self.config, cells) if cells else self.config
            self._resolved[key] = config, rule_settings(config)
        return self._resolved[key]

    def config_of(self, sample: str) -> dict:
        """Give the config that holds for one sample."""
        return self._resolve(self.samples[sample].cells)[0]

    def settings(self, sample: str) -> dict[str, str]:
        """Give the settings of each rule for one sample, as JSON."""
        return self._resolve(self.samples[sample].cells)[1]

    def table_of(self, sample: str) -> str:
        """Name a sample's table and, where its sheet has columns of the user's own, these."""
        path = f"results/qc/samples/{sample}.tsv"
        groups = dict(self.samples[sample].groups)
        return f"{path}\t{json_text(groups)}" if groups else path

    def ask_servers(self) -> list[str]:
        """Ask of every sample that lies on a server; give what is wrong with each, a line each."""
        return self.remote.ask(s.path for s in self.samples.values() if is_remote(s.path))

    def fetched_file(self, sample: str) -> str:
        """Name the copy of a sample's file that lies on a server; "" where it does not."""
        name = self.fetched_as.get(sample)
        return f"results/fetched/{name}" if name else ""

    @property
    def notes(self) -> list[str]:
        """List what to say before the run."""
        return [say_left_out(self.left_out)] if self.left_out else []

    @property
    def tables(self) -> list[str]:
        """List what `table_of` gives for all samples."""
        return [self.table_of(name) for name in self.samples]

    @property
    def told(self) -> list[str]:
        """List what the page is told of each sample: name, path and cells of the sheet, as JSON.

        Of the embedded example the path is left out: no page may say where the clone lies.
        """
        here = not self.example_elsewhere
        return [
            json.dumps([name, sample.path if here else "", dict(sample.cells)], ensure_ascii=False)
            for name, sample in self.samples.items()
        ]

    def samples_with(self, rule: str | None = None, key: str | None = None) -> list[str]:
        """List the samples, or those whose config sets ``rule.key`` to true."""
        return [
            name
            for name, sample in self.samples.items()
            if rule is None or self._resolve(sample.cells)[0][rule][key]
        ]

    @property
    def explored(self) -> str:
        """Name the sample of explore_parameters."""
        name = self.config["explore_parameters"]["sample"]
        return name if name in self.samples else next(iter(self.samples))

    @property
    def explore_settings(self) -> dict:
        """Give what explore_parameters is handed: its sizes, and the settings of the sample."""
        config, rules = self._resolve(self.samples[self.explored].cells)
        settings = {
            key: value for key, value in config["explore_parameters"].items() if key != "sample"
        }
        return settings | {"subtract_background": json.loads(rules["subtract_background"])}

    @property
    def raw_files(self) -> list[str]:
        """List the files of all samples."""
        return [file for sample in self._named.values() for file in sample.files]

    @property
    def names_and_paths(self) -> list[str]:
        """List name and path of each file in turn.

        The name is that of its sample; of several samples in one file what they share before "__",
        as `list_inputs` names them, or else the file's.
        """
        samples: dict[str, list[str]] = {}
        for sample in self._named.values():
            samples.setdefault(sample.path, []).append(sample.name)
        found = []
        for path, names in sorted(samples.items()):
            bases = {name.rpartition("__")[0] for name in names} if len(names) > 1 else {names[0]}
            name = bases.pop() if len(bases) == 1 else ""
            found += [name or sample_name(path, path), path]
        return found

    @property
    def settings_in_use(self) -> dict:
        """Give the config without what has no effect, as the page of the run shows it."""
        rules = {rule: json.loads(text) for rule, text in rule_settings(self.config).items()}
        subtract = self.config["subtract_background"]
        rules["subtract_background"]["save_background"] = subtract["save_background"]
        rules["plot_qc"] = self.config["plot_qc"]
        before = {"correct_light": self.config["correct_light"]}
        return {
            "samples": self.config["samples"],
            **(before if self.light.is_on else {}),
            **rules,
            "summarize_qc": self.config["summarize_qc"],
        }

    @property
    def versions(self) -> str:
        """Give the programs of this run, for its page and for a methods section, as JSON."""
        return json_text(software_versions(("snakemake", "numpy", "tifffile", "matplotlib")))


def software_versions(packages: Iterable[str]) -> dict[str, str]:
    """Give the versions of clearfield, of Python and of those packages that are installed here.

    Examples
    --------
    >>> software_versions(["no such package"])["clearfield"] == __version__
    True
    """
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"clearfield": __version__, "Python": platform.python_version()}
    for name in packages:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
