"""Many files into one store: bad files, kills, clusters."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from dask.distributed import LocalCluster
from test_folders import write_one

from experiments import ingest
from gcims_jax import io
from gcims_jax.io.folders import scan
from gcims_jax.preprocessing import conversion
from gcims_jax.preprocessing.conversion import ConversionConfig
from gcims_jax.records import Axis

ROOT = Path(__file__).parents[2]
OPTIONS = ["--slow-range", "1:6", "--fast-level", "1"]
CONFIG = ConversionConfig(slow_range=(1.0, 6.0), fast_level=1)
BROKEN = ["k0/r06.mea", "k1/r07.mea", "k2/r59.mea"]


def fill(folder, n=60):
    """n files of noise in three classes; every other one is a row longer."""
    rng = np.random.default_rng(0)
    fast = Axis("drift_time", "ms", np.arange(24) * 0.1)
    for i in range(n):
        slow = Axis("retention_time", "s", np.arange(16 + i % 2) * 0.5)
        values_RxT = np.rint(100.0 * rng.normal(size=(16 + i % 2, 24)).astype(np.float32))
        write_one(folder / f"k{i % 3}" / f"r{i:02d}.mea", values_RxT, slow, fast, units="counts", run=i)
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """60 files, 3 of them broken in different ways, and the records of the others."""
    folder = fill(tmp_path_factory.mktemp("files"))
    whole = (folder / BROKEN[1]).read_bytes()
    for name, content in zip(BROKEN, (b"", whole[: len(whole) // 2], b"no header at all"), strict=True):
        (folder / name).write_bytes(content)
    listing = scan(folder)
    good = tuple(e for e in listing.entries if e.path.relative_to(folder).as_posix() not in BROKEN)
    expected, _ = conversion.collect(type(listing)(folder, good), CONFIG)
    return folder, expected


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster


def arguments(folder, output):
    return ["--input", str(folder), "--output", str(output), *OPTIONS]


def assert_same(path, expected):
    found = io.read(path)
    np.testing.assert_array_equal(found.values, expected.values)
    for name in ("labels", "names"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()
    for name in ("slow", "fast"):
        assert getattr(found, name)[:2] == getattr(expected, name)[:2]
        np.testing.assert_array_equal(getattr(found, name).values, getattr(expected, name).values)
    assert found.attrs["units"] == "counts" and "run" not in found.attrs


def test_a_cluster_of_two_processes_gives_the_same_store_without_the_broken_files(files, cluster, tmp_path, capsys):
    folder, expected = files
    assert len(expected) == 57
    status = ingest.main([*arguments(folder, tmp_path / "s.zarr"), "--scheduler", cluster.scheduler_address])
    printed = capsys.readouterr()
    assert status == ingest.SKIPPED
    assert all(f"skipped {name}: " in printed.err for name in BROKEN) and "57 records" in printed.out
    assert_same(tmp_path / "s.zarr", expected)
    assert os.listdir(tmp_path) == ["s.zarr"]


def test_strict_stops_at_a_broken_file_and_leaves_no_store(files, cluster, tmp_path, capsys):
    options = [*arguments(files[0], tmp_path / "s.zarr"), "--scheduler", cluster.scheduler_address]
    assert ingest.main([*options, "--strict"]) == 1
    assert BROKEN[0] in capsys.readouterr().err
    assert not (tmp_path / "s.zarr").exists()


@pytest.mark.slow
def test_killed_and_restarted_it_goes_on_where_it_stopped(files, tmp_path):
    """Started as a user does, on processes of its own."""
    folder, expected = fill(tmp_path / "in"), files[1]
    output, journal = tmp_path / "s.zarr", tmp_path / ".s.zarr.part" / "journal.jsonl"
    for name in BROKEN:
        (folder / name).unlink()
    command = [sys.executable, "-m", "experiments.ingest", *arguments(folder, output), "--workers", "1"]
    process = subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if journal.exists() and journal.read_text().count("\n") >= 5:
            break
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not output.exists() and 5 <= journal.read_text().count("\n") < 57
    with journal.open("a") as lines:
        lines.write('{"path": "k1/cut')  # as a kill in the middle of a line leaves it
    # What is in the store is not read again: this file now holds other values.
    stored = folder / "k0" / "r00.mea"
    size = stored.stat().st_size
    stored.write_bytes(b"\0" * size)
    done = subprocess.run([*command, "--processes"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert_same(output, expected)
    assert not journal.parent.exists()


def test_refusals_come_before_anything_is_written(files, cluster, tmp_path, capsys):
    folder, _ = files
    (tmp_path / "there.zarr").mkdir()
    for extra, expected in (
        (["--output", str(tmp_path / "s.nc")], "ends in .zarr"),
        (["--output", str(tmp_path / "there.zarr")], "no such store yet"),
        (["--input", str(tmp_path / "none")], "expected a folder"),
        (["--slow-range", "6"], "--slow-range: expected 'low:high'"),
        (["--wavelet", "mexican"], "discrete wavelet"),
        (["--workers", "0"], "--workers"),
        (["--smooth-fast", "4"], "smooth_fast"),
        (["--classes", "k9"], "class 'k9'"),
    ):
        assert ingest.main([*arguments(folder, tmp_path / "s.zarr"), *extra]) == 1
        assert expected in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["there.zarr"]


def test_an_unfinished_ingest_of_something_else_is_not_touched(files, cluster, tmp_path, capsys):
    folder, _ = files
    options = [*arguments(folder, tmp_path / "s.zarr"), "--scheduler", cluster.scheduler_address]
    assert ingest.main([*options, "--strict"]) == 1
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert ingest.main([*options, "--fast-level", "2"]) == 1
    assert "same options" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    (tmp_path / "only_broken" / "k").mkdir(parents=True)
    (tmp_path / "only_broken" / "k" / "a.mea").write_bytes(b"")
    options = [*arguments(tmp_path / "only_broken", tmp_path / "t.zarr"), "--scheduler", cluster.scheduler_address]
    assert ingest.main(options) == 1
    assert "can be used, got none" in capsys.readouterr().err
