"""What gain could these records show? Before any generator is trained: ``gcims-jax plan FILE_OR_FOLDER``.

From a clone: ``python -m experiments.plan --config.data.path=FILE``. Options are those of ``gcims-jax run``; the recipe is
``augment`` unless ``--config`` names another. Plain classifiers of the recipe answer for held-out records, trained on all and on
half of the others: how often answers change tells the error that a comparison will have. At most a minute.
"""

import sys
from pathlib import Path

from . import command

if __name__ == "__main__":
    command.begin("plan", sys.argv[1:])  # before the imports below, which take seconds

import numpy as np
from absl import logging
from ml_collections import ConfigDict
from threadpoolctl import threadpool_limits

from gcims_jax.errors import InputError
from gcims_jax.evaluation import pilot, planner, splits
from gcims_jax.evaluation.pilot import Pilot
from gcims_jax.evaluation.planner import Design

from . import augmentation, settings, studies
from .job import Job
from .settings import Setup

SECONDS = 25.0  # of the pilot; reading and the first fits come on top
REPEATS = (1, 2, 4, 8, 16)
TIMES = (1.0, 1.5, 2.0, 4.0)


def plan(config: ConfigDict) -> str:
    """The table and the sentence.

    Raises:
      InputError: options or data that do not fit; fewer than 4 folds' worth of records.
    """
    if config.protocol.train_per_class or config.experiment in settings.OWN_SPLITS:
        raise InputError(
            "plan: expected folds, which the planner reckons with, got protocol.train_per_class or an experiment with splits of its "
            "own; leave it out, or take --config augment"
        )
    setup = settings.prepare(config)
    job = Job(setup, Path(), {}, {})
    of = augmentation.plan_of(job) if config.experiment == "augmentation" else studies.plan_of(job, tuned=False)
    folds, repeats = (1 + max(getattr(fold, what) for fold in setup.folds) for what in ("fold", "repeat"))
    with threadpool_limits(1):  # of a few hundred records, as in a run
        found = pilot.run(setup.part, of, folds=folds, seed=setup.seed, seconds=SECONDS)
    return table(setup, found, folds, repeats)


def table(setup: Setup, found: list[Pilot], folds: int, repeats: int) -> str:
    """Accuracy and smallest visible gain by classifier, repeats and records; then the answer in a sentence."""
    units = "groups" if splits.repeated(setup.part.groups_N) else "records"
    design = pilot.design(setup.part, folds, repeats)
    records, classes = len(setup.part), len(setup.truth.classes)
    whole = of_all(found, design, units)
    count = f"{records} records in {classes} classes"
    lines = [
        f"{count}; {folds} folds, {repeats} repeat{'s' if repeats > 1 else ''}",
        "",
        "classifier       accuracy   smallest gain seen in 4 of 5 cases, points (95 % interval)",
    ]
    for one in found:
        visible = of_all([one], design, units)
        low, high = visible["ci95"] or (np.nan, np.nan)
        figure = (
            f"{planner.points(visible['gain'])} ({planner.points(low)} to {planner.points(high)})"
            if visible["gain"] is not None
            else f"cannot be told: {visible['reason']}"
        )
        lines.append(f"{one.classifier:16s} {100 * one.accuracy:6.1f} %   {figure}")
    designs = {
        "repeats": [(f"{r}", design._replace(repeats=r)) for r in REPEATS],
        units: [(f"{design.size * t:.0f}", design._replace(size=design.size * t)) for t in TIMES],
    }
    for name, several in designs.items():
        figures = [of_all(found, one, units)["gain"] for _, one in several]
        lines += [
            "",
            f"{name:9s}" + "".join(f"{text:>7s}" for text, _ in several),
            f"{'points':9s}" + "".join(f"{'–' if g is None else planner.points(g):>7s}" for g in figures),
        ]
    if whole["gain"] is None:
        answer = f"With these {count} the smallest gain that would be seen cannot be told: {whole['reason']}."
    else:
        low, high = whole["ci95"]
        answer = (
            f"With these {count} the smallest gain that would be seen in 4 of 5 cases is {planner.points(whole['gain'])} points "
            f"(95 % interval {planner.points(low)} to {planner.points(high)}); with {whole['more']} more {units} "
            f"{planner.points(whole['gain_with_more'])}."
        )
    return "\n".join([*lines, "", answer])


def of_all(found: list[Pilot], design: Design, units: str) -> dict:
    """The smallest visible gain, mean over classifiers; a gain can be as large as the best of them leaves room for."""
    room = 1.0 - max(one.accuracy for one in found)
    return planner.tell([one.seen for one in found], design, room, units, before=True)


def main(argv: list[str] | None = None) -> int:
    """Prints the plan; gives the exit status."""
    return command.main("plan", _run, argv)


def _run(argv: list[str]) -> None:
    logging.set_verbosity(logging.WARNING)
    _, config = command.read(command.Parser("plan", __doc__), argv, "augment")
    print(plan(config))


if __name__ == "__main__":
    sys.exit(main())
