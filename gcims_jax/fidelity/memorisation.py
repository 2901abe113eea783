"""Are synthetic records copies of training records? Each figure beside its chance level. A check, no proof of privacy.

Were training and held-out records interchangeable for the generator, exchanging them at random, class by class, would change
nothing: that gives every figure the values to expect by chance, at whatever sizes. Principal components and limits come
from all real records together, which favours neither side.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import KernelDensity

from gcims_jax.errors import InputError
from gcims_jax.evaluation import verdict
from gcims_jax.fidelity import realism

EXACT = 1e-6  # of the range of values: no more than rounding
NEAR = 0.05  # share of real records that lie as near to another real one as what is called a near copy


class Check(NamedTuple):
    """A figure that is high where records were memorised.

    Attributes:
      value: found.
      chance: mean over exchanges of training and held-out records.
      low, high: 95 % of the exchanges lie between.
      p_value: share of exchanges that reach the value, the one found counted among them; adjusted for the number of figures
        (Holm).
    """

    value: float
    chance: float
    low: float
    high: float
    p_value: float

    def in_words(self) -> str:
        """``memorised`` beyond the 5 % level, else ``not seen``."""
        return "memorised" if self.p_value <= 0.05 else "not seen"


def table(
    seed: int,
    train_NxRxT: np.ndarray,
    train_labels_N: np.ndarray,
    held_out_MxRxT: np.ndarray,
    held_out_labels_M: np.ndarray,
    synthetic_SxRxT: np.ndarray,
    exchanges: int = 399,
) -> dict[str, Check]:
    """Distance to the closest record, near copies and membership inference, by name.

    * nearest real record is a training one: share of synthetic records. Where there are more training records than held-out
      ones it is high by chance;
    * near copies of training records: share of synthetic records nearer to one than all but 5 % of real records are to any
      other;
    * membership inference: a kernel density of the synthetic records is taken for higher at records that the
      generator has seen; area under the curve, one half where it tells nothing.

    Args:
      seed: of the exchanges.
      train_NxRxT, train_labels_N: records that the generator has seen.
      held_out_MxRxT, held_out_labels_M: records that it has not, split off at random. Where whole batches were split off, a
        difference between batches looks like memory.
      synthetic_SxRxT: its records.
      exchanges: 19 or more.

    Raises:
      InputError: shapes that disagree, values that are not finite, fewer than ten records of a kind, no class on both sides,
        too few exchanges.
    """
    train_NxRxT, held_out_MxRxT, synthetic_SxRxT = map(np.asarray, (train_NxRxT, held_out_MxRxT, synthetic_SxRxT))
    realism.check_records({"training": train_NxRxT, "held-out": held_out_MxRxT, "synthetic": synthetic_SxRxT})
    labels_N = np.concatenate([train_labels_N, held_out_labels_M])
    n = len(train_NxRxT)
    if len(train_labels_N) != n or len(labels_N) != n + len(held_out_MxRxT):
        raise InputError(
            f"labels: expected one per training ({n}) and held-out record ({len(held_out_MxRxT)}), got "
            f"{len(train_labels_N)} and {len(held_out_labels_M)}"
        )
    if not np.intersect1d(train_labels_N, held_out_labels_M).size:
        raise InputError("labels: expected classes that are both in training and held out, got none")
    if exchanges < 19:
        raise InputError(f"exchanges: expected 19 or more, got {exchanges}")
    real_NxRxT = np.concatenate([train_NxRxT, held_out_MxRxT])
    project = realism.projection(real_NxRxT)
    real_NxC, synthetic_SxC = project(real_NxRxT), project(synthetic_SxRxT)
    between_NxN = euclidean_distances(real_NxC)
    np.fill_diagonal(between_NxN, np.inf)
    nearest_N = between_NxN.min(axis=1)
    limit = np.quantile(nearest_N, NEAR)
    to_real_SxN = euclidean_distances(synthetic_SxC, real_NxC)
    closest_S = to_real_SxN.argmin(axis=1)
    near_SxN = (to_real_SxN <= limit).astype(np.float32)
    density = KernelDensity(bandwidth=max(float(np.median(nearest_N)), 1e-6)).fit(synthetic_SxC)
    rank_N = stats.rankdata(density.score_samples(real_NxC))

    rng = np.random.default_rng(seed)
    seen_N = np.arange(len(real_NxC)) < n
    order = np.argsort(labels_N, kind="stable")
    members_BxN = np.tile(seen_N, (exchanges + 1, 1))
    for b in range(1, exchanges + 1):
        # Sorted by class and within it at random: sides change only within classes.
        shuffled = np.lexsort((rng.random(len(labels_N)), labels_N))
        members_BxN[b, order] = seen_N[shuffled]
    m = len(real_NxC) - n
    figures: dict[str, Callable[[], np.ndarray]] = {
        "nearest real record is a training one": lambda: members_BxN[:, closest_S].mean(axis=1),
        "near copies of training records": lambda: np.mean(near_SxN @ members_BxN.T.astype(np.float32) > 0, axis=0),
        "membership inference, area under curve": lambda: (members_BxN @ rank_N - n * (n + 1) / 2) / (n * m),
    }
    checks = [_check(compute()) for compute in figures.values()]
    adjusted = verdict.holm([check.p_value for check in checks]).tolist()
    result = {name: check._replace(p_value=p) for name, check, p in zip(figures, checks, adjusted, strict=True)}
    # No chance about these: the p-value says that there are any.
    apart_S = np.abs(synthetic_SxRxT - real_NxRxT[closest_S]).max(axis=(1, 2))
    exact = float(np.mean((apart_S <= EXACT * np.ptp(real_NxRxT)) & seen_N[closest_S]))
    return {**result, "exact copies of training records": Check(exact, 0.0, 0.0, 0.0, float(exact == 0.0))}


def _check(values_B: np.ndarray) -> Check:
    """The first value against the others, which are those of exchanges."""
    low, high = np.quantile(values_B[1:], [0.025, 0.975])
    reached = np.mean(values_B >= values_B[0] - 1e-9)
    return Check(float(values_B[0]), float(values_B[1:].mean()), float(low), float(high), float(reached))
