"""Which generator helps which classifier, and how much of it: scores of one fold, choices made inside its training part.

For every fold each candidate is learned from the training part and scored on the test part, and the same once more
inside the training part (the inner splits). Doses, classifiers and candidates are chosen by the inner scores alone.
"""

import dataclasses
import functools
import hashlib
import time
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from gcims_jax import linalg
from gcims_jax.codec import double
from gcims_jax.errors import InputError
from gcims_jax.evaluation import classify, guard, metrics
from gcims_jax.evaluation.guard import Part
from gcims_jax.evaluation.protocols import Method, synthetic_labels
from gcims_jax.generators import GENERATORS, FitCodec, FittedCodec, warps
from gcims_jax.preprocessing import scale

Array = jax.Array

CODECS = ("tucker", "transformers")
VOTES = 20  # warped copies of a test record


class Dose(NamedTuple):
    """How many synthetic records.

    Attributes:
      ratio: per training record; balanced, beyond the largest class.
      balanced: whether all classes are brought to one size, 1 + ratio times the largest.
    """

    ratio: float
    balanced: bool

    @property
    def mode(self) -> str:
        """``balanced`` or ``proportional``."""
        return "balanced" if self.balanced else "proportional"


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A generator under test.

    Attributes:
      name: how tables call it.
      generator: a key of ``GENERATORS``; "" adds nothing.
      options: of the generator, (name, value) pairs.
      class_weights: the classifier counts every class the same.
      votes: size of the hand-set warps of the test records over whose copies the classifier's votes are averaged; 0 asks
        for the records alone.
    """

    name: str
    generator: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    class_weights: bool = False
    votes: float = 0.0

    def __post_init__(self) -> None:
        if self.generator and self.generator not in GENERATORS:
            raise InputError(f"study.candidates: expected some of {', '.join(GENERATORS)}, got {self.generator!r}")


PLAIN = Candidate("none")
WEIGHTED = Candidate("class_weights", class_weights=True)


def parse_candidate(text: str) -> Candidate:
    """``none``, ``class_weights``, ``votes:size=1``, or a generator with options as in ``warp:size=2``."""
    if text in (PLAIN.name, WEIGHTED.name):
        return PLAIN if text == PLAIN.name else WEIGHTED
    generator, _, rest = text.partition(":")
    options = []
    for pair in filter(None, rest.split(",")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"study.candidates: expected options as name=value after the colon, got {text!r}")
        try:
            options.append((name, float(value)))
        except ValueError:
            options.append((name, value))
    if generator == "votes":
        size = dict(options).get("size", 1.0)
        if len(options) > 1 or not isinstance(size, float) or not size > 0.0:
            raise InputError(f"study.candidates: expected votes or votes:size=NUMBER above 0, got {text!r}")
        return Candidate(text, votes=size)
    return Candidate(text, generator, tuple(options))


def codec_fitter(kind: str, method: Method) -> FitCodec:
    """How candidates get their codec: ``tucker`` is linear and free, ``transformers`` the method's own.

    Codecs are kept by the records that they were fitted on, so that the candidates of a fold share one.
    """
    if kind not in CODECS:
        raise InputError(f"study.codec: expected one of {', '.join(CODECS)}, got {kind!r}")
    kept: dict[str, FittedCodec] = {}

    def fit(key: Array, x_NxRxT: np.ndarray) -> FittedCodec:
        records = np.ascontiguousarray(x_NxRxT, np.float32)
        name = hashlib.sha256(np.asarray(jax.random.key_data(key)).tobytes() + records.tobytes()).hexdigest()
        if name not in kept:
            if len(kept) > 8:  # more than a fold and its inner splits need
                kept.pop(next(iter(kept)))
            kept[name] = _fit_tucker(records, method) if kind == "tucker" else _fit_transformers(key, records, method)
        return kept[name]

    return fit


def _fit_tucker(x_NxRxT: np.ndarray, method: Method) -> FittedCodec:
    basis = linalg.two_sided_basis(x_NxRxT, method.codec.latent)
    return FittedCodec(
        lambda x_NxRxT: basis.slow_RxD.T @ (x_NxRxT - basis.mean_RxT) @ basis.fast_TxD,
        lambda e_NxDxD: np.float32(basis.mean_RxT + basis.slow_RxD @ e_NxDxD @ basis.fast_TxD.T),
    )


def _fit_transformers(key: Array, x_NxRxT: np.ndarray, method: Method) -> FittedCodec:
    fitted, _ = double.fit(key, x_NxRxT, method.codec)
    return FittedCodec(
        lambda x_NxRxT: double.encode(fitted, x_NxRxT, method.codec),
        lambda e_NxDxD: double.decode(fitted, e_NxDxD, method.codec, x_NxRxT.shape[1:]),
    )


def inner_splits(train: Part, groups_N: np.ndarray | None, splits: int, seed: int) -> list[tuple[Part, Part]]:
    """A training part split again into parts to learn from and parts to choose by; ``splits`` of three-fold splits.

    Args:
      train: the training part, its records in the order of their numbers.
      groups_N: groups of these records that stay together; None splits single records.
      splits: 1 to 3.
      seed: of the split.
    """
    splitter = (StratifiedKFold if groups_N is None else StratifiedGroupKFold)(3, shuffle=True, random_state=seed)
    numbers_N = np.array(sorted(train.seen))
    with warnings.catch_warnings():
        # A class with fewer records than splits cannot be in all of them; it is then not chosen by everywhere.
        warnings.simplefilter("ignore", UserWarning)
        pairs = list(splitter.split(train.labels_N, train.labels_N, groups_N))
    result = []
    for learn, choose in pairs[:splits]:
        # A class that is left out of what is learned from cannot be predicted, and tells nothing about a candidate.
        choose = choose[np.isin(train.labels_N[choose], train.labels_N[learn])]
        result.append(
            tuple(
                Part(train.x_NxRxT[part], train.labels_N[part], frozenset(numbers_N[part].tolist()))
                for part in (learn, choose)
            )
        )
    return result


def score_candidate(
    key: Array,
    candidate: Candidate,
    train: Part,
    test: Part,
    doses: Sequence[Dose],
    classifiers: Sequence[str],
    fit_codec: FitCodec,
    method: Method,
    seed: int,
    n_classes: int,
) -> list[dict[str, Any]]:
    """Scores of every dose and classifier on a held-out part.

    The draws of the largest dose are made once; a smaller dose takes the first of each class.

    Args:
      key: of codec, generator and draws; the same for every candidate of a fold.
      candidate: what to add to the training records.
      train: compressed training records in the input's unit.
      test: compressed held-out records.
      doses: how many; not used where the candidate adds nothing.
      classifiers: keys of ``CLASSIFIERS``.
      fit_codec: from ``codec_fitter``.
      method: preprocessing and sizes of classifiers.
      seed: of the classifiers.
      n_classes: K; labels are 0 … K-1.

    Returns:
      One entry per dose and classifier, as JSON allows: dose, classifier, scores, recall per class, seconds.

    Raises:
      LeakError: a record that is on both sides.
    """
    scaling = guard.learn(lambda x_NxRxT, labels_N: scale.fit(x_NxRxT, method.preprocess), train)
    guard.check_held_out(test, scaling)
    train, test = (part._replace(x_NxRxT=scale.apply(scaling.value, part.x_NxRxT)) for part in (train, test))
    start = time.perf_counter()
    synthetic, doses = None, list(doses) if candidate.generator else [Dose(0.0, False)]
    if candidate.generator:
        generator = GENERATORS[candidate.generator]
        fit_key, draw_key = jax.random.split(key)
        state = guard.learn(
            lambda x_NxRxT, labels_N: generator.fit(
                fit_key, x_NxRxT, labels_N, fit_codec=fit_codec, **dict(candidate.options)
            ),
            train,
        )
        wanted = [synthetic_labels(train.labels_N, *dose) for dose in doses]
        most_K = np.max([np.bincount(labels_S, minlength=n_classes) for labels_S in wanted], axis=0)
        labels_S = np.repeat(np.arange(n_classes), most_K)
        synthetic = Part(np.asarray(generator.sample(draw_key, state.value, labels_S)), labels_S, state.seen)
    generated = time.perf_counter() - start
    entries = []
    for index, dose in enumerate(doses):
        augmented = train
        if synthetic is not None:
            counts_K = np.bincount(wanted[index], minlength=n_classes)
            first = np.concatenate(
                [np.flatnonzero(synthetic.labels_N == k)[:count] for k, count in enumerate(counts_K)]
            )
            chosen = Part(synthetic.x_NxRxT[first], synthetic.labels_N[first], synthetic.seen)
            augmented = guard.join(train, chosen)
        for name in classifiers:
            start = time.perf_counter()
            config = dataclasses.replace(method.classifier, name=name, class_weights=candidate.class_weights)
            judge = guard.learn(functools.partial(classify.fit, config, seed=seed), augmented)
            guard.check_held_out(test, judge)
            predicted_N = classify.predict(judge.value, test.x_NxRxT)
            if candidate.votes:
                predicted_N = _votes(key, judge.value, test.x_NxRxT, predicted_N, candidate.votes, n_classes)
            scores = metrics.score(test.labels_N, predicted_N, n_classes)
            entries.append(
                {
                    **dose._asdict(),
                    "classifier": name,
                    "accuracy": scores.accuracy,
                    "balanced_accuracy": scores.balanced_accuracy,
                    "recall_K": scores.recall_K,
                    "n_synthetic": len(augmented.labels_N) - len(train.labels_N),
                    "seconds": time.perf_counter() - start,
                    "generator_seconds": generated,
                }
            )
    return entries


def _votes(
    key: Array, judge: Any, x_NxRxT: np.ndarray, predicted_N: np.ndarray, size: float, n_classes: int
) -> np.ndarray:
    """The class that most warped copies of each record are taken for; in a tie that of the record itself."""
    sizes = warps.Sizes(size, size, intensity=0.05 * size)
    copies = [warps.change(jax.random.fold_in(key, i), x_NxRxT, sizes) for i in range(VOTES)]
    votes_NxK = sum(np.eye(n_classes)[classify.predict(judge, x)] for x in copies)
    votes_NxK += 0.5 * np.eye(n_classes)[predicted_N]
    return votes_NxK.argmax(axis=1)


def score_fold(
    key: Array,
    candidate: Candidate,
    train: Part,
    test: Part,
    doses: Sequence[Dose],
    classifiers: Sequence[str],
    fit_codec: FitCodec,
    method: Method,
    seed: int,
    n_classes: int,
    inner: Sequence[tuple[Part, Part]] = (),
) -> dict[str, Any]:
    """A candidate's scores on a fold's test part, and on the inner splits of its training part.

    Args:
      inner: from ``inner_splits``; none where nothing is chosen.

    The other arguments are those of ``score_candidate``.
    """
    common = (doses, classifiers, fit_codec, method, seed, n_classes)
    outer = score_candidate(key, candidate, train, test, *common)
    inner_scores = [
        score_candidate(jax.random.fold_in(key, 1 + i), candidate, learn, choose, *common)
        for i, (learn, choose) in enumerate(inner)
    ]
    return {
        "candidate": candidate.name,
        "n_train": len(train.labels_N),
        "n_test": len(test.labels_N),
        "outer": outer,
        "inner": inner_scores,
    }
