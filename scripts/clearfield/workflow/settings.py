"""From the config to the settings of each rule for each sample.

This is the side of the workflow that runs in Snakemake's own process: no numpy here.
"""

import json
import math
from collections.abc import Iterable
from contextlib import suppress
from copy import deepcopy
from difflib import get_close_matches
from itertools import pairwise

import yaml

from ..errors import ClearfieldError
from ..methods.known_methods import SIZES, method_of

# Begins the dotted keys of single channels.
CHANNELS = "subtract_background.channels."
_DEEPEST = 5  # subtract_background.channels.DAPI.tophat.radius


def check_config(config: dict, schema: dict) -> dict:
    """Give the config with text as keys throughout, once nothing in it is wrong.

    Parameters
    ----------
    config : dict
        As read, defaults filled in.
    schema : dict
        JSON schema (2020-12).

    Raises
    ------
    ClearfieldError
        Names every wrong key, its value and what is allowed.

    Examples
    --------
    >>> schema = {"type": "object", "additionalProperties": False,
    ...           "properties": {"radius": {"type": "integer", "minimum": 1}}}
    >>> check_config({"raduis": 3}, schema)
    Traceback (most recent call last):
    ...
    clearfield.errors.ClearfieldError: config: raduis is not a key; did you mean radius?
    """
    config = _unfold(_text_keys(config), schema)
    problems = list(_problems(config, schema)) or check_relations(config)
    if problems:
        raise ClearfieldError("config: " + "\nconfig: ".join(problems))
    return config


def _text_keys(value: object, depth: int = 0) -> object:
    """Make channel 0 the key "0", however YAML read it."""
    if isinstance(value, dict | list) and depth > _DEEPEST:
        # Also what YAML's aliases would make of a few lines.
        raise ClearfieldError("config: tables stand in tables more deeply than any key does")
    if isinstance(value, dict):
        return {str(key): _text_keys(inner, depth + 1) for key, inner in value.items()}
    return value


def _unfold(config: dict, schema: dict) -> dict:
    """Put the value of a dotted key, as messages, tables and sheets have it, in its place."""
    dotted = [key for key in config if "." in key and key.split(".")[0] in schema["properties"]]
    unfolded = {key: value for key, value in config.items() if key not in dotted}
    for key in sorted(dotted, key=lambda key: len(split_key(key))):
        _set(unfolded, split_key(key), config[key])
    return unfolded


def _problems(config: dict, schema: dict) -> Iterable[str]:
    from jsonschema import Draft202012Validator

    seen = set()
    for error in Draft202012Validator(schema).iter_errors(config):
        path = [str(part) for part in error.absolute_path]
        if error.validator == "additionalProperties":
            known = list(error.schema.get("properties", {}))
            for key in sorted(set(map(str, error.instance)) - set(known), key=str):
                if key in error.schema.get("patternProperties", {}):
                    continue
                yield _unknown_key([*path, key], known)
        elif error.validator == "required":
            yield f"{error.message.split(' ')[0]} is missing; see config/config.yaml"
        elif tuple(path) not in seen:
            seen.add(tuple(path))
            yield _wrong_value(".".join(path), error.instance, error.schema)
    yield from _not_finite([], config)


def _unknown_key(path: list[str], known: list[str]) -> str:
    name = ".".join(path)
    near = get_close_matches(path[-1], known, n=1, cutoff=0.5)
    if near:
        return f"{name} is not a key; did you mean {'.'.join([*path[:-1], near[0]])}?"
    if known:
        return f"{name} is not a key; the keys there are {', '.join(known)}"
    return f"{name} is not a key that may stand there"


def _wrong_value(name: str, value: object, schema: dict) -> str:
    written = json.dumps(value, ensure_ascii=False, default=str)
    if len(written) > 200:
        written = f"{written[:200]}…"
    allowed = allowed_values(schema)
    if allowed == "text" and isinstance(value, int | float):
        allowed = f'text, in quotes: "{value}"'
    return f"{name or 'the file'} is {written}, but must be {allowed}"


