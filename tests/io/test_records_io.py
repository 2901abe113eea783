import os

import h5py
import numpy as np
import pytest
import xarray as xr
from conftest import SHARED_DATA, make_records
from hypothesis import given, settings
from hypothesis import strategies as st

from gcims_jax import InputError, io
from gcims_jax.records import Axis, Records, subsample


def replaced(records, **changes):
    fields = {k: getattr(records, k) for k in ("values", "slow", "fast", "labels", "groups", "names", "attrs")}
    return Records(**{**fields, **changes})


def assert_same(a: Records, b: Records):
    np.testing.assert_array_equal(a.values, b.values)
    for which in ("slow", "fast"):
        assert getattr(a, which)[:2] == getattr(b, which)[:2]
        np.testing.assert_array_equal(getattr(a, which).values, getattr(b, which).values)
    for field in ("labels", "names", "groups"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


@settings(max_examples=20, deadline=None)
@given(
    names=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=4, max_size=4),
    grouped=st.booleans(),
)
def test_native_file_round_trip(tmp_path_factory, names, grouped):
    records = make_records((2, 2), groups=np.array(["b2", "b1", "b2", "é"]) if grouped else None)
    records = replaced(records, names=names, attrs={"units": "counts", "seed": 3, "title": "x", "list": ["a", "b"]})
    path = tmp_path_factory.mktemp("io") / "records.nc"
    io.write(records, path)
    back = io.read(path)
    assert_same(records, back)
    assert back.attrs["units"] == "counts" and back.attrs["seed"] == 3 and back.attrs["list"] == "a\nb"
    assert os.listdir(path.parent) == ["records.nc"]


def test_failed_write_leaves_the_old_file(tmp_path, records):
    path = tmp_path / "records.nc"
    io.write(records, path)
    before = path.read_bytes()
    with pytest.raises((TypeError, ValueError)):
        io.write(replaced(records, attrs={1: "attribute names must be text"}), path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["records.nc"]


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the spoken-digit data")
def test_reads_spoken_digits():
    records = io.read(SHARED_DATA / "spoken_digits" / "spoken_digits.nc")
    assert records.shape == (2000, 48, 80)
    assert (records.slow.name, records.fast.name, records.fast.unit) == ("time", "frequency", "Hz")
    assert records.class_counts() == {str(k): 200 for k in range(10)}
    assert sorted(set(records.groups)) == ["george", "jackson", "lucas", "nicolas"]
    small = subsample(records, (40, 35, 30, 25, 20, 15, 12, 10, 8, 8), seed=0)
    assert list(small.class_counts().values()) == [40, 35, 30, 25, 20, 15, 12, 10, 8, 8]


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.nc: expected a file"):
        io.read(tmp_path / "nowhere.nc")


def test_unknown_ending(tmp_path):
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(InputError, match=r"x\.txt: expected a file name ending in"):
        io.read(tmp_path / "x.txt")


def test_not_a_netcdf(tmp_path):
    (tmp_path / "x.nc").write_text("hello")
    with pytest.raises(InputError, match=r"x\.nc: expected a netCDF4"):
        io.read(tmp_path / "x.nc")


def test_hdf5_without_records(tmp_path):
    with h5py.File(tmp_path / "x.nc", "w") as file:
        file["a"] = np.zeros(3)
    with pytest.raises(InputError, match=r"x\.nc: expected exactly one variable"):
        io.read(tmp_path / "x.nc")


def test_no_label(tmp_path):
    xr.Dataset({"values": (("record", "a", "b"), np.zeros((2, 3, 4)))}).to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    with pytest.raises(InputError, match=r"x\.nc: expected a variable 'label'"):
        io.read(tmp_path / "x.nc")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_must_be_finite(records, bad):
    values = records.values.copy()
    values[3, 2, 1] = bad
    with pytest.raises(InputError, match=r"record_0003.*slow index 2, fast index 1"):
        replaced(records, values=values)


def test_unequal_record_shapes(records):
    with pytest.raises(InputError, match="records of one shape"):
        replaced(records, values=[np.zeros((9, 14))] * 19 + [np.zeros((8, 14))])


@pytest.mark.parametrize(
    "change",
    [
        {"values": np.zeros((20, 9))},
        {"labels": ["a"]},
        {"groups": ["a"]},
        {"slow": Axis("s", "s", np.zeros(9))},
        {"slow": Axis("s", "s", np.arange(8))},
        {"slow": Axis("drift_time", "s", np.arange(9))},
    ],
)
def test_disagreeing_parts_are_refused(records, change):
    with pytest.raises(InputError, match="expected"):
        replaced(records, **change)


def test_take_and_subsample_keep_rows_together(records):
    taken = records.take([5, 1])
    np.testing.assert_array_equal(taken.values, records.values[[5, 1]])
    assert list(taken.names) == [records.names[5], records.names[1]]
    drawn = subsample(records, (3, 2), seed=1)
    assert drawn.class_counts() == {"class_0": 3, "class_1": 2}
    assert list(drawn.names) == list(subsample(records, (3, 2), seed=1).names)
    for i, name in enumerate(drawn.names):
        np.testing.assert_array_equal(drawn.values[i], records.values[list(records.names).index(name)])
    with pytest.raises(InputError, match="between 0 and 8"):
        subsample(records, (3, 9), seed=1)
    with pytest.raises(InputError, match="one for each of the 2 classes"):
        subsample(records, (3,), seed=1)
