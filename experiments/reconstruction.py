"""What the studies of the codec share: splits, codecs and baselines, and one row of figures for each."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit

from gcims_jax import linalg
from gcims_jax.codec import double
from gcims_jax.codec.double import CodecConfig
from gcims_jax.codec.model import ModelConfig
from gcims_jax.codec.train import TrainConfig
from gcims_jax.errors import InputError
from gcims_jax.evaluation import classify, guard, verdict
from gcims_jax.evaluation.splits import repeated
from gcims_jax.fidelity import peaks
from gcims_jax.parts import Part
from gcims_jax.preprocessing import scale
from gcims_jax.samplers import SAMPLERS
from gcims_jax.simulation import gcims
from gcims_jax.simulation.cultures import CLASS_SIZES

from .settings import Setup

MOST_TEST_RECORDS = 400
# The paper's recipe: stage by stage from random weights. 300 steps a stage is what this project ran at first.
PAPER_TRAIN = TrainConfig(steps=300, batch=128, optimiser="adamw", learning_rate=3e-3, weight_decay=1e-4)


class Truth(NamedTuple):
    """What only a simulator knows: compressed records without noise, and where peaks were planted, as grid indices."""

    clean_NxRxT: np.ndarray
    rows_NxC: np.ndarray
    columns_NxC: np.ndarray


class Split(NamedTuple):
    """Indices of training and test records."""

    train: np.ndarray
    test: np.ndarray


def paper_codec(config: CodecConfig) -> CodecConfig:
    """The paper's recipe at the size that it had here before there was another."""
    model = ModelConfig(patch=16)
    return CodecConfig(latent=config.latent, start="random", model=model, train=PAPER_TRAIN)


def splits(setup: Setup) -> list[Split]:
    """The first ``codec_study.draws`` folds; with ``codec_study.train_records``, that many random draws of so many records instead.

    Groups that stay together in folds do so in draws: of two or more whole groups so many records are taken.

    Raises:
      InputError: more training records than there are beside at least one test record a class.
    """
    draws, n_train = setup.codec_study["draws"], setup.codec_study["train_records"]
    if not n_train:
        return [Split(fold.train, fold.test) for fold in setup.folds[:draws]]
    labels_N = setup.records.labels
    classes = len(setup.records.classes)
    if not classes <= n_train <= len(labels_N) - classes:
        raise InputError(
            f"codec_study.train_records: expected 0 (folds), or {classes} to {len(labels_N) - classes} of the {len(labels_N)} "
            f"records in {classes} classes, got {n_train}"
        )
    groups_N = setup.part.groups_N
    if repeated(groups_N):
        return [_draw_groups(groups_N, n_train, setup.seed + draw) for draw in range(draws)]
    n_test = min(MOST_TEST_RECORDS, len(labels_N) - n_train)
    splitter = StratifiedShuffleSplit(draws, train_size=n_train, test_size=n_test, random_state=setup.seed)
    return [Split(train, test) for train, test in splitter.split(labels_N, labels_N)]


def _draw_groups(groups_N: np.ndarray, n_train: int, seed: int) -> Split:
    """Whole groups in random order until they have so many records; the others, up to the most, are for testing.

    Two or more teach, as one is held out for validation. Records of these that are too many are in neither part.
    """
    _, group_N = np.unique(groups_N, return_inverse=True)
    rng = np.random.default_rng(seed)
    rank = rng.permutation(group_N.max() + 1)
    order = np.argsort(rank[group_N], kind="stable")
    last = max(1, np.searchsorted(np.cumsum(np.bincount(rank[group_N])), n_train))
    most = order[rank[group_N[order]] <= last]
    test = order[len(most) :][:MOST_TEST_RECORDS]
    train = np.sort(rng.permutation(most)[:n_train])
    if not len(test):
        raise InputError(
            f"codec_study.train_records: expected a number that leaves a group to test, got {n_train} of {len(groups_N)} records "
            f"in {len(rank)} groups; ask for fewer"
        )
    return Split(train, test)


def truth(setup: Setup) -> Truth | None:
    """The simulator's truth for the whole simulated set; None for data from a file or a part of the set."""
    if setup.variability is None or len(setup.records.labels) != sum(CLASS_SIZES.values()):
        return None
    _, n_retention, n_drift = setup.records.shape
    quiet = dataclasses.replace(setup.variability, noise=0.0)
    records, planted = gcims.simulate(setup.seed, n_retention=n_retention, n_drift=n_drift, variability=quiet)
    plan = setup.compression
    shape = plan.shape

    def index(at_NxC: np.ndarray, axis_values: np.ndarray, points: int) -> np.ndarray:
        step = (axis_values[-1] - axis_values[0]) / (len(axis_values) - 1) * len(axis_values) / points
        return (at_NxC - axis_values[0]) / step

    rows_NxC = index(planted.retention_NxC, plan.slow.values, shape[0])
    columns = [index(at_NxC, plan.fast.values, shape[1]) for at_NxC in (planted.monomer_NxC, planted.dimer_NxC)]
    clean_NxRxT = scale.compress(plan, records.values)
    return Truth(clean_NxRxT, np.concatenate([rows_NxC, rows_NxC], axis=1), np.concatenate(columns, axis=1))


