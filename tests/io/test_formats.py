"""Every format: what is written is read, what other tools write and read, and nothing but a clear error from bad files."""

import gzip
import io as memory
import json
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import SHARED_DATA, make_records
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcims_jax import InputError, io
from gcims_jax.records import Axis, Records


def one_record(r=6, t=8) -> Records:
    rng = np.random.default_rng(0)
    values = np.rint(rng.normal(0.0, 100.0, (1, r, t)))
    values[0, 2, 3] = 900.0
    attrs = {"units": "counts", "origin": "synthetic", "seed": 3, "generator": "gaussian"}
    return Records(values, Axis("retention_time", "s", np.arange(r) * 0.39), Axis("drift_time", "ms", np.arange(t) / 150),
                   ["E. coli"], names=["run_7"], attrs=attrs)  # fmt: skip


def mea_bytes(**changes) -> bytes:
    header = {
        "Chunk averages": "12",
        "Chunk sample count": "8",
        "Chunk sample rate": "150 [kHz]",
        "Chunk trigger repetition": "30 [ms]",
        "Chunks count": " 6",
        "Board temperature": "34 [°C]",
        "Machine type": '"FlavourSpec®"',
        **changes,
    }
    text = "\n".join(f"{key:30s} = {value}" for key, value in header.items() if value is not None)
    return text.encode("windows-1252") + b"\n\0" + np.arange(48, dtype="<i2").tobytes()


def mcc_bytes(sign=-1) -> bytes:
    lines = ["#,data_type,IMS raw data", "#,polarity,positive", "#,k0_rip_positive,2.06", "#"]
    lines += ["\\   , tR, 0.0, 0.452, 0.982", "1/K0, tDcorr.\\SNr, 0, 1, 2"]
    values = np.array([[-1, 0, 1], [-2, -3, 0], [200, 260, 180], [3, 0, 1]]) * sign
    values[:2] = np.abs(values[:2])
    lines += [f"{0.0006 * i:.5f}, {0.02 * i - 0.142:.3f}, " + ", ".join(map(str, row)) for i, row in enumerate(values)]
    return ("\n".join(lines) + "\n").encode()


def zip_bytes(extra=None, rows=6, **changes) -> bytes:
    meta = {"Chunks count": rows, "Chunk sample count": 8, "Chunk averages": 12, "Chunk trigger repetition [ms]": 30,
            "Chunk sample rate [kHz]": 150, "Timestamp": "2026-01-02T03:04:05", **changes}  # fmt: skip
    buffer = memory.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        table = "".join(",".join(map(str, row)) + ",\n" for row in np.arange(48).reshape(6, 8))
        archive.writestr("csv_data.csv", table)
        archive.writestr("meta_attributes.json", json.dumps({k: v for k, v in meta.items() if v is not None}))
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return buffer.getvalue()


def written(ending: str, folder: Path) -> bytes:
    io.write(one_record(), folder / f"valid{ending}")
    return (folder / f"valid{ending}").read_bytes()


def cache_bytes(folder: Path) -> bytes:
    with h5py.File(folder / "cache.h5", "w") as file:
        for i, label in enumerate(("b", "a", "b")):
            group = file.create_group(f"sample_{i:04d}")
            group.attrs["label"] = label
            group["values"] = np.full((6, 8), float(i))
            group["rettime"], group["drifttime"] = np.arange(6) * 0.39, np.arange(8) / 150
    return (folder / "cache.h5").read_bytes()


def read_bytes(data: bytes, ending: str, folder: Path) -> Records:
    path = folder / f"file{ending}"
    path.write_bytes(data)
    return io.read(path)


@pytest.mark.parametrize("ending", sorted(io.WRITERS))
def test_what_is_written_is_read(ending, tmp_path):
    many = ending not in (".mea", ".mea.gz", ".csv")
    records = make_records((2, 3), groups=list("ababa")) if many else one_record()
    io.write(records, tmp_path / f"set{ending}")
    back = io.read(tmp_path / f"set{ending}")
    np.testing.assert_array_equal(back.values, records.values)
    for which in ("slow", "fast"):
        np.testing.assert_allclose(getattr(back, which).values, getattr(records, which).values, atol=1e-9)
        assert getattr(back, which)[:2] == getattr(records, which)[:2]
    if many:
        np.testing.assert_array_equal(back.labels, records.labels)
        np.testing.assert_array_equal(back.groups, records.groups)
    elif ending == ".csv":
        assert back.labels.tolist() == ["E. coli"] and back.names.tolist() == ["run_7"]
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("ending", sorted(io.WRITERS))
def test_provenance_is_in_every_file(ending, tmp_path):
    io.write(one_record(), tmp_path / f"set{ending}")
    attrs = io.read(tmp_path / f"set{ending}").attrs
    assert str(attrs["seed"]) == "3" and attrs["generator"] == "gaussian"
    assert ending.startswith(".mea") or attrs["origin"] == "synthetic"


