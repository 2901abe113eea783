"""Plain copies, changed copies and interpolation of training records: what a learned generator has to beat."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.neighbors import NearestNeighbors

from gcims_jax.batches import for_each
from gcims_jax.generators.contract import Description, Generator, Pool, make, pick, take
from gcims_jax.options import Rules, count, number
from gcims_jax.parts import Part

Array = jax.Array
Options = dict[str, Array]


def changed_copies(
    change: Callable[..., Array],
    rules: Rules,
    beside: Callable[[Array, Pool, np.ndarray], tuple[np.ndarray, ...]] = lambda key, pool, picked_S: (),
    **defaults: float,
) -> Generator:
    """A generator of copies of training records of the label, each changed anew.

    Args:
      change: ``change(key, x_RxT, *rows, options) -> x_RxT``, of one copy.
      rules: what options may be.
      beside: ``beside(key, pool, picked_S)``, further arrays of S rows that ``change`` takes one row of each of.
      **defaults: options of ``fit`` and their values.
    """

    def fit(key: Array, part: Part, **options: float) -> Pool:
        return Pool(np.asarray(part.x_NxRxT, np.float32), part.labels_N, {**defaults, **options})

    def sample(key: Array, state: Pool, labels_S: np.ndarray) -> np.ndarray:
        pick_key, beside_key, change_key = jax.random.split(key, 3)
        picked_S = pick(pick_key, state.labels_N, labels_S)
        rows = take(state.x_NxRxT, picked_S), *beside(beside_key, state, picked_S)
        return for_each(change_key, change, *rows, given=(state.options,)) if change is not _same else rows[0]

    return make(fit, sample, _describe, rules, defaults)


def _describe(pool: Pool) -> Description:
    """Copies without an option, or with one of 0, are plain ones."""
    text = ", ".join(f"{name} {value:g}" for name, value in pool.options.items())
    return Description(any(pool.options.values()), text or "copies")


def _same(key: Array, x_RxT: Array, options: Options) -> Array:
    return x_RxT


def _spread(key: Array, pool: Pool, picked_S: np.ndarray) -> tuple[np.ndarray]:
    """Pooled standard deviation within classes."""
    deviations = [x - x.mean(axis=0) for x in (pool.x_NxRxT[pool.labels_N == k] for k in np.unique(pool.labels_N))]
    return (np.full(picked_S.shape, np.sqrt(np.mean(np.concatenate(deviations) ** 2))),)


def _noisy(key: Array, x_RxT: Array, spread: Array, options: Options) -> Array:
    """White noise, in units of the spread."""
    return x_RxT + options["size"] * spread * jax.random.normal(key, x_RxT.shape)


def _shifted(key: Array, x_RxT: Array, options: Options) -> Array:
    """Whole points along both axes, up to a share of each; points from beyond an edge repeat it."""
    rows, columns = (
        jnp.clip(jnp.arange(length) - jax.random.randint(axis_key, (), -most, most + 1), 0, length - 1)
        for axis_key, length in zip(jax.random.split(key), x_RxT.shape, strict=True)
        for most in [_points(options["size"], length)]
    )
    return x_RxT[rows][:, columns]


def _points(share: Array, length: int) -> Array:
    """The share of an axis in points."""
    return jnp.round(share * length).astype(int)


def _scaled(key: Array, x_RxT: Array, options: Options) -> Array:
    """A factor for each record on the [0, 1] scale, log-normal."""
    return x_RxT * jnp.exp(options["size"] * jax.random.normal(key))


def _median(key: Array, pool: Pool, picked_S: np.ndarray) -> tuple[np.ndarray]:
    return (take(np.median(pool.x_NxRxT, axis=(1, 2)), picked_S),)


def _masked(key: Array, x_RxT: Array, median: Array, options: Options) -> Array:
    """One band of each axis, up to a share of it, set to the record's median (SpecAugment, Park et al. 2019)."""
    for axis, length in enumerate(x_RxT.shape):
        width_key, start_key = jax.random.split(jax.random.fold_in(key, axis))
        width = jax.random.randint(width_key, (), 0, _points(options["size"], length) + 1)
        start = jax.random.randint(start_key, (), 0, length - width + 1)
        at_L = jnp.arange(length)
        band_L = (start <= at_L) & (at_L < start + width)
        x_RxT = jnp.where(jnp.expand_dims(band_L, 1 - axis), median, x_RxT)
    return x_RxT


