"""What the config says of the light in; out comes what its rules are handed.

This is the side of the workflow that runs in Snakemake's own process: no numpy here.
"""

import re
from pathlib import Path

from ..errors import ClearfieldError
from .samples import Sample
from .settings import json_text

STACK = "results/stacks/{sample}.stack"
PROJECTED = "results/projections/{sample}.ome.tif"
CORRECTED = "results/corrected/{sample}.ome.tif"
ALL = "all"  # the group of a run without groups


class Light:
    """The part of a run that corrects its light.

    Parameters
    ----------
    settings : dict
        ``correct_light`` of the config, checked.
    samples : dict of Sample
    source : str
        Where the samples are named, for the errors.

    Attributes
    ----------
    is_on : bool
        Whether anything is corrected.
    estimates : bool
        Whether a profile is estimated.
    planes : str
        Pattern of what the background is subtracted from.
    groups : dict of list of str
        The samples of each group, by its name in files.

    Raises
    ------
    ClearfieldError
        For files that are not there, and for a column that the sheet lacks.
    """

    def __init__(self, settings: dict, samples: dict[str, Sample], source: str) -> None:
        self._settings = settings
        self.estimates = settings["flatfield"] == "estimate"
        self.is_on = light_is_corrected(settings)
        self.planes = CORRECTED if self.is_on else PROJECTED
        self.groups: dict[str, list[str]] = {}
        self._group_of: dict[str, str] = {}
        for key, path in self._paths.items():
            if not Path(path).is_file():
                raise ClearfieldError(
                    f"config: correct_light.{key} is {path!r}, and there is no such file (seen "
                    f"from {Path.cwd()}); mend the path"
                )
        if self.estimates:
            self._make_groups(samples, source)

    @property
    def _paths(self) -> dict[str, str]:
        found = {}
        if isinstance(self._settings["offset"], str):
            found["offset"] = self._settings["offset"]
        if self._settings["flatfield"] not in ("none", "estimate"):
            found["flatfield"] = self._settings["flatfield"]
        return found

    def _make_groups(self, samples: dict[str, Sample], source: str) -> None:
        column = self._settings["group"]
        values: dict[str, str] = {}
        for name, sample in samples.items():
            value = ALL if column is None else dict(sample.groups).get(column)
            if value is None:
                columns = list(dict(sample.groups))
                known = f"its own columns are {', '.join(columns)}" if columns else "it has none"
                raise ClearfieldError(
                    f"config: correct_light.group is {column!r}, which is no column of your own in "
                    f"{source} ({known}); name one, or null for one profile of the whole run"
                )
            if not value:
                raise ClearfieldError(
                    f"samples: {source}: {name} has no {column}, and correct_light.group asks for "
                    "one; fill it in"
                )
            group = safe_name(value)
            if values.setdefault(group, value) != value:
                raise ClearfieldError(
                    f"samples: {source}: the groups {values[group]!r} and {value!r} of {column} "
                    f"would both be called {group!r} in files; rename one"
                )
            self.groups.setdefault(group, []).append(name)
            self._group_of[name] = group

    def images(self, group: str) -> list[str]:
        """List what a group's profile is estimated from: projections, or stacks."""
        of_planes = self._settings["apply_to"] == "planes"
        pattern = STACK if of_planes else PROJECTED
        return [pattern.format(sample=name) for name in self.groups.get(group, ())]

    def of_planes(self, group: str) -> list[str]:
        """List the samples of a group, where its profile is estimated from their stacks."""
        return self.groups.get(group, []) if self._settings["apply_to"] == "planes" else []

    @property
    def facts(self) -> list[str]:
        """List the files that tell of each group's profile."""
        return [f"results/light/groups/{group}.json" for group in self.groups]

    def profile_of(self, sample: str) -> str:
        """Name the profile of a sample that the run itself estimates, or ""."""
        return f"results/light/groups/{self._group_of[sample]}.ome.tif" if self.estimates else ""

    @property
    def dark(self) -> list[str]:
        """List the user's file of dark frames, if there is one."""
        return [path for key, path in self._paths.items() if key == "offset"]

    @property
    def flat(self) -> list[str]:
        """List the user's own profile, if there is one."""
        return [path for key, path in self._paths.items() if key == "flatfield"]

    @property
    def estimate_settings(self) -> str:
        """Give what estimate_flatfield is handed, as JSON."""
        return json_text({"offset": self._settings["offset"]})

    @property
    def correct_settings(self) -> str:
        """Give what correct_light is handed, as JSON."""
        return json_text({key: self._settings[key] for key in ("offset", "flatfield")})


def light_is_corrected(settings: dict) -> bool:
    """Tell whether ``correct_light`` of the config asks for anything.

    Examples
    --------
    >>> light_is_corrected({"offset": 0, "flatfield": "none"})
    False
    """
    return settings["flatfield"] != "none" or settings["offset"] != 0


def safe_name(name: str) -> str:
    """Make a group's name part of a file's name; channels have no "_", so the last one ends it.

    Examples
    --------
    >>> safe_name("plate 1/day_2")
    'plate-1-day_2'
    """
    return re.sub(r"[^\w.+]+", "-", name).strip("-.")[:80] or "group"
