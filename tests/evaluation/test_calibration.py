"""False alarms and power of the verdict, in small; the whole is configs/calibrate_verdict.py."""

import numpy as np
import pytest
import sklearn
from scipy import stats
from threadpoolctl import threadpool_limits

from experiments.calibrate_verdict import LISTS
from gcims_jax import Axis, InputError, Records, write
from gcims_jax.evaluation import calibration, null_sets, populations
from gcims_jax.evaluation.calibration import SAYS, SCORES, Truth
from gcims_jax.evaluation.null_sets import Kind, Setting
from gcims_jax.evaluation.populations import FAMILIES

SMALL = Setting("even", "pca_nearest", 40, 5, 2)
PERMUTED = Kind("permuted", 1.0)
LARGE, FRESH = Setting("even", "pls_da", 200, 5, 3), Kind("fresh", 8.0)


def test_a_data_set_is_judged_the_same_again_and_after_every_repeat():
    once, again = (calibration.judge(3, SMALL, [PERMUTED])[PERMUTED] for _ in range(2))
    assert once == again
    assert {test: len(says) for test, says in once["says"].items()} == dict.fromkeys(SAYS, 2)
    assert once["says"]["deciding test"][-1] == (once["accuracy"]["word"] == "helps")


def test_a_kind_is_judged_the_same_alone_and_beside_others():
    kinds = [PERMUTED, Kind("inside", 1.0), Kind("duplicated", 1.0), Kind("choose", 1.0), Kind("fresh", 1.0)]
    together = calibration.judge(1, SMALL._replace(repeats=1), kinds)
    for kind in kinds:
        assert calibration.judge(1, SMALL._replace(repeats=1), [kind])[kind] == together[kind]


def test_a_trial_keeps_samples_together_and_says_which_fold_answered():
    setting = Setting("even", "pca_nearest", 72, 3, 2, 3)
    found = calibration.trials(0, setting, [PERMUTED])[PERMUTED]
    assert found.gain_RxN.shape == found.model_RxN.shape == (2, 72) and found.test_to_train == pytest.approx(0.5, 0.1)
    np.testing.assert_array_equal(found.data.groups_N, np.repeat(np.arange(24), 3))
    assert np.all(found.model_RxN[:, ::3] == found.model_RxN[:, 2::3])
    assert set(found.model_RxN[0]) == {0, 1, 2} and set(found.model_RxN[1]) == {3, 4, 5}


def test_batches_stay_together_and_share_a_shift():
    setting = Setting("even", "svm", 96, 4, 1, 1, 8)
    found = calibration.trials(0, setting, [PERMUTED])[PERMUTED]
    for batch in range(8):
        assert len(set(found.model_RxN[0, found.data.groups_N == batch])) == 1
        assert len(set(found.data.labels_N[found.data.groups_N == batch])) > 1
    x_NxF = np.concatenate([null_sets.draw(seed, setting, "true").x_NxRxT.reshape(96, -1) for seed in range(0, 20)])
    batch_N = np.repeat(np.arange(20), 96) * 8 + np.tile(np.arange(96) % 8, 20)
    total = ((x_NxF - x_NxF.reshape(20, 96, -1).mean(axis=1).repeat(96, axis=0)) ** 2).sum()
    within = sum(((x_NxF[batch_N == b] - x_NxF[batch_N == b].mean(axis=0)) ** 2).sum() for b in range(160))
    # Eight groups take 7 of 95 degrees of freedom where nothing is shared.
    assert 1.0 - within / total > 1.5 * 7 / 95


def test_classes_are_shared_out_in_whole_samples():
    np.testing.assert_array_equal(np.bincount(populations.class_labels(40)), [10] * 4)
    labels_N = populations.class_labels(150, FAMILIES["tailed"], 3)
    assert np.bincount(labels_N).sum() == 150
    np.testing.assert_allclose(np.bincount(labels_N) / 150, FAMILIES["tailed"].shares_K, atol=0.021)
    assert np.all(labels_N[::3] == labels_N[2::3])


