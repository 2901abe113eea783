"""The one evaluation: what candidates' classifiers say of held-out records, one answer per record, kept.

Every candidate is learned from the training part of a fold and answers for its test part, and the same once more inside the
training part. Doses, settings, classifiers and candidates are chosen afterwards, by the inner answers alone (``choices``).
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from gcims_jax import parts
from gcims_jax.evaluation import classify, guard
from gcims_jax.evaluation.candidates import NO_DOSE, Candidate, Dose, synthetic_labels
from gcims_jax.evaluation.classify import Answers, ClassifierConfig
from gcims_jax.generators import GENERATORS, warps
from gcims_jax.generators.contract import Description
from gcims_jax.parts import Learned, Part
from gcims_jax.preprocessing import scale
from gcims_jax.preprocessing.scale import PreprocessConfig

Array = jax.Array

VOTES = 20  # warped copies of a test record
DIGITS = 4  # of class scores that are kept


class Plan(NamedTuple):
    """How candidates are scored; the same for all of them.

    Attributes:
      preprocess: of the scale, learned from each training part.
      codec: that generators take where they name none.
      doses: tried for every generator.
      classifiers: with every setting that is tried.
      n_classes: K; labels are 0 … K-1.
    """

    preprocess: PreprocessConfig
    codec: Any
    doses: tuple[Dose, ...]
    classifiers: tuple[ClassifierConfig, ...]
    n_classes: int


class Made(NamedTuple):
    """What was made of a training part, for those that look at more than answers.

    Attributes:
      scaling: learned from the training part.
      train, test: on its scale.
      generators: learned ones, by generator and options.
      draws: their records of the largest dose, within the measured range, likewise.
      bounded: share of the drawn values that had to be brought into that range, likewise.
    """

    scaling: Learned
    train: Part
    test: Part
    generators: Mapping[Any, Learned]
    draws: Mapping[Any, Part]
    bounded: Mapping[Any, float]


def score(
    keys: tuple[Array, Array],
    candidates: Sequence[Candidate],
    train: Part,
    test: Part,
    plan: Plan,
    seed: int,
    *,
    learn_from: Part | None = None,
    directory: Path | None = None,
    title: str | None = None,
    measure: Callable[[Made], Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Answers of every candidate, dose and classifier for held-out records.

    The draws of the largest dose are made once; a smaller dose takes the first of each class.

    Args:
      keys: of what generators learn and of their draws; the same for every candidate of a fold.
      candidates: training sets; those with the same generator share what it has learned.
      train: compressed training records in the input's unit.
      test: compressed held-out records.
      plan: the same for all.
      seed: of the classifiers.
      learn_from: what scale and generators learn from under a protocol that leaks; None is the training part.
      directory: checkpoints of codecs; None keeps none.
      title: prefix of progress bars; None shows none.
      measure: adds figures to the result, from what was made.

    Returns:
      As JSON allows: ``rows``, one per candidate, dose and classifier with an answer per held-out record, ``generators`` with
      what each chose and its seconds, and what ``measure`` adds.

    Raises:
      LeakError: unless ``learn_from`` says that it leaks, a record or group that is on both sides.
    """
    leaks = learn_from is not None
    source = train if learn_from is None else learn_from
    scaling = parts.learn(scale.fit, source, config=plan.preprocess)
    if not leaks:
        guard.check_unseen(test, scaling)
    source, train, test = (part.with_values(scale.apply(scaling.value, part.x_NxRxT)) for part in (source, train, test))
    about = {
        "codec": plan.codec,
        "directory": directory,
        "title": title,
        "units": (scaling.value.low, scaling.value.high - scaling.value.low),
    }
    fits: dict[Any, Learned] = {}
    drawn: dict[Any, Part] = {}
    bounded: dict[Any, float] = {}
    rows, notes = [], []

    def learned(name: str, options: tuple[tuple[str, Any], ...]) -> Learned:
        if (name, options) not in fits:
            known = GENERATORS[name].options
            given = {key: value for key, value in about.items() if key in known} | dict(options)
            fits[name, options] = GENERATORS[name].fit(keys[0], source, **given)
        return fits[name, options]

    for candidate in candidates:
        start = time.perf_counter()
        note = Description(False, "")
        doses = plan.doses if candidate.generator else (NO_DOSE,)
        base = train
        if candidate.real == "reconstructed":
            rebuilt = learned("reconstruction", _codec_options(candidate))
            base = GENERATORS["reconstruction"].sample(keys[1], rebuilt, train.labels_N)
        synthetic, wanted = None, [np.zeros(0, int)]
        if candidate.generator:
            which = (candidate.generator, candidate.options)
            state = learned(*which)
            note = GENERATORS[candidate.generator].describe(state)
            wanted = [synthetic_labels(train.labels_N, dose) for dose in doses]
            if which not in drawn:
                most_K = np.max([np.bincount(labels_S, minlength=plan.n_classes) for labels_S in wanted], axis=0)
                labels_S = np.repeat(np.arange(plan.n_classes), most_K)
                draws = GENERATORS[candidate.generator].sample(keys[1], state, labels_S)
                drawn[which] = draws.with_values(scale.bound(scaling.value, draws.x_NxRxT))
                bounded[which] = float(np.mean(drawn[which].x_NxRxT != draws.x_NxRxT))
            synthetic = drawn[which]
        notes.append({"candidate": candidate.name, **note._asdict(), "seconds": time.perf_counter() - start})
        for dose, labels_S in zip(doses, wanted, strict=True):
            training = [] if candidate.real == "none" else [base]
            if synthetic is not None:
                counts_K = np.bincount(labels_S, minlength=plan.n_classes)
                firsts = [np.flatnonzero(synthetic.labels_N == k)[:count] for k, count in enumerate(counts_K)]
                training.append(synthetic.take(np.concatenate(firsts)))
            rows += _judge(keys[1], candidate, dose, parts.join(*training), len(labels_S), test, plan, seed, leaks)
    result = {"n_train": len(train), "n_test": len(test), "generators": notes, "rows": rows}
    if measure is not None:
        result |= measure(Made(scaling, train, test, fits, drawn, bounded))
    return result


