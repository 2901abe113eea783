"""Splits, arms and folds: how synthetic records are judged, and who may see which records.

``strict``: everything that learns (scaling, codec, class statistics, classifier) sees the training part of a fold
alone. Only this protocol carries a verdict.

``paper``: the published procedure. Scaling, codec and class statistics see all records once, then classifiers are
cross-validated. Test records have shaped the synthetic ones, so its scores leak; the gap to ``strict`` is reported.

Everything learned carries the records that it has seen (``guard``): under ``strict`` scoring it on one of them raises.
"""

import dataclasses
import functools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from gcims_jax import linalg
from gcims_jax.codec import double
from gcims_jax.codec.double import Codec, CodecConfig
from gcims_jax.codec.train import Curves
from gcims_jax.errors import InputError
from gcims_jax.evaluation import classify, guard, metrics
from gcims_jax.evaluation.classify import ClassifierConfig
from gcims_jax.evaluation.guard import Part
from gcims_jax.preprocessing import scale
from gcims_jax.preprocessing.scale import PreprocessConfig, Scaling
from gcims_jax.samplers import SAMPLERS

Array = jax.Array

PROTOCOLS = ("strict", "paper")
LEAKS = {"strict": False, "paper": True}
# What the classifier is trained on; it is always tested on real records ("synthetic" is also known as TSTR).
ARMS = ("original", "reconstructed", "original+synthetic", "reconstructed+synthetic", "synthetic")


@dataclasses.dataclass(frozen=True)
class Method:
    """The whole method's configuration, from compressed records to predictions.

    Attributes:
      preprocess, codec, classifier: see there.
      sampler: a key of ``SAMPLERS``.
      sampler_options: its keyword options as (name, value) pairs.
      ratio: synthetic records per training record, the same for every class.
      balanced: draw every class up to 1 + ratio times the largest class instead.
    """

    preprocess: PreprocessConfig = PreprocessConfig()
    codec: CodecConfig = CodecConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    sampler: str = "rda"
    sampler_options: tuple[tuple[str, Any], ...] = ()
    ratio: float = 1.0
    balanced: bool = False

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise InputError(f"sampler.name: expected one of {sorted(SAMPLERS)}, got {self.sampler!r}")
        if not self.ratio > 0.0:
            raise InputError(
                f"protocol.ratio: expected synthetic records per training record above 0, got {self.ratio}"
            )


class Fold(NamedTuple):
    """One split; indices of records."""

    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray


class Generator(NamedTuple):
    """All that was learned from one set of training records.

    Attributes:
      scaling: to and from the [0, 1] scale.
      codec: both autoencoders.
      sampler_state: class statistics.
      curves: training curves per stage.
      seconds: spent on codec and statistics.
      seen: numbers of the records that all this was learned from.
    """

    scaling: Scaling
    codec: Codec
    sampler_state: Any
    curves: dict[str, Curves]
    seconds: dict[str, float]
    seen: frozenset[int]


def leave_one_group_out(labels_N: np.ndarray, groups_N: np.ndarray | None) -> list[Fold]:
    """One fold for each group, a batch for example, which is tested by what all others teach.

    Raises:
      InputError: no groups, a single one, or a class that one group holds alone.
    """
    if groups_N is None:
        raise InputError("protocol.leave_one_group_out: expected records with groups, got none; set it to False")
    groups = np.unique(groups_N)
    if len(groups) < 2:
        raise InputError(
            f"protocol.leave_one_group_out: expected at least 2 groups, got {len(groups)}: {groups.tolist()}"
        )
    folds = []
    for index, group in enumerate(groups):
        train, test = np.flatnonzero(groups_N != group), np.flatnonzero(groups_N == group)
        if missing := sorted(set(labels_N.tolist()) - set(labels_N[train].tolist())):
            raise InputError(
                f"protocol.leave_one_group_out: expected every class in at least 2 groups, but {str(missing[0])!r} is in "
                f"{str(group)!r} alone; leave the class out or group otherwise"
            )
        folds.append(Fold(0, index, train, test))
    return folds


