"""Page of the benchmark: what each generator changes on each set, and whether choosing inside finds it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gcims_jax.errors import counted
from gcims_jax.evaluation import results
from gcims_jax.reports.blocks import verdict_block
from gcims_jax.reports.page import GREY, SYNTHETIC, grid, image, render_page, save_figures, table, write_page

Row = dict[str, Any]


def points(change: dict[str, Any]) -> str:
    """A change in points with its interval."""
    if change["ci95"] is None:
        return f"{100 * change['mean']:+.1f}"
    return results.points(change["mean"], change["ci95"])


def line(row: Row) -> str:
    """One row in words."""
    return (
        f"{row['set']}, {row['per_class']} a class: best plain {100 * row['best_plain'][2]:.1f} ({row['best_plain'][1]}), chosen inside "
        f"{points(row['chosen']['to_best_plain'])}, best in hindsight {row['best'][0]} with {row['best'][1]} "
        f"{100 * (row['best'][2] - row['best_plain'][2]):+.1f}"
    )


def sentence(rows: Sequence[Row]) -> str:
    """The mean over sets, each counted once, and the worst of them."""
    changes = {
        name: np.mean([r["chosen"]["to_best_plain"]["mean"] for r in rows if r["set"] == name]) for name in _sets(rows)
    }
    hindsight = np.mean([r["best"][2] - r["best_plain"][2] for r in rows])
    worst = min(rows, key=lambda r: r["chosen"]["to_best_plain"]["mean"])
    return (
        f"What is chosen inside training parts changes balanced accuracy by {100 * np.mean(list(changes.values())):+.1f} points against "
        f"the best plain classifier, mean over {counted(len(changes), 'set')}; at worst {100 * worst['chosen']['to_best_plain']['mean']:+.1f} "
        f"({worst['set']}, {worst['per_class']} a class). The best pair in hindsight gains {100 * hindsight:+.1f}."
    )


def write(workdir: Path, summary: dict[str, Any]) -> None:
    """Writes figure and page."""
    rows = summary["rows"]
    images = save_figures(workdir, {"benchmark": plot(rows)})
    parts = [
        verdict_block("Which generators help on which data?", summary["sentence"]),
        image(images["benchmark"], "change of what is chosen inside against the best plain classifier, by set"),
        "<p>Dots with lines: what is chosen inside, with its 95 % interval. Black marks: the best pair in hindsight.</p>"
        "<p>So many records of a class teach, all other groups are tested, in several draws. Changes are paired by draw; intervals say how "
        "they vary with the training records, not what other data sets would show. The best plain classifier and the best pair are known "
        "in hindsight; what is chosen inside knows training records alone.</p>",
        table(
            "By set, balanced accuracy in percent and changes in points",
            ["set", "records a class", "best plain", "", "chosen inside, change", "draws that stayed plain", "best pair in hindsight", ""],
            [
                [
                    row["set"], str(row["per_class"]), " with ".join(row["best_plain"][:2]), f"{100 * row['best_plain'][2]:.1f}",
                    points(row["chosen"]["to_best_plain"]), f"{row['chosen']['plain_draws']} of {row['draws']}",
                    " with ".join(row["best"][:2]), f"{100 * (row['best'][2] - row['best_plain'][2]):+.1f}",
                ]
                for row in rows
            ],
        ),
        *(
            table(
                f"{row['set']}, {row['per_class']} records a class, {row['n_test']:.0f} tested",
                ["candidate", "classifier", "balanced accuracy", "to the same classifier", "to the best plain"],
                [
                    [
                        one["candidate"], one["classifier"], f"{100 * one['balanced_accuracy']:.1f}", points(one["to_same"]),
                        points(one["to_best_plain"]),
                    ]
                    for one in row["lines"]
                ],
            )
            for row in rows
        ),
    ]  # fmt: skip
    write_page(workdir, render_page("Which generators help on which data?", parts))


def plot(rows: Sequence[Row]) -> Figure:
    """Change of what is chosen inside, and of the best pair in hindsight, a panel per number of training records."""
    numbers = sorted({row["per_class"] for row in rows})
    names = _sets(rows)
    figure, axes = grid(1, len(numbers), width=3.2, height=0.6 + 0.32 * len(names), sharex=True, sharey=True)
    for ax, each in zip(axes.flat, numbers, strict=True):
        mine = [row for row in rows if row["per_class"] == each]
        y = np.array([names.index(row["set"]) for row in mine])
        means = np.array([100 * row["chosen"]["to_best_plain"]["mean"] for row in mine])
        ends = np.array([100 * np.array(row["chosen"]["to_best_plain"]["ci95"] or [np.nan, np.nan]) for row in mine])
        ax.axvline(0.0, color=GREY, linewidth=0.8)
        ax.hlines(y, ends[:, 0], ends[:, 1], color=SYNTHETIC, linewidth=1.6)
        ax.plot(means, y, "o", color=SYNTHETIC, markersize=5)
        hindsight = [100 * (row["best"][2] - row["best_plain"][2]) for row in mine]
        ax.plot(hindsight, y, "|", color="black", markersize=9)
        ax.set_title(f"{each} records a class", fontsize=9)
        ax.set_yticks(range(len(names)), names, fontsize=8)
        ax.tick_params(labelsize=8)
        ax.set_xlabel("points against the best plain", fontsize=8)
    axes.flat[0].set_ylim(len(names) - 0.5, -0.5)
    return figure


def _sets(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["set"] for row in rows))
