import numpy as np
import pytest
from conftest import make_records
from sklearn.svm import SVC

from gcims_jax import InputError, parts
from gcims_jax.evaluation import classify, guard, metrics
from gcims_jax.evaluation.classify import CLASSIFIERS, ClassifierConfig

PART = parts.from_records(make_records((60, 40)))
TRAIN, TEST = PART.take(range(0, 100, 2)), PART.take(range(1, 100, 2))


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_every_classifier_learns_an_easy_set_and_scores_every_class(name):
    """One contract for all: labels and scores of each class, the best score where the label is, settings that are tried."""
    for config in classify.tried(ClassifierConfig(name, trees=20)):
        found = classify.answer(classify.fit(config, TRAIN, 0), TEST, 3)
        assert np.mean(found.predicted_M == TEST.labels_N) >= 0.9
        assert found.scores_MxK.shape == (50, 3) and np.isnan(found.scores_MxK[:, 2]).all()
        assert np.mean(found.scores_MxK[:, :2].argmax(axis=1) == found.predicted_M) >= 0.98
    settings = [classify.setting(config) for config in classify.tried(ClassifierConfig(name))]
    assert len(set(settings)) == len(settings)


def test_sharing_features_changes_nothing():
    configs = [ClassifierConfig("svm", cost=1.0), ClassifierConfig("svm", cost=100.0), ClassifierConfig("pca_rf", 5, 10),
               ClassifierConfig("pca_nearest", 5)]  # fmt: skip
    together = classify.fit_all(configs, TRAIN, 0)
    for config, judge in zip(configs, together, strict=True):
        alone = classify.answer(classify.fit(config, TRAIN, 0), TEST, 2)
        np.testing.assert_array_equal(classify.answer(judge, TEST, 2).predicted_M, alone.predicted_M)


def test_nothing_answers_for_records_that_it_has_seen():
    judge = classify.fit(ClassifierConfig("pca_nearest"), TRAIN, 0)
    with pytest.raises(guard.LeakError, match="got 1 "):
        classify.answer(judge, PART.take([2, 3]), 2)
    assert len(classify.answer(judge, PART.take([2, 3]), 2, leaks=True).predicted_M) == 2


def test_the_support_vector_machine_is_scikit_learns():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = (rng.normal(size=(90, 8, 10)) + 0.4 * rng.normal(size=(3, 8, 10))[y] + 5.0).astype(np.float32)
    part = parts.from_arrays(x, y)
    plain = SVC(C=10.0, class_weight="balanced").fit(x[:60].reshape(60, -1), y[:60])
    found = classify.answer(classify.fit(ClassifierConfig("svm"), part.take(range(60)), 0), part.take(range(60, 90)), 3)
    expected = plain.predict(x[60:].reshape(30, -1))
    np.testing.assert_array_equal(found.predicted_M, expected)
    np.testing.assert_allclose(found.scores_MxK, plain.decision_function(x[60:].reshape(30, -1)), atol=1e-3)
    assert 0.4 < np.mean(expected == y[60:]) < 1.0  # hard enough to tell


def test_components_are_capped_by_the_data_and_wrong_options_are_refused():
    config = ClassifierConfig()
    assert classify.capped_components(config, 100, 1000) == 22
    assert classify.capped_components(config, 10, 1000) == 9
    assert classify.capped_components(config, 100, 4) == 4
    for options, message in (
        ({"name": "nope"}, "classifier.name.*pca_rf"),
        ({"trees": 0}, "1 or more"),
        ({"cost": -1.0}, "cost"),
    ):
        with pytest.raises(InputError, match=message):
            ClassifierConfig(**options)


def test_scores_against_hand_counts():
    s = metrics.score(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 3)
    assert s.accuracy == 0.75 and s.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert s.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)
    np.testing.assert_array_equal(s.confusion_KxK, [[2, 1, 0], [0, 1, 0], [0, 0, 0]])
    assert np.isnan(s.recall_K[2])
