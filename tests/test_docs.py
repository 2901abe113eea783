"""What people read: notebooks run, the reference has every public name, pages point to what is there."""

import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

import gcims_jax
import gcims_jax.sklearn
from gcims_jax.generators import GENERATORS
from gcims_jax.samplers import SAMPLERS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*DOCS.rglob("*.md"), *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG"))]
OF_WHOEVER_FITS = {"directory", "title", "units", "logarithm"}  # options that are not for users


def run(name, tmp_path, monkeypatch):
    """What the names of a notebook are after its last cell."""
    monkeypatch.chdir(tmp_path)
    with matplotlib.rc_context({"backend": "agg"}):
        found = {}
        for cell in cells(DOCS / "notebooks" / f"{name}.md"):
            exec(compile(cell, f"{name}.md", "exec"), found)
        plt.close("all")
    return found


def cells(path):
    return re.findall(r"^```\{code-cell\}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.M | re.S)


class TestNotebooks:
    def test_for_a_chemist(self, tmp_path, monkeypatch):
        found = run("chemist", tmp_path, monkeypatch)
        synthetic, train = found["synthetic"], found["train"]
        assert synthetic.class_counts() == {"Escherichia coli": 5, "Staphylococcus aureus": 5}
        assert train.values.min() <= synthetic.values.min() and synthetic.values.max() <= train.values.max()
        low, high = found["answer"].ci95
        assert low <= found["answer"].change <= high

    def test_with_scikit_learn(self, tmp_path, monkeypatch):
        found = run("scikit_learn", tmp_path, monkeypatch)
        assert len(found["more_y"]) == 20 + 12 + 8 + 2 * 20 and found["scores"].shape == (3,)
        assert found["search"].best_params_["recordaugmenter__generator"] in ("duplicate", "mix")
        assert set(found["answer"].to_frame()["classifier"]) == {"KNeighborsClassifier"}

    def test_with_jax(self, tmp_path, monkeypatch):
        found = run("jax", tmp_path, monkeypatch)
        assert found["many"].shape == (5, 2, 16, 32) and np.isfinite(found["many"]).all()
        assert np.isnan(found["strange"]).all(axis=(1, 2)).tolist() == [False, True]
        assert found["latents_SxDxD"].shape == (3, 4, 4) and np.isfinite(found["density"]).all()

    def test_no_other_notebook_goes_unrun(self):
        have = {path.stem for path in DOCS.rglob("*.md") if cells(path)}
        assert have == {"chemist", "scikit_learn", "jax"}


def documented():
    """Functions and classes that the reference names."""
    found = set()
    for path in (DOCS / "reference").glob("*.md"):
        found |= set(re.findall(r"^\.\. auto(?:function|class|data):: (\S+)$", path.read_text(encoding="utf-8"), re.M))
    return found


def test_every_public_name_is_in_the_reference():
    own = [
        name
        for name, value in vars(gcims_jax.sklearn).items()
        if getattr(value, "__module__", "") == "gcims_jax.sklearn"
    ]
    public = {f"gcims_jax.{name}" for name in gcims_jax.__all__}
    public |= {f"gcims_jax.sklearn.{name}" for name in own if not name.startswith("_")}
    assert "gcims_jax.sklearn.RecordAugmenter" in public and not public - documented()


@pytest.mark.parametrize("name", sorted(documented()))
def test_every_name_in_the_reference_exists_and_says_what_it_is(name):
    module, _, last = name.rpartition(".")
    assert getattr(importlib.import_module(module), last).__doc__


@pytest.mark.parametrize(("page", "table"), [("generators", GENERATORS), ("samplers", SAMPLERS)])
def test_the_reference_has_every_entry_with_its_options(page, table):
    text = (DOCS / "reference" / f"{page}.md").read_text(encoding="utf-8")
    rows = {
        name: set(re.findall(r"`(\w+)`", options))
        for name, options in re.findall(r"^\| `(\w+)` \|.*\|([^|]*)\|$", text, re.M)
    }
    assert rows == {name: set(entry.options) - OF_WHOEVER_FITS for name, entry in table.items()}


def test_every_recipe_is_listed():
    listed = re.findall(
        r"^\| `configs/(\w+)\.py`", (DOCS / "reference" / "recipes.md").read_text(encoding="utf-8"), re.M
    )
    assert sorted(listed) == sorted(
        p.stem for p in (ROOT / "configs").glob("*.py") if p.stem not in ("__init__", "base")
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_and_commands_point_to_what_is_there(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        assert "://" in target or (page.parent / target).exists(), target
    for recipe in re.findall(r"configs/[a-z]\w*\.py", text):
        assert (ROOT / recipe).exists(), recipe
    for option in re.findall(r"--config\.([a-z_.]+)=", text):
        assert known(option), option


def known(option):
    from configs import base

    value = base.get_config()
    for name in option.split("."):
        if not hasattr(value, "keys") or name not in value:
            return False
        value = value[name]
    return True


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("sphinx", "furo", "myst_nb")),
    reason="the documentation is built with Sphinx; pip install -r requirements-docs.txt",
)
def test_the_documentation_is_built_without_a_warning(tmp_path):
    """Every page, link, heading and docstring; cells of notebooks are run by the tests above."""
    unrun = ["-D", "nb_execution_mode=off", "-D", "suppress_warnings=myst-nb.lexer"]
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "dummy", *unrun, "docs", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_the_readme_keeps_to_two_screens_and_has_the_two_commands():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120
    assert "pip install -r requirements.txt && python -m experiments.run --config configs/quickstart.py" in lines
    assert "pip install -r requirements-dev.txt && python -m pytest" in lines


def test_the_citation_names_this_version():
    assert f"\nversion: {gcims_jax.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