def test_synthetic_records_are_what_the_kind_says():
    rng = np.random.default_rng(0)
    data = null_sets.draw(0, SMALL, "true")
    x_NxRxT, labels_N = data.x_NxRxT, data.labels_N
    copies, labels_S = null_sets.synthesise(rng, Kind("duplicated", 2.0), data, x_NxRxT, labels_N)
    assert len(copies) == 80
    same_SxN = (copies[:, None] == x_NxRxT[None]).all(axis=(2, 3))
    assert np.all(same_SxN.sum(axis=1) == 1) and np.all(labels_N[same_SxN.argmax(axis=1)] == labels_S)
    drawn, labels_S = null_sets.synthesise(rng, Kind("permuted", 200.0), data, x_NxRxT, labels_N)
    mine, theirs = drawn[labels_S == 1], x_NxRxT[labels_N == 1]
    np.testing.assert_allclose(mine.mean(axis=0), theirs.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(mine.std(axis=0), theirs.std(axis=0, ddof=1), atol=0.05)
    fresh, _ = null_sets.synthesise(rng, Kind("fresh", 1.0), data, x_NxRxT, labels_N)
    assert not (fresh[:, None] == x_NxRxT[None]).all(axis=(2, 3)).any()
    right = np.repeat(np.arange(4), 500)
    wrong = populations.mislabel(rng, right, 0.3, 4)
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


def test_tails_are_heavy_where_the_family_says_so():
    rng = np.random.default_rng(0)
    labels_N = np.zeros(4000, int)
    kurtosis = {
        name: stats.kurtosis(
            populations.draw_records(rng, populations.population(0, family._replace(within=2.0)), labels_N).max(
                axis=(1, 2)
            )
        )
        for name, family in FAMILIES.items()
    }
    assert kurtosis["tailed"] > kurtosis["even"] + 1.0


@pytest.fixture(scope="module")
def real_file(tmp_path_factory):
    """90 records of two classes, three of each group, as a user's file."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("real") / "real.nc"
    records = Records(
        np.float32(rng.gamma(2.0, size=(90, 30, 20))),
        Axis("retention_time", "s", np.arange(30.0)),
        Axis("drift_time", "ms", np.arange(20.0)),
        np.repeat(["a", "b"], [60, 30]),
        np.arange(90) // 3,
        [str(i) for i in range(90)],
    )
    write(records, path)
    return str(path)


def test_names_of_real_records_mean_nothing_and_groups_keep_theirs(real_file):
    setting = Setting(real_file, "pca_nearest", 60, 3, 1)
    data = null_sets.draw(0, setting, "permuted")
    assert data.x_NxRxT.shape == (60, 12, 16) and len(np.unique(data.groups_N)) == 20
    assert all(len(set(data.labels_N[data.groups_N == g])) == 1 for g in np.unique(data.groups_N))
    np.testing.assert_array_equal(np.bincount(data.labels_N), [15] * 4)
    halves = null_sets.draw(0, setting, "halves")
    np.testing.assert_array_equal(np.bincount(halves.labels_N), [30, 30])
    again = null_sets.draw(1, setting, "halves")
    assert not np.array_equal(again.labels_N, halves.labels_N)
    ((_, kinds),) = calibration.conditions([setting], (1.0,))
    assert [kind.name for kind in kinds] == ["permuted", "inside", "halves"]
    assert set(calibration.judge(0, setting, kinds)) == set(kinds)


@pytest.mark.parametrize("name", ["mixed", "choose"])
def test_nulls_that_change_the_classifier_have_no_true_gain(name):
    """Answers change in one record of ten and more; the mean over many training sets is nil."""
    kind = Kind(name, 2.0)
    wrong = calibration.truth(0, SMALL, [kind], steps=60, sets=2).wrong
    found = [calibration._fresh_gains((0, 2, n), SMALL, [kind], wrong)[kind]["accuracy"] for n in range(40)]
    assert abs(np.mean(found)) < 3.0 * np.std(found, ddof=1) / np.sqrt(40) + 0.01
    tried = calibration.trials(0, SMALL._replace(repeats=1), [kind], wrong)[kind]
    assert np.mean(tried.gain_RxN != 0.0) > 0.1


def test_fresh_records_have_a_true_gain():
    kind = Kind("fresh", 8.0)
    found = calibration.truth(0, SMALL, [kind], sets=30).gains[kind]
    for score in SCORES:
        gain, error = found[score]
        assert gain > 3.0 * error > 0.0


def row(delta, word, says):
    one = {"delta": delta, "error": 0.02, "ci95": (delta - 0.04, delta + 0.04), "word": word}
    return {
        "accuracy": one,
        "balanced_accuracy": one,
        "says": dict.fromkeys(SAYS, [False, says]),
        "corrected_error": 0.03,
    }


def test_summary_counts_with_an_exact_interval():
    rows = [row(0.1, "helps", True)] + [row(0.0, "cannot tell", False)] * 19
    line = calibration.summarise(SMALL, PERMUTED, rows, [])
    found = line["accuracy"]
    assert found["is_null"] and found["true_gain"] == 0.0
    assert found["helps"]["share"] == 0.05 and found["helps"]["ci95"] == pytest.approx((0.00127, 0.24873), abs=1e-5)
    assert found["covered"]["count"] == 19 and found["words"] == {"helps": 1, "cannot tell": 19}
    assert found["mean_change"] == pytest.approx(0.005) and found["spread_of_change"] == pytest.approx(0.1 / 20**0.5)
    np.testing.assert_allclose(line["says_helps"]["deciding test"]["after_repeats"], [0.0, 0.05])


def test_a_condition_is_null_where_its_gain_is_nil():
    rows, copies = [row(0.0, "cannot tell", False)] * 4, Kind("duplicated", 1.0)
    gains = {gain: [Truth(0.0, {copies: dict.fromkeys(SCORES, (gain, 0.005))})] for gain in (0.05, 0.001)}
    lines = {gain: calibration.summarise(SMALL, copies, rows, truths)["accuracy"] for gain, truths in gains.items()}
    assert not lines[0.05]["is_null"] and lines[0.05]["covered"]["count"] == 0
    assert lines[0.001]["is_null"] and lines[0.001]["covered"]["count"] == 4
    # Where classes are unequal a classifier without knowledge gains accuracy by naming the largest more often.
    unequal = calibration.summarise(SMALL._replace(source="tailed"), PERMUTED, rows, [])
    assert not unequal["accuracy"]["is_null"] and unequal["balanced_accuracy"]["is_null"]


@pytest.mark.slow
def test_the_verdict_keeps_its_level_and_finds_large_gains():
    """80 null data sets: "helps" in 2.5 % within error, where a plain t-test over folds says it more often than it may."""
    setting = SMALL._replace(repeats=6)
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True), threadpool_limits(1):
        rows = [calibration.judge(seed, setting, [PERMUTED])[PERMUTED] for seed in range(80)]
        found = [calibration.judge(seed, LARGE, [FRESH])[FRESH]["accuracy"]["word"] for seed in range(10)]
    alarms, cautious, plain = (calibration.summarise(setting, PERMUTED, rows, [])["says_helps"][test] for test in SAYS)
    assert cautious["share"] <= alarms["share"] <= 0.05 and alarms["ci95"][0] <= 0.025
    assert plain["ci95"][0] > 0.025
    assert found.count("helps") > 5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"judge": "oracle"}, "classifier.name"),
        ({"records": 12}, "at least as many records as folds"),
        ({"measurements": 7}, "multiple of the measurements"),
        ({"measurements": 0}, "multiple of the measurements"),
        ({"batches": 30}, "2 or more records a batch"),
        ({"repeats": 0}, "1 repeat"),
        ({"folds": 1}, "at least 2 folds"),
    ],
)
def test_settings_that_cannot_be_drawn_are_refused(changed, message):
    with pytest.raises(InputError, match=message):
        calibration.conditions([SMALL._replace(**changed)], (1.0,))


def test_a_plan_needs_settings_and_ratios_above_0():
    with pytest.raises(InputError, match="one or more settings"):
        calibration.conditions([], (1.0,))
    with pytest.raises(InputError, match="above 0"):
        calibration.conditions([SMALL], (0.0,))


def test_the_whole_has_an_entry_in_every_list():
    from configs import calibrate_verdict

    config = calibrate_verdict.get_config().calibration
    assert {len(config[name]) for name in LISTS} == {len(calibrate_verdict.SETTINGS)}
