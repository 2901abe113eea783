"""The mean over held-out records, and its variance where values share records, groups and fitted models.

A record that is answered in every repeat is one piece of evidence, not several; so are the measurements of one sample. And the
answers of one fitted model share its luck: what it was trained on and which synthetic records it drew. So values are
clustered two ways.
"""

from typing import NamedTuple

import numpy as np

from gcims_jax.errors import InputError


class Estimate(NamedTuple):
    """A mean and how well it is known.

    Attributes:
      mean: weighted mean over records, each with its mean over repeats.
      variance: of the mean; NaN where a single record or group leaves nothing to estimate it from.
      persistent: the part of it that comes back whenever another model answers the same record; where a single model did, all
        that may be, which is all of the record's.
      degrees: of freedom of the variance.
      size: records or groups tested, fewer where their weights differ (Kish): 1 / sum of squared weights.
      largest: mean value of a record or group, the one furthest from 0.
    """

    mean: float
    variance: float
    persistent: float
    degrees: float
    size: float
    largest: float


class _Clusters(NamedTuple):
    variance: float
    degrees: float
    factor_G: np.ndarray  # of each cluster's square


def estimate(
    value_RxN: np.ndarray,
    model_RxN: np.ndarray,
    groups_N: np.ndarray | None = None,
    weights_N: np.ndarray | None = None,
) -> Estimate:
    """Weighted mean and its two-way clustered variance.

    V = V_record + V_model - V_cell, a cell being what one model says of one record, and never below V_record (Cameron, Gelbach &
    Miller 2011; for cross-validation Bayle, Bayle, Janson & Mackey 2020 show that values may be taken as independent between
    records where the learner is stable). Degrees of freedom by Satterthwaite.

    Args:
      value_RxN: per repeat and record, NaN where not tested.
      model_RxN: number of the fitted model that answered; anything where not tested.
      groups_N: takes the place of records.
      weights_N: of records, of any sum; None weights them equally.

    Raises:
      InputError: shapes that do not agree, nothing tested, infinite values, weights below 0 or of sum 0.
    """
    value_RxN, model_RxN = np.asarray(value_RxN, np.float64), np.asarray(model_RxN)
    if value_RxN.ndim != 2 or model_RxN.shape != value_RxN.shape:
        raise InputError(
            f"verdict: expected values and models of one shape, repeats × records, got {value_RxN.shape} and "
            f"{model_RxN.shape}; give each tested value the number of its fold"
        )
    groups_N = _per_record("groups", np.arange(value_RxN.shape[1]) if groups_N is None else groups_N, value_RxN)
    weights_N = _per_record("weights", np.ones(value_RxN.shape[1]) if weights_N is None else weights_N, value_RxN)
    tested_RxN = ~np.isnan(value_RxN)
    if not np.all(np.isfinite(value_RxN[tested_RxN])):
        raise InputError("verdict: expected finite values, or NaN where not tested, got infinite ones; bound the score")
    count_N = tested_RxN.sum(axis=0)
    total = np.sum(np.where(count_N > 0, weights_N, 0.0))
    if not (np.all(weights_N >= 0.0) and 0.0 < total < np.inf):
        raise InputError(
            f"verdict: expected tested records with weights of 0 or more, some above 0, got {np.count_nonzero(count_N)} tested "
            f"records of total weight {total:g}; mark only what was not tested as NaN"
        )
    weight_RxN = tested_RxN * (weights_N / total / np.maximum(count_N, 1))
    value_RxN = np.where(tested_RxN, value_RxN, 0.0)
    mean = float(np.sum(weight_RxN * value_RxN))

    # From here on one entry a tested value with weight.
    used_RxN = weight_RxN > 0.0
    weight_M = weight_RxN[used_RxN]
    score_M = weight_M * (value_RxN[used_RxN] - mean)
    record_M = np.unique(np.broadcast_to(groups_N, value_RxN.shape)[used_RxN], return_inverse=True)[1]
    model_M = np.unique(model_RxN[used_RxN], return_inverse=True)[1]
    cells_C, cell_M = np.unique(record_M * (model_M.max() + 1) + model_M, return_inverse=True)
    weight_G = np.bincount(record_M, weight_M)
    size = 1.0 / float(np.sum(weight_G**2))
    largest = float(np.max(np.abs(np.bincount(record_M, weight_M * value_RxN[used_RxN]) / weight_G)))
    if record_M.max() == 0:
        return Estimate(mean, np.nan, np.nan, 0.0, size, largest)
    record, model, cell = (_clusters(score_M, weight_M, code_M) for code_M in (record_M, model_M, cell_M))
    persistent = _persistent(record, cells_C // (model_M.max() + 1), np.bincount(cell_M, score_M))
    extra = model.variance - cell.variance
    if not extra > 0.0:
        return Estimate(mean, record.variance, persistent, record.degrees, size, largest)
    variance = record.variance + extra
    spread = record.variance**2 / record.degrees + model.variance**2 / model.degrees
    degrees = float(np.clip(variance**2 / spread, 1.0, record.degrees))
    return Estimate(mean, variance, persistent, degrees, size, largest)


def _per_record(name: str, values_N: np.ndarray, value_RxN: np.ndarray) -> np.ndarray:
    values_N = np.asarray(values_N)
    if values_N.shape != value_RxN.shape[1:]:
        raise InputError(
            f"verdict: expected {name} of the {value_RxN.shape[1]} records, got shape {values_N.shape}; give one a record"
        )
    return values_N


def _clusters(score_M: np.ndarray, weight_M: np.ndarray, code_M: np.ndarray) -> _Clusters:
    """Variance of a weighted mean clustered one way, without bias where clusters are alike, and its degrees of freedom.

    Squares of each cluster's deviation, over what the mean itself takes of it (CR2 of Bell & McCaffrey 2002); degrees of freedom
    as there, G - 1 for G clusters of one weight.
    """
    weight_G = np.bincount(code_M, weight_M)
    if len(weight_G) < 2:
        return _Clusters(0.0, 1.0, np.ones(1))
    square = float(np.sum(weight_G**2))
    left_G = 1.0 - 2.0 * weight_G + square
    factor_G = 1.0 / left_G
    variance = float(np.sum(factor_G * np.bincount(code_M, score_M) ** 2))
    # tr(B)² / tr(B²), B the matrix of this quadratic form for independent clusters of one variance.
    form_G = weight_G**2 * factor_G
    zeroth, first, second = (float(np.sum(form_G * weight_G**power)) for power in (0, 1, 2))
    whole = square**2 * zeroth**2 + 2.0 * second * zeroth - 4.0 * square * first * zeroth + 2.0 * first**2
    diagonal = float(np.sum(form_G**2 * (left_G**2 - (square - 2.0 * weight_G) ** 2)))
    return _Clusters(variance, square**2 / (whole + diagonal), factor_G)


def _persistent(record: _Clusters, record_C: np.ndarray, score_C: np.ndarray) -> float:
    """Products of a record's scores from different models, in place of its square: what varies between models is not in them."""
    sum_G, square_G, models_G = (np.bincount(record_C, score_C**power) for power in (1, 2, 0))
    product_G = (sum_G**2 - square_G) * models_G / np.maximum(models_G - 1.0, 1.0)
    persistent_G = record.factor_G * np.where(models_G > 1.0, product_G, sum_G**2)
    return float(np.clip(np.sum(persistent_G), 0.0, record.variance))
