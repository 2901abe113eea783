"""Nothing leaks by construction: whoever learns takes a part, and whoever scores checks."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from pathlib import Path

import pytest

import gcims_jax
from gcims_jax import synthesis
from gcims_jax.codec.holdout import Sides
from gcims_jax.generators import GENERATORS
from gcims_jax.parts import Part
from gcims_jax.records import Records
from gcims_jax.samplers import SAMPLERS

ROOT = Path(__file__).parents[1]
# A training part is two parts where some of its groups are held out to choose by.
assert set(Sides.__annotations__.values()) == {Part}
# Answers that are held against labels come from these.
SCORING = {"predict", "predict_proba", "decision_function", "log_density"}
CHECKS = {"check_unseen", "answer"}
# Looking at what they are given, not learning anything that is scored: names of what their arrays are.
WHERE = [ROOT / "gcims_jax" / "evaluation", ROOT / "gcims_jax" / "fidelity", ROOT / "experiments"]


def public_fits():
    """Every function of the package whose name says that it learns, and of the tables of entries."""
    for info in pkgutil.walk_packages(gcims_jax.__path__, "gcims_jax."):
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            learns = name == "fit" or name.startswith("fit_")
            if learns and inspect.isfunction(value) and value.__module__ == info.name:
                yield f"{info.name}.{name}", value
    for name, sampler in SAMPLERS.items():
        yield f"SAMPLERS[{name!r}].fit", sampler.fit
    for name, generator in GENERATORS.items():
        yield f"GENERATORS[{name!r}].fit", generator.fit


def brings_arrays(function):
    """Why a function that learns is refused: bare arrays among its arguments or in its closure; "" where it is not."""
    parameters = inspect.signature(function).parameters.values()
    if not any(
        p.annotation in (Part, Sides, Sequence[Part]) or (p.annotation is Records and function is synthesis.fit)
        for p in parameters
    ):
        return "takes no Part"
    if bare := [p.name for p in parameters if "_N" in p.name or p.annotation.__class__.__name__ == "ndarray"]:
        return f"takes {bare[0]}"
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    if any(hasattr(value, "dtype") or isinstance(value, Part) for value in cells):
        return "brings records in its closure"
    return ""


@pytest.mark.parametrize(("name", "function"), [pytest.param(n, f, id=n) for n, f in public_fits()])
def test_whoever_learns_takes_a_part(name, function):
    assert not brings_arrays(function), f"{name} {brings_arrays(function)}"


def test_a_fit_that_brings_its_own_arrays_is_found():
    import numpy as np

    everything = np.zeros((3, 2, 2))

    def bare(key: object, x_NxRxT: object, labels_N: object) -> None: ...
    def closes(key: object, part: Part) -> object:
        return everything

    def honest(key: object, part: Part, *, size: float = 1.0) -> None: ...

    assert brings_arrays(bare) == "takes no Part"
    assert brings_arrays(closes) == "brings records in its closure"
    assert not brings_arrays(honest)


def unchecked(source):
    """Functions in a source text that ask a learned thing about records without the check."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef):
            continue
        called = {
            one.func.attr if isinstance(one.func, ast.Attribute) else getattr(one.func, "id", "")
            for one in ast.walk(node)
            if isinstance(one, ast.Call)
        }
        learns = called & {"fit", "fit_all"} or any("learned" in a.arg or "judge" in a.arg for a in node.args.args)
        if called & SCORING and learns and not called & CHECKS:
            found.append(node.name)
    return found


# Kernels of tests that compare sides with each other: they are fitted on both sides on purpose, labels are the sides.
TWO_SAMPLE = {"two_sample_accuracy"}


@pytest.mark.parametrize("path", sorted(p for folder in WHERE for p in folder.glob("*.py")), ids=lambda p: p.stem)
def test_whoever_scores_checks(path):
    assert set(unchecked(path.read_text())) <= TWO_SAMPLE


def test_a_scorer_without_the_check_is_found():
    cheat = "def score(config, train, test):\n    judge = fit(config, train)\n    return judge.predict(test.x_NxRxT)\n"
    honest = cheat.replace("    return", "    guard.check_unseen(test, judge)\n    return")
    assert unchecked(cheat) == ["score"] and not unchecked(honest)
