"""Do small classes gain most: change of recall per class against the class size."""

import time
from pathlib import Path
from typing import Any

from experiments import cells
from experiments.settings import Setup
from experiments.workdir import to_json, write_text
from gcims_jax.evaluation import study_results
from gcims_jax.reports import study as study_page


def run(setup: Setup, seed: int, workdir: Path, provenance: dict[str, Any], seconds: dict[str, float]) -> str:
    """Scores every candidate, then writes ``results.json``, figures and report; the first classifier and last ratio count.

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
        setup, seed, workdir, candidates=options.candidates, classifiers=options.classifiers[:1], inner_splits=0
    )
    ratio = options.doses[-1].ratio
    study = study_results.by_class(rows, ratio, list(setup.records.class_counts().values()))
    summary = {
        "dataset": cells.dataset(setup),
        "folds": len(setup.folds),
        "codec": options.codec,
        "classifier": options.classifiers[0],
        "ratio": ratio,
        **study,
        "sentence": _sentence(study["lines"]),
        "timing": {**seconds, "study": time.perf_counter() - start},
    }
    study_page.write_minority(workdir, summary)
    write_text(workdir / "results.json", to_json(summary))
    return summary["sentence"]


def _sentence(lines: list[dict[str, Any]]) -> str:
    words = {"helps": "more", "hurts": "less", "no difference": "neither more nor less"}
    parts = []
    for line in lines:
        slope = line["slope"]
        more = words.get(slope["verdict"], "perhaps more, perhaps less")
        parts.append(
            f"{study_page.label(line)}: smaller classes gain {more}: {study_page.points(slope)} points of recall for each "
            "halving of the class size."
        )
    return " ".join(parts)