def make_folds(
    labels_N: np.ndarray, groups_N: np.ndarray | None, *, folds: int, repeats: int, grouped: bool, seed: int
) -> list[Fold]:
    """Repeated stratified k-fold; grouped keeps every group on one side of each split.

    Raises:
      InputError: fewer than two classes or folds, a class with fewer records than folds, groups that are asked for
        but not there, or that leave a class out of a training part.
    """
    classes_K, counts_K = np.unique(labels_N, return_counts=True)
    if folds < 2 or repeats < 1:
        raise InputError(f"protocol: expected at least 2 folds and 1 repeat, got {folds} and {repeats}")
    if len(classes_K) < 2:
        raise InputError(f"labels: expected at least 2 classes, got {len(classes_K)}: {classes_K.tolist()}")
    for name, count in zip(classes_K, counts_K, strict=True):
        if count < folds:
            raise InputError(
                f"class {str(name)!r}: expected at least as many records as folds ({folds}), got {count}; "
                f"set protocol.folds to {max(2, count)} or less, or leave the class out"
                if count > 1
                else f"class {str(name)!r}: expected at least as many records as folds ({folds}), got 1; leave the class out"
            )
    if grouped and groups_N is None:
        raise InputError("protocol.grouped: expected records with groups, got none; set protocol.grouped=False")
    if grouped and len(np.unique(groups_N)) < folds:
        raise InputError(
            f"protocol.folds: expected at most as many folds as groups ({len(np.unique(groups_N))}), got {folds}"
        )
    result = []
    for repeat in range(repeats):
        splitter = (StratifiedGroupKFold if grouped else StratifiedKFold)(
            folds, shuffle=True, random_state=seed + repeat
        )
        for fold, (train, test) in enumerate(splitter.split(labels_N, labels_N, groups_N if grouped else None)):
            missing = sorted(set(classes_K) - set(labels_N[train]))
            if missing or not len(test):
                raise InputError(
                    f"protocol.grouped: the groups leave {f'class {str(missing[0])!r} out of the training part' if missing else 'nothing to test'} "
                    f"in fold {fold + 1} of {folds}; set protocol.folds lower or protocol.grouped=False"
                )
            result.append(Fold(repeat, fold, train, test))
    return result


def fit_generator(
    key: Array,
    train: Part,
    method: Method,
    *,
    directory: Path | None = None,
    title: str | None = None,
) -> Generator:
    """Learns scaling, codec and class statistics from compressed training records, and from nothing else.

    Args:
      key: of everything random.
      train: compressed training records in the input's unit, see ``guard.take``.
      method: configuration.
      directory: codec checkpoints, continued from where there are any.
      title: prefix of progress bars; None shows none.
    """
    start = time.perf_counter()
    scaling = scale.fit(train.x_NxRxT, method.preprocess)
    x_NxRxT = scale.apply(scaling, train.x_NxRxT)
    units = (scaling.low, scaling.high - scaling.low)
    fitted, curves = double.fit(key, x_NxRxT, method.codec, units=units, directory=directory, title=title)
    trained = time.perf_counter()
    latents_NxDxD = double.encode(fitted, x_NxRxT, method.codec)
    state = SAMPLERS[method.sampler].fit(latents_NxDxD, train.labels_N, **dict(method.sampler_options))
    seconds = {"codec": trained - start, "sampler": time.perf_counter() - trained}
    return Generator(scaling, fitted, state, curves, seconds, train.seen)


def draw(key: Array, generator: Generator, method: Method, labels_S: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Synthetic records S×R×T on the [0, 1] scale, one per label."""
    latents_SxDxD = SAMPLERS[method.sampler].sample(key, generator.sampler_state, labels_S)
    return double.decode(generator.codec, np.asarray(latents_SxDxD), method.codec, shape)


def synthetic_labels(labels_N: np.ndarray, ratio: float, balanced: bool) -> np.ndarray:
    """Labels to draw: every class ``ratio`` times its training size, at least one record.

    Balanced, every class gets what it lacks to 1 + ratio times the largest.
    """
    classes_K, counts_K = np.unique(labels_N, return_counts=True)
    wanted_K = (1.0 + ratio) * counts_K.max() - counts_K if balanced else ratio * counts_K
    return np.repeat(classes_K, np.maximum(1, np.round(wanted_K)).astype(int))


def fold_keys(seed: int, protocol: str, index: int) -> tuple[Array, Array]:
    """Keys of a fold's training and of its draws; they depend on nothing but seed, protocol and fold."""
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), PROTOCOLS.index(protocol)), index)
    fit_key, draw_key = jax.random.split(key)
    return fit_key, draw_key


