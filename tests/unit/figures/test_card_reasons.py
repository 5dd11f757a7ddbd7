"""Reasons merged over times, as a card says them."""

import pytest
from clearfield.figures.card_reasons import merge_reasons


def rows(*reasons, channel="0", name="spots", status="warn"):
    return [
        {
            "time": str(time), "channel": channel, "channel_name": name,
            "status": status if reason else "ok", "reason": reason,
        }
        for time, reason in enumerate(reasons)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reasons", "merged"),
    [
        (["", ""], []),
        (["a 5 %"], ["a 5 %"]),
        (["a 5 %", "a 5 %"], ["a 5 %"]),  # alike at all times: of the whole series
        (["a 5 %", ""], ["a 5 % at time 0"]),
        (["a 5 %", "a 6 %"], ["a 5 % and 6 % at times 0, 1"]),
        (["a 5 % of 3", "a 6 % of 4"], ["a 5 % to 6 % of 3 to 4 at times 0, 1"]),
        (["a 9"] * 5 + ["", "a 10"], ["a 9 to 10 at times 0–4, 6"]),
        (["a 1.5e+03", "a 20"], ["a 1.5e+03 and 20 at times 0, 1"]),
        (["a; b 1", "b 2"], ["a at time 0", "b 1 and 2 at times 0, 1"]),
    ],
)
def test_a_finding_is_said_once(reasons, merged):
    assert merge_reasons(rows(*reasons)) == merged


def test_channels_are_named_where_there_are_several_and_the_worst_comes_first():
    two = rows("dim 3") + rows("blurred 4", channel="1", name="nuclei", status="fail")
    assert merge_reasons(two) == ["nuclei: blurred 4", "spots: dim 3"]
    same = rows("dim 3", name="A") + rows("dim 3", channel="1", name="A")
    assert merge_reasons(same) == ["A: dim 3", "A: dim 3"]
