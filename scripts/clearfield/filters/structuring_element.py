"""A disk written as few shifted copies, so that its running minimum takes few passes."""

from functools import lru_cache
from itertools import pairwise
from math import gcd, isqrt
from typing import NamedTuple


class Window(NamedTuple):
    """A window as a Minkowski sum of point pairs, and the points that the sum leaves out.

    Attributes
    ----------
    reach : int
        Largest distance in x or y from the centre, in pixels.
    moves : tuple of (dy, dx)
        The window is the sum of the pairs {0, move}, centred: a minimum over it is one pass
        ``t = minimum(t, t shifted by move)`` for each move. Their sum is even in y and x.
    points : tuple of (dy, dx)
        Offsets from the centre that are joined to this sum, one more pass each.
    joined : int
        The sum of so many of the first moves, centred, is joined to the whole sum: one pass more
        for all of its points. 0 where there is none.
    """

    reach: int
    moves: tuple[tuple[int, int], ...]
    points: tuple[tuple[int, int], ...]
    joined: int = 0

    @property
    def passes(self) -> int:
        """Tell how many passes a minimum over the window takes."""
        return len(self.moves) + len(self.points) + bool(self.joined)

    def covers(self, height: int, width: int) -> bool:
        """Say whether this is a square that holds the plane around each of the plane's pixels."""
        # A sum of pairs along the axes alone is a rectangle; here both sides are equal.
        rectangle = not self.points and all(0 in move for move in self.moves)
        return rectangle and self.reach >= max(height, width) - 1


@lru_cache(maxsize=64)
def disk(radius: int) -> Window:
    """Decompose the digital disk dx² + dy² <= radius².

    The convex hull of a set of pixels with central symmetry is the Minkowski sum of its edges.
    So is nearly always the set itself, if the four single pixels at the ends of the axes are
    left out (their long edges would leave gaps). An edge of m steps is a running minimum of
    m + 1 pixels in an oblique direction: log2(m + 1) passes by doubling. A hull has about
    3.4 radius^(2/3) edges, half of them distinct in direction: for radius 50 that makes
    46 passes, where one chord for each row takes 139. What the sum leaves out of the disk is
    found by building it, and is joined point by point, so the window is exact for any radius.

    Examples
    --------
    The disk of radius 5 is an octagon, and the four pixels at the ends of its axes.

    >>> sum(dy for dy, _ in disk(5).moves) // 2
    4
    >>> sorted(disk(5).points)
    [(-5, 0), (0, -5), (0, 5), (5, 0)]

    That of radius 2 is nine pixels of one colour of a chessboard, a sum of two diagonals of three
    pixels each, and the four pixels that touch the middle: a sum of two diagonals of two.

    >>> disk(2)
    Window(reach=2, moves=((1, 1), (1, -1), (1, 1), (1, -1)), points=(), joined=2)
    """
    if radius == 2:
        return Window(2, ((1, 1), (1, -1)) * 2, (), joined=2)
    candidates = [_with_leftover(radius, _hull_moves(radius, cut)) for cut in {0, min(1, radius)}]
    return min(candidates, key=lambda window: window.passes)


@lru_cache(maxsize=64)
def square(size: int) -> Window:
    """Decompose a square of an odd number of pixels a side.

    Examples
    --------
    >>> square(5).moves
    ((2, 0), (1, 0), (1, 0), (0, 2), (0, 1), (0, 1))
    """
    moves = [*_segment(1, 0, size - 1), *_segment(0, 1, size - 1)]
    return Window(size // 2, tuple(sorted(moves, reverse=True)), ())


def _segment(dy: int, dx: int, steps: int) -> list[tuple[int, int]]:
    """Moves whose sum is the points 0, 1, ... steps times (dy, dx)."""
    moves, step = [], 1
    while steps:
        step = min(step, steps)
        moves.append((dy * step, dx * step))
        steps -= step
        step *= 2
    return moves


def _hull_moves(radius: int, cut: int) -> list[tuple[int, int]]:
    """Moves along the edges of the hull of the disk without its `cut` outermost rows, columns."""
    top = radius - cut
    rows = [(min(isqrt(radius * radius - y * y), top), y) for y in range(top, -1, -1)]
    corner = (rows[0][0], top)
    hull = []
    for x, y in [*rows, (top, -rows[-1][1])]:
        if y < 0 or (hull and hull[-1][0] == top):
            continue
        while len(hull) > 1 and (
            (hull[-1][0] - hull[-2][0]) * (y - hull[-2][1])
            >= (hull[-1][1] - hull[-2][1]) * (x - hull[-2][0])
        ):
            hull.pop()
        hull.append((x, y))
    moves = [*_segment(0, 1, 2 * corner[0]), *_segment(1, 0, 2 * hull[-1][1])]
    for (x0, y0), (x1, y1) in pairwise(hull):
        dx, dy = x1 - x0, y0 - y1
        steps = gcd(dx, dy)
        moves += _segment(dy // steps, dx // steps, steps)
        moves += _segment(dy // steps, -dx // steps, steps)
    return moves


def _with_leftover(radius: int, moves: list[tuple[int, int]]) -> Window:
    """Build the sum of `moves` and list the points of the disk that are not in it."""
    # One integer holds the whole mask, a bit for each pixel, rows one after the other.
    stride = 2 * radius + 1
    disk_mask = 0
    for y in range(stride):
        half = isqrt(radius * radius - (y - radius) ** 2)
        disk_mask |= ((1 << (2 * half + 1)) - 1) << (y * stride + radius - half)
    start = radius - sum(dy for dy, _ in moves) // 2, radius - sum(dx for _, dx in moves) // 2
    mask = 1 << (start[0] * stride + start[1])
    for dy, dx in moves:
        mask |= mask << (dy * stride + dx)
    assert not mask & ~disk_mask, "the sum of the hull's edges lies inside the hull"
    leftover, points = disk_mask & ~mask, []
    while leftover:
        place = leftover.bit_length() - 1
        points.append((place // stride - radius, place % stride - radius))
        leftover ^= 1 << place
    # Long moves first: the rows that a later pass must still cover become fewer sooner.
    return Window(radius, tuple(sorted(moves, reverse=True)), tuple(points))
