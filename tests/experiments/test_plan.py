"""What a run can show before it is made, and runs that end when their word is known."""

import json

import numpy as np
import pytest
from conftest import make_records

from configs import base
from experiments import budget, plan, settings, studies
from experiments.job import Job
from gcims_jax import InputError, io


def config_of(path, **protocol):
    config = base.get_config()
    config.experiment = "leaderboard"
    config.data.path = str(path)
    config.codec.latent = 3
    config.protocol.folds = 2
    config.protocol.update(protocol)
    config.study.ratios = (1.0,)
    config.study.modes = ("proportional",)
    config.study.classifiers = ("pca_nearest",)
    config.study.candidates = ("noise",)
    return config


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "records.nc"
    io.write(make_records((24, 16)), path)
    return path


def test_a_plan_says_what_gain_would_be_seen_or_that_it_cannot_be_told(path, monkeypatch):
    monkeypatch.setattr(plan, "SECONDS", 0.0)
    text = plan.plan(config_of(path))
    assert text.startswith("40 records in 2 classes; 2 folds, 1 repeat\n") and "pca_nearest" in text
    assert text.splitlines()[-1].startswith("With these 40 records in 2 classes the smallest gain that would be seen")


def test_a_budget_ends_a_run_and_so_does_a_settled_word(path, tmp_path, capsys):
    """Noise on records that are told apart anyway changes hardly an answer: the word is known after few of twenty repeats."""
    setup = settings.prepare(config_of(path, budget_minutes=100.0))
    assert len(setup.folds) == 2 * settings.MOST_REPEATS
    job = Job(setup, tmp_path / "long", {}, {})
    answer = studies.leaderboard(job)
    results = json.loads((tmp_path / "long" / "results.json").read_text())
    assert 2 * 2 <= results["folds"] < len(setup.folds)
    assert "more cannot change the word" in capsys.readouterr().out
    visible = results["context"]["comparison"]["smallest_visible"]
    assert {"gain", "ci95", "reason", "more", "gain_with_more", "units"} == set(visible)
    assert "seen in 4 of 5 cases" in (tmp_path / "long" / "report.html").read_text()
    assert studies.leaderboard(job) == answer  # and ends there again
    short = studies.leaderboard(Job(setup._replace(budget_minutes=1e-9), tmp_path / "short", {}, {}))
    assert short and json.loads((tmp_path / "short" / "results.json").read_text())["folds"] == 2


def test_repeats_that_are_asked_for_are_the_most(path):
    asked = settings.prepare(config_of(path, budget_minutes=100.0, repeats=3))
    assert max(fold.repeat for fold in asked.folds) == 2
    without = settings.prepare(config_of(path))
    assert len(without.folds) == 2 and not budget.enough(without, None, None)


def test_a_budget_is_refused_where_nothing_would_end_by_it(path):
    config = config_of(path, budget_minutes=5.0)
    config.experiment = "ratio"
    with pytest.raises(InputError, match="protocol.budget_minutes: expected.*leaderboard.*got 5 in ratio"):
        settings.prepare(config)
    with pytest.raises(InputError, match="got -1 in leaderboard"):
        settings.prepare(config_of(path, budget_minutes=-1.0))


def test_folds_are_the_same_whatever_the_budget(path):
    one, many = (settings.prepare(config_of(path, budget_minutes=m)).folds for m in (0.0, 5.0))
    assert all(np.array_equal(a.test, b.test) for a, b in zip(one, many[: len(one)], strict=True))
