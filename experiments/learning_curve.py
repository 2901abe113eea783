"""What synthetic records are worth in real ones: scores by number of training records, with and without."""

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
    """Scores every candidate at every class size, then writes ``results.json``, figures and report.

    Doses are chosen inside the training part of each size.

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
    lines = []
    for most in sorted(options.records_per_class, key=lambda m: m or np.inf):
        rows = cells.run(
            setup,
            seed,
            workdir,
            candidates=options.candidates,
            classifiers=options.classifiers,
            inner_splits=options.inner_splits,
            records_per_class=most,
            tag=f"class_{most:03d}",
        )
        n_train = float(np.mean([row["n_train"] for row in rows["none"]]))
        lines += [
            {"n_train": n_train, "records_per_class": most, **line}
            for line in study_results.leaderboard(rows, options.classifiers)
        ]
    summary = {
        "dataset": cells.dataset(setup),
        "folds": len(setup.folds),
        "codec": options.codec,
        "lines": lines,
        "sentence": _sentence(lines),
        "timing": {**seconds, "study": time.perf_counter() - start},
    }
    study_page.write_curve(workdir, summary)
    write_text(workdir / "results.json", to_json(summary))
    return summary["sentence"]


def _sentence(lines: list[dict[str, Any]]) -> str:
    """For the best candidate at the most records: how many real records its gain is worth, read off the plain curve."""
    parts = []
    for classifier in dict.fromkeys(line["classifier"] for line in lines):
        mine = [line for line in lines if line["classifier"] == classifier]
        plain = [line for line in mine if line["candidate"] == "none"]
        n, accuracy = (np.array([line[key] for line in plain]) for key in ("n_train", "accuracy"))
        best = study_page.best_line([line for line in mine if line["n_train"] == n.max()], classifier)
        own = [line for line in mine if study_page.label(line) == study_page.label(best)]
        worth = []
        for line in own[:-1]:
            # The plain curve is read between its points only; it need not rise everywhere.
            above = np.maximum.accumulate(accuracy)
            if line["accuracy"] <= above[-1]:
                worth.append(
                    f"{line['n_train']:.0f} real records score like {np.interp(line['accuracy'], above, n):.0f}"
                )
            else:
                worth.append(f"{line['n_train']:.0f} real records score better than {n[-1]:.0f} without")
        parts.append(
            f"{classifier} with {study_page.label(best)}: {'; '.join(worth) or 'one size only'}; with all, accuracy "
            f"changes by {study_page.points(best['delta_accuracy'])} points."
        )
    return " ".join(parts)
