"""Published figures: the documentation is what they say, and a hand that edits it is seen."""

import json
import shutil

import pytest

from experiments import published, reproduce
from experiments.published import ROOT, STUDIES, TABLES
from gcims_jax import InputError

ARM = {"accuracy": {"mean": 0.731818, "std": 0.0812}, "balanced_accuracy": {"mean": 0.6, "std": 0.1}}
RESULTS = {
    "arms": {name: ARM for name in published.ARMS},
    "comparison": {"delta_accuracy": 0.0364, "ci95": [-0.065, 0.138], "verdict": "cannot tell", "per_fold": [0.1] * 20},
    "timing": {"total": 61.2},
}


@pytest.fixture
def root(tmp_path):
    """A clone with one finished study and a page that publishes it."""
    (tmp_path / "docs").mkdir()
    for name in ("README", "CHANGELOG"):
        (tmp_path / f"{name}.md").write_text("")
    run = tmp_path / "run"
    (run / "figures").mkdir(parents=True)
    for picture in STUDIES["quickstart"].pictures.values():
        (run / "figures" / picture).write_bytes(picture.encode())
    config = {
        "config": STUDIES["quickstart"].resolved(),
        "git_revision": "abc1234",
        "device": "cpu",
        "versions": {},
        "data": {},
    }
    (run / "config.json").write_text(json.dumps(config))
    (run / "results.json").write_text(json.dumps(RESULTS))
    reproduce.publish("quickstart", run, tmp_path)
    (tmp_path / "docs" / "page.md").write_text(
        "Before.\n\n<!-- table: quickstart -->\n<!-- end of table -->\n\nIt is 0<!-- quickstart: comparison/delta_accuracy, points --> points, "
        "from (0<!-- quickstart: comparison/ci95/0, points -->.\n"
    )  # fmt: skip
    reproduce.fill(tmp_path)
    return tmp_path


def test_the_documentation_is_what_its_figures_say(capsys):
    assert list(published.differences(ROOT)) == []
    assert reproduce.main(["--check"]) == 0 and "agree" in capsys.readouterr().out


def test_tables_and_figures_are_written_from_results(root):
    text = (root / "docs" / "page.md").read_text()
    assert "| strict | 73.2 ± 8.1 | 73.2 ± 8.1 | +3.6 (-6.5 to +13.8) | cannot tell | 61 |" in text
    assert "`python -m experiments.run --config configs/quickstart.py`: 61 s, commit `abc1234`.\n" in text
    assert "It is +3.6<!-- quick" in text and "from (-6.5<!-- quick" in text
    kept = json.loads((root / "docs" / "results" / "quickstart.json").read_text())
    assert "per_fold" not in kept["figures"]["comparison"] and "timing" not in kept["figures"]
    assert list(published.differences(root)) == []


@pytest.mark.parametrize(
    ("is_", "becomes", "told"),
    [
        ("| 73.2 ± 8.1 |", "| 83.2 ± 8.1 |", "page.md, line 6: expected '| strict | 73.2"),
        ("is +3.6<", "is +4.6<", "expected 'It is +3.6<"),
        ("abc1234", "abc9999", "commit `abc1234`"),
        ("comparison/ci95/0", "comparison/ci95/2", "comparison/ci95/2: expected a key of docs/results/quickstart.json"),
        ("table: quickstart", "table: quickstrat", "table quickstrat: expected one of quickstart,"),
        ("table: quickstart", "table: paper-table", "expected docs/results/augmentation-digits.json, found none"),
    ],
)
def test_a_hand_edited_page_is_seen(root, is_, becomes, told):
    page = root / "docs" / "page.md"
    text = page.read_text()
    assert is_ in text
    page.write_text(text.replace(is_, becomes))
    (found,) = published.differences(root)
    assert told in found


def test_another_picture_is_seen(root):
    (root / "docs" / "records.png").write_bytes(b"painted")
    (found,) = published.differences(root)
    assert "docs/records.png: expected the picture of quickstart" in found


def test_options_that_have_changed_since_are_told_in_the_text(root):
    path = root / "docs" / "results" / "quickstart.json"
    made = json.loads(path.read_text())
    made["options"]["codec"]["latent"] = 8
    made["options"]["old"] = 1
    path.write_text(json.dumps(made))
    (found,) = published.differences(root)
    assert "options have changed since" in found
    reproduce.fill(root)
    assert "options have changed since: codec.latent, old" in (root / "docs" / "page.md").read_text()
    assert published.changed_options({"a": 1}, {"a": 1, "new": 2}) == []


def test_every_study_and_table_is_known_and_resolves():
    for name, study in STUDIES.items():
        assert study.resolved()["experiment"] and study.typed().startswith("python -m experiments.run"), name
    assert {study for studies, _ in TABLES.values() for study in studies} <= set(STUDIES)
    for path in (ROOT / "docs" / "results").glob("*.json"):
        assert path.stem in STUDIES


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--only", "quikstart"], "--only: expected some of quickstart, augmentation-simulated"),
        (["--onyl", "quickstart"], "unknown option --onyl; did you mean '--only'?"),
    ],
)
def test_wrong_options_are_named(argv, told, capsys):
    assert reproduce.main(argv) == 1
    assert told in capsys.readouterr().err


def test_a_clone_with_changes_is_refused_before_anything_runs(monkeypatch, capsys):
    monkeypatch.setattr(reproduce.workdir, "about_software", lambda: {"git_revision": "abc-dirty"})
    assert reproduce.main(["--only", "quickstart"]) == 1
    assert "expected a clone without changes" in capsys.readouterr().err


def test_a_run_stops_at_the_budget_and_one_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "ROOT", tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "run.py").write_text(
        "import sys, time\nif '--fail' in sys.argv: sys.exit(3)\ntime.sleep(60)\n"
    )
    assert not reproduce._finished([], tmp_path / "w", end=0.0)
    with pytest.raises(InputError, match="w: expected a run that ends well, got exit status 3"):
        reproduce._finished(["--fail"], tmp_path / "w", end=None)
    shutil.rmtree(tmp_path / "experiments")
