"""Methods and sizes of channels, in pixels."""

import pytest
from clearfield.errors import ClearfieldError
from clearfield.methods.channels import resolve_channels, unused_channels

SQUARE = {"x": 0.5, "y": 0.5, "z": 2.0}
UNKNOWN = {"x": None, "y": None, "z": None}


def settings(method="tophat", unit="px", channels=None, **sizes):
    chosen = {"method": method, "light_background": False, method: sizes}
    return {**chosen, "unit": unit, "channels": channels or {}}


def test_pixels_stand_in_both_units_where_the_calibration_is_known():
    (channel,) = resolve_channels(settings(radius=5), ["a"], SQUARE, "s")
    assert (channel["radius"], channel["sizes_um"]) == (5, {"radius": 2.5})
    (channel,) = resolve_channels(settings(radius=5), ["a"], UNKNOWN, "s")
    assert (channel["radius"], channel["sizes_um"]) == (5, None)


@pytest.mark.parametrize(("um", "px"), [(2.6, 5), (2.75, 6), (2.74, 5), (0.25, 1)])
def test_micrometres_become_whole_pixels(um, px):
    (channel,) = resolve_channels(settings(unit="um", radius=um), ["a"], SQUARE, "s")
    assert channel["radius"] == px


@pytest.mark.parametrize(("um", "px"), [(0.5, 1), (1.4, 3), (2.4, 5), (2.6, 5), (3.1, 7)])
def test_windows_become_odd(um, px):
    chosen = settings("minmax", "um", min_size=um, max_size=um)
    (channel,) = resolve_channels(chosen, ["a"], SQUARE, "s")
    assert channel["min_size"] == channel["max_size"] == px


@pytest.mark.parametrize(
    ("pixel", "words"),
    [
        (UNKNOWN, "does not say how large"),
        ({"x": 0.5, "y": 0.6, "z": None}, "not square"),
    ],
)
def test_micrometres_need_one_pixel_size(pixel, words):
    with pytest.raises(ClearfieldError, match="cells 7") as error:
        resolve_channels(settings(unit="um", radius=3), ["a"], pixel, "cells 7")
    assert words in str(error.value)


def test_a_size_below_half_a_pixel_is_refused():
    with pytest.raises(ClearfieldError, match="half a pixel"):
        resolve_channels(settings(unit="um", radius=0.1), ["a"], SQUARE, "s")
    chosen = settings("minmax", "um", min_size=0.2, max_size=5)
    with pytest.raises(ClearfieldError, match=r"min_size 0\.2 µm is less than half a pixel"):
        resolve_channels(chosen, ["a"], SQUARE, "s")
    (channel,) = resolve_channels(
        settings("minmax", "um", min_size=5, max_size=0.2), ["a"], SQUARE, "s"
    )
    assert channel["max_size"] == 1  # the minimum filter alone


def test_channels_go_by_name_or_index():
    own = {"method": "none", "light_background": False, "none": {}}
    for key in ("b", "1"):
        first, second = resolve_channels(
            settings(radius=5, channels={key: own}), ["a", "b"], SQUARE, "s"
        )
        assert (first["method"], second["method"]) == ("tophat", "none")
    with pytest.raises(ClearfieldError, match=r"'a', which s has more than once.*0: 'a', 1: 'a'"):
        resolve_channels(settings(radius=5, channels={"a": own}), ["a", "a"], SQUARE, "s")
    with pytest.raises(ClearfieldError, match="twice"):
        both = settings(radius=5, channels={"b": own, "1": own})
        resolve_channels(both, ["a", "b"], SQUARE, "s")


@pytest.mark.parametrize(
    ("keys", "names", "told"),
    [
        (["DAPPI"], ["DAPI", "GFP"], ["DAPPI (did you mean DAPI?)"]),
        (["Cy5"], ["DAPI", "GFP"], ["Cy5"]),
        (["1"], ["DAPI"], ["1"]),
        # DAPI has settings of its own: DAPI2 is another channel, of other files
        (["DAPI", "DAPI2"], ["DAPI"], ["DAPI2"]),
        (["GFP", "0"], ["DAPI", "GFP"], []),
    ],
)
def test_settings_of_a_channel_that_a_file_lacks_are_told_and_change_nothing(keys, names, told):
    own = {"method": "none", "light_background": False, "none": {}}
    chosen = settings(radius=5, channels=dict.fromkeys(keys, own))
    assert unused_channels(chosen, names) == told
    used = {key: own for key in keys if key in names or key in map(str, range(len(names)))}
    assert resolve_channels(chosen, names, SQUARE, "s") == resolve_channels(
        settings(radius=5, channels=used), names, SQUARE, "s"
    )
