"""Page of the leaderboard: which generator helps which classifier, and whether to augment at all."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from gcims_jax.evaluation import results
from gcims_jax.reports.blocks import verdict_block
from gcims_jax.reports.comparisons import (
    PAIRED,
    TITLES,
    Line,
    Summary,
    about,
    best_line,
    change,
    classifiers_of,
    label,
    p_adjusted,
    plot_paired,
    points,
    terms,
    total,
)
from gcims_jax.reports.page import GREY, REAL, SYNTHETIC, grid, image, render_page, save_figures, table, write_page
from gcims_jax.reports.record_pictures import COLOURS, Examples, plot_records


def sentence(summary: Summary) -> str:
    """Whether to augment at all, and the best generator per classifier."""
    context = summary["context"]
    compared = context["comparison"]
    plain, augmented = (100 * context[side]["accuracy"]["mean"] for side in ("plain", "augmented"))
    plain_name = next(iter(context["plain_chosen"]))
    generator = next(iter(context["generators_chosen"]), "")
    if summary["banner"]:
        advice = summary["banner"]
    elif not context["folds_changed"]:
        advice = f"train without synthetic records ({plain_name}); no generator was chosen that changes anything."
    elif context["recommend"]:
        advice = f"augment with {generator}."
    else:
        advice = f"train without synthetic records ({plain_name}); this evidence does not recommend more."
    if compared["at_chance"]:
        advice += results.AT_CHANCE
    parts = [
        f"The best without synthetic records scores {plain:.1f} %, the best with them {augmented:.1f} %, both chosen inside "
        f"among the same classifiers: {points(compared)} points, {compared['verdict']}.",
        advice if summary["banner"] else f"What to do now: {advice}",
    ]
    for classifier in classifiers_of(summary["lines"]):
        best = best_line(summary["lines"], classifier)
        both = [points(best["comparison"], score) for score in TITLES]
        adjusted = [f"{p_adjusted(best['comparison'], score):.3f}" for score in TITLES]
        parts.append(
            f"{classifier}: best is {label(best)}{_unchanged(best, summary['folds'])}, accuracy {both[0]}, balanced {both[1]}; "
            f"p among all comparisons {adjusted[0]} and {adjusted[1]}."
        )
    return "\n".join(parts)


def _unchanged(line: Line, folds: int) -> str:
    """Says where a generator chose to change nothing."""
    if line["candidate"] in ("none", "class_weights") or line["candidate"].startswith("votes"):
        return ""
    if line["changed_folds"] == 0:
        return " (plain copies)"
    return "" if line["changed_folds"] == folds else f" (changes records in {line['changed_folds']} of {folds} folds)"


class Written(NamedTuple):
    """Synthetic records that a run leaves.

    Attributes:
      examples: a real record of each class, and a synthetic one.
      text: which they are, and in which file.
    """

    examples: Examples
    text: str


def write(workdir: Path, summary: dict[str, Any], written: Written | None = None) -> None:
    """Writes figures and page, with the records before and after where there are any."""
    drawn = figures(summary)
    if written is not None:
        drawn["records"] = plot_records(written.examples)
    write_page(workdir, render(summary, save_figures(workdir, drawn), "" if written is None else written.text))


def figures(summary: Summary) -> dict[str, Figure]:
    """The pictures of the page, by name."""
    context = summary["context"]
    return {
        "changes": plot_changes(summary["lines"]),
        "paired": plot_paired(context["comparison"], context["per_record"]),
    }


def answer_block(summary: Summary) -> str:
    """What the page leads with."""
    context = summary["context"]
    word = "helps" if context["recommend"] else context["comparison"]["verdict"]
    text = "\n".join(sentence(summary).split("\n")[:2])
    return verdict_block("Which generator helps?", text, word, context["comparison"]["smallest_visible"])


def render(summary: Summary, images: Mapping[str, str], written: str = "") -> str:
    """The page, with its pictures in base 64; ``written`` says which records are in the picture of them."""
    context = summary["context"]
    chosen = {
        side: "; ".join(f"{n} in {c}" for n, c in context[f"{side}_chosen"].items()) for side in ("plain", "augmented")
    }
    compared = context["comparison"]
    sides = {"best without synthetic records": "plain", "best with synthetic records": "augmented"}
    cautious = compared["cautious"]
    parts = [
        answer_block(summary),
        *_records(images, written),
        "<h2>Change on held-out real records</h2>",
        image(images["changes"], "change of accuracy and balanced accuracy by generator"),
        "<p>Against the same classifier without synthetic records; mean over all held-out records and 95 % interval. "
        "Filled: what is left after adjusting for the number of lines. The number of synthetic records and the "
        "settings of the classifier were chosen inside each training part.</p>",
        *[f"<p>{html.escape(line)}</p>" for line in sentence(summary).split("\n")[2:]],
        *[_table(summary, name) for name in classifiers_of(summary["lines"])],
        "<h2>Against the best without synthetic records</h2>",
        f"<p>Both sides choose among the same classifiers and settings by the same splits of each training part "
        f"({summary['inner_splits']}); synthetic records are taken only where they are better inside by more than the standard error of "
        "the difference. Weights, votes and copies are plain. Chosen, and in how many folds, without synthetic records: "
        f"{html.escape(chosen['plain'])}. With them, where plain may be chosen as well: {html.escape(chosen['augmented'])}.</p>",
        table(
            "Percent on held-out real records",
            ["", *TITLES.values()],
            [
                *([name, *(f"{100 * context[side][s]['mean']:.1f}" for s in TITLES)] for name, side in sides.items()),
                ["change", *(points(compared, score) for score in TITLES)],
            ],
        ),
        image(images["paired"], "change of accuracy in every fold and of every record"),
        PAIRED,
        terms(cautious),
        "<h2>Generators against each other</h2>",
        _pairs(summary),
        *about(summary),
    ]
    return render_page("Which generator helps?", parts)


def _records(images: Mapping[str, str], written: str) -> list[str]:
    if "records" not in images:
        return []
    return [
        "<h2>Real and synthetic records</h2>",
        image(images["records"], "real and synthetic records"),
        f"<p>One record of each class as measured, and one synthetic record of the class. {COLOURS} {html.escape(written)}</p>",
    ]


def _table(summary: Summary, classifier: str) -> str:
    mine = [line for line in summary["lines"] if line["classifier"] == classifier]
    plain = [line for line in mine if line["candidate"] == "none"]
    others = sorted((line for line in mine if line["candidate"] != "none"), key=total, reverse=True)
    rows = [
        [
            line["candidate"] + _unchanged(line, summary["folds"]),
            line["mode"],
            f"{line['mean_ratio']:.1f}",
            *(f"{100 * line[score]['mean']:.1f}" for score in TITLES),
            *([""] * 4 if line in plain else [points(line["comparison"], score) for score in TITLES]),
            *([] if line in plain else [f"{p_adjusted(line['comparison'], score):.2f}" for score in TITLES]),
            f"{line['seconds']:.1f}",
        ]
        for line in (*plain, *others)
    ]
    head = [
        "generator", "mode", "mean ratio", "accuracy", "balanced", "change of accuracy", "change of balanced",
        "p, adjusted", "p balanced, adjusted", "s a fold",
    ]  # fmt: skip
    return table(f"Classifier {classifier}; percent and points", head, rows)


def _pairs(summary: Summary) -> str:
    """Pairs that differ after adjustment."""
    differ = [pair for pair in summary["pairs"] if p_adjusted(pair["comparison"]) <= 0.05]
    if not differ:
        return f"<p>No two of them can be told apart by accuracy: {len(summary['pairs'])} pairs, p-values adjusted for their number.</p>"
    rows = []
    for pair in sorted(differ, key=lambda pair: -abs(pair["comparison"]["delta_accuracy"])):
        compared, (first, second) = pair["comparison"], pair["comparison"]["arms"]
        sides = (first, second) if compared["delta_accuracy"] >= 0 else (second, first)
        change_, (low, high) = change(compared)
        ends = (change_, (low, high)) if change_ >= 0 else (-change_, (-high, -low))
        rows.append([pair["classifier"], *sides, results.points(*ends), f"{p_adjusted(compared):.3f}"])
    return table(
        f"Pairs that differ, of {len(summary['pairs'])}; accuracy, points",
        ["classifier", "better", "worse", "difference", "p, adjusted"],
        rows,
    )


def plot_changes(lines: list[Line]) -> Figure:
    """Change and interval of both scores, a row per candidate and mode, a row of panels per classifier."""
    classifiers = classifiers_of(lines)
    first = {
        label(line): line for line in lines if line["classifier"] == classifiers[0] and line["candidate"] != "none"
    }
    names = sorted(first, key=lambda name: total(first[name]))
    figure, axes = grid(
        len(classifiers), 2, width=5.0 + 0.02 * max(map(len, names)), height=0.9 + 0.22 * len(names), sharey=True
    )
    for row, classifier in zip(axes, classifiers, strict=True):
        mine = {label(line): line for line in lines if line["classifier"] == classifier}
        for ax, (score, title) in zip(row, TITLES.items(), strict=True):
            for y, name in enumerate(names):
                delta, (low, high) = change(mine[name]["comparison"], score)
                clear = p_adjusted(mine[name]["comparison"], score) <= 0.05
                colour = GREY if not clear else SYNTHETIC if delta > 0 else REAL
                ax.plot([100 * low, 100 * high], [y, y], color=colour, linewidth=1.5)
                ax.plot(100 * delta, y, "o", color=colour, fillstyle="full" if clear else "none")
            ax.axvline(0.0, color="black", linewidth=0.8)
            ax.set_yticks(range(len(names)), names, fontsize=8)
            ax.set_ylim(-0.6, len(names) - 0.4)
            ax.set_xlabel(f"change of {title} [points]")
            ax.set_title(classifier, fontsize=9)
            ax.grid(axis="x", alpha=0.3)
    return figure
