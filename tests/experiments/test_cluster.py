"""Studies on a Dask cluster, and runs that several processes share."""

import dataclasses
import os
import socket

import jax
import numpy as np
import pytest
import small_study
from dask.distributed import LocalCluster
from in_process import launch

from experiments import augmentation, cells, cluster, remote, studies, workdir
from experiments.job import Job
from gcims_jax import InputError
from gcims_jax.evaluation import study
from gcims_jax.generators import codecs


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    return small_study.prepare(
        tmp_path_factory.mktemp("data"), 3, classifiers=("pca_rf",), candidates=("class_weights", "latent_rda")
    )


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address=None,
        local_directory=tmp_path_factory.mktemp("dask"),
        silence_logs="CRITICAL",
    ) as local:
        yield local


def score(setup, folder, scheduler=""):
    job = Job(setup, folder, {}, {}, scheduler=scheduler)
    return cells.run(job, setup.study.candidates, studies.plan_of(job, tuned=False))


def without_seconds(answers):
    """Answers of cells but for what passes while they are scored."""
    rows = [cell["rows"] for fold in answers for cell in fold.cells]
    return [[{k: v for k, v in row.items() if k != "seconds"} for row in of_cell] for of_cell in rows]


@pytest.mark.slow  # workers start, and one starts again
def test_a_worker_that_is_killed_costs_its_cell_alone_and_changes_nothing(setup, workers, tmp_path, monkeypatch):
    here = score(setup, tmp_path / "here")
    kept = cells.Files.__setitem__
    killed = []

    def kill_one(files, cell, value):
        kept(files, cell, value)
        if not killed:
            killed.append(next(iter(workers.workers.values())).process.pid)
            os.kill(killed[0], 9)

    monkeypatch.setattr(cells.Files, "__setitem__", kill_one)
    there = score(setup, tmp_path / "there", workers.scheduler_address)
    assert killed and without_seconds(there) == without_seconds(here)
    count = len(setup.study.candidates) * len(setup.folds)
    files = sorted((tmp_path / "there").rglob("fold_*.json"))
    assert len(files) == count
    files[0].unlink()  # what is there is not scored again, on whatever machine
    before = {file: file.stat().st_mtime_ns for file in files[1:]}
    assert without_seconds(score(setup, tmp_path / "there")) == without_seconds(here)
    assert {file: file.stat().st_mtime_ns for file in files[1:]} == before


def test_workers_of_another_version_are_refused(workers, monkeypatch):
    monkeypatch.setattr(workdir, "code_version", lambda: "other")
    # Sent by name, so that workers answer for themselves.
    with (
        pytest.raises(InputError, match="expected workers with this code, version other, found"),
        remote.scorer(workers.scheduler_address),
    ):
        pytest.fail("went on")
    with pytest.raises(InputError, match="expected workers with code version other, found other1 on one that came"):
        monkeypatch.setattr(remote, "_code_here", lambda: "other1")
        remote._score_one(None, None, "other")


def test_a_scheduler_that_does_not_answer_is_one_sentence_in_time(tmp_path, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("localhost", 0))
        address = f"tcp://localhost:{closed.getsockname()[1]}"
    done = launch("--workdir", str(tmp_path / "w"), "--scheduler", address, config="leaderboard")
    assert done.returncode == 1
    assert done.stderr.startswith("error: --scheduler: expected the address of a running Dask scheduler")
    assert done.stderr.count("\n") == 1 and not (tmp_path / "w").exists()
    assert cluster.WAIT < 10  # seconds
    monkeypatch.setattr(cluster, "WAIT", 0.2)
    with socket.create_server(("localhost", 0)) as silent, pytest.raises(InputError, match="timed out"):
        cluster.check(f"tcp://localhost:{silent.getsockname()[1]}")
    with pytest.raises(InputError, match="no host and port"):
        cluster.check("nonsense")


def test_only_studies_go_to_a_cluster_and_only_codecs_to_several_processes(tmp_path):
    done = launch("--workdir", str(tmp_path / "w"), "--scheduler", "tcp://localhost:1")
    assert done.returncode == 1 and "error: --scheduler: expected a study (" in done.stderr
    done = launch("--workdir", str(tmp_path / "w"), "--processes", "2")
    assert done.returncode == 1 and "error: --coordinator: expected host:port" in done.stderr
    assert not (tmp_path / "w").exists()


def test_cells_are_what_one_fold_after_the_other_gives(setup):
    part, folds = setup.part, setup.folds
    plan = setup.study.plan(setup.method.preprocess, 2, tuned=False)
    one = study.Cell(setup.study.candidates[0], folds[1], 1, plan, 0, 1, 4)
    found = study.score_cell(part, one)
    assert found["n_test"] == len(folds[1].test) and found["n_train"] == 2 * 4 and len(found["inner"]) == 1


class Asked(Exception):
    pass


@pytest.mark.parametrize("protocol", ["strict", "paper"])
def test_codecs_trained_together_are_those_that_each_fold_asks_for(setup, protocol, tmp_path, monkeypatch):
    train = dataclasses.replace(setup.method.codec.train, ensemble="on")
    codec = dataclasses.replace(setup.method.codec, train=train)
    job = Job(setup._replace(method=dataclasses.replace(setup.method, codec=codec)), tmp_path, {}, {})
    plan, calls = augmentation.plan_of(job), []
    monkeypatch.setattr(codecs, "fit_all", lambda *arguments, **options: calls.append((*arguments, options)))
    cells.train_codecs(job, ["strict", "paper"], plan)
    ((keys, sources, config, options),) = calls
    assert len(keys) == len(setup.folds) + 1 and config == codec  # paper learns once
    together = 1 if protocol == "strict" else len(setup.folds)

    def asked(key, part, config, **named):
        assert config == codec and named["directory"] == options["directories"][together]
        assert named["units"] == options["units"][together]
        np.testing.assert_array_equal(jax.random.key_data(key), jax.random.key_data(keys[together]))
        np.testing.assert_array_equal(part.x_NxRxT, sources[together].x_NxRxT)
        raise Asked

    monkeypatch.setattr(codecs, "fit", asked)
    with pytest.raises(Asked):
        cells.make_together(job, protocol, 1, augmentation.arms(job), plan)
    finished = tmp_path / "checkpoints" / "strict" / "fold_000.json"
    finished.parent.mkdir(parents=True)
    finished.write_text("{}")
    cells.train_codecs(job, ["strict"], plan)
    assert len(calls[1][0]) == len(setup.folds) - 1  # the finished one is left out
    for option in ({"budget_minutes": 1.0}, {"method": setup.method}):  # nobody knows how many; auto, on a CPU
        other = job._replace(setup=job.setup._replace(**option))
        cells.train_codecs(other, ["strict"], augmentation.plan_of(other))
    assert len(calls) == (2 if jax.default_backend() == "cpu" else 3)
