"""Records in pipelines of scikit-learn and imbalanced-learn."""

import doctest
import subprocess
import sys

import numpy as np
import pytest
import sklearn
from conftest import make_records
from imblearn.pipeline import make_pipeline
from imblearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.utils import estimator_checks

import gcims_jax.sklearn
from gcims_jax import InputError
from gcims_jax.sklearn import AugmentedClassifier, RecordAugmenter

MIX = RecordAugmenter("mix", random_state=0)
CLASSIFIER = AugmentedClassifier(LogisticRegression(max_iter=500), "mix", random_state=0)


@parametrize_with_checks([MIX, CLASSIFIER])
def test_imbalanced_learns_contract(estimator, check):
    check(estimator)


@estimator_checks.parametrize_with_checks([MIX, CLASSIFIER])
def test_scikit_learns_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", ["check_samplers_fit", "check_samplers_one_label", "check_target_type"])
def test_the_default_keeps_the_contract_too(name):
    default = RecordAugmenter(random_state=0)
    checks = {check.func.__name__: check for _, check in estimator_checks_generator(default)}
    checks[name](default)


def test_examples_give_what_they_say():
    found = doctest.testmod(gcims_jax.sklearn)
    assert found.attempted and not found.failed


def test_says_what_to_install_where_imbalanced_learn_is_missing():
    code = "import sys; sys.modules['imblearn'] = None; import gcims_jax; import gcims_jax.sklearn"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stderr.strip().endswith(
        "ImportError: gcims_jax.sklearn needs imbalanced-learn: pip install imbalanced-learn"
    )


@pytest.fixture
def xy():
    records = make_records((12, 8))
    return records.values, records.labels


class TestRecordAugmenter:
    @pytest.mark.parametrize(
        ("ratio", "strategy", "expected"),
        [
            (1.0, "auto", {"class_0": 24, "class_1": 24}),
            (0.0, "auto", {"class_0": 12, "class_1": 12}),
            (0.5, "minority", {"class_0": 18, "class_1": 18}),
            (9.0, {"class_1": 10}, {"class_0": 12, "class_1": 10}),
            (9.0, {"class_1": 8}, {"class_0": 12, "class_1": 8}),
        ],
    )
    def test_doses(self, xy, ratio, strategy, expected):
        x_NxRxT, y_N = xy
        made_MxRxT, y_M = clone(MIX).set_params(ratio=ratio, sampling_strategy=strategy).fit_resample(x_NxRxT, y_N)
        assert dict(zip(*np.unique(y_M, return_counts=True), strict=True)) == expected
        np.testing.assert_array_equal(made_MxRxT[:20], x_NxRxT)
        assert made_MxRxT.shape[1:] == (9, 14) and made_MxRxT.dtype == x_NxRxT.dtype

    def test_records_as_rows_of_a_shape_are_the_same_records(self, xy):
        x_NxRxT, y_N = xy
        cube, _ = MIX.fit_resample(x_NxRxT, y_N)
        rows, _ = clone(MIX).set_params(shape=(9, 14)).fit_resample(x_NxRxT.reshape(20, -1), y_N)
        np.testing.assert_array_equal(cube.reshape(len(cube), -1), rows)
        listed, _ = MIX.fit_resample(x_NxRxT.tolist(), y_N.tolist())
        np.testing.assert_array_equal(np.asarray(listed, np.float32), cube)

    def test_a_generator_with_a_codec_and_options(self, xy):
        from gcims_jax import Tucker

        sampler = RecordAugmenter("latent_gaussian", {"codec": Tucker(3), "ridge": 0.3}, random_state=0)
        made_MxRxT, y_M = sampler.fit_resample(*xy)
        new = made_MxRxT[20:]
        assert new[y_M[20:] == "class_0", 2, 3].mean() > new[y_M[20:] == "class_1", 2, 3].mean() + 10.0

    @pytest.mark.parametrize("labels", [["a", "b"], [4, 9], [False, True], [np.int8(-1), np.int8(1)], [0.0, 1.0]])
    def test_labels_of_any_kind(self, xy, labels):
        y_N = np.asarray(labels)[(xy[1] == "class_1").astype(int)]
        _, y_M = MIX.fit_resample(xy[0], y_N)
        assert y_M.dtype == y_N.dtype and set(y_M[20:].tolist()) == set(y_N.tolist())

    def test_a_random_state_is_a_state(self, xy):
        one, other = (MIX.fit_resample(*xy)[0] for _ in range(2))
        np.testing.assert_array_equal(one, other)
        state = np.random.RandomState(0)
        first, second = (clone(MIX).set_params(random_state=state).fit_resample(*xy)[0] for _ in range(2))
        assert (first != second).any()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"generator": "mixx"}, "did you mean 'mix'"),
            ({"options": {"concentraton": 1.0}}, "did you mean 'concentration'"),
            ({"shape": (5, 5), "as_rows": True}, "126 columns"),
            ({"ratio": -1.0}, "ratio of 0 or more"),
        ],
    )
    def test_a_mistake_is_one_error(self, xy, options, message):
        rows = options.pop("as_rows", False)
        with pytest.raises(InputError, match=message):
            clone(MIX).set_params(**options).fit_resample(xy[0].reshape(20, -1) if rows else xy[0], xy[1])


