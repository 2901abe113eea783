"""Page of the learning curve: what are synthetic records worth in real ones?"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gcims_jax.reports.blocks import verdict_block
from gcims_jax.reports.comparisons import TITLES, Line, about, best_line, change, classifiers_of, label, panels, points
from gcims_jax.reports.page import image, render_page, save_figures, table, write_page


def sentence(lines: list[Line]) -> str:
    """For the best candidate at the most records: how many real records its gain is worth, read off the plain curve."""
    parts = []
    for classifier in classifiers_of(lines):
        mine = [line for line in lines if line["classifier"] == classifier]
        plain = [line for line in mine if line["candidate"] == "none"]
        n = np.array([line["n_train"] for line in plain])
        # The plain curve is read between its points only; it need not rise everywhere.
        above = np.maximum.accumulate([line["accuracy"]["mean"] for line in plain])
        best = best_line([line for line in mine if line["n_train"] == n.max()], classifier)
        own = [line for line in mine if label(line) == label(best)]
        worth = []
        for line in own[:-1]:
            accuracy = line["accuracy"]["mean"]
            than = (
                f"like {np.interp(accuracy, above, n):.0f}"
                if accuracy <= above[-1]
                else f"better than {n[-1]:.0f} without"
            )
            worth.append(f"{line['n_train']:.0f} real records score {than}")
        parts.append(
            f"{classifier} with {label(best)}: {'; '.join(worth) or 'one size only'}; with all, accuracy changes by "
            f"{points(best['comparison'])} points."
        )
    return " ".join(parts)


def write(workdir: Path, summary: dict[str, Any]) -> None:
    """Writes figures and page."""
    images = save_figures(workdir, {"curve": plot(summary["lines"])})
    rows = [
        [
            line["classifier"], label(line), f"{line['n_train']:.0f}",
            *(f"{100 * line[score]['mean']:.1f}" for score in TITLES),
            *("" if line["candidate"] == "none" else points(line["comparison"], score) for score in TITLES),
        ]
        for line in summary["lines"]
    ]  # fmt: skip
    parts = [
        verdict_block("What are synthetic records worth in real ones?", summary["sentence"]),
        image(images["curve"], "scores by number of training records"),
        f"<p>Mean over {summary['folds']} folds; bars: 95 % interval of the change against none.</p>",
        table(
            "Percent, and change against none in points",
            ["classifier", "generator", "training records", "accuracy", "balanced", "change", "change of balanced"],
            rows,
        ),
        *about(summary),
    ]
    write_page(workdir, render_page("What are synthetic records worth?", parts))


def plot(lines: list[Line]) -> Figure:
    """Scores by number of training records."""
    figure = panels(lines, _draw, width=5.4, height=3.2)
    figure.axes[0].legend(fontsize=7)
    return figure


def _draw(ax: Axes, lines: list[Line], score: str, title: str) -> None:
    for name in dict.fromkeys(label(line) for line in lines):
        own = [line for line in lines if label(line) == name]
        n, mean = [line["n_train"] for line in own], [100 * line[score]["mean"] for line in own]
        if name == "none":
            ax.plot(n, mean, "o--", color="black", label="none")
            continue
        reach = [50 * float(np.diff(change(line["comparison"], score)[1])[0]) for line in own]
        ax.errorbar(n, mean, yerr=reach, fmt=".-", capsize=3, label=name)
    ax.set_xlabel("real training records")
    ax.set_ylabel(f"{title} [%]")
