"""Morphology against scikit-image, SciPy and the definition itself."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from clearfield.errors import ClearfieldError
from clearfield.filters import morphology
from clearfield.filters import running_extrema as extrema
from clearfield.filters.structuring_element import disk, square
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage import morphology as reference

UNSIGNED = ["uint8", "uint16", "uint32"]
SIGNED = ["int8", "int16", "int32"]
FLOATS = ["float32", "float64"]
WIDER = {"int8": "int16", "int16": "int32", "int32": "int64"}
SHAPES = st.one_of(
    st.tuples(st.integers(1, 24), st.integers(1, 24)),
    st.tuples(st.just(1), st.integers(1, 60)),
    st.tuples(st.integers(1, 60), st.just(1)),
)


def _values(dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return st.floats(-1e6, 1e6, width=32)
    limits = np.iinfo(dtype)
    return st.one_of(st.integers(0, 5), st.integers(limits.min, limits.max))


def _images(dtypes):
    return st.sampled_from(dtypes).flatmap(
        lambda dtype: hnp.arrays(dtype, SHAPES, elements=_values(dtype), fill=_values(dtype))
    )


def _random(shape, dtype="uint16", seed=0):
    generator = np.random.default_rng(seed)
    return (generator.random(shape) * 250).astype(dtype)


def _reference(function, image, radius):
    """Call scikit-image, but never with a disk of several times the image's size.

    There SciPy 1.17 reads beyond the image: `scipy.ndimage.grey_erosion` of [[1, 1]] with
    `disk(8)` gives [[0, 1]]. Its mode "reflect" is spelt out by padding.
    """
    if radius <= 3 * min(image.shape):
        return function(image, reference.disk(radius))
    margin = 2 * radius
    padded = function(np.pad(image, margin, mode="symmetric"), reference.disk(radius))
    return padded[margin:-margin, margin:-margin]


def _sum_of_moves(reach, moves):
    """Build a sum of pairs of points, centred."""
    mask = np.zeros((2 * reach + 1, 2 * reach + 1), bool)
    mask[reach - sum(dy for dy, _ in moves) // 2, reach - sum(dx for _, dx in moves) // 2] = True
    for dy, dx in moves:
        ys, xs = np.nonzero(mask)
        mask[ys + dy, xs + dx] = True
    return mask


def _sum_of(window):
    """Build a window from its definition: all sums of one end of each move, and the points."""
    mask = _sum_of_moves(window.reach, window.moves)
    if window.joined:
        mask |= _sum_of_moves(window.reach, window.moves[: window.joined])
    for dy, dx in window.points:
        mask[window.reach + dy, window.reach + dx] = True
    return mask


@pytest.mark.parametrize("radii", [range(101), (128, 150, 199, 200, 257)], ids=["to 100", "large"])
def test_disk_is_every_pixel_within_the_radius_and_no_other(radii):
    for radius in radii:
        np.testing.assert_array_equal(_sum_of(disk(radius)), reference.disk(radius))


def test_disk_takes_fewer_passes_than_it_has_rows():
    for radius in range(5, 200):
        window = disk(radius)
        assert window.passes <= 2 * radius + 2


@pytest.mark.parametrize("size", [1, 3, 5, 25, 45, 85])
def test_square_is_every_pixel_of_it(size):
    assert _sum_of(square(size)).all()


@settings(max_examples=100, deadline=None)
@given(image=_images(UNSIGNED + FLOATS), radius=st.integers(0, 14))
def test_tophats_equal_scikit_image(image, radius):
    for ours, theirs in (
        (morphology.white_tophat, reference.white_tophat),
        (morphology.black_tophat, reference.black_tophat),
        (morphology.opening, reference.opening),
        (morphology.closing, reference.closing),
    ):
        result = ours(image, radius)
        assert result.dtype == image.dtype
        np.testing.assert_array_equal(result, _reference(theirs, image, radius))


@settings(max_examples=50, deadline=None)
@given(image=_images(SIGNED), radius=st.integers(0, 8))
def test_tophats_of_signed_images_are_unsigned_and_never_wrap(image, radius):
    wide = image.astype(WIDER[image.dtype.name])
    for ours, theirs in (
        (morphology.white_tophat, reference.white_tophat),
        (morphology.black_tophat, reference.black_tophat),
    ):
        result = ours(image, radius)
        assert result.dtype.kind == "u"
        assert result.dtype.itemsize == image.dtype.itemsize
        np.testing.assert_array_equal(result.astype(wide.dtype), _reference(theirs, wide, radius))
    opened = morphology.opening(image, radius)
    assert opened.dtype == image.dtype
    np.testing.assert_array_equal(opened, _reference(reference.opening, wide, radius))


def test_a_peak_over_the_whole_signed_range_keeps_its_height():
    image = np.full((5, 5), -30000, np.int16)
    image[2, 2] = 30000
    assert morphology.white_tophat(image, 1)[2, 2] == 60000
    image = np.full((5, 5), 127, np.int8)
    image[2, 2] = -128
    assert morphology.black_tophat(image, 1)[2, 2] == 255


@settings(max_examples=60, deadline=None)
@given(
    image=_images(UNSIGNED + SIGNED + FLOATS),
    sizes=st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda n: [2 * i + 1 for i in n]),
)
def test_squares_equal_scipy(image, sizes):
    small, large = sizes
    np.testing.assert_array_equal(
        morphology.minimum_filter(image, small), ndimage.minimum_filter(image, small)
    )
    np.testing.assert_array_equal(
        morphology.maximum_filter(image, small), ndimage.maximum_filter(image, small)
    )
    np.testing.assert_array_equal(
        morphology.minmax_filter_background(image, small, large),
        ndimage.maximum_filter(ndimage.minimum_filter(image, small), large),
    )
    np.testing.assert_array_equal(
        morphology.minmax_filter_background(image, small, large, light_background=True),
        ndimage.minimum_filter(ndimage.maximum_filter(image, large), small),
    )


def test_64_bit_integers_are_not_rounded():
    image = np.array([[2**63 + 1, 2**63 + 4, 2**63 + 1]], np.uint64)  # SciPy takes them as float64
    assert morphology.white_tophat(image, 1).tolist() == [[0, 3, 0]]
    assert morphology.minimum_filter(image, 3).tolist() == [[2**63 + 1] * 3]


@pytest.mark.parametrize("dtype", [">u2", ">i2", ">f4", "<u2", "uint8"])
def test_byte_order_layout_and_write_protection_do_not_matter(dtype):
    plain = _random((90, 70))
    expected = reference.white_tophat(plain, reference.disk(6))
    image = plain.astype(dtype)
    strided = np.zeros((180, 210), dtype)[::2, ::3]
    strided[...] = image
    protected = image.copy()
    protected.flags.writeable = False
    for variant in (image, strided, np.asfortranarray(image), image[::-1][::-1], protected):
        result = morphology.white_tophat(variant, 6)
        assert result.dtype.isnative
        np.testing.assert_array_equal(result, expected)
        np.testing.assert_array_equal(variant, plain)
    np.testing.assert_array_equal(morphology.white_tophat(image[:, ::-1], 6), expected[:, ::-1])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("radius", [0, 1, 2, 4, 17, 30])
def test_tiles_bands_and_threads_do_not_matter(dtype, radius, monkeypatch, many_threads):
    image = _random((90, 110), dtype)
    if dtype == "float32":
        image[[5, 60, 61, 89], [3, 80, 80, 0]] = np.nan, np.inf, -np.inf, np.nan
    whole = morphology.white_tophat(image, radius, threads=1)
    background = morphology.minmax_filter_background(image, 7, 2 * radius + 1)
    for tile, columns, band in ((1, 16, 1), (2**11, 40, 5000), (2**20, 2048, 20000)):
        monkeypatch.setattr(extrema, "_TILE_BYTES", tile)
        monkeypatch.setattr(extrema, "_TILE_COLUMNS", columns)
        monkeypatch.setattr(extrema, "_BAND_BYTES", band)
        for threads in (1, 3):
            again = morphology.white_tophat(image, radius, threads=threads)
            np.testing.assert_array_equal(again, whole)
        again = morphology.minmax_filter_background(image, 7, 2 * radius + 1)
        np.testing.assert_array_equal(again, background)


@pytest.mark.parametrize("radius", [1, 4])
def test_an_image_of_several_tiles_equals_scikit_image(radius):
    image = _random((1100, 2300))
    expected = reference.white_tophat(image, reference.disk(radius))
    np.testing.assert_array_equal(morphology.white_tophat(image, radius), expected)


class _Rows:
    """The least that a filter may ask of an image: shape, dtype and slices of rows."""

    def __init__(self, array):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self._array[rows].copy()


def test_blocks_come_in_order_and_need_only_rows(monkeypatch):
    monkeypatch.setattr(extrema, "_BAND_BYTES", 3000)
    image = _random((140, 60))
    for blocks, expected in (
        (morphology.opening_blocks(_Rows(image), 5), morphology.opening(image, 5)),
        (morphology.closing_blocks(_Rows(image), 5), morphology.closing(image, 5)),
        (
            morphology.minmax_blocks(_Rows(image), 3, 9, True),
            morphology.minmax_filter_background(image, 3, 9, True),
        ),
    ):
        row, count = 0, 0
        for first, last, block in blocks:
            assert first == row
            np.testing.assert_array_equal(block, expected[first:last])
            row, count = last, count + 1
        assert row == 140
        assert count > 1


def _extremum_by_definition(image, there, footprint, best):
    """Take the best of the pixels that are there in each window around one that is."""
    reach = footprint.shape[0] // 2
    result = np.full(image.shape, np.nan)
    for y, x in np.argwhere(there):
        window = [
            image[y + dy - reach, x + dx - reach]
            for dy, dx in np.argwhere(footprint)
            if 0 <= y + dy - reach < image.shape[0]
            and 0 <= x + dx - reach < image.shape[1]
            and there[y + dy - reach, x + dx - reach]
        ]
        result[y, x] = best(window)
    return result


@settings(max_examples=30, deadline=None)
@given(
    image=hnp.arrays(
        "float32",
        st.tuples(st.integers(1, 10), st.integers(1, 10)),
        elements=st.one_of(
            st.integers(0, 9), st.sampled_from([np.nan, np.inf, -np.inf]), st.floats(0, 9, width=32)
        ),
    ),
    radius=st.integers(0, 4),
)
def test_a_pixel_that_is_not_finite_is_as_if_outside(image, radius):
    there, footprint = np.isfinite(image), reference.disk(radius)
    low = _extremum_by_definition(image, there, footprint, min)
    opened = _extremum_by_definition(low, there, footprint, max)
    opened = opened.astype(np.float32)
    np.testing.assert_array_equal(morphology.opening(image, radius), opened)
    np.testing.assert_array_equal(
        morphology.white_tophat(image, radius), np.where(there, image, np.float32(np.nan)) - opened
    )
    high = _extremum_by_definition(image, there, np.ones((3, 3)), max)
    np.testing.assert_array_equal(morphology.maximum_filter(image, 3), high)


def test_a_missing_column_divides_the_image_as_an_edge_does():
    image = _random((40, 41), "float32")
    image[:, 20] = np.nan
    result = morphology.white_tophat(image, 20)  # the window does not reach over both halves
    assert np.isnan(result[:, 20]).all()
    assert np.isfinite(np.delete(result, 20, axis=1)).all()
    np.testing.assert_array_equal(
        morphology.white_tophat(np.full((4, 4), np.nan, np.float32), 2), np.full((4, 4), np.nan)
    )


def test_published_pair():
    folder = os.environ.get("SHARED_DATA")
    if not folder:
        pytest.skip("SHARED_DATA is not set: the published top-hat pair is not at hand")
    image = tifffile.imread(Path(folder) / "11_reference" / "input3_uint8.tiff")
    expected = tifffile.imread(Path(folder) / "11_reference" / "input3_output_tophat.tiff")
    np.testing.assert_array_equal(morphology.white_tophat(image, 15), expected)


def test_an_empty_image_gives_an_empty_image():
    for shape in ((0, 5), (5, 0), (0, 0)):
        assert morphology.white_tophat(np.zeros(shape, np.uint8), 3).shape == shape


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: morphology.white_tophat(np.zeros((3, 3), np.uint8), -1), "radius of the disk is"),
        (lambda: morphology.white_tophat(np.zeros((3, 3), np.uint8), 1.5), "whole number"),
        (lambda: morphology.opening(np.zeros((3, 3), np.uint8), float("nan")), "whole number"),
        (lambda: morphology.white_tophat(np.zeros((2, 3, 3), np.uint8), 1), "one plane"),
        (lambda: morphology.white_tophat(np.zeros((3, 3), bool), 1), "dtype bool"),
        (lambda: morphology.white_tophat(np.zeros((3, 3), complex), 1), "dtype complex128"),
        (lambda: morphology.minimum_filter(np.zeros((3, 3)), 4), "take 3 or 5"),
        (lambda: morphology.minmax_filter_background(np.zeros((3, 3)), 3, 0), "max_size is 0"),
        (lambda: morphology.white_tophat(np.zeros((3, 3)), 1, threads=0), "threads is 0"),
    ],
)
def test_what_cannot_be_filtered_is_said_at_once(call, words):
    with pytest.raises(ClearfieldError, match=words):
        call()


def test_an_error_while_reading_ends_the_work_and_is_seen(monkeypatch):
    class Broken(_Rows):
        def __getitem__(self, rows):
            raise OSError("the disk went away")

    for threads in (1, 2):
        with pytest.raises(OSError, match="went away"):
            next(morphology.opening_blocks(Broken(_random((50, 50))), 3, threads=threads))


def _by_definition(image, radius):
    """Open by a disk, each pixel's neighbours looked up one by one."""
    y, x = np.indices(image.shape).reshape(2, -1)
    near = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2 <= radius**2
    values = image.ravel()
    lowest = np.array([values[row].min() for row in near])
    return np.array([lowest[row].max() for row in near]).reshape(image.shape)


