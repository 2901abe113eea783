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
from gcims_jax.generators import GENERATORS, codecs, learn, warps
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
    """What was made of a training part.

    Attributes:
      scaling: learned from the training part, or from all records where the protocol leaks.
      train, test: on its scale.
      generators: learned ones, by generator and options (``key_of``).
      draws: their records of the largest dose, within the measured range, likewise.
      rebuilt: training records through a codec, by the codec.
      bounded: share of the drawn values that had to be brought into that range, likewise.
      seconds: for learning and drawing, likewise.
      leaks: whether more than the training part was learned from.
    """

    scaling: Learned
    train: Part
    test: Part
    generators: dict[Any, Learned]
    draws: dict[Any, Part]
    rebuilt: dict[Any, Part]
    bounded: dict[Any, float]
    seconds: dict[Any, float]
    leaks: bool


def key_of(candidate: Candidate) -> tuple[str, tuple[tuple[str, Any], ...]]:
    """Which generator a candidate's synthetic records come from; the same for candidates that share one."""
    return candidate.generator, candidate.options


def make(
    keys: tuple[Array, Array],
    candidates: Sequence[Candidate],
    train: Part,
    test: Part,
    plan: Plan,
    *,
    learn_from: Part | None = None,
    directory: Path | None = None,
    title: str | None = None,
) -> Made:
    """Learns the scale and the candidates' generators, and draws the largest dose of each.

    Args:
      keys: of what generators learn and of their draws; the same for every candidate of a fold.
      candidates: training sets; those with the same generator share what it has learned.
      train: compressed training records in the input's unit.
      test: compressed held-out records.
      plan: the same for all.
      learn_from: what scale and generators learn from under a protocol that leaks; None is the training part.
      directory: checkpoints of codecs; None keeps none.
      title: prefix of progress bars and lines; None shows none.

    Raises:
      LeakError: unless ``learn_from`` says that it leaks, a record or group that is on both sides.
    """
    leaks = learn_from is not None
    scaling, source, units = scaled_source(train, test, plan, learn_from)
    train, test = (scale.apply_to(scaling.value, part) for part in (train, test))
    about = {
        "codec": plan.codec,
        "directory": directory,
        "title": title,
        "units": units,
        "logarithm": int(plan.preprocess.log),
    }
    made = Made(scaling, train, test, {}, {}, {}, {}, {}, leaks)
    for candidate in candidates:
        codec = dict(candidate.options).get("codec", plan.codec)
        if candidate.real == "reconstructed" and codec not in made.rebuilt:
            # Under the key that generators have, so that they share it.
            fitted = codecs.fit(
                keys[0], source, codec, **{name: about[name] for name in ("directory", "title", "units")}
            )
            made.rebuilt[codec] = codecs.reconstruct(fitted, train)
        if not candidate.generator or key_of(candidate) in made.draws:
            continue
        start, key = time.perf_counter(), key_of(candidate)
        state = _learn(keys[0], made, source, key, about)
        wanted = [synthetic_labels(train.labels_N, dose) for dose in plan.doses]
        most_K = np.max([np.bincount(labels_S, minlength=plan.n_classes) for labels_S in wanted], axis=0)
        draws = GENERATORS[candidate.generator].sample(keys[1], state, np.repeat(np.arange(plan.n_classes), most_K))
        made.draws[key] = draws.with_values(scale.bound(scaling.value, draws.x_NxRxT))
        made.bounded[key] = float(np.mean(made.draws[key].x_NxRxT != draws.x_NxRxT))
        made.seconds[key] = time.perf_counter() - start
    return made


def scaled_source(
    train: Part, test: Part, plan: Plan, learn_from: Part | None
) -> tuple[Learned, Part, tuple[float, float]]:
    """The scale, the records that codecs and generators learn from on it, and its low and span.

    Args and Raises: see ``make``.
    """
    source = train if learn_from is None else learn_from
    scaling = parts.learn(scale.fit, source, config=plan.preprocess)
    if learn_from is None:
        guard.check_unseen(test, scaling)
    units = (scaling.value.low, scaling.value.high - scaling.value.low)
    return scaling, scale.apply_to(scaling.value, source), units


