"""False alarms and power of the verdict, in small; the whole is configs/calibrate_verdict.py."""

import numpy as np
import pytest
from scipy import stats

from gcims_jax import InputError
from gcims_jax.evaluation import calibration, populations
from gcims_jax.evaluation.calibration import SAYS, Condition

SMALL = Condition("permuted", 1.0, 40, "pca_nearest", 5, 2)


def judged(condition, data_sets):
    return [calibration.judge(seed, condition) for seed in range(data_sets)]


def test_a_data_set_is_judged_the_same_again_and_after_every_repeat():
    once, again = (calibration.judge(3, SMALL) for _ in range(2))
    assert once == again
    assert {test: len(says) for test, says in once["says"].items()} == dict.fromkeys(SAYS, 2)
    assert once["says"]["deciding test"][-1] == (once["word"] == "helps")


def test_a_trial_keeps_samples_together_and_says_which_fold_answered():
    found = calibration.trial(0, Condition("permuted", 1.0, 72, "pca_nearest", 3, 2, 3))
    assert found.gain_RxN.shape == found.model_RxN.shape == (2, 72) and found.test_to_train == pytest.approx(0.5, 0.1)
    np.testing.assert_array_equal(found.samples_N, np.repeat(np.arange(24), 3))
    assert np.all(found.model_RxN[:, ::3] == found.model_RxN[:, 2::3])
    assert set(found.model_RxN[0]) == {0, 1, 2} and set(found.model_RxN[1]) == {3, 4, 5}


