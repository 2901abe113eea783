"""Are synthetic records copies of training records? Each figure beside its chance level. A check, no proof of privacy."""

from typing import NamedTuple

import numpy as np
from scipy import stats
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import KernelDensity

from gcims_jax import fidelity
from gcims_jax.errors import InputError


class Memorisation(NamedTuple):
    """What gives training records away.

    Attributes:
      closer_to_training: share of synthetic records whose nearest real record is a training one rather than a held-out
        one, both sets at equal size; one half where nothing is memorised.
      closer_p_value: of a share this far above one half by chance (binomial).
      near_copies: share of synthetic records nearer to a training record than 95 % of held-out records are.
      near_copies_expected: the same share with held-out records in place of the training ones.
      membership_auc: how well the density of synthetic records tells training from held-out records; one half where it cannot.
      membership_p_value: one-sided Mann–Whitney, mean over draws.
    """

    closer_to_training: float
    closer_p_value: float
    near_copies: float
    near_copies_expected: float
    membership_auc: float
    membership_p_value: float


def measure(
    seed: int, train_NxRxT: np.ndarray, held_out_MxRxT: np.ndarray, synthetic_SxRxT: np.ndarray, draws: int = 10
) -> Memorisation:
    """Distances to the closest record and membership inference, on principal components.

    As many training records as there are held-out ones are compared with these; components and limits come from the
    other training records, which favour neither side. Means over several draws.

    Args:
      seed: of the draws.
      train_NxRxT: records that the generator has seen.
      held_out_MxRxT: records that it has not, at most half as many.
      synthetic_SxRxT: its records.
      draws: of training records to compare.

    Raises:
      InputError: fewer than two held-out or more than half as many as training records, no synthetic ones.
    """
    n, m, s = len(train_NxRxT), len(held_out_MxRxT), len(synthetic_SxRxT)
    if not 2 <= m <= n // 2 or s < 1:
        raise InputError(
            f"memorisation: expected 2 to {n // 2} held-out records, at most half as many as training ones, and "
            f"synthetic ones, got {m} and {s}"
        )
    rng = np.random.default_rng(seed)
    rows, rows_expected = [], []
    for _ in range(draws):
        compared, others = np.split(rng.permutation(n), [m])
        project = fidelity.projection(train_NxRxT[others])
        member_MxC, held_out_MxC, synthetic_SxC = (
            project(x) for x in (train_NxRxT[compared], held_out_MxRxT, synthetic_SxRxT)
        )
        to_member_S, to_held_out_S = (
            euclidean_distances(synthetic_SxC, side).min(axis=1) for side in (member_MxC, held_out_MxC)
        )
        # How near real records lie to each other, seen from records that did not shape the components.
        near_M = euclidean_distances(held_out_MxC, member_MxC).min(axis=1)
        limit = np.quantile(near_M, 0.05)
        rows_expected.append(np.mean(to_held_out_S < limit))
        density = KernelDensity(bandwidth=max(float(np.median(near_M)), 1e-6)).fit(synthetic_SxC)
        test = stats.mannwhitneyu(
            density.score_samples(member_MxC), density.score_samples(held_out_MxC), alternative="greater"
        )
        rows.append(
            (np.mean(to_member_S < to_held_out_S), np.mean(to_member_S < limit), test.statistic / m**2, test.pvalue)
        )
    closer, copies, auc, auc_p = np.mean(rows, axis=0)
    # Synthetic records near one real record are not independent; no more of them count than there are held-out records.
    trials = min(s, m)
    return Memorisation(
        closer_to_training=float(closer),
        closer_p_value=float(stats.binomtest(round(closer * trials), trials, 0.5, alternative="greater").pvalue),
        near_copies=float(copies),
        near_copies_expected=float(np.mean(rows_expected)),
        membership_auc=float(auc),
        membership_p_value=float(auc_p),
    )
