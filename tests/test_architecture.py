"""Imports go one way, and every recipe loads."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = [
    {"errors"},
    {"guard", "records", "model", "linalg", "metrics", "normality", "series", "cultures"}
    | {"losses", "augment", "optimise", "peaks", "page", "baseline", "alignment", "warp", "batches"},
    {"simulate", "preprocess", "stages", "train", "classify", "io", "samplers", "verdict", "calibration", "grid"}
    | {"found_peaks", "registration"},
    {"fidelity", "joint", "stagewise", "conversion", "inspection", "generators"},
    {"whole", "memorisation"},
    {"codec", "diagnostics"},
    {"protocols"},
    {"results", "sampler_study", "study", "study_results", "calibrate"},
    {
        "report",
        "report_samplers",
        "report_codec",
        "report_phase",
        "report_diagnostics",
        "report_data",
        "report_study",
        "report_calibration",
        "report_fidelity",
    },
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules():
    return [p for p in sorted((ROOT / "gcims_jax").rglob("*.py")) if p != ROOT / "gcims_jax" / "__init__.py"]


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path):
    me = path.relative_to(ROOT / "gcims_jax").parts[0].removesuffix(".py")
    for name in imported(path):
        top, *rest = name.split(".")
        assert top not in {"configs", "experiments", "absl", "ml_collections"}, f"{me} imports {name}"
        if top == "matplotlib":
            assert me == "page" or me.startswith("report")
        if top == "gcims_jax" and rest and rest[0] in LEVEL and rest[0] != me:
            assert LEVEL[rest[0]] < LEVEL[me], f"{me} imports {name}"


def test_samplers_know_nothing_of_the_codec():
    for path in (ROOT / "gcims_jax" / "samplers").glob("*.py"):
        assert not any("codec" in name or "train" in name for name in imported(path))


def test_every_module_has_a_place():
    found = {p.relative_to(ROOT / "gcims_jax").parts[0].removesuffix(".py") for p in modules()}
    assert found == set(LEVEL)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.py")), ids=lambda p: p.stem)
def test_every_recipe_loads_and_keeps_to_the_known_options(path):
    if path.stem == "__init__":
        return
    from configs import base

    config = importlib.import_module(f"configs.{path.stem}").get_config()
    known = base.get_config()
    assert set(config) == set(known)
    for name, part in known.items():
        if hasattr(part, "keys"):
            assert set(config[name]) == set(part)
