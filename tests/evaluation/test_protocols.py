import jax
import numpy as np
import pytest
from conftest import TINY_METHOD, make_records
from scipy import stats
from sklearn.svm import SVC

from gcims_jax import InputError
from gcims_jax.evaluation import classify, guard, protocols, results, verdict
from gcims_jax.evaluation.classify import CLASSIFIERS, ClassifierConfig
from gcims_jax.evaluation.metrics import score
from gcims_jax.evaluation.protocols import (
    ARMS,
    Method,
    fit_generator,
    fold_keys,
    make_folds,
    score_fold,
    synthetic_labels,
)

LABELS = np.repeat([0, 1], [12, 8])


def folds_of(labels, groups=None, **options):
    return make_folds(labels, groups, **{"folds": 4, "repeats": 1, "grouped": False, "seed": 0, **options})


def run(records, method=TINY_METHOD, protocol="strict", n=2):
    labels = np.unique(records.labels, return_inverse=True)[1]
    rows = []
    for i, fold in enumerate(folds_of(labels)[:n]):
        fit_key, draw_key = fold_keys(0, protocol, i)
        seen = np.arange(len(labels)) if protocol == "paper" else fold.train
        generator = fit_generator(fit_key, guard.take(records.values, labels, seen), method)
        rows.append(score_fold(draw_key, generator, method, records.values, labels, fold, i, protocol))
    return rows


def test_folds_are_stratified_repeated_and_complete():
    folds = folds_of(LABELS, repeats=3)
    assert len(folds) == 12
    for repeat in range(3):
        tests = np.concatenate([f.test for f in folds if f.repeat == repeat])
        np.testing.assert_array_equal(np.sort(tests), np.arange(20))
    for fold in folds:
        assert not set(fold.train) & set(fold.test)
        np.testing.assert_array_equal(np.bincount(LABELS[fold.test]), [3, 2])
    assert not np.array_equal(folds[0].test, folds[4].test)


def test_grouped_folds_never_split_a_group():
    groups = np.array([f"g{i % 10}" for i in range(20)])
    for fold in folds_of(LABELS, groups, grouped=True):
        assert not set(groups[fold.train]) & set(groups[fold.test])


def test_every_group_is_a_fold_of_its_own():
    groups = np.array([f"batch {i % 4}" for i in range(20)])
    folds = protocols.leave_one_group_out(LABELS, groups)
    assert [set(groups[f.test]) for f in folds] == [{f"batch {k}"} for k in range(4)]
    assert all(sorted([*f.train, *f.test]) == list(range(20)) for f in folds)
    for groups, message in (
        (None, "expected records with groups"),
        (np.array(["only"] * 20), "at least 2 groups, got 1"),
        (np.where(LABELS == 1, "x", np.where(np.arange(20) % 2, "y", "z")), "'1' is in 'x' alone"),
    ):
        with pytest.raises(InputError, match=message):
            protocols.leave_one_group_out(LABELS, groups)


@pytest.mark.parametrize(
    ("labels", "groups", "options", "message"),
    [
        (np.array(["a"] * 9), None, {}, "at least 2 classes, got 1"),
        (np.array(["a"] * 9 + ["b"] * 3), None, {}, r"class 'b'.*folds \(4\), got 3; set protocol.folds to 3"),
        (np.array(["a"] * 9 + ["b"]), None, {}, "class 'b'.*got 1; leave the class out"),
        (LABELS, None, {"folds": 1}, "at least 2 folds"),
        (LABELS, None, {"grouped": True}, "expected records with groups"),
        (LABELS, np.repeat(["x", "y"], 10), {"grouped": True}, r"at most as many folds as groups \(2\), got 4"),
        (LABELS, np.repeat(["w", "x", "y", "z"], [4, 4, 4, 8]), {"grouped": True}, "leave class"),
    ],
)
def test_impossible_splits_are_refused(labels, groups, options, message):
    with pytest.raises(InputError, match=message):
        folds_of(labels, groups, **options)


