"""The config and its schema in; out comes the checked config, or what is wrong with it."""

import json
import math
from collections.abc import Iterable
from contextlib import suppress
from copy import deepcopy
from difflib import get_close_matches
from itertools import pairwise

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
    config = _in_one_spelling(_unfold(text_keys(config), schema), schema)
    config = _read_numbers(config, schema)
    problems = list(schema_problems(config, schema)) or check_relations(config)
    if problems:
        raise ClearfieldError("config: " + "\nconfig: ".join(problems))
    return config


def text_keys(value: object, depth: int = 0) -> object:
    """Make channel 0 the key "0", however YAML read it."""
    if isinstance(value, dict | list) and depth > _DEEPEST:
        # Also what YAML's aliases would make of a few lines.
        raise ClearfieldError("config: tables stand in tables more deeply than any key does")
    if isinstance(value, dict):
        return {str(key): text_keys(inner, depth + 1) for key, inner in value.items()}
    return value


def _unfold(config: dict, schema: dict) -> dict:
    """Put the value of a dotted key, as messages, tables and sheets have it, in its place."""
    dotted = [key for key in config if "." in key and key.split(".")[0] in schema["properties"]]
    unfolded = {key: value for key, value in config.items() if key not in dotted}
    for key in sorted(dotted, key=lambda key: len(split_key(key))):
        set_value(unfolded, split_key(key), config[key])
    return unfolded


def _in_one_spelling(config: dict, schema: dict) -> dict:
    """Read "µm" as the unit um, and a threshold of null as never: neither can mean another thing.

    Examples
    --------
    >>> never = {"properties": {"warn": {}, "fail": {}}}
    >>> schema = {"properties": {"summarize_qc": {"properties": {"drift_z": never}}}}
    >>> _in_one_spelling({"summarize_qc": {"drift_z": None}}, schema)
    {'summarize_qc': {'drift_z': {'warn': None, 'fail': None}}}
    """
    config = dict(config)
    subtract, summarize = config.get("subtract_background"), config.get("summarize_qc")
    if isinstance(subtract, dict) and subtract.get("unit") in ("\u00b5m", "\u03bcm"):
        config["subtract_background"] = subtract | {"unit": "um"}
    if isinstance(summarize, dict):
        known = schema.get("properties", {}).get("summarize_qc", {}).get("properties", {})
        config["summarize_qc"] = {
            key: dict.fromkeys(known[key]["properties"])
            if value is None and "properties" in known.get(key, {})
            else value
            for key, value in summarize.items()
        }
    return config


def _read_numbers(config: dict, schema: dict) -> dict:
    """Read text as a number where only a number may stand: `--config` makes text of all it takes.

    Examples
    --------
    >>> _read_numbers({"radius": "12"}, {"properties": {"radius": {"type": "number"}}})
    {'radius': 12}
    """
    from jsonschema import Draft202012Validator

    found = []
    for error in Draft202012Validator(schema).iter_errors(config):
        types = error.schema.get("type", [])
        if error.validator == "type" and isinstance(error.instance, str) and error.absolute_path:
            for kind, read in (("integer", int), ("number", float)):
                if kind in types and "string" not in types:
                    with suppress(ValueError):
                        number = read(error.instance)
                        whole = isinstance(number, float) and number.is_integer()
                        found.append((error.absolute_path, int(number) if whole else number))
                        break
    if found:
        config = deepcopy(config)
    for path, number in found:
        *tables, key = path
        place = config
        for part in tables:
            place = place[part]
        place[key] = number
    return config


def schema_problems(config: dict, schema: dict) -> Iterable[str]:
    """Say of each key what the schema does not allow."""
    from jsonschema import Draft202012Validator

    seen = set()
    for error in Draft202012Validator(schema).iter_errors(config):
        path = [str(part) for part in error.absolute_path]
        if error.validator == "additionalProperties":
            known = list(error.schema.get("properties", {}))
            for key in sorted(set(map(str, error.instance)) - set(known), key=str):
                if key in error.schema.get("patternProperties", {}):
                    continue
                yield unknown_key([*path, key], known)
        elif error.validator == "required":
            yield f"{error.message.split(' ')[0]} is missing; see config/config.yaml"
        elif tuple(path) not in seen:
            seen.add(tuple(path))
            yield wrong_value(".".join(path), error.instance, error.schema)
    yield from _not_finite([], config)


def unknown_key(path: list[str], known: list[str]) -> str:
    """Say that a key is unknown, and which one may be meant."""
    name = ".".join(path)
    near = get_close_matches(path[-1], known, n=1, cutoff=0.5)
    if near:
        return f"{name} is not a key; did you mean {'.'.join([*path[:-1], near[0]])}?"
    if known:
        return f"{name} is not a key; the keys there are {', '.join(known)}"
    return f"{name} is not a key that may stand there"


def wrong_value(name: str, value: object, schema: dict) -> str:
    """Say what a value is, and what it must be."""
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
        if "title" in schema:
            return schema["title"]
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
        merged = merge(channel_defaults(subtract), override)
        yield from _impossible_method(merged, subtract, f"subtract_background.channels.{key}")


def _impossible_method(choice: dict, subtract: dict, name: str) -> Iterable[str]:
    method, output = method_of(choice), subtract["output"]
    sizes = choice.get(method.NAME, {})
    for size in method.SIZES if subtract["unit"] == "px" else ():
        value = sizes[size]
        if size in method.SMOOTHING:
            continue
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
            if size % 2 == 0 and config["subtract_background"]["unit"] == "px":
                yield (
                    f"explore_parameters.{key} has {size}, but a window has a middle pixel: "
                    f"take {size - 1} or {size + 1}"
                )
    grey = config["plot_qc"]["range"]
    named = grey if isinstance(grey, dict) else {"": grey}
    for name, pair in named.items():
        if pair != "auto" and pair[0] >= pair[1]:
            key = f"plot_qc.range.{name}" if name != "" else "plot_qc.range"
            yield f"{key} is {pair}, but its first value must be smaller than its second"


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


CHANNEL_KEYS = ("method", "light_background")


def set_value(table: dict, path: list[str], value: object) -> None:
    """Lay a value over what is at the path; tables join, and no table of others is changed."""
    for part in path[:-1]:
        inner = _table_at(table, part)
        table[part] = inner = dict(inner) if isinstance(inner, dict) else {}
        table = inner
    old = _table_at(table, path[-1])
    both = isinstance(old, dict) and isinstance(value, dict)
    table[path[-1]] = merge(old, value) if both else value


def _table_at(table: dict, part: str) -> object:
    return by_axis(table.get(part)) if part == "pixel_size_um" else table.get(part)


def by_axis(size: object) -> object:
    """A pixel size that is one number holds for x and y."""
    return {"x": size, "y": size} if isinstance(size, int | float) else size


def merge(base: dict, over: dict) -> dict:
    """Lay one table over another; tables within them join."""
    merged = dict(base)
    for key, value in over.items():
        inner = merged.get(key)
        both = isinstance(inner, dict) and isinstance(value, dict)
        merged[key] = merge(inner, value) if both else value
    return merged


def channel_defaults(subtract: dict) -> dict:
    """Give the keys of a channel as the sample has them."""
    return {key: subtract[key] for key in (*CHANNEL_KEYS, *SIZES) if key in subtract}
