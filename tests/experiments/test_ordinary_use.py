"""What ordinary use must not do, through the command line with default options: leak across replicates and copies."""

import dataclasses
import json

import in_process
import numpy as np
import pytest
from conftest import make_records

from gcims_jax import Axis, Records, io

OPTIONS = [
    "--config.codec.latent=3", "--config.codec.patch=4", "--config.codec.width=8", "--config.train.steps=4",
    "--config.train.batch=8", "--config.classifier.name=pca_nearest", "--config.protocol.names=strict",
]  # fmt: skip


def launch(*options):
    return in_process.launch(*OPTIONS, *options)


def meaningless(replicates, spread, seed=0):
    """24 samples of three classes that have nothing to do with them, each measured so many times."""
    rng = np.random.default_rng(seed)
    samples = 100.0 + 10.0 * rng.normal(size=(24, 9, 14))
    values = np.repeat(samples, replicates, axis=0) + spread * rng.normal(size=(24 * replicates, 9, 14))
    labels = np.repeat([f"class_{i % 3}" for i in range(24)], replicates)
    groups = np.repeat([f"sample_{i:02d}" for i in range(24)], replicates)
    axes = Axis("retention_time", "s", np.arange(9.0)), Axis("drift_time", "ms", np.arange(14.0))
    return Records(np.float32(values), *axes, labels, groups=groups if replicates > 1 and spread else None)


def original(folder):
    results = json.loads((folder / "results.json").read_text())
    return np.array(results["arms"]["original"]["accuracy"]["per_fold"]), results


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folders of triplicates", "exact copies"])
def test_replicates_of_meaningless_samples_score_at_chance(kind, tmp_path):
    if kind == "exact copies":
        path = tmp_path / "records.nc"
        io.write(meaningless(3, 0.0), path)
    else:  # DIR/Class/Sample/file
        path, records = tmp_path / "set", meaningless(3, 0.5)
        for i in range(len(records)):
            folder = path / records.labels[i] / records.groups[i]
            folder.mkdir(parents=True, exist_ok=True)
            io.write(dataclasses.replace(records.take([i]), groups=None), folder / f"run_{i % 3}_{i:02d}.csv")
    done = launch(f"--config.data.path={path}", f"--workdir={tmp_path / 'w'}")
    assert done.returncode == 0, done.stderr
    per_fold, results = original(tmp_path / "w")
    # 24 independent samples: the share that a coin with three sides gets right lies below this in 99.9 % of sets.
    assert per_fold.mean() < 1 / 3 + 3.1 * np.sqrt(2 / 9 / 24)
    assert results["dataset"]["groups"] == 24 and not results["banner"]


def test_splitting_replicates_is_allowed_and_says_so_everywhere(tmp_path):
    io.write(meaningless(3, 0.5), tmp_path / "records.nc")
    workdir = tmp_path / "w"
    done = launch(
        f"--config.data.path={tmp_path / 'records.nc'}", "--config.protocol.grouped=False", f"--workdir={workdir}"
    )
    assert done.returncode == 0, done.stderr
    per_fold, results = original(workdir)
    assert per_fold.mean() > 0.9  # what a leak looks like
    leaks = "Replicates on both sides: leaks"
    assert results["banner"].startswith(leaks) and results["comparison"]["verdict"].startswith("no verdict")
    assert leaks in done.stdout and leaks in (workdir / "report.html").read_text()
    assert leaks in io.read(workdir / "synthetic.nc").attrs["note"]


def test_changed_groups_in_the_same_work_directory_are_noticed(tmp_path):
    path, workdir = tmp_path / "records.nc", tmp_path / "w"
    records = meaningless(3, 0.5)
    io.write(dataclasses.replace(records, groups=None), path)
    assert launch(f"--config.data.path={path}", f"--workdir={workdir}").returncode == 0
    stale = (workdir / "results.json").read_bytes()
    io.write(records, path)
    done = launch(f"--config.data.path={path}", f"--workdir={workdir}")
    assert done.returncode == 1 and "groups" in done.stderr and "another --workdir" in done.stderr
    assert "Traceback" not in done.stderr and (workdir / "results.json").read_bytes() == stale


def test_equal_records_under_two_labels_are_named(tmp_path):
    records = make_records((12, 8))
    records.values[15] = records.values[2]
    io.write(records, tmp_path / "records.nc")
    done = launch(f"--config.data.path={tmp_path / 'records.nc'}", f"--workdir={tmp_path / 'w'}")
    assert done.returncode == 1 and "record_0002" in done.stderr and "record_0015" in done.stderr
    assert not (tmp_path / "w").exists()