def score_fold(
    draw_key: Array,
    generator: Generator,
    method: Method,
    compressed_NxRxT: np.ndarray,
    labels_N: np.ndarray,
    fold: Fold,
    seed: int,
    protocol: str = "strict",
) -> dict[str, Any]:
    """Scores the arms of one fold on its held-out real records.

    Args:
      draw_key: of the synthetic records.
      generator: learned from the training part (``strict``) or from all records (``paper``).
      method: configuration.
      compressed_NxRxT: all compressed records.
      labels_N: integer labels 0 … K-1.
      fold: which records train the classifier and which test it.
      seed: of the classifier.
      protocol: a key of ``LEAKS``.

    Returns:
      A row that can be written as JSON: sizes, reconstruction errors, arms, training curves, sampler and seconds.

    Raises:
      LeakError: under ``strict``, a generator that has seen a test record.
    """
    start = time.perf_counter()
    shape = compressed_NxRxT.shape[1:]
    n_classes = int(labels_N.max()) + 1
    x_NxRxT = scale.apply(generator.scaling, compressed_NxRxT)
    train, test = (guard.take(x_NxRxT, labels_N, part) for part in (fold.train, fold.test))
    draw_labels_S = synthetic_labels(train.labels_N, method.ratio, method.balanced)
    synthetic_SxRxT = draw(draw_key, generator, method, draw_labels_S, shape)
    synthetic = Part(synthetic_SxRxT, draw_labels_S, generator.seen)
    reconstructed_NxRxT = double.reconstruct(generator.codec, train.x_NxRxT, method.codec)
    reconstructed = Part(reconstructed_NxRxT, train.labels_N, generator.seen | train.seen)
    train_NxRxT, test_NxRxT = train.x_NxRxT, test.x_NxRxT
    drawn = time.perf_counter()

    linear = linalg.two_sided_basis(train_NxRxT, method.codec.latent)
    principal = linalg.principal_basis(train_NxRxT, method.codec.latent**2)
    reconstruction = {
        "mse_train": _mse(reconstructed_NxRxT, train_NxRxT),
        "mse_test": _mse(double.reconstruct(generator.codec, test_NxRxT, method.codec), test_NxRxT),
        "mse_test_linear": _mse(linalg.reconstruct_two_sided(linear, test_NxRxT), test_NxRxT),
        "mse_test_principal": _mse(linalg.reconstruct_principal(principal, test_NxRxT), test_NxRxT),
        "mse_test_wavelet": _mse(scale.threshold_wavelets(test_NxRxT, method.codec.latent**2), test_NxRxT),
        "residual_on": float(double.residual_on(generator.codec)),
    }
    training_sets = {
        "original": train,
        "reconstructed": reconstructed,
        "original+synthetic": guard.join(train, synthetic),
        "reconstructed+synthetic": guard.join(reconstructed, synthetic),
        "synthetic": synthetic,
    }
    arms = {}
    for arm in ARMS:
        judge = guard.learn(functools.partial(classify.fit, method.classifier, seed=seed), training_sets[arm])
        if not LEAKS[protocol]:
            guard.check_held_out(test, judge)
        predicted_N = classify.predict(judge.value, test_NxRxT)
        arms[arm] = metrics.score(test.labels_N, predicted_N, n_classes)._asdict()
        if arm == "original":
            agreement = metrics.score(draw_labels_S, classify.predict(judge.value, synthetic_SxRxT), n_classes)
    return {
        "repeat": fold.repeat,
        "fold": fold.fold,
        "n_train": len(fold.train),
        "n_test": len(fold.test),
        "n_synthetic": len(draw_labels_S),
        "components": classify.capped_components(method.classifier, len(fold.train), int(np.prod(shape))),
        "reconstruction": reconstruction,
        "arms": arms,
        "real_to_synthetic": {"accuracy": agreement.accuracy, "balanced_accuracy": agreement.balanced_accuracy},
        "curves": {stage: curves._asdict() for stage, curves in generator.curves.items()},
        "generator": method.sampler,
        "sampler": _sampler_report(generator.sampler_state),
        "selection": _selection_report(generator.sampler_state),
        "seconds": {**generator.seconds, "draw": drawn - start, "classify": time.perf_counter() - drawn},
    }


def _mse(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean((a - b) ** 2))


def _sampler_report(state: Any) -> Mapping[str, Any]:
    """What a sampler notes about its fit per class: the fields of its state whose names end in _K."""
    return {name: np.asarray(value) for name, value in state._asdict().items() if name.endswith("_K")}


def _selection_report(state: Any) -> Mapping[str, Any] | None:
    """Values that a sampler tried and their leave-one-out log-likelihood; None where it chose nothing."""
    selection = getattr(state, "selection", None)
    return None if selection is None else selection._asdict()
