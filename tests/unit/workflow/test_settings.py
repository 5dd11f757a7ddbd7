"""The config: what is refused, what overrides what, and what has an effect."""

import json
from pathlib import Path

import pytest
import yaml
from clearfield.errors import ClearfieldError
from clearfield.qc.known_metrics import COLUMNS
from clearfield.qc.qc_table import KEYS, VERDICT
from clearfield.workflow.config_check import (
    allowed_values,
    check_config,
    check_relations,
    split_key,
)
from clearfield.workflow.settings import override, read_cell, rule_settings

ROOT = Path(__file__).parents[3]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text("utf-8"))
DEFAULTS = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))


def config(**changes):
    """The defaults with dotted keys changed (a double underscore for the dot)."""
    changed = json.loads(json.dumps(DEFAULTS))
    for key, value in changes.items():
        *path, last = key.split("__")
        table = changed
        for part in path:
            table = table[part]
        table[last] = value
    return changed


def settings(rule="subtract_background", **changes):
    return json.loads(rule_settings(check_config(config(**changes), SCHEMA))[rule])


def leaves(schema, path=()):
    for key, inner in schema.get("properties", {}).items():
        yield (*path, key), inner
        yield from leaves(inner, (*path, key))


def test_the_defaults_are_a_valid_config():
    assert check_config(DEFAULTS, SCHEMA) == DEFAULTS


def test_every_key_of_the_schema_has_a_description_and_stands_in_the_defaults():
    for path, inner in leaves(SCHEMA):
        assert inner.get("description") or len(path) == 1, path
        value = DEFAULTS
        for part in path:
            if value is None:  # pixel_size_um: null has no x, y and z
                break
            assert part in value, path
            value = value[part]


def reference():
    """The reference's rows: the cells after each key."""
    text = (ROOT / "config/README.md").read_text("utf-8")
    rows = (line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| `"))
    return {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in rows}


def test_the_reference_has_every_key_with_its_default():
    rows = reference()
    for path, inner in leaves(SCHEMA):
        threshold = path[0] == "summarize_qc"
        if "properties" in inner and not (threshold and len(path) == 2):
            continue
        cells = rows[".".join(path[:2] if threshold else path)]
        value = DEFAULTS
        for part in path:
            value = None if value is None else value[part]
        if threshold and len(path) == 3:
            cell = cells[path[2] == "fail"]
        elif isinstance(value, dict):
            continue
        else:
            cell = cells[0]
        assert yaml.safe_load(cell.strip("`") or "null") == value, path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"subtract_background__tophat": {"raduis": 3}}, ["tophat.raduis", "tophat.radius?"]),
        ({"subtract_backgroud": {}}, ["subtract_backgroud", "subtract_background?"]),
        ({"subtract_background__tophat__radius": "big"}, ["radius", '"big"', "a number above 0"]),
        ({"subtract_background__tophat__radius": 0}, ["radius", "0", "above 0"]),
        ({"subtract_background__tophat__radius": float("nan")}, ["radius", "nan", "finite"]),
        ({"subtract_background__tophat__radius": 2.5}, ["2.5 px", "whole number", "unit: um"]),
        ({"subtract_background__method": "rolling"},
         ["rolling", "must be tophat, minmax, dog", "or none"]),
        ({"subtract_background__light_background": "yes"}, ['"yes"', "true or false"]),
        (
            {"subtract_background__method": "minmax", "subtract_background__minmax__min_size": 24},
            ["min_size is 24", "23 or 25"],
        ),
        (
            {"subtract_background__method": "dog", "subtract_background__dog__low_sigma": 100},
            ["low_sigma is 100", "smaller than high_sigma"],
        ),
        (
            {"subtract_background__method": "dog", "subtract_background__output__dtype": "uint16"},
            ["uint16", "cannot keep the negative values", "clip or offset"],
        ),
        ({"subtract_background__channels": {0: {"tophat": {"size": 3}}}}, ["0.tophat.size"]),
        ({"project_stack__first_plane": 3, "project_stack__last_plane": 2}, ["first_plane is 3"]),
        ({"load_stack__channel_names": [405]}, ['text, in quotes: "405"']),
        ({"load_stack__series": -1}, ["series is -1", "at least 0"]),
        ({"load_stack__pixel_size_um": {"x": 1, "w": 2}}, ["pixel_size_um.w"]),
        ({"plot_qc__range": [5, 1]}, ["range is [5, 1]"]),
        ({"plot_qc__range": "full"}, ["full", "auto"]),
        ({"plot_qc__range": {"GFP": [5, 1]}}, ["plot_qc.range.GFP is [5, 1]"]),
        ({"plot_qc__range": {"GFP": [5]}}, ["plot_qc.range.GFP is [5]"]),
        ({"samples": 3}, ["samples is 3", "text"]),
    ],
)  # fmt: skip
def test_a_wrong_config_is_one_sentence_that_names_key_value_and_what_is_allowed(changes, words):
    with pytest.raises(ClearfieldError) as error:
        check_config(config(**changes), SCHEMA)
    for word in words:
        assert word in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_all_wrong_keys_are_named_at_once():
    with pytest.raises(ClearfieldError) as error:
        check_config(config(load_stack__series=1.5, plot_qc__steps=1, nonsense=2), SCHEMA)
    assert len(str(error.value).splitlines()) == 3


