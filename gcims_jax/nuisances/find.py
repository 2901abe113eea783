"""Finds which nuisances labelled records have, and how large.

The model begins with noise and ``table.FILLER``. Then the nuisance with the clearest evidence is taken in, again and again,
until none is clear. Evidence is the score test: how much the likelihood of each group of records would grow with a little of
the nuisance, after what those taken already would do (efficient scores), and whether the mean of this, or of its root, over groups is
above 0 by a one-sided t-test. The level is shared out over all nuisances that are tested (Bonferroni), and as groups count by how they
scatter, neither the normal distribution nor the filler needs to be right for it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from gcims_jax.nuisances import table, variance
from gcims_jax.nuisances.amounts import Amounts, quieten
from gcims_jax.nuisances.directions import bands, coarse_grid, directions, project
from gcims_jax.nuisances.table import NUISANCES
from gcims_jax.nuisances.variance import ROUNDS, Banded, Cell
from gcims_jax.parts import Part

LEVEL = 0.05  # chance that any nuisance is found where there is none
MINOR = 0.05  # of what all nuisances explain; what explains less is what first order leaves over of the others
SHARE = 0.02  # of the variance within classes; what explains less makes no difference to a classifier
CLEAR = 2.0  # of what filler and noise do along the directions of a nuisance; below that it makes no difference
WITHIN = ("class", "group")


class Size(NamedTuple):
    """A nuisance that was found.

    Attributes:
      size: standard deviation of its field; see ``table``.
      low, high: 95 % interval.
      evidence: t of the test by which it was found.
    """

    size: float
    low: float
    high: float
    evidence: float


class Found(NamedTuple):
    """What varies within classes.

    Attributes:
      sizes: of the nuisances that were found, by name, clearest first.
      tested: names of all that were looked for.
      noise: standard deviation of white noise, on the [0, 1] scale.
      share: of the variance within classes that the nuisances found explain.
      degrees: records less means, which all this rests on.
    """

    sizes: dict[str, Size]
    tested: tuple[str, ...]
    noise: float
    share: float
    degrees: int


def fit(
    part: Part,
    *,
    amounts: Amounts = Amounts(),
    within: str = "class",
    names: Sequence[str] = tuple(NUISANCES),
) -> Found:
    """Looks for nuisances in the deviations of records from the mean of their class.

    Args:
      part: training records on the [0, 1] scale.
      amounts: what this scale stands for.
      within: "group": deviations from the mean of the group within the class count, so that what samples or batches do
        is left out; needs groups with several records.
      names: what to look for, keys of ``table.NUISANCES``.
    """
    x_NxRxT = np.asarray(part.x_NxRxT, np.float64)
    _, class_N = np.unique(part.labels_N, return_inverse=True)
    _, group_N = np.unique(part.groups_N, return_inverse=True)
    cell_N = np.unique(np.stack([class_N, group_N]), axis=1, return_inverse=True)[1].reshape(-1)
    mean_N = class_N if within == "class" else cell_N
    names = [name for name in NUISANCES if name in names]
    kept = [own for own in (np.flatnonzero(mean_N == number) for number in np.unique(mean_N)) if len(own) > 1]
    cells, owner_F = _cells([x_NxRxT[own] for own in kept], amounts, [*names, *table.FILLER])
    if not cells or not variance.flat_spectrum(cells) > 0.0:
        return Found({}, tuple(names), 0.0, 0.0, _degrees(cells))
    order_N = np.concatenate(kept)
    model, on_J, evidence = _select(cells, owner_F, len(names), cell_N[order_N])
    return _sizes(model, on_J, evidence, names, group_N[order_N])


def _cells(records: Sequence[np.ndarray], amounts: Amounts, names: Sequence[str]) -> tuple[list[Banded], np.ndarray]:
    """Products of cells of two records or more, and which nuisance their directions belong to."""
    if not records:
        return [], np.zeros(0, int)
    coarse, means = coarse_grid(records[0].shape[1:]), [x_MxRxT.mean(axis=0) for x_MxRxT in records]
    squared_RxT = sum(((x_MxRxT - mean_RxT) ** 2).sum(axis=0) for x_MxRxT, mean_RxT in zip(records, means, strict=True))
    variance_RxT = squared_RxT / sum(len(x_MxRxT) - 1 for x_MxRxT in records)
    cells, owner_F = [], np.zeros(0, int)
    for x_MxRxT, mean_RxT in zip(records, means, strict=True):
        sure_RxT = quieten(amounts, mean_RxT, variance_RxT / len(x_MxRxT))
        directions_FxP, owner_F = directions(coarse, sure_RxT, amounts, names)
        cells.append(variance.banded(Cell(project(coarse, x_MxRxT - mean_RxT), directions_FxP), bands(coarse)))
    return cells, owner_F


class _Model:
    """Sizes of what is in, and the spectrum of the noise, which follows them."""

    def __init__(self, cells: Sequence[Banded], owner_F: np.ndarray, on_J: np.ndarray) -> None:
        self.cells, self.owner_F = cells, owner_F
        self.noise_B = np.full(len(cells[0].points_B), variance.flat_spectrum(cells))
        self.variance_J = np.append(np.zeros(len(on_J) - 1), 1.0)
        for _ in range(ROUNDS):
            self.fit(on_J)

    def fit(self, on_J: np.ndarray) -> None:
        """Renews the spectrum, then the sizes."""
        self.noise_B = variance.spectrum(self.cells, self.owner_F, self.variance_J, self.noise_B)
        self.products = [variance.products(cell, self.noise_B) for cell in self.cells]
        start_J = np.append(self.variance_J[:-1], 1.0)
        self.variance_J, self.at = variance.estimate(self.products, self.owner_F, on_J, start_J)

    def without(self, j: int, on_J: np.ndarray) -> tuple[np.ndarray, variance.Slopes]:
        """Sizes if a nuisance were left out."""
        return variance.estimate(self.products, self.owner_F, on_J & (np.arange(len(on_J)) != j), self.variance_J)


def _select(
    cells: Sequence[Banded], owner_F: np.ndarray, tested: int, unit_N: np.ndarray
) -> tuple[_Model, np.ndarray, dict[int, float]]:
    """Takes in one nuisance after the other, then looks whether the earlier ones are still needed beside the later.

    Args:
      cells: products.
      owner_F: nuisance or filler of each direction.
      tested: nuisances, which come before the filler.
      unit_N: what each record counts once with, in the order of the cells.

    Returns:
      The model of what was found, what is in it, and the evidence for each of those that were found.
    """
    count = tested + len(table.FILLER)
    power_J, total = _power(cells, owner_F, count), sum(float(cell.squared_BxN.sum()) for cell in cells)
    on_J = (np.arange(count + 1) >= tested) & np.append(power_J > 0.0, True)
    units = len(np.unique(unit_N))
    threshold = stats.t.isf(LEVEL / max(tested, 1), max(units - 1, 1))
    evidence: dict[int, float] = {}
    model = _Model(cells, owner_F, on_J)
    while units > 2:
        evidence_J, gain_J = _evidence(model.at, model.variance_J, unit_N)
        clear = [j for j in range(tested) if not on_J[j] and evidence_J[j] > threshold]
        if not clear:
            break
        best = max(clear, key=lambda j: gain_J[j])
        on_J[best], evidence[best] = True, float(evidence_J[best])
        model.fit(on_J)
    if evidence:
        model.fit(on_J)
    for j in list(evidence):
        left_J, left = model.without(j, on_J)
        evidence[j] = float(_evidence(left, left_J, unit_N)[0][j])
        explained_J = model.variance_J[:tested] * power_J[:tested]
        least = max(MINOR * explained_J.sum(), SHARE * total)
        minor = explained_J[j] <= least or _clarity(model, j, tested) < CLEAR
        if evidence[j] <= threshold or minor:
            del evidence[j]
            on_J[j] = False
            model.fit(on_J)
    return model, on_J, evidence


def _sizes(
    model: _Model,
    on_J: np.ndarray,
    evidence: Mapping[int, float],
    names: Sequence[str],
    unit_N: np.ndarray,
) -> Found:
    """Sizes of what was found, with intervals from how much units differ."""
    variance_J, tested = model.variance_J, len(names)
    error_J = _errors(model.at, variance_J, unit_N)
    sizes = {}
    for j in sorted(evidence, key=lambda j: -evidence[j]):
        if variance_J[j] > 0.0:
            spread = np.exp(min(1.96 * error_J[j] / (2.0 * variance_J[j]), 10.0))
            size = float(np.sqrt(variance_J[j]))
            ends = [size, size / spread, size * spread]
            if NUISANCES[names[j]].does == "gain":
                # What is seen of amounts is their standard deviation over their mean; this is exact for log-normal ones. Behind a
                # logarithm it makes large gains, which are seen in part where it is linear, a little smaller.
                ends = [float(np.sqrt(np.log1p(end**2))) for end in ends]
            sizes[names[j]] = Size(*ends, evidence[j])
    power_J = _power(model.cells, model.owner_F, len(variance_J) - 1)
    total = sum(float(cell.squared_BxN.sum()) for cell in model.cells)
    share = float((variance_J[:tested] * power_J[:tested]).sum() / total)
    noise = float(np.sqrt(variance_J[-1] * np.average(model.noise_B, weights=model.cells[0].points_B)))
    return Found(sizes, tuple(names), noise, min(share, 1.0), _degrees(model.cells))


def _degrees(cells: Sequence[Banded]) -> int:
    return sum(cell.squared_BxN.shape[1] - 1 for cell in cells)


def _power(cells: Sequence[Banded], owner_F: np.ndarray, count: int) -> np.ndarray:
    """Squared deviations that a variance of 1 of each nuisance adds up to."""
    power_J = np.zeros(count)
    for cell in cells:
        squared_F = np.einsum("bff->f", cell.gram_BxFxF)
        np.add.at(power_J, owner_F, (cell.squared_BxN.shape[1] - 1) * squared_F)
    return power_J


def _clarity(model: _Model, j: int, tested: int) -> float:
    """Variance that a nuisance makes along its own directions, over what filler and noise make there."""
    own_F, filler_F, variance_J = model.owner_F == j, model.owner_F >= tested, model.variance_J
    made = there = 0.0
    for cell in model.products:
        degrees, squared_OxF = len(cell.squared_N) - 1, cell.gram_FxF[own_F] ** 2
        made += degrees * variance_J[j] * squared_OxF[:, own_F].sum()
        there += degrees * (squared_OxF[:, filler_F] @ variance_J[model.owner_F[filler_F]]).sum()
        there += degrees * variance_J[-1] * np.trace(cell.gram_FxF[np.ix_(own_F, own_F)])
    return float(made / there) if there > 0.0 else np.inf


def _evidence(at: variance.Slopes, variance_J: np.ndarray, unit_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the efficient score of every nuisance: t over units, and the gain in likelihood that it promises."""
    used = np.flatnonzero(variance_J > 0.0)
    inverse_AxA = _inverse(at, used)
    score_NxJ = at.score_NxJ - at.score_NxJ[:, used] @ inverse_AxA @ at.fisher_JxJ[used]
    score_UxJ, expected_UxJ = _sums(score_NxJ, unit_N), _sums(at.expected_NxJ, unit_N)
    # A nuisance that the others can take the place of has no score left but rounding.
    free_J = np.diag(at.fisher_JxJ) - np.einsum("aj,ab,bj->j", at.fisher_JxJ[used], inverse_AxA, at.fisher_JxJ[used])
    clear_J = free_J > 1e-6 * np.diag(at.fisher_JxJ)
    t_J = np.where(clear_J, np.maximum(_t(score_UxJ), _t(_length(score_UxJ, expected_UxJ))), -np.inf)
    gain_J = score_UxJ.sum(axis=0) ** 2 / np.where(clear_J, free_J, 1.0)
    return t_J, gain_J


