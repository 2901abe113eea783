"""The one summary: scores, comparisons and the verdict of whatever was scored, from kept answers alone."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gcims_jax.evaluation import metrics, multiple, planner, verdict
from gcims_jax.evaluation.answers import Chosen, FoldAnswers, Row, Truth, choose, dose_of, in_order, tally
from gcims_jax.evaluation.splits import repeated

SCORES = ("accuracy", "balanced_accuracy", "macro_f1")
COMPARED = ("accuracy", "balanced_accuracy")
LEAKING = "no verdict: this protocol leaks"
AT_CHANCE = " Neither side can be told from guessing, so the difference says little."


def scores(folds: Sequence[FoldAnswers], chosen: Chosen, truth: Truth) -> dict[str, Any]:
    """Every score with its mean, standard deviation and per-fold values; recall per class; confusion over all folds."""
    found = [
        metrics.score(truth.labels_N[answers.fold.test], np.asarray(row["predicted_M"]), len(truth.classes))
        for answers, row in zip(folds, chosen.rows, strict=True)
    ]
    recalls_JxK = np.array([one.recall_K for one in found])
    there_K = np.isfinite(recalls_JxK).any(axis=0)
    recall_K = np.where(there_K, np.nanmean(np.where(there_K, recalls_JxK, 0.0), axis=0), np.nan)
    return {
        **{name: _over_folds([getattr(one, name) for one in found]) for name in SCORES},
        "per_class_recall": dict(zip(truth.classes, recall_K.tolist(), strict=True)),
        "confusion": np.sum([one.confusion_KxK for one in found], axis=0),
    }


def _over_folds(values: Sequence[float]) -> dict[str, Any]:
    values_J = np.asarray(values, float)
    return {"mean": values_J.mean(), "std": values_J.std(ddof=1) if len(values_J) > 1 else 0.0, "per_fold": values_J}


def comparison(
    folds: Sequence[FoldAnswers],
    with_: Chosen,
    without: Chosen,
    truth: Truth,
    *,
    names: tuple[str, str],
    leaks: bool = False,
) -> dict[str, Any]:
    """One side against the other, answer by answer: the deciding test on accuracy and balanced accuracy, and the word.

    Args:
      folds: all folds.
      with_, without: answers of both sides.
      truth: what they are held against.
      names: of both sides.
      leaks: the protocol leaks, and there is no verdict.
    """
    tested_RxN = with_.predicted_RxN >= 0
    right, before = (side.predicted_RxN == truth.labels_N for side in (with_, without))
    gain_RxN = verdict.gains(with_.predicted_RxN, without.predicted_RxN, truth.labels_N)
    weights_N = verdict.balance_weights(truth.labels_N)
    found = {
        "accuracy": verdict.decide(gain_RxN, with_.model_RxN, truth.groups_N),
        "balanced_accuracy": verdict.decide(gain_RxN, with_.model_RxN, truth.groups_N, weights_N=weights_N),
    }
    unchanged = np.array_equal(with_.predicted_RxN, without.predicted_RxN)
    lost = all(
        verdict.at_chance(np.where(tested_RxN, side.astype(float), np.nan), truth.labels_N, truth.groups_N)
        for side in (right, before)
    )
    result: dict[str, Any] = {"arms": list(names), "no_change": bool(unchanged)}
    for score, one in found.items():
        end = "" if score == "accuracy" else f"_{score}"
        result |= {f"delta_{score}": one.delta, f"ci95{end}": one.ci95, f"p_value{end}": one.p_value}
    accuracy = found["accuracy"]
    cautious = _cautious(folds, with_, without, truth)
    word = LEAKING if leaks else accuracy.word
    return {
        **result,
        "error": accuracy.error,
        "degrees": accuracy.degrees,
        "verdict": word,
        "at_chance": lost,
        "sentence": _sentence(accuracy, names, truth, leaks, bool(unchanged)) + (AT_CHANCE if lost else ""),
        "cautious": cautious,
        "smallest_visible": _smallest_visible(gain_RxN, with_.model_RxN, truth, float(np.mean(before[tested_RxN]))),
        "per_fold": _per_fold(folds, with_, truth) - _per_fold(folds, without, truth),
    }


def _smallest_visible(gain_RxN: np.ndarray, model_RxN: np.ndarray, truth: Truth, accuracy: float) -> dict[str, Any]:
    """What gain of accuracy would be seen with these records, going by how often answers changed."""
    units = "groups" if repeated(truth.groups_N) else "records"
    return planner.summarise(planner.see(gain_RxN, model_RxN, truth.groups_N), 1.0 - accuracy, units)


def _per_fold(folds: Sequence[FoldAnswers], side: Chosen, truth: Truth) -> np.ndarray:
    return np.array(
        [
            np.mean(truth.labels_N[answers.fold.test] == np.asarray(row["predicted_M"]))
            for answers, row in zip(folds, side.rows, strict=True)
        ]
    )


def test_to_train(folds: Sequence[FoldAnswers]) -> float:
    """Records tested for each that taught, mean over folds."""
    return float(np.mean([len(answers.fold.test) / len(answers.fold.train) for answers in folds]))


def _cautious(folds: Sequence[FoldAnswers], with_: Chosen, without: Chosen, truth: Truth) -> dict[str, Any] | None:
    """The corrected resampled t-test of accuracy over folds; None for a single fold."""
    if len(folds) < 2:
        return None
    sides = (_per_fold(folds, side, truth) for side in (with_, without))
    found = verdict.compare(*sides, test_to_train(folds))
    return {"ci95": found.ci95, "p_value": found.p_value, "verdict": found.word}


def p_text(value: float) -> str:
    """A p-value in a sentence; no chance is none at all."""
    return f"p = {value:.2f}" if value >= 0.005 else "p < 0.01" if value >= 0.0005 else "p < 0.001"


def _sentence(found: verdict.Comparison, names: tuple[str, str], truth: Truth, leaks: bool, unchanged: bool) -> str:
    if unchanged:
        return f"{names[0]} answers exactly as {names[1]}: nothing was changed."
    of = len(np.unique(truth.groups_N))
    units = "records" if of == len(truth.labels_N) else f"records of {of} groups"
    figures = (
        f"accuracy on held-out real records changes by {points(found.delta, found.ci95)} points with synthetic records "
        f"(95 % interval; {p_text(found.p_value)}, {len(truth.labels_N)} {units})"
    )
    if leaks:
        return f"No verdict: this protocol lets test records shape the synthetic ones. In it, {figures}."
    meaning = {
        "helps": "Synthetic records help this classifier",
        "hurts": "Synthetic records hurt this classifier",
        "no difference": "Synthetic records make no difference to this classifier",
        "cannot tell": "Cannot tell with these records whether synthetic ones help",
    }[found.word]
    return f"{meaning}: {figures}."


def per_record(with_: Chosen, without: Chosen, truth: Truth) -> list[float]:
    """Mean change of each tested record over repeats: 1 if it is right with synthetic records only, every time."""
    gain_RxN = verdict.gains(with_.predicted_RxN, without.predicted_RxN, truth.labels_N)
    tested_N = ~np.all(np.isnan(gain_RxN), axis=0)
    return np.nanmean(gain_RxN[:, tested_N], axis=0).tolist()


def points(delta: float, ci95: Sequence[float]) -> str:
    """A change with its interval, in points."""
    return f"{100 * delta:+.1f} ({100 * ci95[0]:+.1f} to {100 * ci95[1]:+.1f})"


def per_class(with_: Chosen, without: Chosen, truth: Truth) -> dict[str, Any]:
    """Change of each class's recall; p-values adjusted for the number of classes."""
    gain_RxN = verdict.gains(with_.predicted_RxN, without.predicted_RxN, truth.labels_N)
    found, influence = [], []
    for k in range(len(truth.classes)):
        own = truth.labels_N == k
        found.append(verdict.decide(gain_RxN[:, own], with_.model_RxN[:, own], truth.groups_N[own]))
        influence.append(multiple.influence(np.where(own, gain_RxN, np.nan), truth.groups_N))
    adjusted = multiple.adjust([c.p_value for c in found], np.array(influence))
    return {
        name: {"delta": c.delta, "ci95": c.ci95, "p_adjusted": float(p)}
        for name, c, p in zip(truth.classes, found, adjusted, strict=True)
    }


