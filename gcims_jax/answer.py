"""Do synthetic records help? ``evaluate`` is the evaluation of ``configs/augment.py``, from Python and without files."""

import contextlib
import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier
from tqdm import tqdm

from gcims_jax import options, parts
from gcims_jax.errors import InputError, suggest
from gcims_jax.evaluation import predictions, study
from gcims_jax.evaluation.answers import truth_of
from gcims_jax.evaluation.candidates import PLAIN, Candidate, on_grid, parse_candidate
from gcims_jax.evaluation.classify import CLASSIFIERS, ClassifierConfig
from gcims_jax.evaluation.splits import make_folds, possible_folds
from gcims_jax.generators import codecs
from gcims_jax.preprocessing import scale
from gcims_jax.records import Records
from gcims_jax.seeds import as_int
from gcims_jax.synthesis import check_records, preparation

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

CANDIDATES = ("class_weights", "tuned_warp", "phase_amplitude", "phase_amplitude:centre=class")


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """Whether synthetic records help, and by how much.

    Attributes:
      summary: every figure, as ``results.json`` of an experiment has them.
      predictions: one answer per held-out record, a data set; see ``evaluation.predictions``.
    """

    summary: Mapping[str, Any]
    predictions: "xr.Dataset"

    @property
    def verdict(self) -> str:
        """``helps``, ``hurts``, ``no difference`` or ``cannot tell``: the best with synthetic records against the best without."""
        return self.summary["context"]["comparison"]["verdict"]

    @property
    def change(self) -> float:
        """Change of accuracy on held-out records, as a fraction: 0.01 is a point."""
        return float(self.summary["context"]["comparison"]["delta_accuracy"])

    @property
    def ci95(self) -> tuple[float, float]:
        """95 % interval of the change."""
        low, high = self.summary["context"]["comparison"]["ci95"]
        return float(low), float(high)

    @property
    def recommend(self) -> bool:
        """Whether to augment: it helps, and a generator that changes records was chosen."""
        return bool(self.summary["context"]["recommend"])

    @property
    def sentence(self) -> str:
        """The answer in words."""
        from gcims_jax.reports import leaderboard  # and with it matplotlib

        return leaderboard.sentence(self.summary)

    def to_frame(self) -> "pd.DataFrame":
        """One line per classifier, candidate and mode: scores, and the change against the classifier without synthetic records."""
        import pandas as pd

        return pd.DataFrame(
            {
                "classifier": line["classifier"],
                "candidate": line["candidate"],
                "mode": line["mode"],
                "accuracy": line["accuracy"]["mean"],
                "balanced_accuracy": line["balanced_accuracy"]["mean"],
                "change": line["comparison"]["delta_accuracy"],
                "ci95_low": line["comparison"]["ci95"][0],
                "ci95_high": line["comparison"]["ci95"][1],
                "p_adjusted": line["comparison"].get("p_adjusted", np.nan),
                "verdict": line["comparison"]["verdict"] if line["candidate"] != PLAIN.name else "",
            }
            for line in self.summary["lines"]
        )

    def to_html(self, path: str | Path | None = None) -> str:
        """The page that an experiment writes, one self-contained file.

        Args:
          path: where to write it as well; None writes nothing.
        """
        from gcims_jax.reports import leaderboard, page

        text = leaderboard.render(self.summary, page.embed_figures(leaderboard.figures(self.summary)))
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def __repr__(self) -> str:
        low, high = self.ci95
        return f"<{self.verdict}: accuracy {100 * self.change:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})>"

    def _repr_html_(self) -> str:
        from gcims_jax.reports import leaderboard

        return leaderboard.answer_block(self.summary) + self.to_frame().round(3).to_html(index=False)