def test_what_is_not_in_use_has_no_effect():
    assert settings(subtract_background__dog__high_sigma=7) == settings()
    assert settings(subtract_background__output__offset=7) == settings()
    assert settings(subtract_background__tophat__radius=25.0) == settings()
    assert settings(subtract_background__save_background=True) == settings()
    assert settings(subtract_background__channels={0: {"tophat": {"radius": 25}}}) == settings()
    assert settings("load_stack", load_stack__keep=True) == settings("load_stack")
    assert settings(subtract_background__tophat__radius=7) != settings()


def test_the_order_of_keys_has_no_effect():
    turned = {key: DEFAULTS[key] for key in reversed(DEFAULTS)}
    assert rule_settings(check_config(turned, SCHEMA)) == rule_settings(DEFAULTS)


def test_precedence_default_config_channels_sheet_channels_of_the_sheet():
    start = config(subtract_background__channels={"DAPI": {"tophat": {"radius": 5}}})
    assert start["subtract_background"]["tophat"]["radius"] == 25

    def radii(cells):
        chosen = json.loads(rule_settings(override(start, cells))["subtract_background"])
        channel = chosen["channels"].get("DAPI", chosen)
        return chosen["tophat"]["radius"], channel["tophat"]["radius"]

    plain, channel = "subtract_background.tophat.radius", "subtract_background.channels.DAPI."
    assert radii([]) == (25, 5)
    assert radii([(plain, 9)]) == (9, 9)
    assert radii([(channel + "tophat.radius", 7)]) == (25, 7)
    assert radii([(channel + "tophat.radius", 7), (plain, 9)]) == (9, 7)
    assert start["subtract_background"]["channels"] == {"DAPI": {"tophat": {"radius": 5}}}


def test_what_an_error_shows_can_be_pasted_into_the_config():
    pasted = yaml.safe_load(
        'load_stack.axes: "ZVYX"\nload_stack.select: {V: 0}\nload_stack.pixel_size_um.z: 0.5\n'
        "load_stack.pixel_size_um: 0.2\nsubtract_background.channels.GFP: {method: dog}\n"
    )
    checked = check_config(DEFAULTS | pasted, SCHEMA)
    assert checked["load_stack"] == DEFAULTS["load_stack"] | {
        "axes": "ZVYX", "select": {"V": 0}, "pixel_size_um": {"x": 0.2, "y": 0.2, "z": 0.5}
    }  # fmt: skip
    assert checked["subtract_background"]["channels"] == {"GFP": {"method": "dog"}}
    assert yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8")) == DEFAULTS
    with pytest.raises(ClearfieldError, match=r"did you mean load_stack\.axes"):
        check_config(DEFAULTS | {"load_stack.axis": "ZYX"}, SCHEMA)


def test_a_part_of_the_pixel_size_leaves_the_others():
    z = ("load_stack.pixel_size_um.z", 0.5)
    for start, cells in ((0.2, [z]), (None, [z, ("load_stack.pixel_size_um", 0.2)])):
        found = override(config(load_stack__pixel_size_um=start), cells)
        assert found["load_stack"]["pixel_size_um"] == {"x": 0.2, "y": 0.2, "z": 0.5}


def test_a_table_in_a_cell_joins_that_of_the_config():
    found = override(
        DEFAULTS,
        [("subtract_background.dog", {"high_sigma": 50}),
         ("subtract_background.channels.GFP", {"method": "dog"}),
         ("subtract_background.channels.GFP.dog.low_sigma", 2)],
    )["subtract_background"]  # fmt: skip
    assert found["dog"] == DEFAULTS["subtract_background"]["dog"] | {"high_sigma": 50}
    assert found["channels"] == {"GFP": {"method": "dog", "dog": {"low_sigma": 2}}}


