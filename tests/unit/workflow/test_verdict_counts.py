"""The end of a run, from hand-made tables."""

from clearfield.workflow.verdict_counts import count_verdicts, read_rows


def count(path, *rows):
    path.write_text("\n".join(["sample\tstatus\tunused_channels", *rows, ""]), "utf-8")
    return count_verdicts(read_rows(path)).splitlines()


def test_a_channel_that_no_sample_has_is_named(tmp_path):
    cell = "DAPPI (did you mean DAPI?); Cy5"
    said = count(tmp_path / "m.tsv", f"a\twarn\t{cell}", f"b\twarn\t{cell}")
    assert said == [
        "2 samples: 0 ok, 2 warn, 0 fail",
        "no sample has a channel 'Cy5', which subtract_background.channels names",
        "no sample has a channel 'DAPPI', which subtract_background.channels names",
    ]


def test_a_channel_that_some_samples_lack_is_no_matter(tmp_path):
    assert count(tmp_path / "m.tsv", "a\tok\tCy5", "b\tok\t") == ["2 samples: 2 ok, 0 warn, 0 fail"]
