"""What the verdict is tried on: data sets of a known population or of real records, and synthetic records for them."""

import functools
from typing import NamedTuple

import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.evaluation import populations, splits
from gcims_jax.evaluation.candidates import Dose, synthetic_labels
from gcims_jax.evaluation.populations import FAMILIES, Population
from gcims_jax.io import read

POPULATIONS = 10  # of each family; the gain of each is measured once
GIVEN = 4  # names, to real records
# What labels mean in each kind of null, and synthetic records per training record.
NULLS = {
    "permuted": ("permuted", 1.0),
    "inside": ("permuted", 1.0),
    "halves": ("halves", 1.0),
    "duplicated": ("true", 1.0),
    "mixed": ("true", 2.0),
    "choose": ("true", 1.0),
}
NAMES = (*NULLS, "fresh")
REAL_NULLS = ("permuted", "inside", "halves")
EXACT = ("permuted", "inside", "halves", "choose")  # nil by construction; of the others the gain is measured
LARGEST = (12, 16)  # points of real records, which are averaged down to it


class Setting(NamedTuple):
    """What is judged, and how.

    Attributes:
      source: a key of ``FAMILIES``, or the file of real records.
      judge: a key of ``CLASSIFIERS``.
      records: in the data set; of a real set at most so many.
      folds, repeats: of the cross-validation.
      measurements: records of one sample, always on one side of a split.
      batches: that records come in, a group each; 0 for none.
    """

    source: str
    judge: str
    records: int
    folds: int
    repeats: int
    measurements: int = 1
    batches: int = 0

    @property
    def is_real(self) -> bool:
        """Whether records are real, and only names are made up."""
        return self.source not in FAMILIES

    @property
    def equal_classes(self) -> bool:
        """Whether every class has as many records."""
        return not self.is_real and len(set(FAMILIES[self.source].shares_K)) == 1


class Kind(NamedTuple):
    """What synthetic records are.

    Attributes:
      name: "permuted" (labels without meaning, class Gaussians), "inside" (the same, each fold takes nothing, copies or class
        Gaussians, whichever did best inside its training part), "halves" (one class of real records under two names),
        "duplicated" (copies of training records), "mixed" (fresh records, so many of them mislabelled that the classifier
        changes and its accuracy does not), "choose" (fresh records, given by a coin in each fold to the one side or to the
        other) or "fresh".
      ratio: synthetic records per training record.
    """

    name: str
    ratio: float

    @property
    def labels(self) -> str:
        """What labels mean: "true", "permuted" or "halves"."""
        return NULLS[self.name][0] if self.name in NULLS else "true"


class DataSet(NamedTuple):
    """Labelled records, and where they are from.

    Attributes:
      x_NxRxT, labels_N: the records.
      groups_N: which sample or batch each is of, its own number where neither.
      population: that they were drawn from; None for real ones.
    """

    x_NxRxT: np.ndarray
    labels_N: np.ndarray
    groups_N: np.ndarray
    population: Population | None


def check(setting: Setting) -> None:
    """Raises InputError unless a data set of this setting can be drawn and split."""
    if setting.measurements < 1 or setting.batches < 0 or setting.records % setting.measurements:
        raise InputError(
            f"calibration.records: expected a multiple of the measurements ({setting.measurements}, 1 or more), got "
            f"{setting.records}"
        )
    if setting.batches and (setting.measurements > 1 or setting.records < 2 * setting.batches):
        raise InputError(
            f"calibration.batches: expected 2 or more records a batch and single measurements, got {setting.records} records "
            f"in {setting.batches} batches of {setting.measurements} measurements"
        )
    for labels in ("permuted", "halves") if setting.is_real else ("true",):
        data = draw(0, setting, labels)
        splits.make_folds(data.labels_N, data.groups_N, folds=setting.folds, repeats=setting.repeats, seed=0)


def draw(seed: int, setting: Setting, labels: str) -> DataSet:
    """A data set whose labels are "true", "permuted" (they mean nothing) or "halves" (one class under two names).

    Args:
      seed: of records and labels; populations follow one another.
      setting: what is judged.
      labels: what they mean; real records have no "true" ones here.
    """
    rng = np.random.default_rng((seed, 1 if labels == "true" else 2))
    if setting.is_real:
        return _draw_real(rng, setting, labels)
    source = populations.population(seed % POPULATIONS, FAMILIES[setting.source])
    data = _draw_known(rng, setting, source, setting.records)
    if labels == "permuted":
        return data._replace(labels_N=populations.permute_labels(rng, data.labels_N, setting.measurements))
    return data


