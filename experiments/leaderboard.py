"""All generators against each other: which helps which classifier, with what is chosen chosen inside training parts."""

import time
from pathlib import Path
from typing import Any

from experiments import cells
from experiments.settings import Setup
from experiments.workdir import to_json, write_text
from gcims_jax.evaluation import study, study_results
from gcims_jax.reports import study as study_page


def run(setup: Setup, seed: int, workdir: Path, provenance: dict[str, Any], seconds: dict[str, float]) -> str:
    """Scores every candidate in every fold, then writes ``results.json``, figures and report.

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
    rows = candidate_rows(setup, seed, workdir)
    plain = cells.run(
        setup,
        seed,
        workdir,
        candidates=(study.PLAIN,),
        classifiers=options.plain_classifiers,
        inner_splits=3,  # cheap, so plain classifiers are chosen as well as the training part allows
        tag="plain",
    )["none"]
    summary = {
        "dataset": cells.dataset(setup),
        "folds": len(setup.folds),
        "codec": options.codec,
        "lines": study_results.leaderboard(rows, options.classifiers),
        "context": study_results.honest_context(rows, plain, options.classifiers),
        "timing": {**seconds, "study": time.perf_counter() - start},
    }
    study_page.write_leaderboard(workdir, summary)
    write_text(workdir / "results.json", to_json(summary))
    return study_page.leaderboard_sentence(summary)


def candidate_rows(setup: Setup, seed: int, workdir: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows of every candidate, one per fold; finished ones are read back."""
    return cells.run(
        setup,
        seed,
        workdir,
        candidates=setup.study.candidates,
        classifiers=setup.study.classifiers,
        inner_splits=setup.study.inner_splits,
    )