Reconstruct = Callable[[np.ndarray], np.ndarray]


def baselines(train_NxRxT: np.ndarray, latent: int) -> dict[str, Reconstruct]:
    """Codecs that are not trained, by name, each a function from records to reconstructions."""
    two_sided = linalg.two_sided_basis(train_NxRxT, latent)
    principal = linalg.principal_basis(train_NxRxT, latent**2)
    return {
        "linear": lambda x: linalg.reconstruct_two_sided(two_sided, x),
        "principal": lambda x: linalg.reconstruct_principal(principal, x),
        "wavelet": lambda x: scale.threshold_wavelets(x, latent**2),
    }


class Data(NamedTuple):
    """One split, ready for codecs: training and test records on the [0, 1] scale."""

    split: Split
    scaling: scale.Scaling
    train: Part
    test: Part
    truth: Truth | None


def data_of(setup: Setup, split: Split, truth: Truth | None) -> Data:
    """Scales the records of a split; the scale is learned from its training part."""
    train, test = map(setup.part.take, split)
    scaling = scale.fit(train, setup.method.preprocess)
    train, test = (scale.apply_to(scaling, part) for part in (train, test))
    return Data(split, scaling, train, guard.check_unseen(test, train), truth)


def score(setup: Setup, data: Data, reconstruct: Reconstruct, classes: bool = True) -> dict[str, float]:
    """Errors on held-out records, small peaks, and how well a classifier learns from reconstructed records."""
    out_MxRxT = reconstruct(data.test.x_NxRxT)
    row = {"mse": float(np.mean((out_MxRxT - data.test.x_NxRxT) ** 2))}
    if data.truth is not None:
        test = data.split.test
        clean_MxRxT = data.truth.clean_NxRxT[test]
        row["mse_clean"] = float(np.mean((out_MxRxT - scale.apply(data.scaling, clean_MxRxT)) ** 2))
        noise = peaks.noise_level(scale.invert(data.scaling, data.train.x_NxRxT))
        small = peaks.find(clean_MxRxT, noise, data.truth.rows_NxC[test], data.truth.columns_NxC[test])
        row |= peaks.score(small, clean_MxRxT, scale.invert(data.scaling, out_MxRxT))._asdict()
    if classes:
        rebuilt = data.train.with_values(reconstruct(data.train.x_NxRxT))
        fitted = classify.fit(setup.method.classifier, rebuilt, setup.seed)
        answers = classify.answer(fitted, data.test, len(setup.truth.classes))
        row["accuracy"] = float(np.mean(answers.predicted_M == data.test.labels_N))
    return row


def score_codec(
    setup: Setup, data: Data, config: CodecConfig, key: jax.Array, directory: Path | None, classes: bool = True
) -> tuple[dict[str, float], Reconstruct]:
    """Trains one codec and scores it, with the seconds for training it and for drawing as many records as it saw."""
    start = time.perf_counter()
    units = (data.scaling.low, data.scaling.high - data.scaling.low)
    fitted, _ = double.fit(key, data.train, config, units=units, directory=directory)
    trained = time.perf_counter()

    def reconstruct(x_NxRxT: np.ndarray) -> np.ndarray:
        return double.reconstruct(fitted, x_NxRxT, config)

    row = score(setup, data, reconstruct, classes)
    row |= {"train_seconds": trained - start, "residual_on": float(double.residual_on(fitted))}
    labels_N = data.train.labels_N
    sampler = SAMPLERS[setup.method.sampler]
    latents = data.train.with_values(double.encode(fitted, data.train.x_NxRxT, config))
    state = sampler.fit(latents, **dict(setup.method.sampler_options))
    start = time.perf_counter()
    latents_SxDxD = np.asarray(sampler.sample(key, state, labels_N))
    double.decode(fitted, latents_SxDxD, config, data.train.x_NxRxT.shape[1:])
    row["draw_seconds"] = time.perf_counter() - start
    return row, reconstruct


def ratio(rows: list[dict[str, float]], base: list[dict[str, float]], key: str, test_to_train: float) -> dict[str, Any]:
    """Ratio of two codecs' figures over the same splits: geometric mean and 95 % interval (Nadeau & Bengio 2003)."""
    a, b = (np.log([row[key] for row in part]) for part in (rows, base))
    c = verdict.compare(a, b, test_to_train)
    return {"ratio": float(np.exp(c.delta)), "ci95": [float(np.exp(end)) for end in c.ci95], "splits": len(rows)}


def mean(rows: list[dict[str, float]], key: str) -> float:
    """Mean of a figure over splits."""
    return float(np.mean([row[key] for row in rows]))