def draw_fresh(seed: tuple[int, ...], setting: Setting, tested: int) -> tuple[DataSet, DataSet]:
    """A training set of a fold's size and records to test on; the first of ``seed`` is the number of the population."""
    rng = np.random.default_rng(seed)
    source = populations.population(seed[0], FAMILIES[setting.source])
    kept = 1.0 - 1.0 / setting.folds
    samples = round(setting.records / setting.measurements * kept)
    fewer = setting._replace(batches=round(setting.batches * kept))
    alone = setting._replace(measurements=1, batches=tested if setting.batches else 0)
    return _draw_known(rng, fewer, source, samples * setting.measurements), _draw_known(rng, alone, source, tested)


def _draw_known(rng: np.random.Generator, setting: Setting, source: Population, records: int) -> DataSet:
    labels_N = populations.class_labels(records, source.family, setting.measurements)
    x_NxRxT = populations.draw_records(rng, source, labels_N, setting.measurements, setting.batches)
    number_N = np.arange(len(labels_N))
    groups_N = number_N % setting.batches if setting.batches else number_N // setting.measurements
    return DataSet(x_NxRxT, labels_N, groups_N, source)


def _draw_real(rng: np.random.Generator, setting: Setting, labels: str) -> DataSet:
    """Some of the real records; names are given to whole groups where each holds one class, else to records."""
    x_NxRxT, classes_N, groups_N = _real(setting.source)
    chosen = np.arange(len(classes_N))
    if labels == "halves":
        names, counts = np.unique(classes_N, return_counts=True)
        chosen = np.flatnonzero(classes_N == names[np.argmax(counts)])
    units, unit_M = np.unique(groups_N[chosen], return_inverse=True)
    order_U = rng.permutation(len(units))
    # The first units in a random order that hold as many records as are wanted.
    rank_M = np.empty(len(units), int)
    rank_M[order_U] = np.arange(len(units))
    sizes_U = np.bincount(unit_M)[order_U]
    kept = max(1, int(np.searchsorted(np.cumsum(sizes_U), setting.records, side="right")))
    chosen, rank_M = chosen[rank_M[unit_M] < kept], rank_M[unit_M][rank_M[unit_M] < kept]
    labels_N = rank_M % (2 if labels == "halves" else GIVEN)
    return DataSet(x_NxRxT[chosen], labels_N, rank_M, None)


@functools.cache
def _real(path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Records on a log scale, averaged down; their classes; and groups, where every group is of one class."""
    records = read(path)
    values_NxRxT = np.asarray(records.values, np.float64)
    for axis, most in zip((1, 2), LARGEST, strict=True):
        size = values_NxRxT.shape[axis]
        starts = np.linspace(0, size, min(size, most) + 1).astype(int)[:-1]
        lengths = np.diff(np.append(starts, size))
        shape = [-1 if a == axis else 1 for a in range(3)]
        values_NxRxT = np.add.reduceat(values_NxRxT, starts, axis=axis) / lengths.reshape(shape)
    scale = np.mean(np.abs(values_NxRxT))
    x_NxRxT = np.float32(np.sign(values_NxRxT) * np.log1p(10.0 * np.abs(values_NxRxT) / scale))
    groups_N = np.unique(np.asarray(records.sample_groups()), return_inverse=True)[1]
    classes_N = np.unique(np.asarray(records.labels), return_inverse=True)[1]
    pairs = len(np.unique(np.stack([groups_N, classes_N]), axis=1).T)
    return x_NxRxT, classes_N, groups_N if pairs == groups_N.max() + 1 else np.arange(len(classes_N))


def synthesise(
    rng: np.random.Generator,
    kind: Kind,
    data: DataSet,
    x_NxRxT: np.ndarray,
    labels_N: np.ndarray,
    wrong: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic records and labels for training records; ``wrong`` is the share of wrong labels of "mixed"."""
    labels_S = synthetic_labels(labels_N, Dose(kind.ratio, False))
    if kind.name in ("permuted", "halves"):
        return populations.class_gaussians(rng, x_NxRxT, labels_N, labels_S), labels_S
    if kind.name == "duplicated":
        return populations.copies(rng, x_NxRxT, labels_N, labels_S), labels_S
    synthetic_SxRxT = populations.draw_records(rng, data.population, labels_S)
    if kind.name == "mixed":
        labels_S = populations.mislabel(rng, labels_S, wrong, len(data.population.family.shares_K))
    return synthetic_SxRxT, labels_S
