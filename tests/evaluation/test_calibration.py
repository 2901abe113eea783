"""False alarms and power of the verdict, in small; the whole is configs/calibrate_verdict.py."""

import numpy as np
import pytest
from scipy import stats

from gcims_jax import InputError
from gcims_jax.evaluation import calibration
from gcims_jax.evaluation.calibration import SAYS, Condition

SMALL = Condition("permuted", 1.0, 40, "pca_nearest", 5, 2)


def judged(condition, data_sets):
    return [calibration.judge(seed, condition) for seed in range(data_sets)]


def test_a_data_set_is_judged_the_same_again_and_after_every_repeat():
    once, again = (calibration.judge(3, SMALL) for _ in range(2))
    assert once == again
    assert {test: len(says) for test, says in once["says"].items()} == dict.fromkeys(SAYS, 2)
    assert once["says"]["verdict"][-1] == (once["word"] == "helps")


def test_synthetic_records_are_what_the_condition_says():
    rng = np.random.default_rng(0)
    source, labels_N = calibration.population(0), calibration.class_labels(40)
    x_NxRxT = calibration.draw_records(rng, source, labels_N)
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
    share = line["says_helps"]["verdict"]
    assert share["share"] == 0.05 and share["ci95"] == pytest.approx((0.00127, 0.24873), abs=1e-5)
    np.testing.assert_allclose(share["after_repeats"], [0.0, 0.05])
    assert line["words"] == {"helps": 1, "cannot tell": 19}
    assert line["mean_errors"]["corrected"] == pytest.approx(0.03) and line["spread_of_change"] == pytest.approx(
        0.1 / 20**0.5
    )
    assert line["mean_change"] == pytest.approx(0.005) and line["true_gain"] == pytest.approx(0.01)


@pytest.mark.slow
def test_the_verdict_keeps_its_level_and_finds_large_gains():
    """200 null data sets: at most 5 % "helps", where a plain t-test over folds says it more often than it may."""
    condition = Condition("permuted", 1.0, 40, "pca_nearest", 5, 6)
    line = calibration.summarise(condition, judged(condition, 200), [0.0, 0.0])
    alarms, plain = (line["says_helps"][test] for test in SAYS[:2])
    assert alarms["share"] <= 0.05
    assert plain["ci95"][0] > 0.025
    condition = Condition("population", 8.0, 200, "pls_da", 5, 1)
    assert np.mean([row["word"] == "helps" for row in judged(condition, 20)]) > 0.25


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"judges": ("oracle", "pls_da")}, "classifier.name"),
        ({"records": (60,)}, "as many records"),
        ({"records": (60, 12)}, "at least as many records as folds"),
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
        "ratios": (1.0,),
        "folds": 5,
    }
    assert len(calibration.plan(**options)) == 6
    with pytest.raises(InputError, match=message):
        calibration.plan(**{**options, **changed})