class TestPipelines:
    def test_cross_validation_and_a_grid_search(self, xy):
        rows_NxF, y_N = xy[0].reshape(20, -1), xy[1]
        pipeline = make_pipeline(clone(MIX).set_params(shape=(9, 14)), LogisticRegression(max_iter=500))
        assert cross_val_score(pipeline, rows_NxF, y_N, cv=3).mean() > 0.8
        search = GridSearchCV(
            pipeline, {"recordaugmenter__ratio": [0.5, 1.0], "recordaugmenter__generator": ["mix", "noise"]}, cv=2
        )
        assert search.fit(rows_NxF, y_N).best_score_ > 0.8

    def test_groups_reach_the_generator(self, xy):
        rows_NxF, y_N = xy[0].reshape(20, -1), xy[1]
        groups_N = np.tile(np.arange(4), 5)
        with sklearn.config_context(enable_metadata_routing=True):
            sampler = clone(MIX).set_params(shape=(9, 14)).set_fit_resample_request(groups=True)
            pipeline = make_pipeline(sampler, LogisticRegression(max_iter=500))
            pipeline.fit(rows_NxF, y_N, groups=groups_N)
            scores = cross_val_score(pipeline, rows_NxF, y_N, cv=GroupKFold(4), params={"groups": groups_N})
        assert pipeline[0].fitted_.learned.origin.groups == {"0", "1", "2", "3"} and len(scores) == 4


class TestAugmentedClassifier:
    def test_records_and_rows_are_told_alike(self, xy):
        x_NxRxT, y_N = xy
        told = clone(CLASSIFIER).fit(x_NxRxT, y_N, groups=np.arange(20) // 2)
        rows = clone(CLASSIFIER).set_params(shape=(9, 14)).fit(x_NxRxT.reshape(20, -1), y_N, groups=np.arange(20) // 2)
        np.testing.assert_array_equal(told.predict_proba(x_NxRxT), rows.predict_proba(x_NxRxT.reshape(20, -1)))
        assert told.score(x_NxRxT, y_N) == 1.0 and told.classes_.tolist() == ["class_0", "class_1"]
        assert len(told.augmenter_.fitted_.learned.origin.groups) == 10

    def test_inside_a_grid_search(self, xy):
        search = GridSearchCV(CLASSIFIER, {"generator": ["mix", "noise"], "classifier__C": [0.1, 1.0]}, cv=2)
        assert search.fit(*xy).score(*xy) == 1.0
