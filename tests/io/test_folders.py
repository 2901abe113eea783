"""Folders and tables of files, and records brought to one grid."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import make_records
from hypothesis import given, settings
from hypothesis import strategies as st

from gcims_jax import InputError, io
from gcims_jax.io.folders import scan
from gcims_jax.preprocessing import conversion, grid, scale, wavelets
from gcims_jax.preprocessing.conversion import ConversionConfig
from gcims_jax.preprocessing.grid import Span
from gcims_jax.records import Axis, Records
from gcims_jax.simulation import gcims

SLOW, FAST = Axis("retention_time", "s", np.arange(8) * 0.5), Axis("drift_time", "ms", np.arange(12) * 0.1)


def write_one(path, values_RxT=None, slow=SLOW, fast=FAST, **attrs):
    """A file of one record, a plane unless values are given: linear interpolation keeps it exactly."""
    if values_RxT is None:
        values_RxT = 2.0 * slow.values[:, None] + 3.0 * fast.values
    path.parent.mkdir(parents=True, exist_ok=True)
    io.write(Records(values_RxT[None], slow, fast, labels=["?"], attrs=attrs), path)
    return path


@pytest.fixture
def folder(tmp_path):
    for name in (
        "red/s1/a.nc",
        "red/s1/b.nc",
        "red/s2/a.nc",
        "blue/c.nc",
        "loose.nc",
        "blue/notes.pdf",
        ".hidden/x.nc",
    ):
        write_one(tmp_path / name.replace(".pdf", ".nc"))
    (tmp_path / "blue" / "notes.nc").rename(tmp_path / "blue" / "notes.pdf")
    return tmp_path


def test_folders_give_labels_and_groups_and_list_the_rest(folder):
    listing = scan(folder)
    assert [(e.name, e.label, e.group) for e in listing.entries] == [
        ("blue/c", "blue", "blue/c.nc"), ("red/s1/a", "red", "red/s1"), ("red/s1/b", "red", "red/s1"),
        ("red/s2/a", "red", "red/s2"),
    ]  # fmt: skip
    assert listing.unmatched_files == ("blue/notes.pdf", "loose.nc")
    assert "4 files in 2 classes" in listing.describe() and "loose.nc" in listing.describe()


def test_filters(folder):
    assert {e.label for e in scan(folder, classes=("red",)).entries} == {"red"}
    assert [e.name for e in scan(folder, pattern="a.nc").entries] == ["red/s1/a", "red/s2/a"]
    assert [e.name for e in scan(folder, pattern="red/s1/*").entries] == ["red/s1/a", "red/s1/b"]
    with pytest.raises(InputError, match="class 'green'.*blue, red"):
        scan(folder, classes=("green",))
    with pytest.raises(InputError, match="fit 'z\\*'"):
        scan(folder, pattern="z*")


@pytest.mark.parametrize("ending", ["csv", "semicolon.csv", "xlsx"])
def test_a_table_gives_labels_groups_and_covariates(folder, ending):
    table = folder / f"labels.{ending}"
    frame = pd.DataFrame(
        {"Name": ["red/s1/a.nc", "b", "c.nc", "gone"], "label": ["x", "y", "x", "y"], "batch": ["1", "1", "2", "2"],
         "day": ["mon", "tue", "mon", "tue"]}
    )  # fmt: skip
    if ending == "xlsx":
        frame.to_excel(table, index=False)
    else:
        frame.to_csv(table, index=False, sep=";" if "semicolon" in ending else ",")
    listing = scan(folder, table, group_column="batch")
    assert {e.path.name: (e.label, e.group, e.covariates) for e in listing.entries} == {
        "a.nc": ("x", "1", {"day": "mon"}), "b.nc": ("y", "1", {"day": "tue"}), "c.nc": ("x", "2", {"day": "mon"}),
    }  # fmt: skip
    assert listing.unmatched_rows == ("gone",)
    assert listing.unmatched_files == ("blue/notes.pdf", "loose.nc", "red/s2/a.nc")
    records, _ = conversion.collect(listing, ConversionConfig())
    assert records.covariates["day"].tolist() == ["mon", "mon", "tue"]
    assert records.take([2, 0]).covariates["day"].tolist() == ["tue", "mon"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name,label\na.nc,x\n", "'a.nc' fits 2 files.*write the path"),
        ("name,label\nb,x\nb.nc,y\n", "row 3: expected each file once"),
        ("name,kind\nb,x\n", "expected one column named 'label'"),
        ("name,label\nb,\n", "row 2: expected a file name and a label"),
        ("name,label,group\nb,x,\n", "row 2: expected a group"),
        ("name,label,label\nb,x,y\n", "label"),
        ("", "expected a table"),
    ],
)
def test_bad_tables_are_refused(folder, text, expected):
    (folder / "t.csv").write_text(text)
    with pytest.raises(InputError, match=expected):
        scan(folder, folder / "t.csv")


def test_missing_folders_and_tables_are_refused(folder, tmp_path):
    for arguments in ((folder / "none",), (folder / "loose.nc",), (folder, folder / "none.csv"), (folder, "x.doc")):
        with pytest.raises(InputError):
            scan(*arguments)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="found 0 record files with a class and 0 others"):
        scan(tmp_path / "empty")


def collect(folder, **options):
    return conversion.collect(scan(folder), ConversionConfig(**options))


def test_equal_axes_pass_through_untouched(tmp_path):
    noise = np.random.default_rng(0).normal(size=(2, 8, 12)).astype(np.float32)
    for i, name in enumerate(("k/a.nc", "l/b.nc")):
        write_one(tmp_path / name, noise[i], units="counts", operator=f"person {i}", machine="one")
    records, plan = collect(tmp_path)
    np.testing.assert_array_equal(records.values, noise)
    np.testing.assert_array_equal(records.slow.values, SLOW.values)
    assert all("the same in all files" in choice for choice in plan.choices)
    assert records.names.tolist() == ["k/a", "l/b"] and records.attrs == {"units": "counts", "machine": "one"}


def test_different_axes_meet_on_the_common_range(tmp_path):
    write_one(tmp_path / "k" / "a.nc")
    write_one(tmp_path / "l" / "b.nc", slow=SLOW._replace(values=0.3 + 0.45 * np.arange(9)))
    write_one(tmp_path / "l" / "c.nc", fast=FAST._replace(values=1.2 - 0.08 * np.arange(14)))
    records, plan = collect(tmp_path)
    assert records.slow.values[0] == 0.3 and records.slow.values[-1] <= 3.5
    assert records.fast.values[0] == pytest.approx(0.16) and records.fast.values[-1] <= 1.1
    plane_RxT = 2.0 * records.slow.values[:, None] + 3.0 * records.fast.values
    np.testing.assert_allclose(records.values, np.broadcast_to(plane_RxT, records.shape), rtol=1e-5)
    assert "b.nc begins last; a.nc ends first" in plan.choices[0]


def test_a_given_grid_is_kept_and_never_extrapolated(tmp_path):
    write_one(tmp_path / "k" / "a.nc")
    write_one(tmp_path / "l" / "short.nc", slow=SLOW._replace(values=0.4 * np.arange(8)))
    records, _ = collect(tmp_path, slow_grid=Span(0.5, 2.5, 0.25), fast_range=(0.2, 0.95))
    np.testing.assert_allclose(records.slow.values, 0.5 + 0.25 * np.arange(9))
    assert records.fast.values[[0, -1]].tolist() == pytest.approx([0.2, 0.9])
    with pytest.raises(InputError, match="short.nc: expected a retention_time that covers 0.5 to 3.5"):
        collect(tmp_path, slow_grid=Span(0.5, 3.5, 0.25))


def test_files_that_do_not_fit_are_named(tmp_path):
    write_one(tmp_path / "k" / "a.nc", units="counts")
    other = write_one(tmp_path / "l" / "b.nc", units="volts")
    with pytest.raises(InputError, match="b.nc: expected values in 'counts'"):
        collect(tmp_path)
    write_one(other, fast=Axis("mobility", "1", FAST.values))
    with pytest.raises(InputError, match="b.nc: expected the axis drift time"):
        collect(tmp_path)
    write_one(other, fast=FAST._replace(values=FAST.values + 9.0))
    with pytest.raises(InputError, match="b.nc begins at 9 and a.nc ends at 1.1"):
        collect(tmp_path)
    other.write_bytes(b"nothing")
    with pytest.raises(InputError, match="b.nc"):
        collect(tmp_path)


@pytest.mark.parametrize("text", ["1:2", "a:b:c", "2:1:0.1", "0:1:0", "0:1e9:0.1", "0:inf:1", "nan:1:1"])
def test_bad_grids_are_refused(text):
    with pytest.raises(InputError):
        Span.parse(text, "data.slow_grid")


@given(st.integers(2, 40), st.integers(2, 40), st.floats(0.0, 0.3), st.floats(0.0, 0.3), st.booleans())
@settings(deadline=None, max_examples=60)
def test_interpolation_keeps_planes_and_stays_within_the_values(r, t, cut, shift, descending):
    slow = Axis("a", "s", np.linspace(0.0, 1.0, r))
    fast = Axis("b", "ms", np.linspace(1.0, 2.0, t)[:: -1 if descending else 1])
    target = (Axis("a", "s", np.linspace(cut, 1.0 - shift, 7)), Axis("b", "ms", np.linspace(1.0 + shift, 2.0 - cut, 5)))
    plane_RxT = (slow.values[:, None] - 2.0 * fast.values).astype(np.float32)
    result = grid.resample(plane_RxT, (slow, fast), target, "x")
    np.testing.assert_allclose(result, target[0].values[:, None] - 2.0 * target[1].values, atol=1e-5)
    noise = np.random.default_rng(r).normal(size=(r, t)).astype(np.float32)
    result = grid.resample(noise, (slow, fast), target, "x")
    assert noise.min() - 1e-6 <= result.min() and result.max() <= noise.max() + 1e-6


def test_the_rip_is_found_under_depletion_and_records_meet_on_it():
    variability = gcims.Variability(drift_scale_sd=0.02, contrast=1.5)
    records, truth = gcims.simulate(
        1, n_retention=96, n_drift=1536, variability=variability, class_sizes={"Escherichia coli": 3, "Staphylococcus aureus": 3}
    )  # fmt: skip
    # An overloaded first half: its RIP is down to an eighth and an analyte stands twice as high.
    values = records.values.copy()
    values[0, :48] *= np.where(np.abs(records.fast.values - truth.rip_N[0]) < 0.3, 0.125, 1.0)
    found_N = [grid.rip_position(record_RxT, records.fast) for record_RxT in values]
    np.testing.assert_allclose(found_N, truth.rip_N, atol=0.004)
    aligned, choice = grid.align_rip(records)
    assert aligned.fast.name == "relative_drift_time" and "common range" in choice
    apex_N = [grid.rip_position(record_RxT, aligned.fast) for record_RxT in aligned.values]
    np.testing.assert_allclose(apex_N, 1.0, atol=5e-4)
    assert np.std(apex_N) < 0.05 * np.std(found_N) / np.mean(found_N)


def test_records_without_a_peak_have_no_rip():
    with pytest.raises(InputError, match="reactant ion peak"):
        grid.rip_position(np.ones((4, 12), np.float32), FAST)
    with pytest.raises(InputError, match="above 0"):
        grid.rip_relative(FAST, -1.0)


@pytest.mark.parametrize("levels", [(0, 0), (2, 3), (1, 0)])
def test_conversion_compresses_as_preprocessing_does(tmp_path, levels):
    records = make_records((2, 2), r=24, t=50)
    for label, name, record_RxT in zip(records.labels, records.names, records.values, strict=True):
        write_one(tmp_path / label / f"{name}.nc", record_RxT, records.slow, records.fast)
    options = {"slow_range": (1.0, 11.0), "fast_level": levels[1], "slow_level": levels[0]}
    converted, _ = collect(tmp_path, **options)
    plan = scale.make_compression(records.slow, records.fast, scale.PreprocessConfig(**options))
    np.testing.assert_allclose(converted.values, scale.compress(plan, records.values), atol=2e-5)


def test_coordinates_follow_the_wavelet():
    """A narrow peak's centre of mass stays where it was."""
    axis = Axis("x", "s", np.linspace(10.0, 20.0, 256))
    peak = np.exp(-0.5 * ((axis.values - 14.2) / 0.4) ** 2)
    for wavelet in ("haar", "db3"):
        reduced = wavelets.approximate_axis(axis, wavelet, 3)
        values = wavelets.approximate(peak, wavelet, 3, 0)
        assert len(reduced.values) == 32
        assert np.average(reduced.values, weights=values) == pytest.approx(14.2, abs=0.02)
        assert values.max() == pytest.approx(1.0, abs=0.12)


def test_records_keep_covariates_in_step():
    records = dataclasses.replace(make_records(), covariates={"day": np.arange(20)})
    assert records.take([3, 1]).covariates["day"].tolist() == ["3", "1"]
    with pytest.raises(InputError, match="covariate 'day'"):
        dataclasses.replace(records, covariates={"day": ["1"]})
