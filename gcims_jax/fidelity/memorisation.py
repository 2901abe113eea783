"""Are synthetic records copies of training records? Each figure beside its chance level. A check, no proof of privacy.

Were training and held-out records interchangeable for the generator, exchanging them at random, class by class and whole
groups together, would change nothing: that gives every figure the values to expect by chance, at whatever sizes. Principal
components, distances and limits come from all real records together, which favours neither side.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special, stats
from sklearn.metrics.pairwise import euclidean_distances

from gcims_jax.errors import InputError
from gcims_jax.evaluation import guard, multiple
from gcims_jax.fidelity import distances, realism
from gcims_jax.fidelity.exchange import exchange
from gcims_jax.parts import Part

EXACT = 1e-6  # of the range of values: no more than rounding
NEAR = 0.05  # share of real records that lie as near to another real one as what is called a near copy
BANDWIDTH = 0.25  # of the median distance between nearest real records


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


def table(seed: int, train: Part, held_out: Part, synthetic: Part, exchanges: int = 399) -> dict[str, Check]:
    """Distance to the closest record, near copies and membership inference, by name.

    * nearest real record is a training one: share of synthetic records. Where there are more training records than held-out
      ones it is high by chance;
    * near copies of training records: share of synthetic records nearer to one than all but 5 % of real records are to any
      other;
    * membership inference: four attacks guess from the synthetic records which real ones the generator has seen
      (``attacks``). Area under the curve of the best one; its chance level is that of the best one too, a little above one
      half;
    * exact copies of training records: share of synthetic records.

    Args:
      seed: of the exchanges.
      train: records that the generator has seen.
      held_out: records that it has not, split off at random. Where whole batches were split off, a difference between
        batches looks like memory.
      synthetic: its records.
      exchanges: 19 or more.

    Raises:
      LeakError: held-out records that the generator has learned from, or of whose groups it has.
      InputError: shapes that disagree, values that are not finite, fewer than ten records of a kind, no class on both sides,
        too few exchanges.
    """
    guard.check_unseen(held_out, train, synthetic)
    realism.check_records({"training": train, "held-out": held_out, "synthetic": synthetic})
    if not np.intersect1d(train.labels_N, held_out.labels_N).size:
        raise InputError("labels: expected classes that are both in training and held out, got none")
    if exchanges < 19:
        raise InputError(f"exchanges: expected 19 or more, got {exchanges}")
    real_NxRxT = np.concatenate([train.x_NxRxT, held_out.x_NxRxT])
    labels_N = np.concatenate([train.labels_N, held_out.labels_N])
    groups_N = np.concatenate([train.groups_N, held_out.groups_N])
    seen_N = np.arange(len(labels_N)) < len(train)
    seen_BxN = exchange(np.random.default_rng(seed), labels_N, groups_N, seen_N, exchanges)
    seen_BxN = np.concatenate([seen_N[None], seen_BxN])

    project = distances.projection(real_NxRxT)
    real_NxC, synthetic_SxC = project(real_NxRxT), project(synthetic.x_NxRxT)
    between_NxN = euclidean_distances(real_NxC)
    np.fill_diagonal(between_NxN, np.inf)
    to_real_SxN = euclidean_distances(synthetic_SxC, real_NxC)
    closest_S = to_real_SxN.argmin(axis=1)
    near_SxN = (to_real_SxN <= np.quantile(between_NxN.min(axis=1), NEAR)).astype(np.float32)
    pixels_SxN = euclidean_distances(*(x.reshape(len(x), -1) for x in (synthetic.x_NxRxT, real_NxRxT)))
    scores = attacks(between_NxN, to_real_SxN, pixels_SxN)
    figures: dict[str, Callable[[], np.ndarray]] = {
        "nearest real record is a training one": lambda: seen_BxN[:, closest_S].mean(axis=1),
        "near copies of training records": lambda: np.mean(near_SxN @ seen_BxN.T.astype(np.float32) > 0, axis=0),
        "membership inference, area under curve": lambda: np.max(
            [areas(score_N, labels_N, seen_BxN) for score_N in scores.values()], axis=0
        ),
    }
    checks = [_check(compute()) for compute in figures.values()]
    adjusted = multiple.holm([check.p_value for check in checks]).tolist()
    result = {name: check._replace(p_value=p) for name, check, p in zip(figures, checks, adjusted, strict=True)}
    # No chance about these: the p-value says that there are any.
    nearest_S = pixels_SxN.argmin(axis=1)
    apart_S = np.abs(synthetic.x_NxRxT - real_NxRxT[nearest_S]).max(axis=(1, 2))
    exact = float(np.mean((apart_S <= EXACT * np.ptp(real_NxRxT)) & seen_N[nearest_S]))
    return {**result, "exact copies of training records": Check(exact, 0.0, 0.0, 0.0, float(exact == 0.0))}


def attacks(between_NxN: np.ndarray, to_real_SxN: np.ndarray, pixels_SxN: np.ndarray) -> dict[str, np.ndarray]:
    """Guesses whether real records were seen, N each, high where they look so.

    The nearest synthetic record by all values, and by scores; the latter beside the nearest other real records, as dense
    regions have everything near (Chen et al. 2020, calibration); and a kernel density of synthetic records over that of
    the other real ones (Hilprecht et al. 2019; van Breugel et al. 2023). Its bandwidth is small: at that of a good density
    estimate a copy is no more likely than its neighbourhood.

    Args:
      between_NxN: distances between the scores of real records, infinite to themselves.
      to_real_SxN: from the scores of synthetic records to those of real ones.
      pixels_SxN: from synthetic to real records, all values.
    """
    finite = between_NxN[np.isfinite(between_NxN)]
    tiny = 1e-6 * (float(finite.max()) or 1.0)
    nearest_N = np.log(np.maximum(to_real_SxN.min(axis=0), tiny))
    local_N = np.log(np.maximum(np.sort(between_NxN, axis=0)[: distances.NEIGHBOURS].mean(axis=0), tiny))
    width = max(BANDWIDTH * float(np.median(between_NxN.min(axis=0))), tiny)
    density_N, other_N = (
        special.logsumexp(-0.5 * (distance / width) ** 2, axis=0) for distance in (to_real_SxN, between_NxN)
    )
    return {
        "all values": -pixels_SxN.min(axis=0),
        "scores": -nearest_N,
        "scores, beside real neighbours": local_N - nearest_N,
        "density, beside that of real records": density_N - other_N,
    }


def areas(score_N: np.ndarray, labels_N: np.ndarray, seen_BxN: np.ndarray) -> np.ndarray:
    """Areas under the curve of a guess, for B ways of having been seen; pairs of a class count, classes do not mix."""
    wins_B, pairs_B = np.zeros(len(seen_BxN)), np.zeros(len(seen_BxN))
    for k in np.unique(labels_N):
        own_N = labels_N == k
        seen_BxM = seen_BxN[:, own_N]
        count_B = seen_BxM.sum(axis=1)
        wins_B += seen_BxM @ stats.rankdata(score_N[own_N]) - count_B * (count_B + 1) / 2
        pairs_B += count_B * (own_N.sum() - count_B)
    return wins_B / np.maximum(pairs_B, 1)


def _check(values_B: np.ndarray) -> Check:
    """The first value against the others, which are those of exchanges."""
    low, high = np.quantile(values_B[1:], [0.025, 0.975])
    reached = np.mean(values_B >= values_B[0] - 1e-9)
    return Check(float(values_B[0]), float(values_B[1:].mean()), float(low), float(high), float(reached))
