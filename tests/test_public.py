"""What users type: ``import gcims_jax as gj``."""

import doctest
import importlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from conftest import make_records
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.svm import SVC

import gcims_jax as gj
from configs import augment as recipe
from experiments import settings, studies
from experiments.job import Job
from gcims_jax.generators import GENERATORS

SERIES = (
    "duplicate",
    "nuisances",
    "noise",
    "shift",
    "scale",
    "mask",
    "mix",
    "tuned_warp",
    "raw_smote",
    "raw_bootstrap",
)


def arrays(n=16, r=9, t=14, seed=0):
    rng = np.random.default_rng(seed)
    y_N = np.tile([3, 7], n // 2)
    x_NxRxT = rng.normal(100.0, 1.0, (n, r, t)).astype(np.float32)
    x_NxRxT[y_N == 7, r // 2, t // 2] += 30.0
    return x_NxRxT, y_N


def test_importing_the_package_loads_nothing_heavy_and_every_public_name_is_there():
    code = "import gcims_jax, sys; print([m for m in ('jax', 'numpy', 'xarray', 'sklearn', 'imblearn', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    assert all(getattr(gj, name) is not None for name in gj.__all__) and set(gj.__all__) <= set(dir(gj))
    assert gj.__version__.count(".") == 2 and "N  records" in gj.__doc__
    with pytest.raises(AttributeError, match="did you mean 'evaluate'"):
        gj.evalute  # noqa: B018


@pytest.mark.parametrize(
    "module",
    ["", ".records", ".simulation", ".synthesis", ".answer", ".evaluation.splits"],
    ids=lambda m: m or "package",
)
def test_examples_in_docstrings_give_what_they_say(module):
    found = doctest.testmod(importlib.import_module(f"gcims_jax{module}"))
    assert found.attempted and not found.failed


class TestRecords:
    def test_of_arrays_keep_labels_and_number_points(self):
        x_NxRxT, y_N = arrays()
        records = gj.Records.from_arrays(x_NxRxT.tolist(), y_N, groups=np.arange(16) // 2)
        assert records.labels.dtype.kind == "i" and records.class_counts() == {3: 8, 7: 8}
        assert records.slow.values.tolist() == list(range(9)) and len(records) == 16
        assert repr(records) == "<16 records in 8 groups of 9 × 14 points, 2 classes>"
        assert gj.Records.from_arrays(x_NxRxT[:, 0], y_N.astype(str)).shape == (16, 1, 14)
        named = gj.Records.from_arrays(
            x_NxRxT, y_N, slow=gj.Axis("retention_time", "s", np.arange(9)), fast=np.arange(14) / 2
        )
        assert named.slow.unit == "s" and named.fast.values[-1] == 6.5

    def test_index_slice_mask_and_array_give_records(self):
        records = make_records()
        for which in (3, -1, slice(2, 9, 3), records.labels == "class_1", [5, 0]):
            expected = np.atleast_2d(np.arange(20)[which]).ravel()
            np.testing.assert_array_equal(records[which].values, records.values[expected])
        with pytest.raises(IndexError):
            records[20]
        with pytest.raises(gj.InputError, match="mask of 20"):
            records[[True, False]]

    def test_go_to_xarray_and_back(self):
        x_NxRxT, y_N = arrays()
        records = gj.Records.from_arrays(x_NxRxT, y_N, groups=y_N)
        for dataset in (records.to_xarray(), records.to_xarray()["values"]):
            again = gj.Records.from_xarray(dataset)
            assert again.labels.dtype.kind == "i" and (again.groups == records.groups).all()
            np.testing.assert_array_equal(again.values, records.values)

    @pytest.mark.parametrize(
        ("x", "y", "message"),
        [
            (np.zeros(4), [0] * 4, "got \\(4,\\)"),
            ([[1.0], [1.0, 2.0]], [0, 1], "one shape"),
            (np.zeros((2, 3)), [0.5, 1.0], "astype"),
            (np.zeros((2, 3)), [0], "2 records"),
            ([["a", "b"]], [0], "numbers"),
        ],
    )
    def test_bad_arrays_are_refused(self, x, y, message):
        with pytest.raises(gj.InputError, match=message):
            gj.Records.from_arrays(x, y)

    def test_whole_numbers_as_labels_survive_writing_as_text(self, tmp_path):
        x_NxRxT, y_N = arrays(4)
        records = gj.Records.from_arrays(x_NxRxT, y_N)
        for ending in ("nc", "npz", "zarr", "h5"):
            gj.write(records, tmp_path / f"records.{ending}")
            assert gj.read(tmp_path / f"records.{ending}").labels.tolist() == ["3", "7", "3", "7"]


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(20), 3)])
def test_train_and_test_share_no_group_and_have_every_class(groups):
    records = make_records((36, 24), groups=groups)
    train, test = gj.train_test_split(records, test_size=0.25, seed=3)
    assert not set(train.sample_groups()) & set(test.sample_groups()) and len(train) + len(test) == 60
    assert abs(test.class_counts()["class_0"] - 9) <= 3 and abs(test.class_counts()["class_1"] - 6) <= 3
    again, _ = gj.train_test_split(records, test_size=0.25, seed=3)
    assert again.names.tolist() == train.names.tolist()
    with pytest.raises(gj.InputError, match="2 groups"):
        gj.train_test_split(records[:37] if groups is None else records[:39])