def evaluate(
    records: Records,
    candidates: str | Candidate | Sequence[str | Candidate] | None = None,
    *,
    folds: int = 5,
    repeats: int = 2,
    classifiers: Any = ("pca_rf", "svm"),
    ratios: Sequence[float] = (1.0, 10.0),
    modes: Sequence[str] = ("balanced",),
    codec: codecs.CodecOption | None = None,
    inner_splits: int = 3,
    preprocess: Mapping[str, Any] | None = None,
    seed: Any = 0,
    progress: bool = False,
) -> Answer:
    """Whether synthetic records help classifiers on held-out records of this set.

    The same evaluation as ``python -m experiments.run --config configs/augment.py``: same folds, keys, scores and verdict.
    Everything is learned and chosen inside the training part of each fold; whole groups stay on one side.

    Args:
      records: the set.
      candidates: generators, with options as in "warp:size=2", and "class_weights"; plain training and copies are always there. None
        takes those of ``CANDIDATES`` that can work on this grid.
      folds: of each repeat; fewer where there are fewer groups.
      repeats: how often all records are split.
      classifiers: names of ``evaluation.classify.CLASSIFIERS``, or estimators of scikit-learn, which see whole records as rows.
      ratios: synthetic records per training record, chosen among inside; balanced, beyond the largest class.
      modes: "balanced" brings all classes to one size, "proportional" keeps their shares.
      codec: of generators that need one; None is linear with d = 16, or the shorter axis.
      inner_splits: of each training part, to choose by.
      preprocess: see ``fit``.
      seed: a whole number or a JAX key.
      progress: shows a bar.

    Raises:
      InputError: an unknown name, with the nearest, an option out of range, a class too small or of one group.

    >>> import gcims_jax as gj, numpy as np
    >>> X = np.random.default_rng(0).normal(size=(24, 8, 20))
    >>> X[::2, 3, 5] += 9.0
    >>> records = gj.Records.from_arrays(X, [0, 1] * 12)
    >>> answer = gj.evaluate(records, "mix", folds=2, repeats=1, classifiers="pca_nearest", ratios=[1.0])
    >>> answer.verdict, answer.recommend
    ('cannot tell', False)
    """
    start = time.perf_counter()
    check_records(records, "evaluate")
    number = as_int(seed) % 2**31  # folds count on from it, for libraries that take no more
    given = {"folds": folds, "repeats": repeats, "inner_splits": inner_splits}
    counts = options.read("evaluate", {name: options.count(1, 10**6) for name in given}, given)
    folds, repeats, inner_splits = (counts[name] for name in given)
    ratios = list(ratios) if isinstance(ratios, Sequence | np.ndarray) and not isinstance(ratios, str) else [ratios]
    if None in ratios:
        raise InputError(f"evaluate.ratios: expected numbers above 0, got {ratios}; leave it out for the default")
    rule = {"ratios": options.number(0, 10**6, above=True)}
    ratios = [options.read("evaluate", rule, {"ratios": ratio})["ratios"] for ratio in ratios]
    modes = list(modes) if isinstance(modes, Sequence) and not isinstance(modes, str) else [modes]
    options.read("evaluate", codecs.RULES, {"codec": codec})
    config = preparation(records, preprocess)
    compression = scale.make_compression(records.slow, records.fast, config)
    what = study.Study(
        candidates=(PLAIN, *_candidates(candidates, compression)),
        doses=study.doses_of(ratios, modes),
        classifiers=_classifiers(classifiers),
        codec=codecs.default(compression.shape) if codec is None else codec,
        inner_splits=inner_splits,
    )
    part = parts.from_records(records, scale.compress(compression, records.values))
    truth = truth_of(records, part)
    splits = make_folds(
        records.labels, part.groups_N, folds=possible_folds(part.groups_N, folds), repeats=repeats, seed=number
    )
    plan = what.plan(config, len(truth.classes))
    tried = what.with_copies()
    with tqdm(total=len(splits) * len(tried), desc="cells", unit="cell", disable=not progress) as bar:
        scored = study.score_folds(
            part, splits, tried, plan, number, inner=inner_splits, tell=lambda name: bar.update()
        )
    summary = {
        **what.describe(splits),
        **study.compare_all(scored, truth, tried),
        "dataset": study.dataset(records, part),
        "banner": "",
    }
    summary["timing"] = {"total": time.perf_counter() - start}
    return Answer(summary, predictions.to_dataset({"strict": scored}, truth, records.names))


def _candidates(given: Any, compression: scale.Compression) -> tuple[Candidate, ...]:
    """Each once, and fit for the grid; plain training is not among them."""
    if given is None:
        able = []
        for name in CANDIDATES:
            with contextlib.suppress(InputError):
                able.append(on_grid(parse_candidate(name), compression))
        return tuple(able)
    if not isinstance(given, (str, Candidate, Iterable)):
        raise InputError(f"candidates: expected names such as 'tuned_warp' or 'warp:size=2', got {given!r}")
    named = [given] if isinstance(given, (str, Candidate)) else list(given)
    found = [parse_candidate(one) if isinstance(one, str) else one for one in named]
    if wrong := [one for one in found if not isinstance(one, Candidate)]:
        raise InputError(f"candidates: expected names such as 'tuned_warp' or 'warp:size=2', got {wrong[0]!r}")
    distinct = [on_grid(one, compression) for one in dict.fromkeys(found) if one != PLAIN]
    if len({one.name for one in distinct}) < len(distinct):
        raise InputError(f"candidates: expected different names, got {[one.name for one in distinct]}; rename one")
    return tuple(distinct)


def _classifiers(given: Any) -> tuple[ClassifierConfig, ...]:
    """Names and estimators as configurations; estimators of one class are told apart by number."""
    single = isinstance(given, (str, ClassifierConfig)) or hasattr(given, "fit") or not isinstance(given, Iterable)
    given = [given] if single else list(given)
    found: dict[str, ClassifierConfig] = {}
    for one in given:
        if isinstance(one, ClassifierConfig):
            if one.name in found:
                raise InputError(f"classifiers: expected each name once, got {one.name!r} again; leave one out")
            found[one.name] = one
        elif isinstance(one, str):
            if one not in CLASSIFIERS:
                raise InputError(
                    f"classifiers: expected some of {', '.join(CLASSIFIERS)}, or estimators of scikit-learn, got {one!r}"
                    + suggest(one, CLASSIFIERS)
                )
            found[one] = ClassifierConfig(one)
        elif not isinstance(one, type) and hasattr(one, "fit") and hasattr(one, "get_params") and is_classifier(one):
            kind = type(one).__name__
            same = sum(name.split(" ")[0] == kind for name in found)
            name = f"{kind} {same + 1}" if same else kind
            found[name] = ClassifierConfig(name, estimator=one)
        else:
            raise InputError(
                "classifiers: expected names or classifiers of scikit-learn, as in SVC(), got "
                f"{f'the class {one.__name__}; call it' if isinstance(one, type) else type(one).__name__}"
            )
    return tuple(found.values())