@pytest.mark.parametrize("ending", sorted(set(io.WRITERS) - {".zarr"}))  # a folder, tested with the ingest
def test_a_writer_that_fails_leaves_the_old_file(ending, tmp_path, monkeypatch):
    path = tmp_path / f"set{ending}"
    io.write(one_record(), path)
    before = content(path)

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        io.write(one_record(7, 9), path)
    assert content(path) == before and os_listing(tmp_path) == [path.name]


def content(path):
    """Bytes of a file, or of all files of a store."""
    return {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} if path.is_dir() else path.read_bytes()


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b"\xff" * len(b)])
def test_damaged_stores_give_records_or_a_clear_error(damage, tmp_path):
    """One file of a store at a time."""
    path = tmp_path / "set.zarr"
    io.write(one_record(), path)
    refused = 0
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        whole = file.read_bytes()
        file.write_bytes(damage(whole))
        try:
            io.read(path)
        except InputError as error:
            assert str(path) in str(error)
            refused += 1
        file.write_bytes(whole)
    assert refused >= 6
    next(file for file in path.joinpath("values", "c").rglob("*") if file.is_file()).unlink()
    with pytest.raises(InputError, match="NaN"):
        io.read(path)
    io.write(one_record(), path)
    np.testing.assert_array_equal(io.read(path).values, one_record().values)


def os_listing(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_folder_of_csv_files(tmp_path):
    records = make_records((2, 1))
    io.write(records, tmp_path / "out")
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.csv")) == [
        "out/class_0/record_0000.csv", "out/class_0/record_0001.csv", "out/class_1/record_0002.csv",
    ]  # fmt: skip
    back = io.read(tmp_path / "out" / "class_1" / "record_0002.csv")
    np.testing.assert_array_equal(back.values, records.values[2:])
    with pytest.raises(InputError, match="twice"):
        io.write(
            Records(records.values, records.slow, records.fast, ["a", "a", "b"], names=["x", "x", "y"]), tmp_path / "o"
        )
    with pytest.raises(InputError, match="can be file names"):
        io.write(
            Records(records.values, records.slow, records.fast, ["..", "a", "b"], names=list("xyz")), tmp_path / "o"
        )


def test_the_native_file_is_nexus_data(tmp_path):
    records = make_records((2, 3))
    io.write(records, tmp_path / "set.nc")
    with h5py.File(tmp_path / "set.nc") as file:
        assert file.attrs["NX_class"] == "NXdata" and file[file.attrs["signal"]].shape == records.shape
        slow, fast = file.attrs["axes"][1:]
        np.testing.assert_array_equal(file[slow], records.slow.values)
        np.testing.assert_array_equal(file[fast], records.fast.values)
    assert not {"NX_class", "signal", "axes"} & set(io.read(tmp_path / "set.nc").attrs)


class TestMea:
    def test_counts_axes_and_header(self, tmp_path):
        for data, ending in ((mea_bytes(), ".mea"), (gzip.compress(mea_bytes()), ".mea.gz")):
            records = read_bytes(data, ending, tmp_path)
            np.testing.assert_array_equal(records.values[0], np.arange(48).reshape(6, 8))
            np.testing.assert_allclose(records.slow.values, np.arange(6) * 13 * 0.030)
            np.testing.assert_allclose(records.fast.values, np.arange(8) / 150)
            assert records.slow.unit == "s" and records.fast.unit == "ms" and records.names.tolist() == ["file"]
            assert records.attrs["Machine type"] == "FlavourSpec®" and records.attrs["Board temperature"] == "34 °C"

    @pytest.mark.parametrize(
        ("data", "match"),
        [
            (b"", "zero byte"),
            (b"PK\x03\x04 something else" * 10, "zero byte|Chunks count"),
            (mea_bytes()[:-1], "96 bytes.*truncated"),
            (mea_bytes() + b"\0\0", "got more"),
            (mea_bytes(**{"Chunks count": None}), "key 'Chunks count'"),
            (mea_bytes(**{"Chunks count": "many"}), "positive number for 'Chunks count'.*'many'"),
            (mea_bytes(**{"Chunks count": "0"}), "positive number"),
            (mea_bytes(**{"Chunk sample rate": "-150 [kHz]"}), "positive number"),
            (mea_bytes(**{"Chunks count": "900000000", "Chunk sample count": "900000000"}), "truncated"),
        ],
    )
    def test_bad_files(self, data, match, tmp_path):
        with pytest.raises(InputError, match=match):
            read_bytes(data, ".mea", tmp_path)

    def test_a_promise_that_no_gzip_file_can_keep(self, tmp_path):
        huge = mea_bytes(**{"Chunks count": "99999", "Chunk sample count": "99999"})
        with pytest.raises(InputError, match="promise.*bomb"):
            read_bytes(gzip.compress(huge), ".mea.gz", tmp_path)
        with pytest.raises(InputError, match="truncated"):
            read_bytes(gzip.compress(mea_bytes())[:-20], ".mea.gz", tmp_path)