def test_strict_learns_nothing_from_test_records(records):
    """Replacing every test record by noise changes nothing that was fitted and nothing that was drawn."""
    labels = LABELS
    fold = folds_of(labels)[0]
    spoiled = records.values.copy()
    spoiled[fold.test] = 1e4 * np.random.default_rng(9).normal(size=spoiled[fold.test].shape)
    outcomes = []
    for values in (records.values, spoiled):
        fit_key, draw_key = fold_keys(0, "strict", 0)
        generator = fit_generator(fit_key, guard.take(values, labels, fold.train), TINY_METHOD)
        draws = protocols.draw(draw_key, generator, TINY_METHOD, labels[fold.train], values.shape[1:])
        outcomes.append((generator.scaling, generator.codec, generator.sampler_state, generator.curves, draws))
        row = score_fold(draw_key, generator, TINY_METHOD, values, labels, fold, 0)
        outcomes[-1] += (row["reconstruction"]["mse_train"],)
    jax.tree.map(np.testing.assert_array_equal, *outcomes)


def test_paper_protocol_does_leak(records):
    """The published procedure, by contrast, learns from test records: the guard above can fail."""
    spoiled = records.values.copy()
    spoiled[folds_of(LABELS)[0].test] *= 3.0
    key = fold_keys(0, "paper", 0)[0]
    a, b = (fit_generator(key, guard.take(v, LABELS, range(20)), TINY_METHOD) for v in (records.values, spoiled))
    assert a.scaling != b.scaling
    leaves = zip(jax.tree.leaves(a.sampler_state), jax.tree.leaves(b.sampler_state), strict=True)
    assert not all(np.array_equal(one, other) for one, other in leaves)


def test_scoring_on_a_record_that_something_learned_from_is_refused(records):
    """Generator, scaling and codec; the classifier; and a classifier of synthetic records: each by one shared record."""
    fold = folds_of(LABELS)[0]
    fit_key, draw_key = fold_keys(0, "strict", 0)
    one_too_many = np.append(fold.train, fold.test[0])
    generator = fit_generator(fit_key, guard.take(records.values, LABELS, one_too_many), TINY_METHOD)
    arguments = (draw_key, generator, TINY_METHOD, records.values, LABELS, fold, 0)
    with pytest.raises(guard.LeakError, match=rf"got 1 that it has \(numbers {fold.test[0]}\).*paper"):
        score_fold(*arguments)
    assert score_fold(*arguments, protocol="paper")["arms"]["original"]["accuracy"] >= 0.0

    train, test = (guard.take(records.values, LABELS, part) for part in (fold.train, fold.test))
    judge = guard.learn(lambda x_NxRxT, labels_N: 0, train)
    assert guard.check_held_out(test, judge) is test
    for leaky in (guard.learn(lambda *_: 0, test), guard.learn(lambda *_: 0, guard.join(train, test))):
        with pytest.raises(guard.LeakError):
            guard.check_held_out(test, judge, leaky)


def test_rows_are_deterministic_and_hold_every_arm(records):
    one, two = run(records)[0], run(records)[0]
    for row in (one, two):
        row.pop("seconds")
    jax.tree.map(np.testing.assert_array_equal, one, two)
    assert tuple(one["arms"]) == ARMS
    assert one["n_synthetic"] == one["n_train"] == 15
    assert one["arms"]["original"]["confusion_KxK"].sum() == one["n_test"] == 5


@pytest.mark.parametrize("classifier", sorted(CLASSIFIERS))
def test_every_classifier_learns_an_easy_set(classifier):
    config = ClassifierConfig(classifier, components=22, trees=20)
    x, y = make_records((60, 40)).values, np.repeat([0, 1], [60, 40])
    assert np.mean(classify.predict(classify.fit(config, x[::2], y[::2], 0), x[1::2]) == y[1::2]) >= 0.9


def test_the_support_vector_machine_is_scikit_learns():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = (rng.normal(size=(90, 8, 10)) + 0.4 * rng.normal(size=(3, 8, 10))[y] + 5.0).astype(np.float32)
    plain = SVC(C=10.0, class_weight="balanced").fit(x[:60].reshape(60, -1), y[:60])
    ours = classify.fit(ClassifierConfig("svm"), x[:60], y[:60], 0)
    expected = plain.predict(x[60:].reshape(30, -1))
    np.testing.assert_array_equal(classify.predict(ours, x[60:]), expected)
    assert 0.4 < np.mean(expected == y[60:]) < 1.0  # hard enough to tell


def test_components_are_capped_by_the_data():
    config = ClassifierConfig()
    assert classify.capped_components(config, 100, 1000) == 22
    assert classify.capped_components(config, 10, 1000) == 9
    assert classify.capped_components(config, 100, 4) == 4
    with pytest.raises(InputError, match="classifier.name.*pca_rf"):
        ClassifierConfig("nope")