def test_synthetic_records_are_what_the_condition_says():
    rng = np.random.default_rng(0)
    source, labels_N = populations.population(0), populations.class_labels(40)
    x_NxRxT = populations.draw_records(rng, source, labels_N)
    copies, labels_S = calibration.synthesise(
        rng, SMALL._replace(kind="duplicated", ratio=2.0), source, x_NxRxT, labels_N
    )
    assert len(copies) == 80
    same_SxN = (copies[:, None] == x_NxRxT[None]).all(axis=(2, 3))
    assert np.all(same_SxN.sum(axis=1) == 1) and np.all(labels_N[same_SxN.argmax(axis=1)] == labels_S)
    drawn, labels_S = calibration.synthesise(rng, SMALL._replace(ratio=200.0), source, x_NxRxT, labels_N)
    mine, theirs = drawn[labels_S == 1], x_NxRxT[labels_N == 1]
    np.testing.assert_allclose(mine.mean(axis=0), theirs.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(mine.std(axis=0), theirs.std(axis=0, ddof=1), atol=0.05)
    fresh, _ = calibration.synthesise(rng, SMALL._replace(kind="population"), source, x_NxRxT, labels_N)
    assert not (fresh[:, None] == x_NxRxT[None]).all(axis=(2, 3)).any()
    right = np.repeat(np.arange(4), 500)
    wrong = populations.mislabel(rng, right, 0.3)
    assert np.mean(wrong != right) == pytest.approx(0.3, abs=0.05) and set(wrong) == {0, 1, 2, 3}


def test_measurements_of_a_sample_are_alike_and_share_their_label():
    rng = np.random.default_rng(0)
    labels_N = populations.class_labels(360)
    x_NxF = populations.draw_records(rng, populations.population(0), labels_N, 3).reshape(360, -1)
    apart = [np.mean((x_NxF[:-step:3] - x_NxF[step::3]) ** 2) for step in (1, 3)]
    assert apart[0] < 0.8 * apart[1]
    permuted_N = populations.permute_labels(rng, labels_N, 3)
    np.testing.assert_array_equal(permuted_N[::3], permuted_N[2::3])
    with pytest.raises(InputError, match="multiples of the measurements"):
        populations.draw_records(rng, populations.population(0), labels_N[:4], 3)


@pytest.mark.parametrize("kind", ["mixed", "choose"])
def test_nulls_that_change_the_classifier_have_no_true_gain(kind, monkeypatch):
    """Answers change in one record of ten and more; the mean over many training sets is nil."""
    monkeypatch.setattr(calibration, "MIXED_STEPS", 60)
    monkeypatch.setattr(calibration, "MIXED_POPULATIONS", 1)
    calibration.wrong_share.cache_clear()
    condition = SMALL._replace(kind=kind, ratio=2.0)
    found = [calibration.true_gain(seed, condition, 400) for seed in range(40)]
    calibration.wrong_share.cache_clear()
    assert abs(np.mean(found)) < 3.0 * np.std(found, ddof=1) / np.sqrt(40) + 0.01
    assert np.mean(calibration.trial(0, condition).gain_RxN != 0.0) > 0.1


def test_permuted_labels_have_no_true_gain_and_fresh_records_one():
    nothing = [calibration.true_gain(seed, SMALL) for seed in range(30)]
    assert stats.ttest_1samp(nothing, 0.0).pvalue > 0.01
    planted = [calibration.true_gain(seed, SMALL._replace(kind="population", ratio=8.0)) for seed in range(30)]
    assert stats.ttest_1samp(planted, 0.0, alternative="greater").pvalue < 1e-4


def test_summary_counts_with_an_exact_interval():
    errors = {"errors": {"corrected": 0.03, "plain": 0.01, "records": 0.02}}
    rows = [{**errors, "delta": 0.1, "word": "helps", "says": {test: [False, True] for test in SAYS}}]
    rows += [{**errors, "delta": 0.0, "word": "cannot tell", "says": {test: [False, False] for test in SAYS}}] * 19
    line = calibration.summarise(SMALL, rows, [0.0, 0.02])
    share = line["says_helps"]["deciding test"]
    assert share["share"] == 0.05 and share["ci95"] == pytest.approx((0.00127, 0.24873), abs=1e-5)
    np.testing.assert_allclose(share["after_repeats"], [0.0, 0.05])
    assert line["words"] == {"helps": 1, "cannot tell": 19}
    assert line["mean_errors"]["corrected"] == pytest.approx(0.03) and line["spread_of_change"] == pytest.approx(
        0.1 / 20**0.5
    )
    assert line["mean_change"] == pytest.approx(0.005) and line["true_gain"] == pytest.approx(0.01)


@pytest.mark.slow
def test_the_verdict_keeps_its_level_and_finds_large_gains():
    """200 null data sets: "helps" in 2.5 % within error, where a plain t-test over folds says it more often than it may."""
    condition = Condition("permuted", 1.0, 40, "pca_nearest", 5, 6)
    line = calibration.summarise(condition, judged(condition, 200), [0.0, 0.0])
    alarms, cautious, plain = (line["says_helps"][test] for test in SAYS[:3])
    assert cautious["share"] <= alarms["share"] <= 0.05 and alarms["ci95"][0] <= 0.025
    assert plain["ci95"][0] > 0.025
    condition = Condition("population", 8.0, 200, "pls_da", 5, 1)
    assert np.mean([row["word"] == "helps" for row in judged(condition, 20)]) > 0.5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"judges": ("oracle", "pls_da")}, "classifier.name"),
        ({"records": (60,)}, "as many records"),
        ({"records": (60, 12)}, "at least as many records as folds"),
        ({"measurements": (3, 3)}, "multiple of classes times measurements"),
        ({"measurements": (0, 1)}, "multiple of classes times measurements"),
        ({"repeats": (0, 1)}, "1 repeat"),
        ({"ratios": (1.0, 0.0)}, "above 0"),
        ({"folds": 1}, "at least 2 folds"),
    ],
)
def test_bad_plans_are_refused(changed, message):
    options = {
        "judges": ("pca_nearest", "pls_da"),
        "records": (60, 200),
        "repeats": (2, 1),
        "measurements": (1, 1),
        "ratios": (1.0,),
        "folds": 5,
    }
    assert len(calibration.plan(**options)) == 10
    with pytest.raises(InputError, match=message):
        calibration.plan(**{**options, **changed})