class TestTables:
    def test_mcc_is_turned_to_positive_peaks(self, tmp_path):
        stored, turned = (read_bytes(mcc_bytes(sign), "_ims.csv", tmp_path) for sign in (1, -1))
        np.testing.assert_array_equal(turned.values[0, :, 2], [200, 260, 180])
        np.testing.assert_array_equal(stored.values[0, :, 2], [200, 260, 180])
        assert "turned" in turned.attrs["polarity"] and "as stored" in stored.attrs["polarity"]
        np.testing.assert_allclose(turned.slow.values, [0.0, 0.452, 0.982])
        np.testing.assert_allclose(turned.fast.values, [-0.142, -0.122, -0.102, -0.082])
        assert turned.attrs["k0_rip_positive"] == "2.06"

    @pytest.mark.parametrize(
        ("data", "match"),
        [
            (b"", "truncated"),
            (b"a,b\n1,2\n3,4\n5,6\n", "begins with"),
            (mcc_bytes().replace(b", -260", b", +260"), "one polarity"),
            (mcc_bytes().replace(b", -260", b", x"), "line 9, cell 4.*'x'"),
            (mcc_bytes().replace(b", -260", b""), "line 9: expected 5 cells, got 4"),
            (mcc_bytes().replace(b"0.452", b"1.452"), "run one way"),
            (mcc_bytes().replace(b", -260", b", nan"), "finite"),
        ],
    )
    def test_bad_mcc(self, data, match, tmp_path):
        with pytest.raises(InputError, match=match):
            read_bytes(data, "_ims.csv", tmp_path)

    def test_generic_csv(self, tmp_path):
        records = read_bytes(b"time,7.5,7.6\r\n0.0,1,2\r\n0.5,3,4e1\r\n", ".csv", tmp_path)
        np.testing.assert_array_equal(records.values[0], [[1, 2], [3, 40]])
        np.testing.assert_array_equal(records.fast.values, [7.5, 7.6])
        np.testing.assert_array_equal(records.slow.values, [0.0, 0.5])

    @pytest.mark.parametrize(
        ("data", "match"),
        [
            (b"", "first row of drift times"),
            (b"time,1,2\n", "no rows below"),
            (b"time,a,2\n0,1,2\n", "axis.*'a'"),
            (b"time,1,2\n0,1\n", "line 2: expected 3 cells, got 2"),
            (b"time,1,2\n0,1,high\n", "line 2, cell 3: expected a number, got 'high'"),
            (b"time,1,2\n0,1,\n", "line 2: expected 3 cells, got 2"),
            (b"time,2,2\n0,1,2\n", "without repeats"),
        ],
    )
    def test_bad_csv(self, data, match, tmp_path):
        with pytest.raises(InputError, match=match):
            read_bytes(data, ".csv", tmp_path)

    def test_zip_export(self, tmp_path):
        records = read_bytes(zip_bytes(), ".zip", tmp_path)
        np.testing.assert_array_equal(records.values[0], np.arange(48).reshape(6, 8))
        np.testing.assert_allclose(records.slow.values, np.arange(6) * 0.39)
        assert records.attrs["Timestamp"] == "2026-01-02T03:04:05"

    @pytest.mark.parametrize(
        ("data", "match"),
        [
            (b"no zip", "zip archive"),
            (zip_bytes()[:-30], "zip archive"),
            (zip_bytes(extra={"../../etc/passwd": "x"}), r"inside the archive.*\.\./"),
            (zip_bytes(rows=7), "expected 7 rows"),
            (zip_bytes(rows=10**9), "cells as meta_attributes.json says"),
            (zip_bytes(**{"Chunk averages": None}), "Chunk averages"),
            (zip_bytes(**{"Chunk sample rate [kHz]": 0}), "positive length and step"),
        ],
    )
    def test_bad_zip(self, data, match, tmp_path):
        with pytest.raises(InputError, match=match):
            read_bytes(data, ".zip", tmp_path)

    def test_zip_of_other_things(self, tmp_path):
        buffer = memory.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a_ims.csv", "x")
        with pytest.raises(InputError, match="unpack archives of other files"):
            read_bytes(buffer.getvalue(), ".zip", tmp_path)