def test_synthetic_labels_follow_the_ratio():
    for ratio, expected in ((0.5, [6, 4]), (2.0, [24, 16]), (0.01, [1, 1])):
        np.testing.assert_array_equal(np.bincount(synthetic_labels(LABELS, ratio, False)), expected)
    for ratio, expected in ((0.5, [6, 10]), (2.0, [24, 28])):  # 12 and 8 records are brought to one size
        drawn = synthetic_labels(LABELS, ratio, True)
        np.testing.assert_array_equal(np.bincount(drawn), expected)
    for ratio in (0.0, -1.0):
        with pytest.raises(InputError, match="ratio"):
            Method(ratio=ratio)


def test_scores_against_hand_counts():
    s = score(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 3)
    assert s.accuracy == 0.75 and s.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert s.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)
    np.testing.assert_array_equal(s.confusion_KxK, [[2, 1, 0], [0, 1, 0], [0, 0, 0]])
    assert np.isnan(s.recall_K[2])


def test_corrected_test_against_its_formula():
    a, b = np.array([0.8, 0.7, 0.9, 0.8, 0.75]), np.array([0.7, 0.7, 0.85, 0.7, 0.7])
    d = a - b
    t = d.mean() / np.sqrt((1 / 5 + 1 / 4) * d.var(ddof=1))
    c = verdict.compare(a, b, 1 / 4)
    assert c.delta == pytest.approx(d.mean())
    assert c.p_value == pytest.approx(2 * stats.t.sf(t, 4))
    assert c.p_value > stats.ttest_rel(a, b).pvalue  # a plain t-test is too sure
    assert c.ci95[0] < c.delta < c.ci95[1]


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        ([0.10, 0.11, 0.09, 0.10], "helps"),
        ([-0.10, -0.11, -0.09, -0.10], "hurts"),
        ([0.0, 0.001, -0.001, 0.0], "no difference"),
        ([0.0, 0.0, 0.0, 0.0], "no difference"),
        ([0.2, -0.1, 0.1, 0.0], "cannot tell"),
        ([0.1, 0.1], "cannot tell"),
    ],
)
def test_verdict_words(differences, words):
    reference = np.full(len(differences), 0.5)
    assert verdict.in_words(verdict.compare(reference + differences, reference, 0.25)) == words


def test_chance_is_rarely_said_to_help():
    """On scores that differ by chance alone the verdict says "helps" in at most 5 % of 2000 runs."""
    rng = np.random.default_rng(0)
    said = 0
    for _ in range(2000):
        difficulty = rng.normal(0.0, 0.02)  # shared by all folds, as overlapping training sets share their luck
        said += (
            verdict.in_words(verdict.compare(difficulty + rng.normal(0.5, 0.05, 10), np.full(10, 0.5), 1 / 9))
            == "helps"
        )
    assert said / 2000 <= 0.05


def test_summary_has_the_agreed_names():
    records = make_records((12, 8))
    rows = {"strict": run(records), "paper": run(records, protocol="paper")}
    counts = records.class_counts()
    one = results.summarise({"strict": rows["strict"]}, counts, records.shape)
    assert {"dataset", "reconstruction", "arms", "comparison", "protocol"} <= set(one)
    assert one["dataset"] == {"records": 20, "shape": [9, 14], "classes": {"class_0": 12, "class_1": 8}}
    assert set(one["reconstruction"]) == {
        "mse_train", "mse_test", "mse_test_linear", "mse_test_principal", "mse_test_wavelet", "residual_on",
    }  # fmt: skip
    assert set(one["arms"]) == set(ARMS)
    for arm in one["arms"].values():
        assert {"accuracy", "balanced_accuracy", "macro_f1", "per_class_recall"} <= set(arm)
        assert len(arm["accuracy"]["per_fold"]) == 2
        assert arm["accuracy"]["mean"] == pytest.approx(np.mean(arm["accuracy"]["per_fold"]))
    comparison = one["comparison"]
    assert {"delta_accuracy", "delta_balanced_accuracy", "ci95", "p_value", "verdict"} <= set(comparison)
    both = results.summarise(rows, counts, records.shape)
    assert "arms" not in both and set(both["protocols"]) == {"strict", "paper"} and "leakage" in both
    assert both["protocols"]["paper"]["protocol"]["leaks"]
    assert both["protocols"]["paper"]["comparison"]["verdict"].startswith("no verdict")
    assert both["protocols"]["strict"]["comparison"] == comparison
