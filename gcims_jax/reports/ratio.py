"""Page of the ratio study: how many synthetic records?"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gcims_jax.reports.blocks import verdict_block
from gcims_jax.reports.comparisons import TITLES, Line, about, change, classifiers_of, label, panels, points
from gcims_jax.reports.page import image, render_page, save_figures, table, write_page


def sentence(lines: list[Line]) -> str:
    """Where each candidate, mode and classifier peaks, and whether more than that costs anything."""
    parts = []
    for classifier in classifiers_of(lines):
        mine = [line for line in lines if line["classifier"] == classifier]
        for name in dict.fromkeys(label(line) for line in mine):
            own = [line for line in mine if label(line) == name]
            best = max(own, key=lambda line: line["comparison"]["delta_accuracy"])
            parts.append(
                f"{classifier} with {name}: most at {best['mean_ratio']:g}×, {points(best['comparison'])}; at "
                f"{own[-1]['mean_ratio']:g}× {points(own[-1]['comparison'])}."
            )
    return "Change of accuracy in points. " + " ".join(parts)


def write(workdir: Path, summary: dict[str, Any]) -> None:
    """Writes figures and page."""
    images = save_figures(workdir, {"ratio": plot(summary["lines"])})
    rows = [
        [
            line["candidate"], line["mode"], line["classifier"], f"{line['mean_ratio']:g}", f"{line['n_synthetic']:.0f}",
            *(points(line["comparison"], score) for score in TITLES),
        ]
        for line in summary["lines"]
    ]  # fmt: skip
    parts = [
        verdict_block("How many synthetic records?", summary["sentence"]),
        image(images["ratio"], "change of scores by ratio"),
        f"<p>Mean over {summary['folds']} folds, band: 95 % interval. The best ratio is read off the same folds that score "
        "it; a run that must not be optimistic chooses it inside (leaderboard).</p>",
        table(
            "Change against no synthetic records, points",
            ["generator", "mode", "classifier", "ratio", "synthetic records", *TITLES.values()],
            rows,
        ),
        *about(summary),
    ]
    write_page(workdir, render_page("How many synthetic records?", parts))


def plot(lines: list[Line]) -> Figure:
    """Change by ratio, a line per candidate and mode."""
    figure = panels(lines, _draw, width=5.4, height=3.2, sharex=True)
    figure.axes[0].legend(fontsize=7)
    return figure


def _draw(ax: Axes, lines: list[Line], score: str, title: str) -> None:
    for name in dict.fromkeys(label(line) for line in lines):
        own = [line for line in lines if label(line) == name]
        ratio = [line["mean_ratio"] for line in own]
        changes = [change(line["comparison"], score) for line in own]
        band = 100 * np.array([ends for _, ends in changes])
        (drawn,) = ax.plot(ratio, [100 * delta for delta, _ in changes], ".-", label=name)
        ax.fill_between(ratio, band[:, 0], band[:, 1], alpha=0.1, color=drawn.get_color())
    ax.axhline(0.0, color="black", linewidth=0.8)
    ticks = sorted({line["mean_ratio"] for line in lines if line["mean_ratio"]})
    ax.set_xscale("log")
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_ylabel(f"change of {title} [points]")
    ax.set_xlabel("synthetic records per training record")