def _any_of_class(key: Array, pool: Pool, picked_S: np.ndarray) -> tuple[np.ndarray]:
    """It may be the record itself, or another measurement of its sample."""
    return (take(pool.x_NxRxT, pick(key, pool.labels_N, take(pool.labels_N, picked_S))),)


def _mixed(key: Array, x_RxT: Array, other_RxT: Array, options: Options) -> Array:
    """Mixed with a record of the class, weights from Beta(a, a) (mixup, Zhang et al. 2018, within classes)."""
    weight = jax.random.beta(key, options["concentration"], options["concentration"])
    return weight * x_RxT + (1.0 - weight) * other_RxT


def _neighbour(key: Array, pool: Pool, picked_S: np.ndarray) -> tuple[np.ndarray]:
    """One of the nearest of the class: maybe a measurement of the same sample, and what lies between is nearly a copy."""
    rows_NxF, labels_N = pool.x_NxRxT.reshape(len(pool.labels_N), -1), pool.labels_N
    nearest_NxQ = np.tile(np.arange(len(labels_N))[:, None], (1, pool.options["neighbours"]))  # alone: itself
    for own_B in (np.flatnonzero(labels_N == label) for label in np.unique(labels_N)):
        if len(own_B) > 1:
            most = min(nearest_NxQ.shape[1], len(own_B) - 1)
            found_BxQ = NearestNeighbors(n_neighbors=most).fit(rows_NxF[own_B]).kneighbors(return_distance=False)
            nearest_NxQ[own_B] = own_B[found_BxQ[:, np.arange(nearest_NxQ.shape[1]) % most]]
    return (take(pool.x_NxRxT, for_each(key, jax.random.choice, take(nearest_NxQ, picked_S))),)


def _between(key: Array, x_RxT: Array, neighbour_RxT: Array, options: Options) -> Array:
    """Part of the way to a neighbour (SMOTE, Chawla et al. 2002)."""
    return x_RxT + jax.random.uniform(key) * (neighbour_RxT - x_RxT)


def _bandwidth(key: Array, pool: Pool, picked_S: np.ndarray) -> tuple[np.ndarray]:
    """Standard deviation of the class at each point times Silverman's factor, as in imbalanced-learn's RandomOverSampler."""
    classes_K, class_N = np.unique(pool.labels_N, return_inverse=True)
    points = pool.x_NxRxT[0].size
    bandwidth_KxRxT = np.stack(
        [
            x.std(axis=0) * (4 / ((points + 2) * len(x))) ** (1 / (points + 4))
            for x in (pool.x_NxRxT[class_N == k] for k in range(len(classes_K)))
        ]
    )
    return (take(bandwidth_KxRxT, take(class_N, picked_S)),)


def _blurred(key: Array, x_RxT: Array, bandwidth_RxT: Array, options: Options) -> Array:
    """A draw of the kernel around the record: smoothed bootstrap."""
    return x_RxT + options["shrinkage"] * bandwidth_RxT * jax.random.normal(key, x_RxT.shape)


_SHARE = {"size": number(0, 1)}  # of an axis
duplicate = changed_copies(_same, {})
noise = changed_copies(_noisy, {"size": number(0, 1000)}, _spread, size=0.5)
shift = changed_copies(_shifted, _SHARE, size=0.03)
scale = changed_copies(_scaled, {"size": number(0, 3)}, size=0.1)  # e³ is a factor of 20
mask = changed_copies(_masked, _SHARE, _median, size=0.15)
mix = changed_copies(_mixed, {"concentration": number(0.001, 1000)}, _any_of_class, concentration=1.0)
raw_smote = changed_copies(_between, {"neighbours": count(1, 1000)}, _neighbour, neighbours=5)
raw_bootstrap = changed_copies(_blurred, {"shrinkage": number(0, 1000)}, _bandwidth, shrinkage=0.5)