def _codec_options(candidate: Candidate) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name, value in candidate.options if name == "codec")


def _judge(
    key: Array,
    candidate: Candidate,
    dose: Dose,
    training: Part,
    n_synthetic: int,
    test: Part,
    plan: Plan,
    seed: int,
    leaks: bool,
) -> list[dict[str, Any]]:
    """One row per classifier and setting."""
    configs = [
        dataclasses.replace(config, class_weights=config.class_weights or candidate.class_weights)
        for config in plan.classifiers
    ]
    if not leaks:
        guard.check_unseen(test, training)
    start = time.perf_counter()
    judges = classify.fit_all(configs, training, seed)
    seconds = (time.perf_counter() - start) / len(configs)
    rows = []
    for config, judge in zip(configs, judges, strict=True):
        answers = classify.answer(judge, test, plan.n_classes, leaks=leaks)
        if candidate.votes:
            answers = _votes(key, judge, test, answers, candidate.votes, leaks)
        rows.append(
            {
                "candidate": candidate.name,
                **dose._asdict(),
                "classifier": config.name,
                "setting": classify.setting(config),
                "n_synthetic": n_synthetic,
                "seconds": seconds,
                "predicted_M": answers.predicted_M,
                "scores_MxK": np.round(answers.scores_MxK, DIGITS),
            }
        )
    return rows


def _votes(key: Array, judge: Learned, test: Part, answers: Answers, size: float, leaks: bool) -> Answers:
    """The class that most warped copies of each record are taken for; in a tie that of the record itself."""
    sizes = warps.Sizes(size, size, intensity=0.05 * size)
    n_classes = answers.scores_MxK.shape[1]
    votes_MxK = 0.5 * np.eye(n_classes)[answers.predicted_M]
    for i in range(VOTES):
        copies = test.with_values(warps.change(jax.random.fold_in(key, i), test.x_NxRxT, sizes))
        votes_MxK += np.eye(n_classes)[classify.answer(judge, copies, n_classes, leaks=leaks).predicted_M]
    return Answers(votes_MxK.argmax(axis=1), votes_MxK / (VOTES + 0.5))


def score_fold(
    keys: tuple[Array, Array],
    candidates: Sequence[Candidate],
    train: Part,
    test: Part,
    plan: Plan,
    seed: int,
    *,
    inner: Sequence[tuple[Part, Part]] = (),
    **options: Any,
) -> dict[str, Any]:
    """``score`` on a fold's test part, and on the inner splits of its training part.

    Args:
      inner: from ``splits.inner_splits``; none where nothing is chosen.
      **options: of ``score``, for the outer part.

    The other arguments are those of ``score``.
    """
    result = score(keys, candidates, train, test, plan, seed, **options)
    result["inner"] = [
        {
            "labels_M": choose.labels_N,
            **score(tuple(jax.random.fold_in(key, 1 + i) for key in keys), candidates, learn, choose, plan, seed),
        }
        for i, (learn, choose) in enumerate(inner)
    ]
    return result
