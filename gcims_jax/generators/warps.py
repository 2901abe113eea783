"""Training records with their axes warped: peaks move as they do between runs.

``warp`` takes a hand-set size. ``tuned_warp`` chooses size and smoothness of each axis inside the training part: by how
well warped copies of the other training records tell the class of each training record. Records of the same sample do not
count as others. Where the axes stand still no warp tells it best, and none is taken.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax.batches import for_each
from gcims_jax.generators.contract import Description, make, pick, take
from gcims_jax.generators.groups import group_means, pays
from gcims_jax.options import count, number
from gcims_jax.parts import Part
from gcims_jax.phase import warp as warping
from gcims_jax.phase.warp import FAST, SLOW, Spread

Array = jax.Array

KNOTS = 5
# Standard errors of groups by which a warp has to beat none; the best of many is taken, so one is not enough.
THRESHOLD = 1.5


class Sizes(NamedTuple):
    """Sizes of random warps.

    Attributes:
      slow, fast: multiples of ``SLOW`` and ``FAST``.
      knots: of the slow axis; fewer are smoother.
      intensity: standard deviation of the logarithm of a factor.
    """

    slow: float
    fast: float
    knots: int = KNOTS
    intensity: float = 0.05


NONE = Sizes(0.0, 0.0, KNOTS, 0.0)
# Tried one after the other, each at the best of those before it.
GRID = (
    ("slow", (0.0, 0.5, 1.0, 2.0, 3.0)),
    ("fast", (0.0, 0.5, 1.0, 2.0, 3.0)),
    ("intensity", (0.0, 0.05, 0.15)),
    ("knots", (3, 5, 8)),
)


class Warps(NamedTuple):
    """Fitted state.

    Attributes:
      x_NxRxT, labels_N: training records.
      sizes: of the warps.
      tried: sizes that were tried, with their scores, means over groups; none where there is one group.
    """

    x_NxRxT: np.ndarray
    labels_N: np.ndarray
    sizes: Sizes
    tried: tuple[tuple[Sizes, float], ...]


def fit_hand_set(key: Array, part: Part, *, size: float = 1.0) -> Warps:
    """Warps of a given size of both axes, and 5 % of intensity at size 1."""
    for length in part.x_NxRxT.shape[1:]:
        if length > 1:
            warping.check_knots(length, KNOTS)
    return Warps(np.asarray(part.x_NxRxT, np.float32), part.labels_N, Sizes(size, size, KNOTS, 0.05 * size), ())


def fit_tuned(key: Array, part: Part, *, copies: int = 6) -> Warps:
    """Chooses sizes by ``neighbour_scores`` of the training records; a warp has to beat none clearly.

    Args:
      key: of the warps that are tried, the same for all sizes.
      part: training records.
      copies: warped copies of each record to try a size with.
    """
    x_NxRxT, labels_N = np.asarray(part.x_NxRxT, np.float32), part.labels_N
    if len(np.unique(part.groups_N)) < 2:
        return Warps(x_NxRxT, labels_N, NONE, ())  # nobody else to tell anything
    owner_M = np.tile(np.arange(len(labels_N)), copies)
    tried: dict[Sizes, np.ndarray] = {}

    def scores(sizes: Sizes) -> np.ndarray:
        if sizes not in tried:
            # Interpolation smooths noise, which helps whatever moves; so every size, none too, moves by half a point more.
            copies_MxRxT = change(key, x_NxRxT[owner_M], sizes, jitter=0.5)
            scores_N = neighbour_scores(x_NxRxT, labels_N, part.groups_N, copies_MxRxT, owner_M)
            tried[sizes] = group_means(scores_N, part.groups_N)
        return tried[sizes]

    best = NONE
    for name, values in _grid(x_NxRxT.shape[1:]):
        # Knots make a difference only where the slow axis moves.
        if name != "knots" or best.slow > 0.0:
            best = max((best._replace(**{name: value}) for value in values), key=lambda sizes: scores(sizes).mean())
    if not pays(scores(best) - scores(NONE), THRESHOLD):
        best = NONE
    return Warps(x_NxRxT, labels_N, best, tuple((sizes, float(score_G.mean())) for sizes, score_G in tried.items()))


def _grid(shape: tuple[int, int]) -> Iterator[tuple[str, Sequence[float]]]:
    """What is tried for records of a shape: an axis with too few points for the knots of a warp stands still."""
    most = dict(zip(("slow", "fast"), (length // 2 for length in shape), strict=True))
    for name, values in GRID:
        if name == "knots":
            yield name, [knots for knots in values if knots <= most["slow"]] or [KNOTS]
        else:
            yield name, values if most.get(name, KNOTS) >= KNOTS else values[:1]


def neighbour_scores(
    x_NxRxT: np.ndarray,
    labels_N: np.ndarray,
    groups_N: np.ndarray,
    copies_MxRxT: np.ndarray,
    owner_M: np.ndarray,
    widths: Sequence[float] = (0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 4.0),
) -> np.ndarray:
    """Log-probability of each record's class given the copies of other groups: soft neighbours, classes weighted equally.

    Each copy votes for its class with a Gaussian kernel of the distance; copies of the record itself, and of others of its
    group, do not vote. The width with the best mean is taken (leave-one-out kernel discriminant; Goldberger et al. 2005
    use the same score).

    Args:
      x_NxRxT, labels_N, groups_N: training records, of two groups or more.
      copies_MxRxT: changed copies.
      owner_M: which record each is a copy of.
      widths: of the kernel, squared, in units of the median squared distance to the nearest copy.
    """
    rows_NxF, copies_MxF = (a.reshape(len(a), -1) for a in (x_NxRxT, copies_MxRxT))
    squared_NxM = (rows_NxF**2).sum(axis=1)[:, None] + (copies_MxF**2).sum(axis=1) - 2.0 * rows_NxF @ copies_MxF.T
    own_NxM = groups_N[owner_M] == groups_N[:, None]
    squared_NxM = np.where(own_NxM, np.inf, squared_NxM)
    nearest_N = squared_NxM.min(axis=1)
    unit = max(float(np.median(nearest_N)), 1e-12)
    classes_K = np.unique(labels_N)
    member_MxK = (labels_N[owner_M][:, None] == classes_K).astype(np.float64)
    voters_NxK = np.maximum((~own_NxM) @ member_MxK, 1.0)
    results = []
    for width in widths:
        votes_NxK = np.exp(-(squared_NxM - nearest_N[:, None]) / (width * unit)) @ member_MxK / voters_NxK
        share_N = votes_NxK[np.arange(len(labels_N)), np.searchsorted(classes_K, labels_N)] / votes_NxK.sum(axis=1)
        # A record without a neighbour of its class anywhere near is no worse than one in a million.
        results.append(np.log(np.maximum(share_N, 1e-6)))
    return max(results, key=np.mean)


def change(key: Array, x_SxRxT: np.ndarray, sizes: Sizes, jitter: float = 0.0) -> np.ndarray:
    """Each record warped anew.

    ``jitter``: standard deviation in points of a further shift of both axes.
    """
    if sizes == NONE and not jitter:
        return x_SxRxT
    spreads = (sizes.slow, sizes.fast, sizes.intensity, jitter)
    return for_each(key, _with_knots(sizes.knots), x_SxRxT, given=spreads)


@functools.cache  # one program for all sizes
def _with_knots(knots: int) -> Callable[..., Array]:
    return functools.partial(_change, knots)


def _change(
    knots: int, key: Array, x_RxT: Array, slow_size: Array, fast_size: Array, intensity: Array, jitter: Array
) -> Array:
    slow_key, fast_key, intensity_key, *jitter_keys = jax.random.split(key, 5)
    r, t = x_RxT.shape
    # Steps between more knots are as large as between few, so more of them are rougher, not larger.
    slow = warping.draw(slow_key, Spread(*(slow_size * s for s in SLOW)), 1, knots)
    fast = warping.draw(fast_key, Spread(*(fast_size * s for s in FAST)), 1, KNOTS)
    slow, fast = (
        axis._replace(offset_N=axis.offset_N + jitter / max(length - 1, 1) * jax.random.normal(jitter_key, (1,)))
        for axis, length, jitter_key in zip((slow, fast), (r, t), jitter_keys, strict=True)
    )
    # An axis of one point, as that of single series, has nowhere to move.
    slow_1xR = warping.positions(slow, r) if r > 1 else jnp.zeros((1, 1))
    fast_1xT = warping.positions(fast, t, 0.0) if t > 1 else jnp.zeros((1, 1))
    factor = jnp.exp(intensity * jax.random.normal(intensity_key))
    return factor * warping.apply(x_RxT[None], slow_1xR, fast_1xT)[0]


def sample(key: Array, state: Warps, labels_S: np.ndarray) -> np.ndarray:
    """Training records of the labels, each warped anew."""
    pick_key, change_key = jax.random.split(key)
    x_SxRxT = take(state.x_NxRxT, pick(pick_key, state.labels_N, labels_S))
    return change(change_key, x_SxRxT, state.sizes)


def _describe(state: Warps) -> Description:
    if state.sizes == NONE:
        return Description(False, "no warp pays: plain copies" if state.tried else "no warp: plain copies")
    slow, fast, knots, intensity = state.sizes
    return Description(True, f"slow {slow:g}, fast {fast:g}, intensity {intensity:g}, {knots} knots")


warp = make(fit_hand_set, sample, _describe, {"size": number(0, 100)})
tuned_warp = make(fit_tuned, sample, _describe, {"copies": count(1, 1000)})