class TestFitAndSample:
    def test_records_come_back_in_the_unit_with_the_labels_within_the_range(self):
        x_NxRxT, y_N = arrays()
        records = gj.Records.from_arrays(x_NxRxT, y_N)
        state = gj.fit(records, "mix", seed=0)
        made = gj.sample(state, per_class={7: 5, 3: 2}, seed=1)
        assert made.labels.tolist() == [3, 3, 7, 7, 7, 7, 7] and made.shape[1:] == (9, 14)
        assert x_NxRxT.min() <= made.values.min() and made.values.max() <= x_NxRxT.max()
        peak_7, peak_3 = (made.values[made.labels == k][:, 4, 7].mean() for k in (7, 3))
        assert peak_7 > peak_3 + 15.0
        assert len(gj.sample(state)) == 100 and "mix of 16 records" in repr(state)

    def test_a_seed_is_a_number_or_a_key(self):
        state = gj.fit(gj.Records.from_arrays(*arrays()), "noise", jax.random.key(4))
        draws = [
            gj.sample(state, 2, seed).values for seed in (4, np.int64(4), jax.random.key(4), jax.random.PRNGKey(4), 5)
        ]
        assert all((draws[0] == other).all() for other in draws[1:4]) and (draws[0] != draws[4]).any()

    @pytest.mark.parametrize("name", SERIES)
    def test_single_series(self, name):
        x_NxT, y_N = arrays(t=40)[0][:, 4], arrays()[1]
        made = gj.sample(gj.fit(gj.Records.from_arrays(x_NxT, y_N), name), per_class=3)
        assert made.shape == (6, 1, 40) and np.isfinite(made.values).all()

    @pytest.mark.parametrize("name", sorted(set(GENERATORS) - set(SERIES) - {"warp"}))
    def test_generators_that_need_two_axes_say_so(self, name):
        with pytest.raises(gj.InputError, match="two axes.*single series take"):
            gj.fit(gj.Records.from_arrays(arrays(t=40)[0][:, 4], arrays()[1]), name)

    def test_a_warp_of_single_series_moves_them_and_leaves_their_axis_of_one_point(self):
        x_NxT, y_N = np.zeros((4, 60), np.float32), [0, 0, 1, 1]
        x_NxT[np.arange(4), [20, 21, 40, 41]] = 9.0
        made = gj.sample(gj.fit(gj.Records.from_arrays(x_NxT, y_N), "warp", size=2.0), per_class=8)
        tops = made.values[:, 0].argmax(axis=1)
        assert len(set(tops.tolist())) > 4 and (tops[:8] < 30).all() and (tops[8:] > 30).all()

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda r: gj.fit(r, "tuned_wrap"), "did you mean 'tuned_warp'"),
            (lambda r: gj.fit(r, "noise", siz=1.0), "did you mean 'size'"),
            (lambda r: gj.fit(r, "noise", size="big"), "'big'"),
            (lambda r: gj.fit((r.values, r.labels)), "Records.from_arrays"),
            (lambda r: gj.fit(r, preprocess={"slow_rnge": (0, 1)}), "did you mean 'slow_range'"),
            (lambda r: gj.fit(r, seed=-1), "seed"),
            (lambda r: gj.sample(r), "what fit returned"),
            (lambda r: gj.sample(gj.fit(r, "mix"), {"clas_1": 2}), "did you mean 'class_1'"),
            (lambda r: gj.sample(gj.fit(r, "mix"), 0), "count above 0"),
            (lambda r: gj.sample(gj.fit(r, "mix"), 1.5), "1.5"),
            (lambda r: gj.simulate(n_retenton=8), "did you mean 'n_retention'"),
            (lambda r: gj.evaluate(r, "tuned_wrap"), "did you mean 'tuned_warp'"),
            (lambda r: gj.evaluate(r, "noise:siz=2"), "did you mean 'size'"),
            (lambda r: gj.evaluate(r, classifiers=["svn"]), "did you mean 'svm'"),
            (lambda r: gj.evaluate(r, classifiers=[3]), "got int"),
            (lambda r: gj.evaluate((r.values, r.labels)), "Records.from_arrays"),
            (lambda r: gj.fit(r, ["warp"]), r"generator: expected one of duplicate, .*got \['warp'\]"),
            (lambda r: gj.fit(r, preprocess="log"), r"preprocess: expected options by name, as in \{'log': True\}, got 'log'"),
            (lambda r: gj.fit(r, preprocess=["log"]), r"preprocess: expected options by name.*got \['log'\]"),
            (lambda r: gj.fit(r, preprocess={"log": "yes"}), "preprocess.log: expected True or False, got 'yes'"),
            (lambda r: gj.fit(r, preprocess={"slow_level": "x"}), "preprocess.slow_level: expected a whole number from 0 to 20, got 'x'"),
            (lambda r: gj.fit(r, preprocess={"slow_range": (5, 1)}), r"preprocess.slow_range: expected \(low, high\).*got \(5, 1\)"),
            (lambda r: gj.fit(r, preprocess={"fast_range": ("a", "b")}), "preprocess.fast_range: expected .*got .'a', 'b'"),
            (lambda r: gj.fit(r, preprocess={"wavelet": 3}), "preprocess.wavelet: expected the name of a wavelet, such as 'db3', got 3"),
            (lambda r: gj.fit(r, preprocess={"align": "yes"}), "preprocess.align: expected a number from 0 .*got 'yes'"),
            (lambda r: gj.fit(r, preprocess={"log": True, "log_knee": "x"}), "preprocess.log_knee: expected a number above 0.*got 'x'"),
            (lambda r: gj.fit(r, "latent_rda", codec=gj.Tucker("x")), "codec.latent: expected a dimension d from 1 to .*got 'x'"),
            (lambda r: gj.fit(r, "latent_rda", codec="tucker"), "generator.codec: expected Tucker.*got 'tucker'"),
            (lambda r: gj.fit(r, "warp:size=2"), r"got 'warp:size=2'; give 'warp' .* size=2, in scikit-learn as options=dict\(size=2\)$"),
            (lambda r: r.take([]), r"take: expected the indices of one or more records, got \[\]"),
            (lambda r: r.take([99]), "take: expected indices below 20, the number of records, got 99"),
            (lambda r: gj.sample(gj.fit(r, "mix"), [5, 5]), r"per_class: expected a whole number of 0 or more.*got \[5, 5\]"),
            (lambda r: gj.evaluate(r, ""), "study.candidates: expected some of duplicate.*got ''"),
            (lambda r: gj.evaluate(r, [3]), "candidates: expected names such as 'tuned_warp' or 'warp:size=2', got 3"),
            (lambda r: gj.evaluate(r, "warp:size"), "study.candidates: expected options as name=value after the colon, got 'warp:size'"),
            (lambda r: gj.evaluate(r, "mix", modes=None), "study.modes: expected some of proportional, balanced, got None"),
            (lambda r: gj.evaluate(r, "mix", ratios=None), r"evaluate.ratios: expected numbers above 0, got \[None\]"),
            (lambda r: gj.evaluate(r, "mix", codec=5), "evaluate.codec: expected Tucker.*got 5"),
            (lambda r: gj.simulate(records=2), "records: expected 5 or more, one for each species, got 2"),
            (lambda r: gj.simulate(records=9, class_sizes={"Escherichia coli": 9}), "records or class_sizes, got both"),
            (lambda r: gj.simulate(n_retention="x"), "n_retention: expected a whole number of 8 or more, got 'x'"),
            (lambda r: gj.simulate(n_batches=1.5), "n_batches: expected a whole number of 1 or more, got 1.5"),
            (lambda r: gj.simulate(class_sizes=5), r"class_sizes: expected records by species, as in \{'Escherichia coli': 20\}, got 5"),
            (lambda r: gj.simulate(class_sizes={"Escherichia coli": 2.5}), "class_sizes: expected 1 record a species or more"),
            (lambda r: gj.simulate(variability="x"), "variability: expected a gcims.Variability, got 'x'"),
            (lambda r: gj.simulate(seed=-1), "seed: expected a whole number from 0"),
            (lambda r: gj.read(5), "read: expected the path of a file, got int"),
            (lambda r: gj.write(r, None), "write: expected the path of a file, got NoneType"),
            (lambda r: gj.write("a.nc", r), "write: expected Records and then a path, got str"),
        ],
    )  # fmt: skip
    def test_a_mistake_is_one_error_that_says_what_to_do(self, call, message):
        with pytest.raises(gj.InputError, match=message):
            call(make_records())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": [["a", "b"]] * 12}, "X: expected numbers of one shape for each record, got could not convert"),
        ({"X": [[1, 2], [3]]}, "X: expected numbers of one shape for each record, got records of several shapes"),
        ({"X": np.ones((12, 3)) * 1j}, "X: expected numbers of one shape for each record, got values of type complex128"),
        ({"X": np.zeros((12, 3), "datetime64[s]")}, "X: expected numbers .*got values of type datetime64"),
        ({"X": np.zeros(12)}, r"X: expected an array of shape \(records, slow axis, fast axis\) or \(records, points\), got \(12,\)"),
        ({"X": np.zeros((12, 0, 3))}, "values: expected an array .*no empty dimension"),
        ({"X": np.full((12, 3), np.nan)}, "values: expected finite numbers, got 3 NaN or infinite in record 'record_0000'.*repair or drop"),
        ({"y": [0, 1]}, "labels: expected one for each of the 12 records, got"),
        ({"y": None}, "y: expected a label for each of the 12 records, got None"),
        ({"y": "ab"}, "y: expected a label for each of the 12 records, got 'ab'"),
        ({"y": [0.5] * 12}, "y: expected labels that are strings or whole numbers, got float64; convert them"),
        ({"y": ["a", None] * 6}, "y: expected labels that are strings or whole numbers, got object; convert them"),
        ({"groups": [1, 2]}, "groups: expected one for each of the 12 records, got 2"),
        ({"groups": ["g"] * 11 + [float("nan")]}, "groups: expected one for each record, got nan for record 11; an empty text stands for none"),
        ({"fast": [3, 2, 2]}, "fast axis 'fast': expected finite coordinates that run one way"),
    ],
)  # fmt: skip
def test_wrong_arrays_are_one_message(change, message):
    right = {"X": np.random.default_rng(0).normal(size=(12, 3)), "y": [0, 1] * 6}
    assert len(gj.Records.from_arrays(**right)) == 12
    with pytest.raises(gj.InputError, match=message):
        gj.Records.from_arrays(**{**right, **change})


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same set, judged by the recipe and from Python."""
    folder = tmp_path_factory.mktemp("augment")
    records = make_records((12, 9), r=10, t=20, groups=[f"day_{i % 7}" for i in range(21)])
    gj.write(records, folder / "records.nc")
    config = recipe.get_config()
    config.data.path = str(folder / "records.nc")
    config.codec.latent = 10
    config.protocol.folds = 3
    config.protocol.repeats = 2
    config.study.candidates = ("class_weights", "mix", "reconstruction")
    config.study.classifiers = ("pls_da", "pca_nearest")
    config.study.ratios = (1.0, 2.0)
    setup = settings.prepare(config)
    found = []
    studies.leaderboard(Job(setup, folder / "run", {}, {}), found.extend)
    names = ("class_weights", "mix", "reconstruction")
    answer = gj.evaluate(records, names, folds=3, ratios=(1.0, 2.0), classifiers=("pls_da", "pca_nearest"))
    return folder / "run", found, answer


def test_evaluate_gives_the_figures_of_the_recipe(both):
    import json

    import xarray as xr

    from experiments.workdir import to_json

    folder, _, answer = both
    written, mine = json.loads((folder / "results.json").read_text()), json.loads(to_json(answer.summary))
    for side in (written, mine):
        side.pop("timing")
        for line in side["lines"]:
            line.pop("seconds")
    assert mine == written
    with xr.open_dataset(folder / "predictions.nc", engine="h5netcdf") as kept:
        assert kept.equals(answer.predictions)


def test_an_answer_tells_shows_and_writes_itself(both, tmp_path):
    _, _, answer = both
    compared = answer.summary["context"]["comparison"]
    assert (answer.verdict, answer.change, answer.ci95) == (
        compared["verdict"],
        compared["delta_accuracy"],
        tuple(compared["ci95"]),
    )
    assert answer.recommend is answer.summary["context"]["recommend"]
    frame = answer.to_frame()
    assert {"none", "duplicate", "mix", "reconstruction", "class_weights"} == set(frame["candidate"])
    page = answer.to_html(tmp_path / "answer.html")
    assert (
        (tmp_path / "answer.html").read_text(encoding="utf-8") == page
        and "data:image/png" in page
        and answer.sentence[:40] in page
    )
    shown = answer._repr_html_()
    assert "<table" in shown and "<html" not in shown and answer.verdict in repr(answer)


def test_estimators_of_the_user_are_asked_beside_those_of_the_table():
    mine = [LogisticRegression(), KNeighborsClassifier(3), NearestCentroid(), LogisticRegression(C=0.1)]
    answer = gj.evaluate(make_records((9, 9)), ["mix"], folds=3, repeats=1, classifiers=["pls_da", *mine], ratios=[1.0])
    names = list(dict.fromkeys(answer.to_frame()["classifier"]))
    assert names == ["pls_da", "LogisticRegression", "KNeighborsClassifier", "NearestCentroid", "LogisticRegression 2"]
    assert (answer.to_frame()["accuracy"] > 0.6).all()
    assert not hasattr(mine[0], "classes_")  # copies were fitted


def test_candidates_are_those_that_can_work_on_the_grid():
    x_NxT, y_N = arrays(t=40)[0][:, 4], arrays()[1]
    answer = gj.evaluate(
        gj.Records.from_arrays(x_NxT, y_N), folds=2, repeats=1, classifiers="pca_nearest", ratios=[1.0], progress=True
    )
    assert set(answer.to_frame()["candidate"]) == {"none", "class_weights", "duplicate", "tuned_warp"}
    with pytest.raises(gj.InputError, match="two axes"):
        gj.evaluate(gj.Records.from_arrays(x_NxT, y_N), "latent_rda")
    assert gj.fit(gj.Records.from_arrays(x_NxT, y_N)).generator == "tuned_warp"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 2.5}, "evaluate.folds: expected a whole number"),
        ({"ratios": "x"}, "evaluate.ratios: expected a number above 0"),
        ({"candidates": 5}, "candidates: expected names"),
        ({"classifiers": SVC}, "got the class SVC; call it"),
        ({"classifiers": LinearRegression()}, "classifiers of scikit-learn.*LinearRegression"),
    ],
)
def test_wrong_arguments_of_evaluate_are_one_message(options, message):
    records = gj.Records.from_arrays(np.random.default_rng(0).normal(size=(12, 4, 6)), [0, 1] * 6)
    with pytest.raises(gj.InputError, match=message):
        gj.evaluate(records, **{"candidates": "mix", **options})
