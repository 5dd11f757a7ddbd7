"""Convolution with a Gaussian: near pixels added up, or rows Fourier transformed at any sigma.

The kernel is SciPy's and scikit-image's: sampled, cut off at four sigma, its sum 1; beyond an
end of a row the row's last pixel goes on for ever (mode "nearest").
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

# Measured: up to this reach adding shifted copies is faster than a Fourier transform.
NEAR = 10
_TRUNCATE = 4.0


class Kernel(NamedTuple):
    """A Gaussian: its reach in pixels, and its weights from the middle outwards."""

    reach: int
    half: np.ndarray


@lru_cache(maxsize=16)
def gaussian_kernel(sigma: float) -> Kernel:
    """Sample a Gaussian of standard deviation `sigma` pixels.

    Examples
    --------
    For sigma 0 it is a single pixel; for sigma 0.5 the neighbours weigh exp(-2) of the middle.

    >>> gaussian_kernel(0.0)
    Kernel(reach=0, half=array([1.]))
    >>> gaussian_kernel(0.5).half.round(4)
    array([7.866e-01, 1.065e-01, 3.000e-04])
    """
    reach = int(_TRUNCATE * sigma + 0.5) if sigma else 0
    half = np.exp(-0.5 * (np.arange(reach + 1) / (sigma or 1.0)) ** 2)
    return Kernel(reach, half / (2 * half.sum() - half[0]))


def blur_near(padded: np.ndarray, kernel: Kernel) -> np.ndarray:
    """Convolve a tile along y and x by adding shifted copies of it.

    Parameters
    ----------
    padded : (Y + 2 reach, X + 2 reach) float64 array
        A tile and the `kernel.reach` pixels around it. It is overwritten.
    kernel : Kernel

    Returns
    -------
    (Y, X) float64 array

    Examples
    --------
    >>> peak = np.zeros((5, 5))
    >>> peak[2, 2] = 16
    >>> blur_near(peak, Kernel(1, np.array([0.5, 0.25])))
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    reach = kernel.reach
    if reach == 0:
        return padded
    stride = padded.shape[1]
    # As one flat line the whole tile shifts at once; what runs over a row's end is cut off.
    once, pair, line = np.empty(padded.size), np.empty(padded.size), padded.reshape(-1)
    once = _add_shifted(line, 1, kernel, once, pair)
    _add_shifted(once, stride, kernel, line, pair)
    count = (padded.shape[0] - 2 * reach) * stride
    return line[:count].reshape(-1, stride)[:, : stride - 2 * reach]


def _add_shifted(
    line: np.ndarray, step: int, kernel: Kernel, total: np.ndarray, pair: np.ndarray
) -> np.ndarray:
    """Convolve a line with a kernel whose weights stand `step` pixels apart."""
    reach, half = kernel
    count = line.size - 2 * reach * step
    total, pair = total[:count], pair[:count]
    np.multiply(line[reach * step :][:count], half[0], out=total)
    for shift in range(1, reach + 1):
        left, right = (reach - shift) * step, (reach + shift) * step
        np.add(line[left:][:count], line[right:][:count], out=pair)
        np.multiply(pair, half[shift], out=pair)
        np.add(total, pair, out=total)
    return total


def blur_rows(buffer: np.ndarray, width: int, kernel: Kernel) -> None:
    """Convolve rows with a kernel in place, at a cost that does not grow with its reach.

    The kernel is real and symmetric, so the real and the imaginary part of a row are blurred each
    by itself: a buffer holds two rows of pixels for the price of one transform. With zeros beyond
    its ends a row is transformed; then the weight that falls beyond an end, times the value there,
    is added.

    Parameters
    ----------
    buffer : (N, length) complex128 array
        `transform_length` gives the length. Both ends of a row, its first `width` values, go on
        with their last value; what follows is overwritten.
    width : int
    kernel : Kernel

    Examples
    --------
    >>> kernel = Kernel(1, np.array([0.5, 0.25]))
    >>> buffer = np.zeros((1, transform_length(4, kernel)), complex)
    >>> buffer[0, :4] = [4 + 8j, 0, 0, 0]
    >>> blur_rows(buffer, 4, kernel)
    >>> buffer[0, :2].real.round(9), buffer[0, :2].imag.round(9)
    (array([3., 1.]), array([6., 2.]))
    """
    spectrum, beyond = _prepared(kernel.reach, kernel.half.tobytes(), width)
    first, last = buffer[:, :1].copy(), buffer[:, width - 1 : width].copy()
    buffer[:, width:] = 0
    np.fft.fft(buffer, axis=1, out=buffer)
    np.multiply(buffer, spectrum, out=buffer)
    np.fft.ifft(buffer, axis=1, out=buffer)
    count = len(beyond)
    buffer[:, :count] += first * beyond
    buffer[:, width - count : width] += last * beyond[::-1]


def transform_length(width: int, kernel: Kernel) -> int:
    """Give the length of a buffer in which a row's end does not wrap round into its beginning.

    Examples
    --------
    >>> transform_length(2048, gaussian_kernel(100))
    2500
    """
    return fast_length(width + min(kernel.reach, width - 1))


@lru_cache(maxsize=16)
def _prepared(reach: int, half: bytes, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the kernel's spectrum, and its weight beyond the end of a row at each pixel."""
    weights = Kernel(reach, np.frombuffer(half))
    within = min(reach, width - 1)  # farther weights meet no pixel of the row
    line = np.zeros(transform_length(width, weights))
    line[: within + 1] = weights.half[: within + 1]
    if within:
        line[-within:] = weights.half[within:0:-1]
    # beyond[i] = sum of the weights at distances i + 1, i + 2, ... reach
    beyond = np.cumsum(weights.half[:0:-1])[::-1][:width]
    return np.fft.fft(line).real.copy(), beyond.copy()


def fast_length(least: int) -> int:
    """Give the smallest length >= `least` whose prime factors are 2, 3 and 5.

    Examples
    --------
    >>> fast_length(2448)
    2500
    """
    best = 1 << (least - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            length = three
            while length < least:
                length *= 2
            best = min(best, length)
            three *= 3
        five *= 5
    return best