def lines(
    folds: Sequence[FoldAnswers],
    truth: Truth,
    key: Callable[[Row], Any] = lambda row: (row["classifier"], row["candidate"], dose_of(row).mode),
    *,
    reference: str = "none",
    leaks: bool = False,
) -> list[dict[str, Any]]:
    """One line per key of rows: scores of what is chosen inside among its rows, and the change against the reference.

    The reference is the same classifier's candidate of that name, its setting chosen inside as well. p-values are adjusted
    for all lines together (``multiple.adjust``).

    Args:
      folds: all folds.
      truth: what answers are held against.
      key: rows of one key are chosen among; its first entry is the classifier.
      reference: candidate that changes are against.
      leaks: the protocol leaks.
    """
    result, tested, gains = [], [], []
    for classifier in in_order(folds, lambda row: row["classifier"]):
        plain = choose(folds, lambda row: row["classifier"] == classifier and row["candidate"] == reference, truth)  # noqa: B023
        mine = [name for name in in_order(folds, key) if name[0] == classifier]
        for name in mine:
            chosen = choose(folds, lambda row: key(row) == name, truth)  # noqa: B023
            first = chosen.rows[0]
            notes = [answers.notes[first["candidate"]] for answers in folds]
            line = {
                "candidate": first["candidate"],
                "mode": dose_of(first).mode,
                "classifier": classifier,
                "ratios": sorted({row["ratio"] for row in chosen.rows}),
                "mean_ratio": float(np.mean([row["ratio"] for row in chosen.rows])),
                "n_synthetic": float(np.mean([row["n_synthetic"] for row in chosen.rows])),
                "settings": tally([row["setting"] for row in chosen.rows]),
                "changed_folds": int(sum(note["changes"] for note in notes)),
                "notes": tally([note["text"] for note in notes if note["text"]]),
                **scores(folds, chosen, truth),
                "comparison": comparison(
                    folds, chosen, plain, truth, names=(first["candidate"], reference), leaks=leaks
                ),
                "seconds": float(np.mean([n["seconds"] for n in notes]) + np.mean([r["seconds"] for r in chosen.rows])),
            }
            result.append(line)
            if first["candidate"] != reference:
                tested.append(line)
                gains.append(verdict.gains(chosen.predicted_RxN, plain.predicted_RxN, truth.labels_N))
    _adjust([line["comparison"] for line in tested], gains, truth)
    return result


