"""What pages that compare candidates share: changes in words, the verdict block, the banner, panels and provenance."""

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gcims_jax.evaluation import results
from gcims_jax.reports.page import grid

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
