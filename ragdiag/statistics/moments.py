"""First to fourth moments of vectors, in one pass, mergeable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ragdiag.engine.base import Block
from ragdiag.types import Float32, Float64

_EXACT = 4096  # directions that are taken in float64; more are worth the speed of float32
_TILE = 2**21  # float32 numbers of a tile, 8 MiB: larger ones multiply no faster
_ROWS = 512  # taken at a time, so that they stay in the cache; a tile is a multiple of them
_FAR = 0.9  # squared length of a mean from which on it is taken off before products are formed
_UNIT = 5e-7  # lengths that differ from 1 by less are 1: float32 can hardly say more of them
_SHORT = 1e-30  # the reciprocal of a shorter length, or a coordinate of such a vector, may be none of float32


@dataclass(frozen=True)
class Moments:
    """Sums of powers over n vectors about a centre c near them, so that two of them add up to that of the union.

    About the origin, a mean of 10,000 times the spread would leave nothing of the fourth moment in float64.

    Attributes
    ----------
    n : int
    centre : ndarray of float64, shape (d,)
        c; any vector, best one near the mean.
    first : ndarray of float64, shape (d,)
        Σ(x − c).
    second : ndarray of float64, shape (d, d)
        Σ(x − c)(x − c)ᵀ.
    third : ndarray of float64, shape (d,)
        Σ‖x − c‖²(x − c).
    fourth : float
        Σ‖x − c‖⁴. With `third` it gives the unbiased estimate of tr Σ² without a second pass.

    Examples
    --------
    >>> a = Moments.of(np.float32([[1, 0], [0, 1]]))
    >>> b = Moments.of(np.float32([[2, 2]]))
    >>> (a + b).mean.tolist()
    [1.0, 1.0]
    >>> (a + b).covariance.tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """

    n: int
    centre: Float64
    first: Float64
    second: Float64
    third: Float64
    fourth: float

    @classmethod
    def empty(cls, dim: int) -> Moments:
        """Return the moments of no vectors."""
        return cls(0, np.zeros(dim), np.zeros(dim), np.zeros((dim, dim)), np.zeros(dim), 0.0)

    @classmethod
    def of(cls, X: Float32 | Float64) -> Moments:
        """Return the moments of the rows of X, shape (n, d), about their mean, in float64 throughout."""
        if len(X) == 0:
            return cls.empty(X.shape[1])
        centre = X.mean(axis=0, dtype=np.float64)
        Y = X - centre
        squares = np.einsum("ij,ij->i", Y, Y)
        return cls(len(Y), centre, Y.sum(axis=0), Y.T @ Y, squares @ Y, float(squares @ squares))

    def __add__(self, other: Moments) -> Moments:
        if not self.n or not other.n:
            return self if self.n else other
        moved = other.about(self.centre)
        return Moments(
            self.n + moved.n,
            self.centre,
            self.first + moved.first,
            self.second + moved.second,
            self.third + moved.third,
            self.fourth + moved.fourth,
        )

    def about(self, centre: Float64) -> Moments:
        """Return the same about another centre.

        Examples
        --------
        >>> Moments.of(np.float32([[1, 0], [0, 1]])).about(np.zeros(2)).second.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        n, a, B = self.n, self.first, self.second
        by = self.centre - centre
        long = float(by @ by)
        if long == 0:
            return self
        along, B_by = float(a @ by), B @ by
        trace = float(np.trace(B))
        cross = np.outer(a, by)
        return Moments(
            n,
            centre,
            a + n * by,
            B + cross + cross.T + n * np.outer(by, by),
            self.third + trace * by + 2 * B_by + 2 * along * by + long * a + n * long * by,
            self.fourth
            + 4 * float(self.third @ by)
            + 2 * long * trace
            + 4 * float(by @ B_by)
            + 4 * long * along
            + n * long**2,
        )

    @property
    def dim(self) -> int:
        """The dimension d."""
        return len(self.first)

    @property
    def mean(self) -> Float64:
        """The mean vector, shape (d,)."""
        return self.centre + self.first / max(self.n, 1)

    @property
    def gram(self) -> Float64:
        """Σxxᵀ, shape (d, d)."""
        return self.about(np.zeros(self.dim)).second

    @property
    def covariance(self) -> Float64:
        """The unbiased covariance, shape (d, d); zero for fewer than two vectors."""
        off = self.first / max(self.n, 1)
        centred: Float64 = (self.second - self.n * np.outer(off, off)) / max(self.n - 1, 1)
        return (centred + centred.T) / 2

    @property
    def centred_quartic(self) -> float:
        """Σ‖x − mean‖⁴."""
        return max(self.about(self.mean).fourth, 0.0)

    def trace_of_square(self) -> float:
        """Return the unbiased estimate of tr Σ².

        The plug-in tr S² is too large by about (tr Σ)²/n: at n = d it is twice the truth. This is the
        closed form of the average of tr(S_A S_B) over all splits of the sample into disjoint parts
        (Himeno & Yamada 2014, Journal of Multivariate Analysis 130:27). NaN below four vectors.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> X = rng.standard_normal((400, 400)).astype(np.float32)
        >>> plug_in = float(np.sum(Moments.of(X).covariance ** 2))
        >>> round(plug_in / 400, 1), round(Moments.of(X).trace_of_square() / 400, 1)
        (2.0, 1.0)
        """
        n = self.n
        if n < 4:
            return float("nan")
        S = self.covariance
        trace = float(np.trace(S))
        square = float(np.sum(S * S))
        q = self.centred_quartic / (n - 1)
        return (n - 1) / (n * (n - 2) * (n - 3)) * ((n - 1) * (n - 2) * square + trace**2 - n * q)


