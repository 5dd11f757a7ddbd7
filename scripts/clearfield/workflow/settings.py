"""From the config to the settings of each rule for each sample.

This is the side of the workflow that runs in Snakemake's own process: no numpy here.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from copy import deepcopy

import yaml

from ..errors import ClearfieldError
from ..methods.known_methods import SIZES
from .config_check import (
    CHANNEL_KEYS,
    CHANNELS,
    by_axis,
    channel_defaults,
    merge,
    schema_problems,
    set_value,
    split_key,
    text_keys,
    unknown_key,
    wrong_value,
)


def read_cell(key: str, text: str, schema: dict) -> object:
    """Read a sheet's cell as the value of the dotted `key`.

    Raises
    ------
    ClearfieldError
        For an unknown key or a value that its schema does not allow.

    Examples
    --------
    >>> schema = {"properties": {"plot_qc": {"properties": {"steps": {"type": "boolean"}}}}}
    >>> read_cell("plot_qc.steps", "TRUE", schema)
    True
    """
    path = split_key(key)
    for depth, part in enumerate(path):
        inner = schema.get("properties", {})
        if part not in inner and isinstance(schema.get("additionalProperties"), dict):
            schema = schema["additionalProperties"]
        elif part not in inner and "patternProperties" in schema and len(part) == 1:
            (schema,) = schema["patternProperties"].values()
        elif part not in inner:
            raise ClearfieldError("column " + unknown_key(path[: depth + 1], list(inner)))
        else:
            schema = inner[part]
    value = _typed(text, schema)
    problems = list(schema_problems({"cell": value}, {"properties": {"cell": schema}}))
    if problems:
        raise ClearfieldError(f"column {wrong_value(key, value, schema)}")
    return value


def _typed(text: str, schema: dict) -> object:
    types = schema.get("type", "string")
    types = [types] if isinstance(types, str) else types
    if "null" in types and text.lower() == "null":
        return None
    if "boolean" in types and text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind, read in (("integer", _whole), ("number", float)):
        if kind in types:
            try:
                return read(text)
            except ValueError:
                pass
    if "object" in types and text.startswith("{"):
        with suppress(yaml.YAMLError):
            return text_keys(yaml.safe_load(text))
    if "array" in types and text != "auto":
        parts = [part.strip() for part in text.strip("[]").replace(";", ",").split(",")]
        return [_typed(part, schema["items"]) for part in parts]
    return text


def _whole(text: str) -> int:
    """Read a whole number, also as spreadsheets write one in a column with gaps: "2.0"."""
    number = float(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(number)


def override(config: dict, cells: Iterable[tuple[str, object]]) -> dict:
    """Lay a sample's values over the config.

    Precedence: config < its channels < sheet < sheet's channels, so the sheet's plain values
    are laid over those of the config's channels too.
    """
    sample = deepcopy(config)
    own: dict[str, dict] = {}
    for key, value in sorted(cells, key=lambda cell: len(split_key(cell[0]))):
        path = split_key(key)
        if key.startswith(CHANNELS):
            set_value(own, path[2:], value)
            continue
        set_value(sample, path, value)
        if path[0] == "subtract_background" and (path[1] in SIZES or path[1] in CHANNEL_KEYS):
            for channel in sample["subtract_background"]["channels"].values():
                set_value(channel, path[1:], value)
    channels = sample["subtract_background"]["channels"]
    for name, values in own.items():
        channels[name] = merge(channels.get(name, {}), values)
    return sample


def rule_settings(config: dict) -> dict[str, str]:
    """Give each rule the settings that have an effect on it, as JSON in one fixed order.

    What has no effect (the sizes of a method that is not in use, an offset that is not added)
    is left out, so that changing it re-runs nothing.

    Parameters
    ----------
    config : dict
        Complete and checked, of one sample.

    Returns
    -------
    dict of str
        By name of the rule.
    """
    load = {key: value for key, value in config["load_stack"].items() if key != "keep"}
    load["pixel_size_um"] = by_axis(load["pixel_size_um"])
    subtract = config["subtract_background"]
    base = _in_use(channel_defaults(subtract))
    channels = {
        str(key): _in_use(merge(channel_defaults(subtract), values))
        for key, values in subtract["channels"].items()
    }
    output = dict(subtract["output"])
    if output["negative"] != "offset":
        del output["offset"]
    settings = {
        "load_stack": load,
        "project_stack": config["project_stack"],
        "subtract_background": base
        | {
            "unit": subtract["unit"],
            "output": output,
            "channels": {key: value for key, value in channels.items() if value != base},
        },
        "plot_qc": config["plot_qc"] | {"unit": subtract["unit"], "judge": config["summarize_qc"]},
    }
    return {rule: json_text(values) for rule, values in settings.items()}


def _in_use(choice: dict) -> dict:
    method = choice["method"]
    if method == "none":
        return {"method": method, "light_background": False, "none": {}}
    return {key: choice[key] for key in (*CHANNEL_KEYS, method)}


def json_text(value: object) -> str:
    """Write settings as JSON in one fixed order and spelling.

    Examples
    --------
    >>> json_text({"b": 25.0, "a": None})
    '{"a": null, "b": 25}'
    """
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)


def _plain(value: object) -> object:
    """Write 25.0 as 25, so that both spellings of a number are one setting."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
