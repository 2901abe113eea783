"""Summaries of kept answers: what is chosen, on which terms, and what is said of it."""

import numpy as np
import pytest

from gcims_jax.evaluation import answers, class_size, predictions, results
from gcims_jax.evaluation.answers import Truth, choose, gather
from gcims_jax.evaluation.splits import Fold

LABELS = np.tile([0, 1], 40)
TRUTH = Truth(LABELS, np.array([f"r{i}" for i in range(80)]), ["a", "b"])
FOLDS = [Fold(0, k, np.setdiff1d(np.arange(80), np.arange(k, 80, 4)), np.arange(k, 80, 4)) for k in range(4)]


def answer(labels, right, rng):
    """Answers of which a share is right."""
    wrong = rng.random(len(labels)) >= right
    return np.where(wrong, 1 - labels, labels)


def cell(index, candidate, entries, changes=True):
    """A cell of one candidate: (ratio, share right outside, share right inside) per entry."""
    fold, rng = FOLDS[index], np.random.default_rng((index, len(candidate)))
    inner_labels = np.tile([0, 1], 30)

    def rows(labels, which):
        return [
            {"candidate": candidate, "ratio": entry[0], "balanced": False, "classifier": "svm", "setting": f"cost {j}",
             "n_synthetic": 10 * entry[0], "seconds": 0.0, "predicted_M": answer(labels, entry[which], rng),
             "scores_MxK": np.zeros((len(labels), 2))}
            for j, entry in enumerate(entries)
        ]  # fmt: skip

    return {
        "n_train": 60, "n_test": 20, "rows": rows(LABELS[fold.test], 1),
        "inner": [{"labels_M": inner_labels, "groups_M": np.arange(60), "rows": rows(inner_labels, 2)}],
        "generators": [{"candidate": candidate, "changes": changes, "text": "", "seconds": 0.0}],
    }  # fmt: skip


def folds_of(**candidates):
    changes = {name: entries[1] for name, entries in candidates.items()}
    return [
        gather(fold, [cell(k, name, entries[0], changes[name]) for name, entries in candidates.items()])
        for k, fold in enumerate(FOLDS)
    ]


def is_plain(name):
    return name in ("none", "class_weights", "duplicate")


def test_doses_are_chosen_by_inner_answers_not_by_the_best_outer_ones():
    folds = folds_of(none=([(0.0, 0.5, 0.5)], False), better=([(1.0, 0.7, 0.95), (5.0, 1.0, 0.6)], True))
    lines = results.lines(folds, TRUTH)
    (line,) = [one for one in lines if one["candidate"] == "better"]
    assert line["ratios"] == [1.0] and 0.5 < line["accuracy"]["mean"] < 0.9
    chosen = choose(folds, lambda row: row["candidate"] == "better", TRUTH)
    right = np.mean(chosen.predicted_RxN[0] == LABELS)
    assert line["accuracy"]["mean"] == pytest.approx(right)
    assert line["comparison"]["p_adjusted"] == line["comparison"]["p_value"]  # one candidate, nothing to adjust
    assert line["comparison"]["delta_accuracy"] == pytest.approx(np.mean(line["comparison"]["per_fold"]))


def test_a_better_plain_classifier_is_not_hidden_and_is_fallen_back_to():
    """The candidate lifts a weak setting by far, but another needs no help: both sides choose that, nothing is gained."""
    folds = folds_of(none=([(0.0, 0.5, 0.5), (0.0, 0.95, 0.95)], False), lifts=([(1.0, 0.8, 0.8)], True))
    context = results.context(folds, TRUTH, is_plain)
    assert context["folds_with_generator"] == 0 and not context["recommend"]
    assert context["comparison"]["no_change"] and context["comparison"]["delta_accuracy"] == 0.0
    assert context["plain_chosen"] == context["augmented_chosen"] == {"none, svm (cost 1)": 4}


@pytest.mark.parametrize("name", ["class_weights", "duplicate"])
def test_what_makes_nothing_new_never_ends_in_augment(name):
    folds = folds_of(none=([(0.0, 0.5, 0.5)], False), **{name: ([(0.0, 1.0, 1.0)], False)})
    context = results.context(folds, TRUTH, is_plain)
    assert not context["recommend"] and context["comparison"]["no_change"]
    assert context["plain"]["accuracy"]["mean"] == 1.0  # its gain counts as plain


def test_a_generator_that_changes_nothing_is_not_recommended():
    folds = folds_of(none=([(0.0, 0.5, 0.5)], False), warp=([(1.0, 1.0, 1.0)], False))
    context = results.context(folds, TRUTH, is_plain)
    assert context["comparison"]["verdict"] == "helps" and context["folds_changed"] == 0 and not context["recommend"]