def allowed_values(schema: dict) -> str:
    """Say what a schema allows, in words.

    Examples
    --------
    >>> allowed_values({"type": ["integer", "null"], "minimum": 0})
    'a whole number of at least 0, or null'
    >>> allowed_values({"enum": ["px", "um"]})
    'px or um'
    """
    if "enum" in schema:
        *most, last = map(str, schema["enum"])
        return f"{', '.join(most)} or {last}" if most else last
    types = schema.get("type", [])
    return ", or ".join(
        _allowed_type(kind, schema) for kind in ([types] if isinstance(types, str) else types)
    )


def _allowed_type(kind: str, schema: dict) -> str:
    if kind in ("integer", "number"):
        words = "a whole number" if kind == "integer" else "a number"
        if "minimum" in schema:
            words += f" of at least {schema['minimum']}"
        if "exclusiveMinimum" in schema:
            words += f" above {schema['exclusiveMinimum']}"
        if "maximum" in schema:
            words += f" and at most {schema['maximum']}"
        return words
    if kind == "string":
        pattern = schema.get("pattern", "")
        if pattern.strip("^$").isalpha():
            return pattern.strip("^$")
        return "capital letters" if pattern else "text"
    if kind == "array":
        one = _allowed_type(schema["items"]["type"], schema["items"])
        if schema.get("minItems") == schema.get("maxItems") is not None:
            return f"a list of {schema['minItems']}, each {one}"
        return f"a list, each {one}"
    if kind == "object":
        keys = ", ".join(schema.get("properties", {}))
        return f"a table of {keys}" if keys else "a table"
    return {"boolean": "true or false", "null": "null"}[kind]