class MomentsStep:
    """Accumulates the `Moments` of directions, x/‖x‖, at the cost of one float32 Gram matrix.

    The first 4,096 directions are taken in float64 throughout. Those that follow are rounded to float32 (whole tiles
    of lengths within 5e-7 of 1 are taken as they are), less the mean c of the first where the mean cosine is above .9,
    multiplied in tiles, and the tiles are added up in float64. Each coordinate is then off by at most 2⁻²³ of itself
    and as its length is, up or down, and a product of a tile by the rounding of at most 4,096 sums in float32; both
    average out over rows and tiles. Covariances are within 1e-6 of the mean of ‖x̂ − c‖² (of 4,096 rows that are nearly
    equal but for their sign, whose sums all round one way; usually it is 1e-8), which is at most tenfold tr Σ where c
    is 0. Taking off the mean is exact for coordinates near it, so that one of 10,000 times the spread adds the rounding
    of the directions alone, (2⁻²³·10⁴)² or 1.4e-6 of the variance at most.

    Parameters
    ----------
    dim : int

    Examples
    --------
    >>> step = MomentsStep(2)
    >>> step.add(np.float32([[3, 0], [0, 0], [0, 5]]), np.array([3.0, 0.0, 5.0]))
    >>> step.result().n, step.result().mean.tolist()
    (2, [0.5, 0.5])
    """

    def __init__(self, dim: int) -> None:
        self._exact = Moments.empty(dim)
        self._tiles: _Tiles | None = None

    def step(self, block: Block) -> None:
        """Take in one block; unusable vectors, whose length is given as 0, are left out."""
        self.add(block.batch.vectors, block.norms)

    def add(self, vectors: Float32, norms: Float64) -> None:
        """Add rows, shape (b, d), with their lengths, shape (b,); those of length 0 are left out."""
        live = norms > 0
        if not live.all():
            vectors, norms = vectors[live], norms[live]
        if (missing := _EXACT - self._exact.n) > 0:
            self._exact += Moments.of(vectors[:missing].astype(np.float64) / norms[:missing, None])
            vectors, norms = vectors[missing:], norms[missing:]
        if len(vectors):
            self._tiles = self._tiles or _Tiles(self._exact.mean)
            self._tiles.add(vectors, norms)

    def result(self) -> Moments:
        """Return the moments so far."""
        return self._exact + self._tiles.result() if self._tiles else self._exact


class _Tiles:
    """Moments of directions by float32 products of tiles, whatever the size of the batches."""

    def __init__(self, mean: Float64) -> None:
        dim = len(mean)
        far = float(mean @ mean) > _FAR
        self._centre = mean.astype(np.float32) if far else None
        self._tile = np.empty((int(np.clip(_TILE // dim // _ROWS, 1, 8)) * _ROWS, dim), dtype=np.float32)
        self._squares = np.empty(len(self._tile), dtype=np.float32)
        self._n = self._filled = 0
        self._first, self._third, self._fourth = np.zeros(dim), np.zeros(dim), 0.0
        self._second = np.zeros((dim, dim))

    def add(self, vectors: Float32, norms: Float64) -> None:
        """Add rows with their lengths above 0."""
        as_they_are = self._centre is None and bool(np.all(np.abs(norms - 1) <= _UNIT))
        start, rows = 0, len(self._tile)
        while start < len(vectors):
            stop = min(start + rows - self._filled, len(vectors))
            if as_they_are and stop - start == rows:
                self._add_tile(vectors[start:stop])
            else:
                self._fill(vectors[start:stop], norms[start:stop])
            start = stop

    def _fill(self, vectors: Float32, norms: Float64) -> None:
        for start in range(0, len(vectors), _ROWS):
            rows, lengths = vectors[start : start + _ROWS], norms[start : start + _ROWS]
            out = self._tile[self._filled : self._filled + len(rows)]
            if lengths.min() < _SHORT:
                out[:] = rows / lengths[:, None]
            else:
                np.einsum("ij,i->ij", rows, (1 / lengths).astype(np.float32), out=out)
            if self._centre is not None:
                out -= self._centre
                self._squares[self._filled : self._filled + len(rows)] = np.einsum("ij,ij->i", out, out)
            self._filled += len(rows)
        if self._filled == len(self._tile):
            self._flush()

    def _flush(self) -> None:
        self._add_tile(self._tile[: self._filled])
        self._filled = 0

    def _add_tile(self, tile: Float32) -> None:
        for start in range(0, len(tile), _ROWS):  # few enough for float32 not to lose what comes late
            rows = tile[start : start + _ROWS]
            total = np.ones(len(rows), dtype=np.float32) @ rows
            self._n += len(rows)
            self._first += total
            if self._centre is None:  # every square is 1
                self._third += total
                self._fourth += len(rows)
            else:
                squares = self._squares[start : start + _ROWS][: len(rows)]
                self._third += squares @ rows
                self._fourth += float(np.sum(squares.astype(np.float64) ** 2))
        self._second += tile.T @ tile  # numpy sees the symmetry and multiplies half

    def result(self) -> Moments:
        """Return the moments so far."""
        if self._filled:
            self._flush()
        centre = np.zeros(len(self._first)) if self._centre is None else self._centre.astype(np.float64)
        return Moments(self._n, centre, self._first.copy(), self._second.copy(), self._third.copy(), self._fourth)
