"""The benchmark in small: from the command to the page, going on, refusals."""

import json

import numpy as np
import pytest
from conftest import make_records

from experiments import benchmark
from gcims_jax import io

SMALL = [
    "--config.study.candidates=latent_rda", "--config.study.classifiers=pca_nearest", "--config.study.inner_splits=1",
    "--config.codec.latent=3", "--config.benchmark.per_class=3,90", "--config.benchmark.draws=2", "--config.preprocess.points=16",
]  # fmt: skip


def kept(folder):
    """Files of cells."""
    return sorted(folder.glob("*/checkpoints/**/*.json"))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(benchmark, "SIMULATED", {"n_retention": 24, "n_drift": 64, "each": 8})


def test_sets_are_scored_kept_and_shown(small, tmp_path, capsys):
    io.write(make_records((12, 8)), tmp_path / "mine.nc")
    small_one = [*SMALL, f"--workdir={tmp_path / 'w'}", "--config.benchmark.sets=channel gains"]
    assert benchmark.main(small_one) == 0
    first = {cell: cell.read_bytes() for cell in kept(tmp_path / "w")}
    of = [
        *SMALL, f"--workdir={tmp_path / 'w'}", f"--config.benchmark.files={tmp_path / 'mine.nc'}",
        "--config.benchmark.sets=channel gains,batches unequal by class",
    ]  # fmt: skip
    assert benchmark.main(of) == 0
    assert first and {cell: cell.read_bytes() for cell in first} == first  # more sets go on beside those that are there
    printed = capsys.readouterr().out
    assert "mine, 90 a class: left out" in printed and "channel gains, 3 a class: best plain" in printed
    summary = json.loads((tmp_path / "w" / "results.json").read_text())
    assert [row["set"] for row in summary["rows"]] == ["channel gains", "batches unequal by class", "mine"]
    for row in summary["rows"]:
        lines = {line["candidate"]: line for line in row["lines"]}
        assert set(lines) == {"none", "duplicate", "latent_rda"}
        plain = max(line["balanced_accuracy"] for line in row["lines"] if line["plain"])
        assert row["best_plain"][2] == plain and row["best"][2] >= plain
        for line in row["lines"]:
            assert line["to_best_plain"]["mean"] == pytest.approx(line["balanced_accuracy"] - plain)
        assert lines["none"]["to_same"] == {"mean": 0.0, "ci95": [0.0, 0.0]}
    page = (tmp_path / "w" / "report.html").read_text()
    assert summary["sentence"] in page and "channel gains, 3 records a class" in page

    cells = kept(tmp_path / "w")
    before = {cell: cell.read_bytes() for cell in cells[1:]}
    cells[0].unlink()
    assert benchmark.main(of) == 0
    assert {cell: cell.read_bytes() for cell in cells[1:]} == before
    again = json.loads((tmp_path / "w" / "results.json").read_text())
    assert again["rows"] == summary["rows"]


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--config.benchmark.sets=chanel gains", ["benchmark.sets", "channel gains", "'chanel gains'"]),
        ("--config.benchmark.files=absent.nc", ["benchmark.files", "absent.nc"]),
        ("--config.benchmark.draws=1", ["2 or more draws"]),
        ("--config.benchmark.per_class=90", ["enough records", "smaller per_class"]),
        ("--config.data.absent=2", ["absent", "from 0 to 1"]),
    ],
)
def test_what_cannot_be_compared_is_refused_and_nothing_written(small, option, told, tmp_path, capsys):
    assert benchmark.main([*SMALL, f"--workdir={tmp_path / 'w'}", option]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and all(text in error for text in told)
    assert not (tmp_path / "w").exists()


def test_every_set_differs_from_the_measured_one(small):
    from configs import benchmark as recipe

    config = recipe.get_config()
    values = {
        name: benchmark._prepare(config, name, {**benchmark.SIMULATED, **changed}).records.values
        for name, changed in benchmark.SETS.items()
    }
    plain = values.pop("as measured")
    assert all(
        np.isfinite(x).all() and x.shape == plain.shape and not np.array_equal(x, plain) for x in values.values()
    )
