"""Plain copies, changed copies and interpolation of training records: what a learned generator has to beat."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from gcims_jax.generators.contract import Description, Generator, Pool, check_labels, make, numpy_rng, pick
from gcims_jax.options import Rules, count, number
from gcims_jax.parts import Part

Array = jax.Array


def changed_copies(
    change: Callable[[np.random.Generator, np.ndarray, Pool, np.ndarray], np.ndarray],
    rules: Rules,
    **defaults: float,
) -> Generator:
    """A generator of copies of training records of the label, each changed anew.

    Args:
      change: ``change(rng, x_SxRxT, pool, picked_S) -> x_SxRxT``.
      rules: what options may be.
      **defaults: options of ``fit`` and their values.
    """

    def fit(key: Array, part: Part, **options: float) -> Pool:
        return _pool(part, {**defaults, **options})

    def sample(key: Array, state: Pool, labels_S: np.ndarray) -> np.ndarray:
        rng = numpy_rng(key)
        picked_S = pick(rng, state.labels_N, labels_S)
        return change(rng, state.x_NxRxT[picked_S], state, picked_S).astype(np.float32)

    return make(fit, sample, _describe, rules, defaults)


def _pool(part: Part, options: dict[str, float]) -> Pool:
    return Pool(np.asarray(part.x_NxRxT, np.float32), part.labels_N, options)


def _describe(pool: Pool) -> Description:
    """Copies without an option, or with one of 0, are plain ones."""
    text = ", ".join(f"{name} {value:g}" for name, value in pool.options.items())
    return Description(any(pool.options.values()), text or "copies")


def _same(rng: np.random.Generator, x_SxRxT: np.ndarray, pool: Pool, picked_S: np.ndarray) -> np.ndarray:
    return x_SxRxT


def _noisy(rng: np.random.Generator, x_SxRxT: np.ndarray, pool: Pool, picked_S: np.ndarray) -> np.ndarray:
    """White noise, in units of the pooled standard deviation within classes."""
    deviations = [x - x.mean(axis=0) for x in (pool.x_NxRxT[pool.labels_N == k] for k in np.unique(pool.labels_N))]
    spread = np.sqrt(np.mean(np.concatenate(deviations) ** 2))
    return x_SxRxT + pool.options["size"] * spread * rng.standard_normal(x_SxRxT.shape, np.float32)


def _shifted(rng: np.random.Generator, x_SxRxT: np.ndarray, pool: Pool, picked_S: np.ndarray) -> np.ndarray:
    """Whole points along both axes, up to a share of each; points from beyond an edge repeat it."""
    reach = [round(pool.options["size"] * length) for length in x_SxRxT.shape[1:]]
    result = np.empty_like(x_SxRxT)
    for i, x_RxT in enumerate(x_SxRxT):
        rows, columns = (
            np.clip(np.arange(length) - rng.integers(-most, most + 1), 0, length - 1)
            for length, most in zip(x_RxT.shape, reach, strict=True)
        )
        result[i] = x_RxT[np.ix_(rows, columns)]
    return result


def _scaled(rng: np.random.Generator, x_SxRxT: np.ndarray, pool: Pool, picked_S: np.ndarray) -> np.ndarray:
    """A factor for each record on the [0, 1] scale, log-normal."""
    return x_SxRxT * np.exp(pool.options["size"] * rng.standard_normal((len(x_SxRxT), 1, 1)))


def _masked(rng: np.random.Generator, x_SxRxT: np.ndarray, pool: Pool, picked_S: np.ndarray) -> np.ndarray:
    """One band of each axis, up to a share of it, set to the record's median (SpecAugment, Park et al. 2019)."""
    result = x_SxRxT.copy()
    for x_RxT in result:
        fill = np.median(x_RxT)
        for axis, length in enumerate(x_RxT.shape):
            width = rng.integers(0, round(pool.options["size"] * length) + 1)
            start = rng.integers(0, length - width + 1)
            x_RxT[(slice(None),) * axis + (slice(start, start + width),)] = fill
    return result


def _mixed(rng: np.random.Generator, x_SxRxT: np.ndarray, pool: Pool, picked_S: np.ndarray) -> np.ndarray:
    """Mixed with a record of the class, weights from Beta(a, a) (mixup, Zhang et al. 2018, within classes).

    It may be the record itself, or another measurement of its sample.
    """
    other_S = pick(rng, pool.labels_N, pool.labels_N[picked_S])
    weight_S = rng.beta(pool.options["concentration"], pool.options["concentration"], len(picked_S))[:, None, None]
    return weight_S * x_SxRxT + (1.0 - weight_S) * pool.x_NxRxT[other_S]


def _oversampler(library: Callable[..., object], rules: Rules, **defaults: float) -> Generator:
    """A generator around an over-sampler of imbalanced-learn on whole records; classes with one record are repeated."""

    def fit(key: Array, part: Part, **options: float) -> Pool:
        return _pool(part, {**defaults, **options})

    def sample(key: Array, state: Pool, labels_S: np.ndarray) -> np.ndarray:
        rng = numpy_rng(key)
        labels_S = check_labels(state.labels_N, labels_S)
        result = np.empty((len(labels_S), *state.x_NxRxT.shape[1:]), np.float32)
        rows_NxF = state.x_NxRxT.reshape(len(state.labels_N), -1)
        for label in np.unique(labels_S):
            own, wanted = state.labels_N == label, labels_S == label
            if own.sum() < 2:
                result[wanted] = state.x_NxRxT[own]
                continue
            # The library over-samples one class against another; which one makes no difference to the first.
            count = int(own.sum())
            seed = int(rng.integers(2**31))
            sampler = library({1: count + int(wanted.sum())}, count, seed, **state.options)
            x, y = sampler.fit_resample(
                np.concatenate([rows_NxF[own], rows_NxF[own][:2]]), np.repeat([1, 0], [count, 2])
            )
            result[wanted] = x[np.flatnonzero(y == 1)[count:]].reshape(-1, *result.shape[1:])
        return result

    return make(fit, sample, _describe, rules, defaults)


def _smote(target: dict[int, int], count: int, seed: int, *, neighbours: int) -> Any:
    """As the library has it: neighbours may be measurements of one sample, and what lies between these is nearly a copy."""
    from imblearn.over_sampling import SMOTE  # a second of every start, for few

    return SMOTE(sampling_strategy=target, k_neighbors=min(neighbours, count - 1), random_state=seed)


def _bootstrap(target: dict[int, int], count: int, seed: int, *, shrinkage: float) -> Any:
    from imblearn.over_sampling import RandomOverSampler

    return RandomOverSampler(sampling_strategy=target, shrinkage={1: shrinkage}, random_state=seed)


_SHARE = {"size": number(0, 1)}  # of an axis
duplicate = changed_copies(_same, {})
noise = changed_copies(_noisy, {"size": number(0, 1000)}, size=0.5)
shift = changed_copies(_shifted, _SHARE, size=0.03)
scale = changed_copies(_scaled, {"size": number(0, 3)}, size=0.1)  # e³ is a factor of 20
mask = changed_copies(_masked, _SHARE, size=0.15)
mix = changed_copies(_mixed, {"concentration": number(0.001, 1000)}, concentration=1.0)
raw_smote = _oversampler(_smote, {"neighbours": count(1, 1000)}, neighbours=5)
raw_bootstrap = _oversampler(_bootstrap, {"shrinkage": number(0, 1000)}, shrinkage=0.5)