class TestArchives:
    def test_values_alone(self, tmp_path):
        np.savez(tmp_path / "a.npz", values=np.ones((2, 3, 4)))
        records = io.read(tmp_path / "a.npz")
        assert records.shape == (2, 3, 4) and records.labels.tolist() == ["unlabelled"] * 2

    def test_objects_and_lies_are_refused(self, tmp_path):
        np.savez(tmp_path / "a.npz", values=np.ones((1, 3, 4)), labels=np.array([{"a": 1}], object))
        with pytest.raises(InputError, match="plain arrays"):
            io.read(tmp_path / "a.npz")
        np.savez(tmp_path / "b.npz", spectra=np.ones((1, 3, 4)))
        with pytest.raises(InputError, match="array 'values'.*spectra"):
            io.read(tmp_path / "b.npz")
        header = memory.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
        with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
            archive.writestr("values.npy", header.getvalue())
        with pytest.raises(InputError, match="header fits their data"):
            io.read(tmp_path / "c.npz")


class TestHdf5:
    def test_cache_of_the_gan_repository(self, tmp_path):
        records = read_bytes(cache_bytes(tmp_path), ".h5", tmp_path)
        assert records.labels.tolist() == ["b", "a", "b"] and records.values[:, 0, 0].tolist() == [0.0, 1.0, 2.0]
        assert records.slow.unit == "s" and records.fast.unit == "ms"

    def test_gc_ims_tools_opens_what_is_written_for_it(self, tmp_path):
        ims = pytest.importorskip("ims")
        values = np.random.default_rng(0).normal(size=(12, 5, 6)).astype(np.float32)
        names = [
            "zeta",
            "alpha",
            "a/b",
            "alpha",
            "10",
            "9",
            "x",
            "w",
            "v",
            "u",
            "t",
            "s",
        ]  # unsorted, repeated, with "/"
        labels = [f"class {i % 3}" for i in range(12)]
        records = Records(values, Axis("retention_time", "s", np.arange(5.0)), Axis("drift_time", "ms", np.arange(6.0)),
                          labels, groups=[f"s{i}" for i in range(12)], names=names, attrs={"origin": "synthetic"})  # fmt: skip
        io.write(records, tmp_path / "set.hdf5")
        dataset = ims.Dataset.read_hdf5(str(tmp_path / "set.hdf5"))
        assert dataset.labels == labels and dataset.samples == records.groups.tolist()
        for spectrum, expected in zip(dataset.data, values, strict=True):
            np.testing.assert_array_equal(spectrum.values, expected)
            np.testing.assert_array_equal(spectrum.ret_time, np.arange(5.0))
        assert "origin = synthetic" in list(dataset.data[0].meta_attr)

    def test_what_gc_ims_tools_writes_is_read_with_labels_in_place(self, tmp_path):
        """Its own reader pairs labels by position although its groups come back sorted by name."""
        ims = pytest.importorskip("ims")
        from datetime import datetime

        names, labels = ["zeta", "alpha", "mid"], ["Z", "A", "M"]
        spectra = [
            ims.Spectrum(n, np.full((5, 6), float(i)), np.arange(5.0), np.arange(6.0), datetime(2026, 1, 2), ["k = v"])
            for i, n in enumerate(names)
        ]
        dataset = ims.Dataset(spectra, "set", [f"{n}.mea" for n in names], ["s1", "s2", "s3"], labels)
        dataset.preprocessing = []
        dataset.to_hdf5(path=str(tmp_path))
        records = io.read(tmp_path / "set.hdf5")
        assert dict(zip(records.names, records.labels, strict=True)) == dict(zip(names, labels, strict=True))
        assert [records.values[list(records.names).index(n), 0, 0] for n in names] == [0.0, 1.0, 2.0]
        spectra[0].to_hdf5(str(tmp_path))
        single = io.read(tmp_path / "zeta.hdf5")
        assert single.shape == (1, 5, 6) and single.names.tolist() == ["zeta"]

    def test_labels_that_cannot_be_matched(self, tmp_path):
        io.write(make_records((2, 1)), tmp_path / "set.hdf5")
        with h5py.File(tmp_path / "set.hdf5", "r+") as file:
            file["dataset/files"][0] = "other"
        with pytest.raises(InputError, match="cannot be matched"):
            io.read(tmp_path / "set.hdf5")

    def test_two_grids_in_one_file(self, tmp_path):
        io.write(make_records((2, 1)), tmp_path / "set.hdf5")
        with h5py.File(tmp_path / "set.hdf5", "r+") as file:
            file["1_record_0001/ret_time"][...] += 1.0
        with pytest.raises(InputError, match="one grid.*1_record_0001"):
            io.read(tmp_path / "set.hdf5")

    def test_values_that_are_not_stored(self, tmp_path):
        with h5py.File(tmp_path / "a.hdf5", "w") as file:
            file.create_dataset("values", shape=(10**6, 10**6), dtype="f4", chunks=(1000, 1000))
            file["ret_time"], file["drift_time"] = np.arange(3.0), np.arange(3.0)
        with pytest.raises(InputError, match="promise"):
            io.read(tmp_path / "a.hdf5")


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the shared example data")
def test_a_real_mea_reads_as_gc_ims_tools_reads_it(tmp_path):
    ims = pytest.importorskip("ims")
    path = SHARED_DATA / "gcims_ketones" / "small.mea.gz"
    (tmp_path / "small.mea").write_bytes(gzip.decompress(path.read_bytes()))
    theirs, ours = ims.Spectrum.read_mea(str(tmp_path / "small.mea")), io.read(path)
    np.testing.assert_array_equal(ours.values[0], theirs.values)
    np.testing.assert_allclose(ours.slow.values, theirs.ret_time)
    np.testing.assert_allclose(ours.fast.values, theirs.drift_time)


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="needs the shared example data")
def test_real_mcc_files(tmp_path):
    with zipfile.ZipFile(SHARED_DATA / "mcc_ims_candy" / "tiny_candy.zip") as archive:
        names = [n for n in archive.namelist() if n.endswith("_ims.csv")]
        for name in names:
            records = read_bytes(archive.read(name), "_ims.csv", tmp_path)
            assert records.shape == (1, 300, 2499) and "turned" in records.attrs["polarity"]
            mean = records.values[0].mean(axis=0)
            assert records.fast.values[mean.argmax()] == pytest.approx(16.86, abs=0.1)  # the RIP
    assert len(names) == 2


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("valid")
    files = {ending: written(ending, folder) for ending in io.WRITERS if ending not in (".nc4", ".h5", ".zarr")}
    return {**files, "_ims.csv": mcc_bytes(), ".zip": zip_bytes(), ".h5": cache_bytes(folder)}, folder


