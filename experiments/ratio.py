"""How many synthetic records: change of scores by ratio, for each candidate and mode."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments import cells
from experiments.settings import Setup
from experiments.workdir import to_json, write_text
from gcims_jax.evaluation import study_results
from gcims_jax.reports import study as study_page


def run(setup: Setup, seed: int, workdir: Path, provenance: dict[str, Any], seconds: dict[str, float]) -> str:
    """Scores every candidate at every ratio in every fold, then writes ``results.json``, figures and report.

    Args:
      setup: checked data and configuration.
      seed: of the run.
      workdir: claimed work directory.
      provenance: not used: no records are written.
      seconds: stages already done, by name.

    Returns:
      The answer, as text.
    """
    start = time.perf_counter()
    options = setup.study
    rows = cells.run(
        setup, seed, workdir, candidates=options.candidates, classifiers=options.classifiers, inner_splits=0
    )
    lines = study_results.by_dose(rows)
    summary = {
        "dataset": cells.dataset(setup),
        "folds": len(setup.folds),
        "codec": options.codec,
        "lines": lines,
        "sentence": _sentence(lines),
        "timing": {**seconds, "study": time.perf_counter() - start},
    }
    study_page.write_ratio(workdir, summary)
    write_text(workdir / "results.json", to_json(summary))
    return summary["sentence"]


def _sentence(lines: list[dict[str, Any]]) -> str:
    """Where each candidate, mode and classifier peaks, and whether more than that costs anything."""
    parts = []
    for classifier in dict.fromkeys(line["classifier"] for line in lines):
        mine = [line for line in lines if line["classifier"] == classifier]
        for name in dict.fromkeys(study_page.label(line) for line in mine):
            own = [line for line in mine if study_page.label(line) == name]
            best = own[int(np.argmax([line["delta_accuracy"]["delta"] for line in own]))]
            parts.append(
                f"{classifier} with {name}: most at {best['ratio']:g}×, {study_page.points(best['delta_accuracy'])}; at "
                f"{own[-1]['ratio']:g}× {study_page.points(own[-1]['delta_accuracy'])}."
            )
    return "Change of accuracy in points. " + " ".join(parts)
