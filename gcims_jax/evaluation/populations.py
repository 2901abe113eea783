"""Small data sets of known populations, and synthetic records for them that cannot help, or that do."""

from typing import NamedTuple

import numpy as np

from gcims_jax.errors import InputError

SHAPE = (8, 12)
SPREAD_MEASURED = 0.1  # of logarithms of amounts, between measurements of one sample
SPREAD_BATCHES = 0.5  # the same, between batches
NOISE = 0.6


class Family(NamedTuple):
    """What populations of one kind have in common.

    Attributes:
      shares_K: of the classes.
      compounds: C.
      between: standard deviation of the classes' mean log-amounts.
      within: that of log-amounts within a class.
      tail: degrees of freedom of Student's t that log-amounts follow; infinity for a Gaussian.
    """

    shares_K: tuple[float, ...]
    compounds: int
    between: float
    within: float
    tail: float


# The deciding test was designed on the first. The second is what it is confirmed on: heavy tails, five classes, unequal.
FAMILIES = {
    "even": Family((0.25, 0.25, 0.25, 0.25), 12, 0.3, 0.6, np.inf),
    "tailed": Family((0.3, 0.25, 0.2, 0.15, 0.1), 14, 0.4, 0.5, 4.0),
}


class Population(NamedTuple):
    """Records of a few compounds whose amounts differ by class.

    Attributes:
      family: its kind.
      peaks_CxRxT: one peak per compound.
      log_amounts_KxC: class means of the logarithm of each amount.
    """

    family: Family
    peaks_CxRxT: np.ndarray
    log_amounts_KxC: np.ndarray


def population(seed: int, family: Family = FAMILIES["even"]) -> Population:
    """Peaks at random places and classes whose mean amounts differ by less than the spread within a class."""
    rng = np.random.default_rng(seed)
    compounds = family.compounds
    rows, columns = (np.arange(n)[None, :] - rng.uniform(1, n - 2, (compounds, 1)) for n in SHAPE)
    peaks_CxRxT = np.exp(-(rows[:, :, None] ** 2 + columns[:, None, :] ** 2) / 2.0)
    return Population(family, peaks_CxRxT, rng.normal(0.0, family.between, (len(family.shares_K), compounds)))


def class_labels(records: int, family: Family = FAMILIES["even"], measurements: int = 1) -> np.ndarray:
    """Labels of a data set: whole samples, shared out among classes by largest remainders."""
    samples = records // measurements
    wanted_K = samples * np.asarray(family.shares_K)
    counts_K = np.floor(wanted_K).astype(int)
    counts_K[np.argsort(counts_K - wanted_K, kind="stable")[: samples - counts_K.sum()]] += 1
    return np.repeat(np.arange(len(counts_K)), counts_K * measurements)


def draw_records(
    rng: np.random.Generator, source: Population, labels_N: np.ndarray, measurements: int = 1, batches: int = 0
) -> np.ndarray:
    """Records N×R×T of the given classes: amounts that vary, white noise, a log scale.

    Args:
      rng: of all that is drawn.
      source: what they are drawn from.
      labels_N: their classes.
      measurements: that many neighbours are of one sample and share its amounts nearly.
      batches: every so many-th record is of one batch, which shifts all its log-amounts; 0 for no batches.

    Raises:
      InputError: labels that do not come in whole samples.
    """
    if len(labels_N) % measurements:
        raise InputError(
            f"calibration: expected records in multiples of the measurements ({measurements}), got {len(labels_N)}"
        )
    family = source.family
    shape = (len(labels_N) // measurements, family.compounds)
    if np.isfinite(family.tail):
        unit_MxC = rng.standard_t(family.tail, shape) / np.sqrt(family.tail / (family.tail - 2.0))
    else:
        unit_MxC = rng.standard_normal(shape)
    noise_NxC = np.repeat(family.within * unit_MxC, measurements, axis=0)
    if measurements > 1:
        noise_NxC = noise_NxC + rng.normal(0.0, SPREAD_MEASURED, noise_NxC.shape)
    if batches:
        shift_BxC = rng.normal(0.0, SPREAD_BATCHES, (batches, family.compounds))
        noise_NxC = noise_NxC + shift_BxC[np.arange(len(labels_N)) % batches]
    amounts_NxC = np.exp(source.log_amounts_KxC[labels_N] + noise_NxC)
    x_NxRxT = np.einsum("nc,crt->nrt", amounts_NxC, source.peaks_CxRxT)
    return np.float32(np.log1p(np.abs(x_NxRxT + rng.normal(0.0, NOISE, x_NxRxT.shape))))


def permute_labels(rng: np.random.Generator, labels_N: np.ndarray, measurements: int = 1) -> np.ndarray:
    """Labels without meaning, the same for all measurements of a sample."""
    return np.repeat(rng.permutation(labels_N[::measurements]), measurements)


def mislabel(rng: np.random.Generator, labels_S: np.ndarray, share: float, n_classes: int) -> np.ndarray:
    """Labels of which about this share is wrong, evenly among the other classes."""
    wrong_S = rng.random(len(labels_S)) < share
    return np.where(wrong_S, (labels_S + rng.integers(1, n_classes, len(labels_S))) % n_classes, labels_S)


def class_gaussians(
    rng: np.random.Generator, x_NxRxT: np.ndarray, labels_N: np.ndarray, labels_S: np.ndarray
) -> np.ndarray:
    """Draws S×R×T from the Gaussian of each class of training records; a class of one record is copied."""
    synthetic_SxRxT = np.empty((len(labels_S), *x_NxRxT.shape[1:]), np.float32)
    for k in np.unique(labels_S):
        own, wanted = x_NxRxT[labels_N == k], np.flatnonzero(labels_S == k)
        weights = rng.standard_normal((len(wanted), len(own))) / np.sqrt(max(len(own) - 1, 1))
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