def test_a_sample_that_does_not_go_together_is_found():
    wrong = override(DEFAULTS, [("project_stack.first_plane", 2), ("project_stack.last_plane", 1)])
    assert len(check_relations(wrong)) == 1


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("load_stack.series", "3", 3),
        ("load_stack.axes", "ZYX", "ZYX"),
        ("load_stack.axes", "null", None),
        ("load_stack.series", "1.0", 1),
        ("load_stack.select.V", "1", 1),
        ("load_stack.select", "{V: 1, H: 0}", {"V": 1, "H": 0}),
        ("load_stack.pixel_size_um", "{x: 0.1, y: 0.1}", {"x": 0.1, "y": 0.1}),
        ("load_stack.pixel_size_um", "0.35", 0.35),
        ("load_stack.pixel_size_um.z", "2", 2),
        ("load_stack.channel_names", "DAPI; GFP", ["DAPI", "GFP"]),
        ("subtract_background.light_background", "TRUE", True),
        ("subtract_background.tophat.radius", "1e1", 10.0),
        ("subtract_background.channels.Alexa 4.88.tophat.radius", "7", 7),
        ("subtract_background.channels.0.method", "dog", "dog"),
        ("plot_qc.range", "0, 500", [0, 500]),
        ("plot_qc.range", "auto", "auto"),
    ],
)
def test_cells_are_read_by_the_schema(key, text, value):
    assert read_cell(key, text, SCHEMA) == value


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        (
            "subtract_background.tophat.raduis",
            "3",
            "did you mean subtract_background.tophat.radius",
        ),
        ("subtract_background.tophat.radius", "=1+1", "=1+1"),
        ("subtract_background.tophat.radius", "!!python/object:os.system x", "a number above 0"),
        ("load_stack.series", "1.5", "a whole number of at least 0, or the name of a series"),
        ("load_stack.series", "=A1", "a whole number of at least 0, or the name of a series"),
        ("load_stack.select", "{V: -1}", "must be a table"),
        ("load_stack.select", "{V: ", "must be a table"),
        ("load_stack.pixel_size_um", "{x: 1, w: 2}", "must be a number above 0"),
        ("load_stack.axes", "zyx", "must be capital letters"),
    ],
)
def test_a_wrong_cell_is_refused(key, text, words):
    with pytest.raises(ClearfieldError, match="column") as error:
        read_cell(key, text, SCHEMA)
    assert words in str(error.value)


def test_a_channel_may_have_dots_in_its_name():
    assert split_key("subtract_background.channels.a.b.method")[2:] == ["a.b", "method"]


def test_words_for_lists():
    assert allowed_values({"type": "array", "items": {"type": "number"}}) == (
        "a list, each a number"
    )


def test_every_column_of_the_qc_table_stands_in_the_reference():
    text = (ROOT / "config/README.md").read_text("utf-8").partition("## The QC table")[2]
    assert [name for name in (*KEYS, *VERDICT, *COLUMNS) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("unit", ["\u00b5m", "\u03bcm"])
def test_micrometres_may_be_written_with_their_letter(unit):
    found = check_config(config(subtract_background__unit=unit), SCHEMA)
    assert found["subtract_background"]["unit"] == "um"


def test_a_threshold_of_null_is_never():
    found = check_config(config(summarize_qc__drift_z=None), SCHEMA)
    assert found["summarize_qc"]["drift_z"] == {"warn": None, "fail": None}
    with pytest.raises(ClearfieldError, match="no_objects"):
        check_config(config(summarize_qc__no_objects=None), SCHEMA)


def test_numbers_that_a_command_line_made_text_are_numbers():
    """What `--config 'subtract_background={tophat: {radius: 12}}'` hands over."""
    given = config(
        subtract_background__tophat__radius="12", subtract_background__dog__low_sigma="1.5"
    )
    checked = check_config(given, SCHEMA)["subtract_background"]
    assert (checked["tophat"]["radius"], checked["dog"]["low_sigma"]) == (12, 1.5)
    # text where text may stand, and no number, stay what they are
    assert (
        check_config(config(load_stack__series="first"), SCHEMA)["load_stack"]["series"] == "first"
    )
    with pytest.raises(ClearfieldError, match='radius is "wide"'):
        check_config(config(subtract_background__tophat__radius="wide"), SCHEMA)
