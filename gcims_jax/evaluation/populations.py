"""Small data sets of a known population, and synthetic records for them that cannot help, or that do.

Classes are of equal size: with permuted labels any classifier is then right equally often, with whatever it was trained on.
"""

from typing import NamedTuple

import numpy as np

from gcims_jax.errors import InputError

SHAPE = (8, 12)
CLASSES = 4
COMPOUNDS = 12
SPREAD_BETWEEN, SPREAD_WITHIN = 0.3, 0.6  # of logarithms of amounts
SPREAD_MEASURED = 0.1  # the same, between measurements of one sample
NOISE = 0.6


class Population(NamedTuple):
    """Records of a few compounds whose amounts differ by class.

    Attributes:
      peaks_CxRxT: one peak per compound.
      log_amounts_KxC: class means of the logarithm of each amount.
    """

    peaks_CxRxT: np.ndarray
    log_amounts_KxC: np.ndarray


def population(seed: int) -> Population:
    """Twelve peaks and four classes whose mean amounts differ by half the spread within a class."""
    rng = np.random.default_rng(seed)
    rows, columns = (np.arange(n)[None, :] - rng.uniform(1, n - 2, (COMPOUNDS, 1)) for n in SHAPE)
    peaks_CxRxT = np.exp(-(rows[:, :, None] ** 2 + columns[:, None, :] ** 2) / 2.0)
    return Population(peaks_CxRxT, rng.normal(0.0, SPREAD_BETWEEN, (CLASSES, COMPOUNDS)))


def class_labels(records: int) -> np.ndarray:
    """Labels of a data set, classes of one size."""
    return np.repeat(np.arange(CLASSES), records // CLASSES)


def draw_records(
    rng: np.random.Generator, source: Population, labels_N: np.ndarray, measurements: int = 1
) -> np.ndarray:
    """Records N×R×T of the given classes: log-normal amounts, white noise, a log scale.

    With several measurements that many neighbours are of one sample and share its amounts nearly.

    Raises:
      InputError: labels that do not come in whole samples.
    """
    if len(labels_N) % measurements:
        raise InputError(
            f"calibration: expected records in multiples of the measurements ({measurements}), got {len(labels_N)}"
        )
    noise_MxC = rng.normal(0.0, SPREAD_WITHIN, (len(labels_N) // measurements, COMPOUNDS))
    noise_NxC = np.repeat(noise_MxC, measurements, axis=0)
    if measurements > 1:
        noise_NxC = noise_NxC + rng.normal(0.0, SPREAD_MEASURED, noise_NxC.shape)
    amounts_NxC = np.exp(source.log_amounts_KxC[labels_N] + noise_NxC)
    x_NxRxT = np.einsum("nc,crt->nrt", amounts_NxC, source.peaks_CxRxT)
    return np.float32(np.log1p(np.abs(x_NxRxT + rng.normal(0.0, NOISE, x_NxRxT.shape))))


def permute_labels(rng: np.random.Generator, labels_N: np.ndarray, measurements: int = 1) -> np.ndarray:
    """Labels without meaning, the same for all measurements of a sample."""
    return np.repeat(rng.permutation(labels_N[::measurements]), measurements)


def mislabel(rng: np.random.Generator, labels_S: np.ndarray, share: float) -> np.ndarray:
    """Labels of which about this share is wrong, evenly among the other classes."""
    wrong_S = rng.random(len(labels_S)) < share
    return np.where(wrong_S, (labels_S + rng.integers(1, CLASSES, len(labels_S))) % CLASSES, labels_S)


def class_gaussians(
    rng: np.random.Generator, x_NxRxT: np.ndarray, labels_N: np.ndarray, labels_S: np.ndarray
) -> np.ndarray:
    """Draws S×R×T from the Gaussian of each class of training records."""
    synthetic_SxRxT = np.empty((len(labels_S), *x_NxRxT.shape[1:]), np.float32)
    for k in np.unique(labels_S):
        own, wanted = x_NxRxT[labels_N == k], np.flatnonzero(labels_S == k)
        weights = rng.standard_normal((len(wanted), len(own))) / np.sqrt(len(own) - 1)
        mean = own.mean(axis=0)
        synthetic_SxRxT[wanted] = mean + np.einsum("sn,nrt->srt", weights, own - mean)
    return synthetic_SxRxT


def copies(rng: np.random.Generator, x_NxRxT: np.ndarray, labels_N: np.ndarray, labels_S: np.ndarray) -> np.ndarray:
    """Training records S×R×T of each class again, drawn with replacement."""
    synthetic_SxRxT = np.empty((len(labels_S), *x_NxRxT.shape[1:]), np.float32)
    for k in np.unique(labels_S):
        own, wanted = x_NxRxT[labels_N == k], np.flatnonzero(labels_S == k)
        synthetic_SxRxT[wanted] = own[rng.integers(len(own), size=len(wanted))]
    return synthetic_SxRxT
