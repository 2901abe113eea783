import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedKFold

from gcims_jax import InputError, parts
from gcims_jax.evaluation import classify
from gcims_jax.evaluation.classify import ClassifierConfig
from gcims_jax.preprocessing import scale
from gcims_jax.simulation import gcims
from gcims_jax.simulation.cultures import COMPOUNDS
from gcims_jax.simulation.gcims import RIP_DRIFT_MS, Variability, retention_time
from gcims_jax.simulation.signal import charge_fractions, elution

SMALL = {"Escherichia coli": 3, "Pseudomonas aeruginosa": 2}


@pytest.fixture(scope="module")
def full():
    return gcims.simulate(0)


def test_default_set_is_as_described(full):
    records, truth = full
    assert records.shape == (220, 512, 1024)
    counts = records.class_counts()
    assert min(counts, key=counts.get) == "Pseudomonas aeruginosa" and len(set(counts.values())) == len(counts)
    assert records.groups is None and len(set(records.covariates["batch"])) == 9
    assert (records.slow.unit, records.fast.unit) == ("s", "ms")
    assert truth.amounts_NxC.shape == truth.retention_NxC.shape == (220, len(COMPOUNDS))


def test_difficulty_is_that_of_the_papers_data(full):
    """PCA(22) + random forest, leak-free 5-fold, between 70 and 80 %."""
    records, _ = full
    config = scale.PreprocessConfig((30.0, 500.0), (8.0, 15.0), slow_level=2, fast_level=2)
    x = scale.compress(scale.make_compression(records.slow, records.fast, config), records.values)
    whole, classes = parts.from_records(records, x), len(records.classes)
    scores = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(x, whole.labels_N):
        scaling = scale.fit(whole.take(train), config)
        train, test = (scale.apply_to(scaling, whole.take(part)) for part in (train, test))
        judge = classify.fit(ClassifierConfig(), train, 0)
        scores.append(accuracy_score(test.labels_N, classify.answer(judge, test, classes).predicted_M))
    assert 0.70 <= np.mean(scores) <= 0.80


def test_deterministic_by_seed():
    sizes = {"n_retention": 32, "n_drift": 64, "class_sizes": SMALL}
    a, truth_a = gcims.simulate(5, **sizes)
    b, truth_b = gcims.simulate(5, **sizes)
    c, _ = gcims.simulate(6, **sizes)
    np.testing.assert_array_equal(a.values, b.values)
    np.testing.assert_array_equal(truth_a.amounts_NxC, truth_b.amounts_NxC)
    assert not np.array_equal(a.values, c.values)


def test_charge_is_conserved_and_saturates():
    attachment = np.random.default_rng(0).gamma(0.3, 1.0, (500, 6))
    rip, monomer, dimer = charge_fractions(attachment)
    np.testing.assert_allclose(rip + monomer.sum(1) + dimer.sum(1), 1.0, rtol=1e-12)
    assert min(rip.min(), monomer.min(), dimer.min()) >= -1e-15
    alone = np.linspace(0.0, 5.0, 2001)[:, None]
    rip, monomer, dimer = charge_fractions(alone)
    assert monomer.max() == pytest.approx(0.19, abs=0.01)  # measured on 2-pentanone
    assert np.all(np.diff(dimer[:, 0]) >= 0.0) and monomer[-1, 0] < 0.5 * monomer.max()
    np.testing.assert_allclose(rip, np.exp(-alone[:, 0]))


def test_elution_peaks_at_its_apex_with_the_measured_width():
    time = np.linspace(40.0, 120.0, 8001)
    profile = elution(time, np.array([70.0]), np.array([0.0]))[:, 0]
    assert time[np.argmax(profile)] == pytest.approx(70.0, abs=0.05)
    assert profile.max() == pytest.approx(1.0, abs=1e-3)
    assert np.ptp(time[profile >= 0.5]) == pytest.approx(5.5, abs=0.6)  # measured full width at half maximum


def test_truth_names_where_the_peaks_are():
    records, truth = gcims.simulate(0, class_sizes=SMALL, variability=Variability(noise=0.0))
    c = truth.compounds.index("2-heptanone")  # alone in its neighbourhood
    for i in range(len(records)):
        row = np.argmin(np.abs(records.slow.values - truth.retention_NxC[i, c]))
        near = np.abs(records.fast.values - truth.monomer_NxC[i, c]) < 0.3
        peak = records.fast.values[near][np.argmax(records.values[i, row, near])]
        assert peak == pytest.approx(truth.monomer_NxC[i, c], abs=0.03)
        rip = records.fast.values[np.argmax(records.values[i, 0])]
        assert rip == pytest.approx(truth.rip_N[i], abs=0.02)


