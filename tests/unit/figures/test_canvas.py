"""Figures have the pixels that were asked for, whatever matplotlib makes of a fraction."""

from clearfield.figures.canvas import DPI, inches, new_figure


def test_a_length_gives_its_pixels_also_where_they_are_cut_off():
    assert all(int(inches(pixels) * DPI) == pixels for pixels in range(1, 20_000))
    # Where a quotient is exact enough, it stays as it was, and with it the bytes of figures.
    assert inches(1600) == 16.0


def test_a_figure_is_as_large_as_asked():
    for size in ((1608, 556), (29, 57)):
        assert new_figure(*size).canvas.get_width_height() == size