def _not_finite(path: list[str], value: object) -> Iterable[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _not_finite([*path, str(key)], inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _not_finite(path, inner)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{'.'.join(path)} is {value}, but must be a finite number"


def check_relations(config: dict) -> list[str]:
    """List what the schema cannot say: values that do not go together."""
    if "subtract_background" not in config:
        return []
    return [*_impossible_sizes(config["subtract_background"]), *_impossible_ranges(config)]


def _impossible_sizes(subtract: dict) -> Iterable[str]:
    yield from _impossible_method(subtract, subtract, "subtract_background")
    for key, override in subtract["channels"].items():
        merged = _merge(_common(subtract), override)
        yield from _impossible_method(merged, subtract, f"subtract_background.channels.{key}")


def _impossible_method(choice: dict, subtract: dict, name: str) -> Iterable[str]:
    method, output = method_of(choice), subtract["output"]
    sizes = choice.get(method.NAME, {})
    for size in method.SIZES if subtract["unit"] == "px" else ():
        value = sizes[size]
        if method.WHOLE and not float(value).is_integer():
            yield (
                f"{name}.{method.NAME}.{size} is {value} px, but must be a whole number; "
                "for micrometres set subtract_background.unit: um"
            )
        elif method.ODD and value % 2 == 0:
            yield (
                f"{name}.{method.NAME}.{size} is {value}, but a window has a middle pixel: "
                f"take {int(value) - 1} or {int(value) + 1}"
            )
    for small, large in pairwise(method.INCREASING):
        if sizes[small] >= sizes[large]:
            yield (
                f"{name}.{method.NAME}.{small} is {sizes[small]}, but must be smaller than "
                f"{large}, {sizes[large]}"
            )
    negative = method.may_be_negative({**sizes, "light_background": choice["light_background"]})
    if negative and output["negative"] == "keep" and output["dtype"].startswith("uint"):
        yield (
            f"subtract_background.output.dtype {output['dtype']} cannot keep the negative values "
            f"of {method.NAME}; set output.negative to clip or offset, or output.dtype to auto or "
            "float32"
        )


def _impossible_ranges(config: dict) -> Iterable[str]:
    first, last = config["project_stack"]["first_plane"], config["project_stack"]["last_plane"]
    if first is not None and last is not None and first > last:
        yield (
            f"project_stack.first_plane is {first}, but must not be larger than last_plane, {last}"
        )
    for key in ("min_sizes", "max_sizes"):
        for size in config["explore_parameters"][key]:
            if size % 2 == 0:
                yield (
                    f"explore_parameters.{key} has {size}, but a window has a middle pixel: "
                    f"take {size - 1} or {size + 1}"
                )
    grey = config["plot_qc"]["range"]
    if grey != "auto" and grey[0] >= grey[1]:
        yield f"plot_qc.range is {grey}, but its first value must be smaller than its second"


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
            raise ClearfieldError("column " + _unknown_key(path[: depth + 1], list(inner)))
        else:
            schema = inner[part]
    value = _typed(text, schema)
    problems = list(_problems({"cell": value}, {"properties": {"cell": schema}}))
    if problems:
        raise ClearfieldError(f"column {_wrong_value(key, value, schema)}")
    return value


def split_key(key: str) -> list[str]:
    """Split a dotted key; the channel's name in the middle of one may itself hold dots.

    Examples
    --------
    >>> split_key("subtract_background.channels.Alexa 4.88.tophat.radius")
    ['subtract_background', 'channels', 'Alexa 4.88', 'tophat', 'radius']
    """
    if not key.startswith(CHANNELS):
        return key.split(".")
    rest = key[len(CHANNELS) :].split(".")
    tail = min(2 if len(rest) > 2 and rest[-2] in SIZES else 1, len(rest) - 1)
    name = len(rest) - tail
    return [*CHANNELS.strip(".").split("."), ".".join(rest[:name]), *rest[name:]]


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
            return _text_keys(yaml.safe_load(text))
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
            _set(own, path[2:], value)
            continue
        _set(sample, path, value)
        if path[0] == "subtract_background" and (path[1] in SIZES or path[1] in _CHANNEL_KEYS):
            for channel in sample["subtract_background"]["channels"].values():
                _set(channel, path[1:], value)
    channels = sample["subtract_background"]["channels"]
    for name, values in own.items():
        channels[name] = _merge(channels.get(name, {}), values)
    return sample


_CHANNEL_KEYS = ("method", "light_background")


def _set(table: dict, path: list[str], value: object) -> None:
    """Lay a value over what is at the path; tables join, and no table of others is changed."""
    for part in path[:-1]:
        inner = _table_at(table, part)
        table[part] = inner = dict(inner) if isinstance(inner, dict) else {}
        table = inner
    old = _table_at(table, path[-1])
    both = isinstance(old, dict) and isinstance(value, dict)
    table[path[-1]] = _merge(old, value) if both else value


def _table_at(table: dict, part: str) -> object:
    return _by_axis(table.get(part)) if part == "pixel_size_um" else table.get(part)


def _by_axis(size: object) -> object:
    """A pixel size that is one number holds for x and y."""
    return {"x": size, "y": size} if isinstance(size, int | float) else size


def _merge(base: dict, over: dict) -> dict:
    merged = dict(base)
    for key, value in over.items():
        inner = merged.get(key)
        both = isinstance(inner, dict) and isinstance(value, dict)
        merged[key] = _merge(inner, value) if both else value
    return merged


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
    load["pixel_size_um"] = _by_axis(load["pixel_size_um"])
    subtract = config["subtract_background"]
    base = _in_use(_common(subtract))
    channels = {
        str(key): _in_use(_merge(_common(subtract), values))
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
        "plot_qc": config["plot_qc"],
    }
    return {rule: json_text(values) for rule, values in settings.items()}


def _common(subtract: dict) -> dict:
    return {key: subtract[key] for key in (*_CHANNEL_KEYS, *SIZES) if key in subtract}


def _in_use(choice: dict) -> dict:
    method = choice["method"]
    if method == "none":
        return {"method": method, "light_background": False, "none": {}}
    return {key: choice[key] for key in (*_CHANNEL_KEYS, method)}


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