FUZZED = (".mea", ".mea.gz", ".csv", "_ims.csv", ".zip", ".npz", ".hdf5", ".h5", ".nc")


@pytest.mark.parametrize("ending", FUZZED)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_give_records_or_a_clear_error(valid, ending, data):
    """Bytes changed, cut out, doubled or cut off at random places, within bounded memory."""
    files, folder = valid
    damaged = bytearray(files[ending])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(damaged) - 1, 0)))
        kind = data.draw(st.sampled_from(["change", "cut", "double", "end"]))
        length = data.draw(st.integers(1, 40))
        if kind == "change":
            damaged[at : at + length] = data.draw(st.binary(min_size=length, max_size=length))
        elif kind == "double":
            damaged[at:at] = damaged[at : at + length]
        else:
            del damaged[at : at + length if kind == "cut" else None]
    tracemalloc.start()
    try:
        records = read_bytes(bytes(damaged), ending, folder)
    except InputError as error:
        assert f"file{ending}" in str(error)
    else:
        assert np.isfinite(records.values).all()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2**26


def test_missing_and_unreadable(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="found nothing"):
        io.read(tmp_path / "none.mea")
    (tmp_path / "a.mea").write_bytes(mea_bytes())

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(InputError, match="no permission"):
        io.read(tmp_path / "a.mea")