def pairs(
    folds: Sequence[FoldAnswers],
    truth: Truth,
    key: Callable[[Row], Any] = lambda row: (row["classifier"], row["candidate"], dose_of(row).mode),
    *,
    leaks: bool = False,
) -> list[dict[str, Any]]:
    """Every two keys of one classifier against each other, answer by answer; p-values adjusted for all pairs together."""
    result, gains = [], []
    for classifier in in_order(folds, lambda row: row["classifier"]):
        mine = [name for name in in_order(folds, key) if name[0] == classifier]
        chosen = {name: choose(folds, lambda row: key(row) == name, truth) for name in mine}  # noqa: B023
        for first, second in itertools.combinations(mine, 2):
            names = tuple(", ".join(part for part in name[1:] if part != "–") for name in (first, second))
            compared = comparison(folds, chosen[first], chosen[second], truth, names=names, leaks=leaks)
            del compared["sentence"]  # which is about synthetic records against none
            result.append({"classifier": classifier, "comparison": compared})
            gains.append(verdict.gains(chosen[first].predicted_RxN, chosen[second].predicted_RxN, truth.labels_N))
    _adjust([pair["comparison"] for pair in result], gains, truth)
    return result


def _adjust(compared: Sequence[dict[str, Any]], gains: Sequence[np.ndarray], truth: Truth) -> None:
    """Adds p-values adjusted for the number of comparisons."""
    weights = {"accuracy": None, "balanced_accuracy": verdict.balance_weights(truth.labels_N)}
    for score in COMPARED if compared else ():
        end = "" if score == "accuracy" else f"_{score}"
        influence = [multiple.influence(gain_RxN, truth.groups_N, weights[score]) for gain_RxN in gains]
        adjusted = multiple.adjust([one[f"p_value{end}"] for one in compared], np.array(influence))
        for one, p_value in zip(compared, adjusted, strict=True):
            one[f"p_adjusted{end}"] = float(p_value)


def context(
    folds: Sequence[FoldAnswers], truth: Truth, is_plain: Callable[[str], bool], *, leaks: bool = False
) -> dict[str, Any]:
    """The best without new records against the best with them, on equal terms.

    Both sides choose inside every fold among the same classifiers and settings by the same inner splits: one among plain
    candidates (nothing added, classes weighted, votes, copies), the other among these and all generators. It falls back to
    what the plain side chose unless a generator was better inside by more than the standard error of the difference.

    Args:
      folds: all folds.
      truth: what answers are held against.
      is_plain: whether a candidate makes nothing new.
      leaks: the protocol leaks.
    """
    augmented, plain = best_sides(folds, truth, is_plain)
    made = [not is_plain(row["candidate"]) for row in augmented.rows]
    changed = [
        m and answers.notes[row["candidate"]]["changes"]
        for m, row, answers in zip(made, augmented.rows, folds, strict=True)
    ]
    compared = comparison(
        folds, augmented, plain, truth, names=("the best with synthetic records", "the best without"), leaks=leaks
    )
    return {
        "plain": scores(folds, plain, truth),
        "augmented": scores(folds, augmented, truth),
        "plain_chosen": tally([_name(row) for row in plain.rows]),
        "augmented_chosen": tally([_name(row) for row in augmented.rows]),
        "generators_chosen": tally([_name(row) for row, used in zip(augmented.rows, changed, strict=True) if used]),
        "folds_with_generator": int(sum(made)),
        "folds_changed": int(sum(changed)),
        "comparison": compared,
        "per_record": per_record(augmented, plain, truth),
        "recommend": compared["verdict"] == "helps" and any(changed),
    }


def best_sides(folds: Sequence[FoldAnswers], truth: Truth, is_plain: Callable[[str], bool]) -> tuple[Chosen, Chosen]:
    """What is chosen inside among all candidates, and among plain ones; see ``context``."""
    plain = choose(folds, lambda row: is_plain(row["candidate"]), truth)
    lean = choose(folds, lambda row: True, truth, rule="lean", plain=lambda row: is_plain(row["candidate"]))
    return lean, plain


def _name(row: Row) -> str:
    parts = [row["candidate"], row["classifier"] + (f" ({row['setting']})" if row["setting"] else "")]
    return ", ".join(parts)