def _learn(key: Array, made: Made, source: Part, which: Any, about: Mapping[str, Any]) -> Learned:
    """The generator of that name and options, learned once."""
    if which not in made.generators:
        name, options = which
        made.generators[which] = learn(key, name, source, about, dict(options))
    return made.generators[which]


def score(
    keys: tuple[Array, Array],
    candidates: Sequence[Candidate],
    train: Part,
    test: Part,
    plan: Plan,
    seed: int,
    *,
    measure: Callable[[Made], Mapping[str, Any]] | None = None,
    tell: Callable[[], None] = lambda: None,
    **options: Any,
) -> dict[str, Any]:
    """Answers of every candidate, dose and classifier for held-out records.

    The draws of the largest dose are made once; a smaller dose takes the first of each class.

    Args:
      seed: of the classifiers.
      measure: adds figures to the result, from what was made.
      tell: called once all is made, before it is judged.

    The other arguments are those of ``make``.

    Returns:
      As JSON allows: ``rows``, one per candidate, dose and classifier with an answer per held-out record, ``generators`` with
      what each chose and its seconds, and what ``measure`` adds.

    Raises:
      LeakError: unless ``learn_from`` says that it leaks, a record or group that is on both sides.
    """
    made = make(keys, candidates, train, test, plan, **options)
    tell()
    rows, notes = [], []
    for candidate in candidates:
        note, real = Description(False, ""), made.train
        if candidate.real == "reconstructed":
            real = made.rebuilt[dict(candidate.options).get("codec", plan.codec)]
        synthetic = made.draws.get(key_of(candidate))
        if synthetic is not None:
            note = GENERATORS[candidate.generator].describe(made.generators[key_of(candidate)])
        seconds = made.seconds.get(key_of(candidate), 0.0)
        notes.append({"candidate": candidate.name, **note._asdict(), "seconds": seconds})
        for dose in plan.doses if candidate.generator else (NO_DOSE,):
            training = [] if candidate.real == "none" else [real]
            if synthetic is not None:
                wanted_K = np.bincount(synthetic_labels(made.train.labels_N, dose), minlength=plan.n_classes)
                firsts = [np.flatnonzero(synthetic.labels_N == k)[:count] for k, count in enumerate(wanted_K)]
                training.append(synthetic.take(np.concatenate(firsts)))
            rows += _judge(keys[1], candidate, dose, parts.join(*training), made, plan, seed)
    result = {"n_train": len(train), "n_test": len(test), "generators": notes, "rows": rows}
    if measure is not None:
        result |= measure(made)
    return result


def _judge(
    key: Array,
    candidate: Candidate,
    dose: Dose,
    training: Part,
    made: Made,
    plan: Plan,
    seed: int,
) -> list[dict[str, Any]]:
    """One row per classifier and setting."""
    configs = [
        dataclasses.replace(config, class_weights=config.class_weights or candidate.class_weights)
        for config in plan.classifiers
    ]
    if not made.leaks:
        guard.check_unseen(made.test, training)
    n_synthetic = len(training) - (len(made.train) if candidate.real != "none" else 0)
    start = time.perf_counter()
    judges = classify.fit_all(configs, training, seed, len(made.train))
    seconds = (time.perf_counter() - start) / len(configs)
    rows = []
    for config, judge in zip(configs, judges, strict=True):
        answers = classify.answer(judge, made.test, plan.n_classes, leaks=made.leaks)
        if candidate.votes:
            answers = _votes(key, judge, made.test, answers, candidate.votes, made.leaks)
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
    start = time.perf_counter()
    result = score(keys, candidates, train, test, plan, seed, **options)
    result["inner"] = [
        {
            "labels_M": choose.labels_N,
            "groups_M": choose.groups_N,
            **score(tuple(jax.random.fold_in(key, 1 + i) for key in keys), candidates, learn, choose, plan, seed),
        }
        for i, (learn, choose) in enumerate(inner)
    ]
    result["wall_seconds"] = time.perf_counter() - start
    return result