def test_baseline_dips_and_rip_depletes_under_strong_peaks():
    records, truth = gcims.simulate(0, class_sizes=SMALL, variability=Variability(noise=0.0))
    before_rip = np.abs(records.fast.values - 5.0) < 0.5
    rip = np.abs(records.fast.values - RIP_DRIFT_MS) < 0.05
    baseline, height = records.values[:, :, before_rip].mean(2), records.values[:, :, rip].max(2)
    assert np.all(baseline.argmin(1) == height.argmin(1))
    assert baseline.max() == pytest.approx(98.0, abs=1.0) and baseline.min() > 35.0


def test_runs_are_misaligned_as_measured():
    _, truth = gcims.simulate(0, n_retention=8, n_drift=8)
    assert retention_time(np.array([689.0]))[0] == pytest.approx(70.0)
    early, late = truth.compounds.index("2-pentanone"), truth.compounds.index("2-octanone")
    assert 0.4 < truth.retention_NxC[:, early].std() < 1.2
    assert 1.6 < truth.retention_NxC[:, late].std() < 4.7
    assert 0.003 < truth.monomer_NxC[:, late].std() < 0.019


def test_noise_has_the_measured_size_and_bandwidth():
    options = {"class_sizes": {"Escherichia coli": 1}, "n_drift": 2302}  # 6.67 µs a sample, as measured
    noisy, _ = gcims.simulate(0, **options)
    clean, _ = gcims.simulate(0, **options, variability=Variability(noise=0.0))
    noise = (noisy.values - clean.values)[0].astype(np.float64)
    assert noise.std() == pytest.approx(2.3, rel=0.02)
    acf = [np.mean(noise[:, :-lag] * noise[:, lag:]) / noise.var() for lag in (1, 2, 3, 5, 10)]
    np.testing.assert_allclose(acf, [0.93, 0.79, 0.61, 0.20, -0.20], atol=0.03)
    assert abs(np.mean(noise[:-1] * noise[1:])) / noise.var() < 0.02  # white along retention


@pytest.mark.parametrize(
    "options", [{"class_sizes": {"Homo sapiens": 3}}, {"n_drift": 2}, {"n_batches": 0}, {"class_sizes": {}}]
)
def test_impossible_requests_are_refused(options):
    with pytest.raises(InputError, match="expected"):
        gcims.simulate(0, **{"n_retention": 16, "n_drift": 16, **options})


def test_batches_are_dealt_evenly_or_by_class():
    def counts(skew):
        records, _ = gcims.simulate(
            0, n_retention=8, n_drift=8, n_batches=4, batch_skew=skew, class_sizes=dict.fromkeys(SMALL, 40)
        )
        batch = records.covariates["batch"]
        return np.array([[np.sum((records.labels == k) & (batch == b)) for b in np.unique(batch)] for k in SMALL])

    assert np.all(counts(0.0) == 10)
    skewed = counts(1.0)
    assert np.all(skewed.sum(axis=1) == 40) and np.all(skewed.max(axis=1) >= 20) and len(set(skewed.argmax(axis=1))) > 1


def test_sensitivity_varies_along_the_drift_axis_and_markers_come_and_go():
    options = {"n_retention": 32, "n_drift": 64, "class_sizes": dict.fromkeys(SMALL, 6)}
    still = {"noise": 0.0}
    plain, truth = gcims.simulate(0, **options, variability=Variability(**still))
    gained, same = gcims.simulate(0, **options, variability=Variability(gain_log_sd=0.3, **still))
    np.testing.assert_array_equal(truth.amounts_NxC, same.amounts_NxC)
    log_gain_NxRxT = np.log(gained.values / plain.values)
    assert np.ptp(log_gain_NxRxT, axis=1).max() < 1e-3  # the same along retention
    assert 0.15 < log_gain_NxRxT[:, 0].std() < 0.45
    _, all_gone = gcims.simulate(0, **options, variability=Variability(absent=1.0))
    _, alike = gcims.simulate(0, **options, variability=Variability(contrast=0.0))
    means = [np.log(of.amounts_NxC).std() for of in (truth, all_gone, alike)]
    assert means[0] > means[1] == pytest.approx(means[2], rel=0.1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"absent": 1.5}, "absent: expected a share"), ({"tail": 2.0}, "tail"), ({"gain_log_sd": -1.0}, "gain_log_sd")],
)
def test_impossible_variability_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        Variability(**wrong)