@pytest.mark.parametrize("shape", [(14, 13), (1, 9), (9, 1), (1, 1), (5, 30)])
def test_beyond_the_diagonal_nothing_changes(shape):
    """Around any pixel the disk covers the plane: the background is one number."""
    image = np.random.default_rng(3).integers(5, 99, shape).astype(np.uint16)
    diagonal = math.ceil(math.hypot(shape[0] - 1, shape[1] - 1))
    for radius in (diagonal, diagonal + 1, 10 * diagonal + 7, 10**9):
        assert (morphology.opening(image, radius) == image.min()).all()
        assert (morphology.closing(image, radius) == image.max()).all()
    below = max(diagonal - 1, 0)
    np.testing.assert_array_equal(morphology.opening(image, below), _by_definition(image, below))


def test_a_missing_pixel_stays_missing_under_a_disk_beyond_the_diagonal():
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    image[1, 1] = np.nan
    result = morphology.opening(image, 1000)
    assert np.isnan(result[1, 1]) and np.nanmax(result) == 0


@pytest.mark.parametrize("size", [27, 29, 10**9 + 1])
def test_a_window_that_covers_the_plane_gives_one_number(size):
    image = np.random.default_rng(4).integers(5, 99, (14, 13)).astype(np.uint8)
    assert (morphology.minmax_filter_background(image, size, size) == image.min()).all()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("sizes", [(29, 1), (29, 5), (5, 29), (99, 99)])
@pytest.mark.parametrize("light", [False, True])
def test_a_covering_window_before_or_after_a_small_one(dtype, sizes, light):
    image = np.random.default_rng(8).integers(-50, 99, (14, 13)).astype(dtype)
    filters = (ndimage.minimum_filter, ndimage.maximum_filter)
    order = (1, 0) if light else (0, 1)
    expected = image
    for which in order:
        expected = filters[which](expected, min(sizes[which], 27))
    result = morphology.minmax_filter_background(image, *sizes, light)
    np.testing.assert_array_equal(result, expected)


def test_a_plane_without_any_value_under_a_covering_disk_has_none():
    assert np.isnan(morphology.opening(np.full((3, 4), np.nan, np.float32), 99)).all()


def test_a_covering_disk_takes_no_memory_beside_the_result(monkeypatch):
    """The margin of a tile would be as wide as the plane on each side: 1.4 GB here."""
    taken = []

    def note(shape, dtype):
        taken.append(math.prod(shape))
        return np.empty(shape, dtype)

    for module in (morphology, extrema):
        monkeypatch.setattr(module, "any_array", note)
    morphology.opening(np.zeros((1, 6000), np.uint16), 10**6)
    assert taken == [6000]
