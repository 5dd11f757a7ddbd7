"""Verdicts from hand-made rows, and the summary as a job runs it."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from clearfield.qc.known_metrics import COLUMNS, RULES
from clearfield.qc.qc_table import KEYS, VERDICT, write_table
from clearfield.qc.rules import Rule
from clearfield.qc.verdict import judge

SCRIPT = Path(__file__).parents[3] / "scripts" / "summarize_qc.py"
THRESHOLDS = {
    "saturated_fraction": {"warn": 0.0001, "fail": 0.01},
    "nonfinite_fraction": {"warn": 0, "fail": 0.01},
    "clipped_fraction": {"warn": 0.01, "fail": None},
    "signal_survived": {"warn": 0.8, "fail": 0.5},
    "unevenness_to_signal": {"warn": 0.4, "fail": 1},
    "unevenness_ratio": {"warn": None, "fail": None},
    "background_left": {"warn": 0.2, "fail": 0.5},
    "background_left_sigma": {"warn": None, "fail": None},
    "ball_below": {"warn": 0.05, "fail": None},
    "contrast_to_noise": {"warn": 5, "fail": 2},
    "drift_z": {"warn": 0.5, "fail": None},
    "flicker_z": {"warn": 0.25, "fail": None},
    "drift_t": {"warn": 0.2, "fail": None},
    "signal_drift_t": {"warn": 0.2, "fail": None},
    "flicker_t": {"warn": 0.1, "fail": 0.5},
    "stuck_pixels": {"warn": 0.0001, "fail": 0.01},
    "sharpest_edge": {"warn": 4, "fail": None},
    "cohort_score": {"warn": 6, "fail": None},
    "no_objects": "warn",
    "radius_beyond_plane": "warn",
    "focus_at_edge": "warn",
}
GOOD = {
    "method": "tophat",
    "radius_px": "25",
    "saturated_fraction": "0",
    "nonfinite_fraction": "0",
    "clipped_fraction": "0",
    "signal_survived": "0.97",
    "object_fraction": "0.2",
    "object_diameter_px": "14",
    "largest_diameter_px": "18",
    "recommended_radius_px": "9",
    "unevenness_before": "300",
    "unevenness_after": "10",
    "unevenness_ratio": "0.0333333",
    "noise_after": "7.4",
    "plane_height_px": "256",
    "plane_width_px": "300",
    "background_median_after": "11",
    "background_left_sigma": "1.5",
    "background_left_to_signal": "0.05",
    "object_signal": "222",
    "unevenness_to_signal": "0.045",
    "contrast_to_noise_after": "30",
    "contrast_to_pixel_noise": "31",
    "background_left_by_noise": "9",
    "stuck_fraction": "0",
    "sharpest_edge_px": "1.4",
    "least_sharpness": "0.1",
    "median_sharpness": "0.2",
    "cohort_score": "2",
    "cohort_metric": "drift_z",
    "cohort_value": "-0.1",
    "cohort_median": "-0.05",
    "planes": "9",
    "sharpest_plane": "4",
    "drift_z": "-0.1",
    "flicker_z": "0.02",
    "drift_t": "-0.05",
    "flicker_t": "0.01",
    "signal_drift_t": "-0.1",
}
NOTHING = (
    "no objects stand out from the noise (an empty field, or a full one: choose the size by eye, "
    "with explore_parameters)"
)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({}, "ok", ""),
        (
            {"radius_px": "5", "signal_survived": "0.4"},
            "fail",
            "radius 5 px is smaller than the objects (median diameter 14 px): objects lose 60 % "
            "of their intensity (recommended top-hat radius 9 px)",
        ),
        (
            {"radius_px": "8", "signal_survived": "0.75"},
            "warn",
            "radius 8 px is smaller than the largest objects (diameter 18 px): objects lose 25 % "
            "of their intensity (recommended top-hat radius 9 px)",
        ),
        ({"signal_survived": "0.7"}, "warn", "objects lose 30 % of their intensity"),
        (
            {"signal_survived": "-0.1"},
            "fail",
            "nothing is left of the objects' intensity",
        ),
        (
            {"method": "minmax", "radius_px": "5", "signal_survived": "0.1"},
            "fail",
            "half the window, 5 px is smaller than the objects (median diameter 14 px): objects "
            "lose 90 % of their intensity (recommended top-hat radius 9 px)",
        ),
        (
            {"saturated_fraction": "0.0042"},
            "warn",
            "acquisition: 0.42 % of the pixels of the stack are saturated",
        ),
        (
            {"unevenness_after": "180", "unevenness_to_signal": "0.81"},
            "warn",
            "the background still varies by 180 grey levels, 81 % of the objects' signal "
            "(recommended top-hat radius 9 px)",
        ),
        # what remains is within the noise: 2 × 7.4
        ({"unevenness_after": "14", "unevenness_to_signal": "2"}, "ok", ""),
        ({"method": "none", "unevenness_after": "300", "unevenness_to_signal": "2"}, "ok", ""),
        (
            {"contrast_to_pixel_noise": "3.14"},
            "warn",
            "acquisition: objects stand only 3.1 standard deviations of the noise above the "
            "background",
        ),
        (
            {"drift_z": "-0.6"},
            "warn",
            "acquisition: intensity falls by 60 % from the first plane to the last",
        ),
        (
            {"drift_z": "-1.2"},
            "warn",
            "acquisition: intensity falls to nothing from the first plane to the last",
        ),
        ({"drift_z": "-0.6", "planes": "4"}, "ok", ""),
        ({"flicker_z": "0.4"}, "warn", "acquisition: a plane differs by 40 % from its neighbours"),
        (
            {"drift_t": "0.3"},
            "warn",
            "acquisition: intensity rises by 30 % from the first time point to the last",
        ),
        (
            {"signal_drift_t": "-0.4"},
            "warn",
            "acquisition: the objects' intensity falls by 40 % from the first time point to "
            "the last",
        ),
        (
            {"flicker_t": "-0.8"},
            "fail",
            "acquisition: this time point is 80 % darker than the course of the others",
        ),
        (
            {"object_fraction": "0"},
            "warn",
            NOTHING,
        ),
        (
            {"contrast_to_pixel_noise": "3.14", "signal_survived": "0.79"},
            "warn",
            "objects lose 21 % of their intensity; objects stand only 3.1 standard deviations "
            "of the noise above the background",
        ),
        (
            {"radius_px": "5000"},
            "warn",
            "the filter's half-width, 5000 px, is larger than the plane (300 × 256 px): its "
            "background is little more than one number (recommended top-hat radius 9 px)",
        ),
        ({"radius_px": "300"}, "ok", ""),
        ({"radius_px": "5000", "method": "none"}, "ok", ""),
        (
            {
                "background_median_after": "64",
                "background_left_sigma": "8.6",
                "background_left_to_signal": "0.29",
            },
            "warn",
            "64 grey levels (8.6 standard deviations) are left in the background, 29 % of the "
            "objects' signal: choose a smaller radius (recommended top-hat radius 9 px)",
        ),
        (
            {
                "background_median_after": "155",
                "background_left_sigma": "21",
                "background_left_to_signal": "0.7",
                "radius_px": "9",
            },
            "fail",
            "155 grey levels (21 standard deviations) are left in the background, 70 % of the "
            "objects' signal: take them off what you measure",
        ),
        (
            {"background_left_to_signal": "0.7", "method": "none"},
            "ok",
            "",
        ),
        (
            {"sharpest_plane": "8"},
            "warn",
            "acquisition: the sharpest plane is the last of 9: the objects may reach beyond "
            "the stack",
        ),
        ({"sharpest_plane": "0", "planes": "1"}, "ok", ""),
        # even and slowly rising sharpness tell nothing of what lies beyond the stack
        ({"sharpest_plane": "8", "least_sharpness": "0.9", "median_sharpness": "0.95"}, "ok", ""),
        ({"sharpest_plane": "8", "least_sharpness": "0.43", "median_sharpness": "0.61"}, "ok", ""),
        # noise alone leaves as much
        (
            {
                "background_left_to_signal": "0.3",
                "background_median_after": "64",
                "background_left_by_noise": "60",
            },
            "ok",
            "",
        ),
        (
            {"stuck_fraction": "0.0031"},
            "warn",
            "acquisition: 0.31 % of the pixels are far from all their neighbours: dead or hot "
            "pixels of the detector, or dust of one pixel",
        ),
        (
            {"sharpest_edge_px": "6.31"},
            "warn",
            "acquisition: nothing is sharper than 6.3 px (standard deviation of its blur): out of "
            "focus, or sampled far finer than the microscope sees",
        ),
        ({"sharpest_edge_px": "6.31", "object_fraction": "0"}, "warn", NOTHING),
        (
            {
                "cohort_score": "-9",
                "cohort_metric": "object_signal",
                "cohort_value": "20",
                "cohort_median": "205",
            },
            "warn",
            "acquisition: the objects' signal is unlike the others': 20, and the median of this "
            "run is 205",
        ),
        (
            {"cohort_score": "7", "cohort_value": "0.8", "cohort_median": "-0.05"},
            "warn",
            "acquisition: the change along Z is unlike the others': +80 %, and the median of this "
            "run is -5 %",
        ),
    ],
)
def test_a_row_is_judged_in_words(change, status, reason):
    assert judge(GOOD | change, THRESHOLDS) == (status, reason)


@pytest.mark.parametrize(
    ("before", "after", "signal", "noise"),
    [
        (0.00223, 0.00223, 100, 12**-0.5),  # nobody sees two thousandths of a grey level
        (12.6, 12.6, 58, 58 / 65),  # objects err by at most 11 % from one side to the other
        (12.6, 6.7, 1966, 5),
        (1.2, 0.6, 55, 12**-0.5),
        (300, 300, 751, 10),  # just below two fifths
    ],
)
def test_unevenness_that_changes_no_measurement_is_no_flag(before, after, signal, noise):
    row = {
        "unevenness_before": before, "unevenness_after": after, "unevenness_ratio": after / before,
        "noise_after": noise, "unevenness_to_signal": after / signal,
    }  # fmt: skip
    assert judge(GOOD | {key: f"{value:.6g}" for key, value in row.items()}, THRESHOLDS)[0] == "ok"


def test_unevenness_as_large_as_the_objects_fails():
    row = {"unevenness_after": "1063", "noise_after": "20", "unevenness_to_signal": "1.06"}
    assert judge(GOOD | row, THRESHOLDS) == (
        "fail",
        "the background still varies by 1063 grey levels, 106 % of the objects' signal "
        "(recommended top-hat radius 9 px)",
    )


def test_a_share_alone_is_judged_where_one_asks_for_it():
    row = {"unevenness_after": "180", "unevenness_ratio": "0.6"}
    settings = THRESHOLDS | {"unevenness_ratio": {"warn": 0.5, "fail": 0.9}}
    assert judge(GOOD | row, settings) == (
        "warn",
        "60 % of the background's unevenness remain (180 of 300 grey levels) (recommended "
        "top-hat radius 9 px)",
    )
    assert judge(GOOD | row | {"unevenness_after": "14"}, settings) == ("ok", "")


def test_the_worst_finding_comes_first():
    status, reason = judge(
        GOOD | {"drift_z": "0.6", "saturated_fraction": "0.02", "flicker_z": "0.3"}, THRESHOLDS
    )
    assert status == "fail"
    assert [part.split()[0] for part in reason.split("; ")] == ["acquisition:"] * 3
    assert [part.split()[1] for part in reason.split("; ")] == ["2", "intensity", "a"]


def test_by_default_nothing_along_z_alone_is_a_flag():
    config = yaml.safe_load((SCRIPT.parents[1] / "config/config.yaml").read_text("utf-8"))
    along_z = {"drift_z": "3.15", "flicker_z": "0.69", "planes": "25"}
    assert judge(GOOD | along_z, config["summarize_qc"]) == ("ok", "")


def test_thresholds_are_passed_not_met():
    assert judge(GOOD | {"saturated_fraction": "0.0001"}, THRESHOLDS)[0] == "ok"
    assert judge(GOOD | {"signal_survived": "0.8"}, THRESHOLDS)[0] == "ok"


def test_nothing_measured_is_nothing_found():
    assert judge(dict.fromkeys(GOOD, ""), THRESHOLDS) == ("ok", "")
    assert judge({}, THRESHOLDS) == ("ok", "")


def test_every_rule_reads_columns_that_exist():
    class Reading(dict):
        def get(self, key, default=None):
            assert key in COLUMNS
            return super().get(key, default)

    bad = {key: "-9" for key in GOOD if key != "method"} | {"object_fraction": "0", "planes": "9"}
    settings = {
        name: {"warn": 99 if rule.low else -99} if isinstance(rule, Rule) else "warn"
        for name, rule in RULES.items()
    }
    judge(Reading(bad), settings)


def summarize(folder: Path, names: list[str]) -> tuple[str, list[dict]]:
    done = subprocess.run(
        [
            sys.executable, SCRIPT, "--folder", folder, "--metrics", folder.parent / "metrics.tsv",
            "--settings", json.dumps(THRESHOLDS),
        ],
        input="".join(f"{folder / name}.tsv\n" for name in names),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode:
        return done.stderr, []
    with (folder.parent / "metrics.tsv").open(encoding="utf-8", newline="") as file:
        return done.stdout, list(csv.DictReader(file, delimiter="\t"))


def test_a_sample_unlike_the_others_of_its_run_is_flagged(tmp_path):
    names = [f"s{number:02}" for number in range(12)]
    for number, name in enumerate(names):
        rows = [
            GOOD | {
                "sample": name, "time": time, "channel": channel, "channel_name": "DAPI",
                # alike within a tenth; the fourth sample is dim in its second channel alone
                "object_signal": 12 if (number, channel) == (3, 1) else 222 + number + time,
            }
            for channel in (0, 1)
            for time in (0, 1)
        ]  # fmt: skip
        for row in rows:
            for cell in [key for key in row if key.startswith("cohort")]:
                del row[cell]
        write_table(tmp_path / "samples" / f"{name}.tsv", rows[0], rows)
    said, rows = summarize(tmp_path / "samples", names)
    assert said.startswith("12 samples, 48 rows: 46 ok, 2 warn, 0 fail")
    flagged = [row for row in rows if row["status"] != "ok"]
    assert {(row["sample"], row["channel"]) for row in flagged} == {("s03", "1")}
    assert flagged[0]["reason"] == (
        "acquisition: the objects' signal is unlike the others': 12, and the median of this run "
        "is 228"
    )
    _, rows = summarize(tmp_path / "samples", names[:9])  # too few to tell what is usual
    assert {row["status"] for row in rows} == {"ok"}


def test_summary_keeps_names_order_and_cells(tmp_path):
    names = ["b", "=1+1", "-a b.ü", "+x\ty", 'quo"te']
    for number, name in enumerate(names):
        rows = [
            GOOD | {"sample": name, "time": time, "channel": 0, "channel_name": "=DAPI"}
            for time in range(number + 1)
        ]
        write_table(tmp_path / "samples" / f"{name}.tsv", [*KEYS, *GOOD], rows)
    write_table(tmp_path / "samples" / "gone.tsv", KEYS, [])
    said, rows = summarize(tmp_path / "samples", names)
    assert said.splitlines() == [
        "5 samples, 15 rows: 15 ok, 0 warn, 0 fail",
        "earlier results left out, not in this run (1): gone",
    ]
    assert list(rows[0]) == [*KEYS, *VERDICT, *COLUMNS]
    assert list(rows[0])[:6] == ["sample", "time", "channel", "channel_name", "status", "reason"]
    assert [row["sample"] for row in rows] == [
        name for number, name in enumerate(names) for _ in range(number + 1)
    ]
    assert {row["channel_name"] for row in rows} == {"=DAPI"}
    assert all(row[key] == value for row in rows for key, value in GOOD.items())
    assert rows[0]["object_diameter_um"] == ""  # a table that lacks a newer column


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "has no column sample"),
        ("sample\ttime\n", "has no column channel"),
        ("sample\ttime\tchannel\tchannel_name\nonly\t0\n", "line 2"),
        ("sample\ttime\tchannel\tchannel_name\na\t0\t0\t\udcff\n", "is damaged"),
    ],
)
def test_a_damaged_table_is_named_in_one_sentence(tmp_path, content, words):
    path = tmp_path / "samples" / "a.tsv"
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8", errors="surrogateescape")
    said, _ = summarize(path.parent, ["a"])
    assert said.count("\n") == 1
    assert words in said
    assert str(path) in said
    assert not (tmp_path / "metrics.tsv").exists()


def test_a_missing_table_is_named(tmp_path):
    said, _ = summarize(tmp_path / "samples", ["a"])
    assert said.startswith("error: No such file")
    assert "a.tsv" in said
