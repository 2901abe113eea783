"""What pages that compare candidates share: changes in words, the verdict block, the banner, panels and provenance."""

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gcims_jax.evaluation import results
from gcims_jax.reports.page import GREY, REAL, SYNTHETIC, grid

Summary = Mapping[str, Any]
Line = Mapping[str, Any]
TITLES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}


def change(comparison: Mapping[str, Any], score: str = "accuracy") -> tuple[float, tuple[float, float]]:
    """Change of a score in a comparison, and its interval."""
    end = "" if score == "accuracy" else f"_{score}"
    low, high = comparison[f"ci95{end}"]
    return comparison[f"delta_{score}"], (low, high)


def points(comparison: Mapping[str, Any], score: str = "accuracy") -> str:
    """A change with its interval, in points."""
    return results.points(*change(comparison, score))


def p_adjusted(comparison: Mapping[str, Any], score: str = "accuracy") -> float:
    """p-value of a change, adjusted for the number of lines."""
    return comparison["p_adjusted" if score == "accuracy" else f"p_adjusted_{score}"]


def label(line: Line) -> str:
    """Candidate and mode of a line."""
    return line["candidate"] if line["mode"] == "–" else f"{line['candidate']}, {line['mode']}"


def total(line: Line) -> float:
    """Changes of both scores together, to sort by."""
    return line["comparison"]["delta_accuracy"] + line["comparison"]["delta_balanced_accuracy"]


def best_line(lines: Sequence[Line], classifier: str) -> Line:
    """The line of a classifier with the largest mean change of both scores."""
    return max((one for one in lines if one["classifier"] == classifier and one["candidate"] != "none"), key=total)


def classifiers_of(lines: Sequence[Line]) -> list[str]:
    """Classifiers, each once, in order."""
    return list(dict.fromkeys(line["classifier"] for line in lines))


def panels(lines: Sequence[Line], draw: Callable[[Axes, list[Line], str, str], None], **options: Any) -> Figure:
    """A row of panels per classifier, a column per score; ``draw(ax, lines of the classifier, score, title)``."""
    classifiers = classifiers_of(lines)
    figure, axes = grid(len(classifiers), len(TITLES), **options)
    for row, classifier in zip(axes, classifiers, strict=True):
        mine = [line for line in lines if line["classifier"] == classifier]
        for ax, (score, title) in zip(row, TITLES.items(), strict=True):
            draw(ax, mine, score, title)
            ax.set_title(classifier, fontsize=9)
            ax.grid(alpha=0.3)
    return figure


def plot_paired(comparison: Mapping[str, Any], change_N: Sequence[float]) -> Figure:
    """Change of every fold, their mean with its interval, and change of every record whose answers changed."""
    figure, (row,) = grid(1, 2, width=4.6, height=2.8)
    delta, (low, high) = change(comparison)
    ax = row[0]
    folds = 100 * np.asarray(comparison["per_fold"], float)
    ax.plot(folds, range(len(folds)), "o", color=GREY, markersize=4)
    ax.plot([100 * low, 100 * high], [-1.5, -1.5], color=SYNTHETIC if delta > 0 else REAL, linewidth=2)
    ax.plot(100 * delta, -1.5, "D", color=SYNTHETIC if delta > 0 else REAL, markersize=6)
    ax.set_yticks([-1.5, (len(folds) - 1) / 2], ["mean, 95 %", "each fold"], fontsize=8)
    ax.set_ylim(len(folds), -2.5)
    ax.set_xlabel("change of accuracy [points]")
    ax = row[1]
    sorted_N = np.sort(np.asarray(change_N, float))[::-1]
    changed = sorted_N[sorted_N != 0.0]
    ax.bar(range(len(changed)), changed, width=0.9, color=np.where(changed > 0.0, SYNTHETIC, REAL))
    ax.set_ylim(-1.1, 1.1)
    ax.set_xlabel(f"records whose answers changed: {len(changed)} of {len(sorted_N)}")
    ax.set_ylabel("share of repeats")
    ax.set_xticks([])
    for one, line in zip(row, ("axvline", "axhline"), strict=True):
        getattr(one, line)(0.0, color="black", linewidth=0.8)
        one.grid(alpha=0.3)
    return figure


PAIRED = (
    "<p>Left: the change of accuracy in every fold of real records, and the mean with its 95 % interval; to the right of the "
    "line synthetic records did better. Right: each bar is a record; up, it was told rightly only with synthetic records, "
    "down, only without, in that share of the repeats.</p>"
)


def terms(cautious: Mapping[str, Any] | None) -> str:
    """What the words mean, and the cautious test beside."""
    text = (
        "“Helps” and “hurts”: the 95 % interval of the change lies on one side of zero. “No difference”: it lies within one "
        "point of zero, whichever side. “Cannot tell”: neither. The interval allows for records that are answered again and again, for groups "
        "and for answers of one fitted model, which share its luck. Adjusted p-values allow for the number of lines of "
        "a score, or of pairs."
    )
    if cautious is not None:
        text += (
            f" A more cautious test, over folds (Nadeau &amp; Bengio 2003), says: {cautious['verdict']} "
            f"({results.p_text(cautious['p_value'])}); it seldom finds what is there."
        )
    return f"<p>{text}</p>"


def about(summary: Summary) -> list[str]:
    """How a study was done."""
    data = summary["dataset"]
    counts = ", ".join(f"{name} ({count})" for name, count in data["classes"].items())
    codec = {"Tucker": "the linear two-sided codec (Tucker-2)", "CodecConfig": "the transformer codec"}[
        summary["codec"]
    ]
    groups = f" in {data['groups']} groups that stay together" if data["groups"] < data["records"] else ""
    return [
        "<h2>How this was done</h2>",
        f"<p>{data['records']} records of {data['shape'][0]} × {data['shape'][1]} points{groups}: {html.escape(counts)}. "
        f"{summary['folds']} folds; scaling, codec, generator, classifier and every choice learned from the training "
        f"part of a fold alone. Generators that need a codec use {codec}, d = {summary['latent']}. "
        f"{summary['timing']['total']:.0f} s.</p>",
    ]