def _length(score_UxJ: np.ndarray, expected_UxJ: np.ndarray) -> np.ndarray:
    """How much longer deviations are along a nuisance than expected: large squares do not hide each other.

    The root, and below a quarter of what is expected its tangent: concave, so if scores are 0 on average this is not above.
    """
    base_UxJ = np.maximum(expected_UxJ, 1e-300)
    ratio_UxJ = 1.0 + score_UxJ / base_UxJ
    length_UxJ = np.where(ratio_UxJ > 0.25, np.sqrt(np.maximum(ratio_UxJ, 0.25)), 0.25 + ratio_UxJ)
    return np.sqrt(base_UxJ) * (length_UxJ - 1.0)


def _t(values_UxJ: np.ndarray) -> np.ndarray:
    """Student's t of the mean of each column; -inf where nothing scatters."""
    sd_J = values_UxJ.std(axis=0, ddof=1)
    safe_J = np.where(sd_J > 0.0, sd_J, 1.0)
    return np.where(sd_J > 0.0, values_UxJ.mean(axis=0) / safe_J * np.sqrt(len(values_UxJ)), -np.inf)


def _errors(at: variance.Slopes, variance_J: np.ndarray, unit_N: np.ndarray) -> np.ndarray:
    """Standard errors of the variances from how the scores of units scatter (sandwich); 0 for those that are 0."""
    used = np.flatnonzero(variance_J > 0.0)
    inverse_AxA = _inverse(at, used)
    score_UxA = _sums(at.score_NxJ[:, used], unit_N)
    units = len(score_UxA)
    error_J = np.zeros(len(variance_J))
    spread_AxA = score_UxA.T @ score_UxA * units / max(units - 1, 1)
    error_J[used] = np.sqrt(np.maximum(np.diag(inverse_AxA @ spread_AxA @ inverse_AxA), 0.0))
    return error_J


def _inverse(at: variance.Slopes, used: np.ndarray) -> np.ndarray:
    """Inverse of the information of what is in the model, whatever its scale."""
    scale_A = 1.0 / np.sqrt(np.diag(at.fisher_JxJ)[used])
    scaled_AxA = at.fisher_JxJ[np.ix_(used, used)] * scale_A * scale_A[:, None]
    return np.linalg.pinv(scaled_AxA, rcond=1e-10, hermitian=True) * scale_A * scale_A[:, None]


def _sums(values_NxJ: np.ndarray, unit_N: np.ndarray) -> np.ndarray:
    """Sums over the records of each unit."""
    _, unit_N = np.unique(unit_N, return_inverse=True)
    sums_UxJ = np.zeros((unit_N.max() + 1, values_NxJ.shape[1]))
    np.add.at(sums_UxJ, unit_N, values_NxJ)
    return sums_UxJ