def test_a_generator_that_helps_is_recommended_unless_the_protocol_leaks():
    folds = folds_of(none=([(0.0, 0.5, 0.5)], False), good=([(1.0, 1.0, 1.0)], True))
    context = results.context(folds, TRUTH, is_plain)
    assert context["recommend"] and context["folds_changed"] == 4
    leaking = results.context(folds, TRUTH, is_plain, leaks=True)
    assert leaking["comparison"]["verdict"] == results.LEAKING and not leaking["recommend"]


def test_every_answer_is_kept_and_gives_the_scores_again():
    folds = folds_of(none=([(0.0, 0.6, 0.5)], False), other=([(1.0, 0.8, 0.9)], True))
    names = np.array([f"n{i}" for i in range(80)])
    found = predictions.to_dataset({"strict": folds}, TRUTH, names)
    assert found["predicted"].dims == ("run", "record") and found["score"].dims == ("run", "record", "class")
    (line,) = [one for one in results.lines(folds, TRUTH) if one["candidate"] == "other"]
    run = found.isel(run=int(np.flatnonzero(found["candidate"] == "other")[0]))
    labels = found["class"].values[run["predicted"].values]
    assert np.mean(labels == run["label"].values) == pytest.approx(line["accuracy"]["mean"])
    assert set(run["fold"].values) == {0, 1, 2, 3}


def test_each_class_has_its_change_with_interval():
    """The rarest class gains, the others do not."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [200, 200, 80])
    truth = Truth(labels, np.arange(480).astype(str), ["a", "b", "c"])
    model = np.tile(np.arange(480) % 5, (2, 1)) + 5 * np.arange(2)[:, None]
    sides, luck = [], rng.random((2, 480))
    for right_of_c in (0.95, 0.5):
        right = luck < np.where(labels == 2, right_of_c, 0.7)
        right ^= (rng.random((2, 480)) < 0.02) & (labels < 2)  # a few answers change either way
        sides.append(answers.Chosen(np.where(right, labels, (labels + 1) % 3), model, []))
    found = results.per_class(*sides, truth)
    assert found["c"]["delta"] == pytest.approx(0.45, abs=0.15) and found["c"]["ci95"][0] > 0.1
    assert found["c"]["p_adjusted"] < 0.01 < 0.05 < min(found["a"]["p_adjusted"], found["b"]["p_adjusted"])


def test_slopes_by_class_size():
    labels = np.repeat([0, 1], [60, 20])
    truth = Truth(labels, np.array([f"r{i}" for i in range(80)]), ["large", "small"])
    folds = []
    for k in range(4):
        test = np.arange(k, 80, 4)
        plain = np.where(labels[test] == 1, 0, 0)
        cells = []
        for name, predicted, ratio in (("none", plain, 0.0), ("gen", labels[test], 1.0)):
            row = {"candidate": name, "ratio": ratio, "balanced": False, "classifier": "svm", "setting": "", "n_synthetic": 1,
                   "seconds": 0.0, "predicted_M": predicted, "scores_MxK": np.zeros((20, 2))}  # fmt: skip
            note = {"candidate": name, "changes": True, "text": "", "seconds": 0.0}
            cells.append({"n_train": 60, "n_test": 20, "rows": [row], "inner": [], "generators": [note]})
        folds.append(answers.gather(Fold(0, k, np.setdiff1d(np.arange(80), test), test), cells))
    (line,) = class_size.slopes(folds, truth, results.lines(folds, truth), 1.0)
    np.testing.assert_allclose(line["change_K"], [0.0, 1.0])
    assert line["slope"]["delta"] == pytest.approx(1.0 / np.log2(3)) and line["smallest"] == 1.0


def test_pairs_of_generators_are_compared_answer_by_answer():
    folds = folds_of(none=([(0.0, 0.5, 0.5)], False), good=([(1.0, 0.95, 0.9)], True), fair=([(1.0, 0.6, 0.6)], True))
    found = {
        pair["comparison"]["arms"][0] + ">" + pair["comparison"]["arms"][1]: pair
        for pair in results.pairs(folds, TRUTH)
    }
    assert len(found) == 3
    (name,) = [name for name in found if "good" in name and "fair" in name]
    compared = found[name]["comparison"]
    sign = 1.0 if name.startswith("good") else -1.0
    assert sign * compared["delta_accuracy"] > 0.2 and compared["p_value"] <= compared["p_adjusted"] < 0.05
