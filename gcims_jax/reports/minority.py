"""Page of the study of small classes: do they gain most?"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gcims_jax.evaluation import results
from gcims_jax.reports.blocks import verdict_block
from gcims_jax.reports.comparisons import Summary, about, label
from gcims_jax.reports.page import GREY, SYNTHETIC, grid, image, render_page, save_figures, table, write_page


def sentence(lines: list[dict[str, Any]]) -> str:
    """Whether smaller classes gain more, for each line."""
    words = {"helps": "more", "hurts": "less", "no difference": "neither more nor less"}
    parts = []
    for line in lines:
        slope = line["slope"]
        more = words.get(slope["verdict"], "perhaps more, perhaps less")
        parts.append(
            f"{label(line)}: smaller classes gain {more}: {_points(slope)} points of recall for each halving of the class size."
        )
    return " ".join(parts)


def _points(slope: dict[str, Any]) -> str:
    return results.points(slope["delta"], slope["ci95"])


def write(workdir: Path, summary: dict[str, Any]) -> None:
    """Writes figures and page."""
    images = save_figures(workdir, {"minority": plot_minority(summary)})
    rows = [
        [name, str(count), f"{100 * recall:.0f}", *(f"{100 * line['change_K'][k]:+.1f}" for line in summary["lines"])]
        for k, ((name, count), recall) in enumerate(
            zip(summary["dataset"]["classes"].items(), summary["recall_K"], strict=True)
        )
    ]
    head = ["class", "records", "recall without", *(label(line) for line in summary["lines"])]
    slopes = [
        [label(line), _points(line["slope"]), f"{100 * line['smallest']:+.1f}", f"{100 * line['largest']:+.1f}"]
        for line in summary["lines"]
    ]
    parts = [
        verdict_block("Do small classes gain most?", summary["sentence"]),
        image(images["minority"], "change of recall by class size"),
        f"<p>Classifier {summary['classifier']}, ratio {summary['ratio']:g}; mean over {summary['folds']} folds; "
        "each dot is a class, its bar the middle 95 % of the folds; the line is a fit by class size, its band the 95 % interval of the "
        "slope.</p>",
        table("Recall per class in percent, and its change in points", head, rows),
        table(
            "Change of recall for each halving of the class size, points",
            ["generator", "slope (95 % interval)", "smallest class", "largest class"],
            slopes,
        ),
        *about(summary),
    ]
    write_page(workdir, render_page("Do small classes gain most?", parts))


def plot_minority(summary: Summary) -> Figure:
    """Change of recall by class size, a panel per candidate and mode."""
    lines = summary["lines"]
    counts_K = np.array(list(summary["dataset"]["classes"].values()))
    columns = min(3, len(lines))
    figure, axes = grid(-(-len(lines) // columns), columns, width=3.8, height=2.8, sharey=True)
    for ax in axes.flat[len(lines) :]:
        ax.set_visible(False)
    for ax, line in zip(axes.flat, lines, strict=False):
        change_K = 100 * np.array(line["change_K"])
        low_K, high_K = 100 * np.nanquantile(np.asarray(line["change_JxK"], float), [0.025, 0.975], axis=0)
        ax.vlines(counts_K, low_K, high_K, color=SYNTHETIC, alpha=0.5)
        ax.plot(counts_K, change_K, "o", color=SYNTHETIC)
        halvings_K = -np.log2(counts_K / counts_K.mean())
        fit = np.mean(change_K) + 100 * line["slope"]["delta"] * (halvings_K - halvings_K.mean())
        order = np.argsort(counts_K)
        ax.plot(counts_K[order], fit[order], color=GREY)
        ends_2xK = [
            np.mean(change_K) + 100 * end * (halvings_K - halvings_K.mean())[order] for end in line["slope"]["ci95"]
        ]
        ax.fill_between(counts_K[order], np.min(ends_2xK, axis=0), np.max(ends_2xK, axis=0), color=GREY, alpha=0.2)
        ax.axhline(0.0, color="black", linewidth=0.8)
        ax.set_xscale("log")
        ax.set_xticks(sorted(set(counts_K)), [str(c) for c in sorted(set(counts_K))], fontsize=7)
        ax.minorticks_off()
        ax.set_title(label(line), fontsize=9)
        ax.set_xlabel("records of the class")
        ax.set_ylabel("change of recall [points]")
        ax.grid(alpha=0.3)
    return figure
