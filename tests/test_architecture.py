"""Imports go one way, and every recipe loads."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each room may use those of the floors below it, and its own.
FLOORS = [
    {"errors", "identity"},
    {"records", "linalg", "batches", "options", "seeds", "hosts"},
    {"parts"},
    {"io", "simulation", "codec", "samplers", "phase"},
    {"preprocessing", "nuisances"},
    {"generators"},
    {"evaluation"},
    {"fidelity"},
    {"reports"},
    {"synthesis"},
    {"answer", "sklearn"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ABOVE = {"configs", "experiments", "benchmarks", "absl", "ml_collections"}


def imported(path):
    """Every module that a file imports, at its top or later."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules():
    return [p for p in sorted((ROOT / "gcims_jax").rglob("*.py")) if p != ROOT / "gcims_jax" / "__init__.py"]


def room_of(path):
    return path.relative_to(ROOT / "gcims_jax").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path):
    me = room_of(path)
    for name in imported(path):
        top, *rest = name.split(".")
        assert top not in ABOVE, f"{me} imports {name}"
        assert top != "matplotlib" or me == "reports", f"{me} draws pictures"
        if top == "gcims_jax" and rest and rest[0] in FLOOR and rest[0] != me:
            assert FLOOR[rest[0]] < FLOOR[me], f"{me} imports {name}"


def test_every_room_has_a_floor():
    assert {room_of(p) for p in modules()} == set(FLOOR)


def test_tests_stand_in_the_rooms_that_they_test():
    rooms = {p.name for p in (ROOT / "gcims_jax").iterdir() if p.is_dir() and p.name != "__pycache__"}
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.relative_to(ROOT / "tests").parts[0]
        assert folder in rooms | {"experiments", "benchmarks"} or path.parent == ROOT / "tests"


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
