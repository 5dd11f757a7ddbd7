"""A family of metrics is one file that says all of itself; config, schema, reference agree."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from clearfield.qc.known_metrics import COLUMNS, FAMILIES, ORDER, RULES
from clearfield.qc.rules import Finding, Row, Rule

ROOT = Path(__file__).parents[3]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))["summarize_qc"]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text("utf-8"))
SCHEMA = SCHEMA["properties"]["summarize_qc"]["properties"]
REFERENCE = (ROOT / "config/README.md").read_text("utf-8")


def test_each_family_is_listed_and_each_column_has_one_family_and_one_place():
    files = {path.stem for path in (ROOT / "scripts/clearfield/qc/metrics").glob("[!_]*.py")}
    assert {family.__name__.rpartition(".")[2] for family in FAMILIES} == files
    owned = [name for family in FAMILIES for name in family.COLUMNS]
    assert sorted(owned) == sorted(ORDER)
    rules = [name for family in FAMILIES for name in family.RULES]
    assert len(rules) == len(set(rules))


def test_config_and_schema_have_the_rules_and_their_thresholds():
    assert {name: rule.default for name, rule in RULES.items()} == CONFIG
    assert set(SCHEMA) == set(RULES)


@pytest.mark.parametrize("name", RULES)
def test_the_schema_takes_what_a_rule_takes(name):
    if isinstance(RULES[name], Finding):
        assert SCHEMA[name]["enum"] == ["ok", "warn", "fail"]
    else:
        assert list(SCHEMA[name]["properties"]) == ["warn", "fail"]
        beyond = "below" if RULES[name].low else "above"
        assert beyond in SCHEMA[name]["description"]
        line = next(
            line
            for line in (ROOT / "config/config.yaml").read_text("utf-8").splitlines()
            if line.startswith(f"  {name}:")
        )
        assert f"# {beyond}" in line


def test_the_reference_explains_each_column_and_each_rule():
    assert [name for name in COLUMNS if f"`{name}`" not in REFERENCE] == []
    assert [name for name in RULES if f"summarize_qc.{name}" not in REFERENCE] == []


def test_a_rule_that_is_off_by_default_says_so_by_its_thresholds():
    off = {name for name, rule in RULES.items() if rule.default == {"warn": None, "fail": None}}
    assert off == {"drift_z", "flicker_z", "unevenness_ratio", "background_left_sigma"}


def test_snakemakes_process_imports_the_columns_without_numpy():
    code = "import sys, clearfield.qc.known_metrics; print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT / "scripts")},
    )  # fmt: skip
    assert done.stdout == "False\n"


def test_a_rule_flags_beyond_its_threshold_only():
    high, low = (
        Rule(lambda row: row("planes"), str, warn=3, fail=5, low=is_low) for is_low in (False, True)
    )

    def levels(rule):
        return [rule.level(Row({"planes": cell}), rule.default) for cell in ("3", "4", "6", "")]

    assert levels(high) == ["ok", "warn", "fail", "ok"]
    assert levels(low._replace(warn=5, fail=3)) == ["warn", "warn", "ok", "ok"]
