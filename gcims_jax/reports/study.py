"""Pages of the studies of usefulness: leaderboard, ratio, learning curve, minority classes."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gcims_jax.reports.page import GREY, REAL, SYNTHETIC, grid, image, render_page, save_figures, table, write_page

Summary = Mapping[str, Any]
TITLES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}


def points(change: Mapping[str, Any]) -> str:
    """A change with its interval, in points."""
    low, high = (100 * value for value in change["ci95"])
    return f"{100 * change['delta']:+.1f} ({low:+.1f} to {high:+.1f})"


def label(line: Mapping[str, Any]) -> str:
    """Candidate and mode of a line."""
    return line["candidate"] if line["mode"] == "–" else f"{line['candidate']}, {line['mode']}"


def best_line(lines: Sequence[Mapping[str, Any]], classifier: str) -> Mapping[str, Any]:
    """The line of a classifier with the largest mean change of both scores."""
    mine = [line for line in lines if line["classifier"] == classifier and line["candidate"] != "none"]
    return max(mine, key=lambda line: line["delta_accuracy"]["delta"] + line["delta_balanced_accuracy"]["delta"])


def leaderboard_sentence(summary: Summary) -> str:
    """The best generator per classifier, and whether to augment at all."""
    parts = []
    for classifier in dict.fromkeys(line["classifier"] for line in summary["lines"]):
        best = best_line(summary["lines"], classifier)
        a, b = best["delta_accuracy"], best["delta_balanced_accuracy"]
        parts.append(
            f"{classifier}: best is {label(best)}, accuracy {points(a)}, balanced {points(b)}; p = {a['p_value']:.3f} and "
            f"{b['p_value']:.3f}, among all candidates (Holm) {a['p_holm']:.3f} and {b['p_holm']:.3f}."
        )
    context = summary["context"]
    change = context["delta_accuracy"]
    parts.append(
        f"The best plain classifier scores {100 * context['plain']['accuracy']:.1f} %, the best with augmentation "
        f"{100 * context['augmented']['accuracy']:.1f} %, both chosen inside: {points(change)}, {change['verdict']}. "
        + ("Augment." if context["recommend"] else "Augmentation is not recommended on this evidence.")
    )
    return "\n".join(parts)


def write_leaderboard(workdir: Path, summary: Summary) -> None:
    """Writes figures and page of a leaderboard."""
    images = save_figures(workdir, {"changes": plot_changes(summary["lines"])})
    context = summary["context"]
    chosen = "; ".join(f"{name} in {count}" for name, count in context["augmented_chosen"].items())
    plain = "; ".join(f"{name} in {count}" for name, count in context["plain_chosen"].items())
    word = "helps" if context["recommend"] else context["delta_accuracy"]["verdict"].replace(" ", "-")
    parts = [
        f'<div class="verdict {word}"><p>Which generator helps?</p>'
        + "".join(f"<p>{html.escape(line)}</p>" for line in leaderboard_sentence(summary).split("\n"))
        + "</div>",
        "<h2>Change on held-out real records</h2>",
        image(images["changes"], "change of accuracy and balanced accuracy by generator"),
        f"<p>Against the same classifier without synthetic records; mean over {summary['folds']} strict folds and 95 % "
        "interval for overlapping folds (Nadeau–Bengio), not adjusted for the number of candidates. Filled: the interval "
        "excludes zero. The number of synthetic records was chosen inside each training part.</p>",
        *[_leaderboard_table(summary, name) for name in dict.fromkeys(line["classifier"] for line in summary["lines"])],
        "<h2>Against the best plain classifier</h2>",
        f"<p>Chosen inside each fold without augmentation: {html.escape(plain)} folds. With augmentation: "
        f"{html.escape(chosen)}.</p>",
        table(
            "Percent on held-out real records",
            ["", "accuracy", "balanced accuracy"],
            [
                [
                    "best plain classifier",
                    *(f"{100 * context['plain'][score]:.1f}" for score in TITLES),
                ],
                [
                    "best with synthetic records",
                    *(f"{100 * context['augmented'][score]:.1f}" for score in TITLES),
                ],
                ["change", *(points(context[f"delta_{score}"]) for score in TITLES)],
            ],
        ),
        *_about(summary),
    ]
    write_page(workdir, render_page("Which generator helps?", parts))


def _leaderboard_table(summary: Summary, classifier: str) -> str:
    mine = [line for line in summary["lines"] if line["classifier"] == classifier]
    mine = [line for line in mine if line["candidate"] == "none"] + sorted(
        (line for line in mine if line["candidate"] != "none"),
        key=lambda line: -line["delta_accuracy"]["delta"] - line["delta_balanced_accuracy"]["delta"],
    )
    rows = [
        [
            line["candidate"],
            line["mode"],
            f"{line['mean_ratio']:.1f}",
            *(f"{100 * line[score]:.1f}" for score in TITLES),
            *(
                [points(line[f"delta_{score}"]) for score in TITLES]
                + [f"{line['delta_accuracy']['p_holm']:.2f}", f"{line['delta_balanced_accuracy']['p_holm']:.2f}"]
                if line["candidate"] != "none"
                else [""] * 4
            ),
            f"{line['seconds']:.1f}",
        ]
        for line in mine
    ]
    head = [
        "generator", "mode", "mean ratio", "accuracy", "balanced", "change of accuracy", "change of balanced",
        "p (Holm)", "p balanced (Holm)", "s a fold",
    ]  # fmt: skip
    return table(f"Classifier {classifier}; percent and points", head, rows)


def plot_changes(lines: Sequence[Mapping[str, Any]]) -> Figure:
    """Change and interval of both scores, a row per candidate and mode, a column per classifier and score."""
    classifiers = list(dict.fromkeys(line["classifier"] for line in lines))
    names = [label(line) for line in lines if line["classifier"] == classifiers[0] and line["candidate"] != "none"]
    first = {label(line): line for line in lines if line["classifier"] == classifiers[0]}
    names.sort(key=lambda n: first[n]["delta_accuracy"]["delta"] + first[n]["delta_balanced_accuracy"]["delta"])
    figure, axes = grid(
        len(classifiers), 2, width=5.0 + 0.02 * max(map(len, names)), height=0.9 + 0.22 * len(names), sharey=True
    )
    for i, classifier in enumerate(classifiers):
        mine = {label(line): line for line in lines if line["classifier"] == classifier}
        for j, (score, title) in enumerate(TITLES.items()):
            ax = axes[i, j]
            for y, name in enumerate(names):
                change = mine[name][f"delta_{score}"]
                low, high = change["ci95"]
                colour = SYNTHETIC if low > 0 else REAL if high < 0 else GREY
                ax.plot([100 * low, 100 * high], [y, y], color=colour, linewidth=1.5)
                ax.plot(100 * change["delta"], y, "o", color=colour, fillstyle="full" if colour != GREY else "none")
            ax.axvline(0.0, color="black", linewidth=0.8)
            ax.set_yticks(range(len(names)), names, fontsize=8)
            ax.set_ylim(-0.6, len(names) - 0.4)
            ax.set_xlabel(f"change of {title} [points]")
            ax.set_title(classifier, fontsize=9)
            ax.grid(axis="x", alpha=0.3)
    return figure


def _about(summary: Summary) -> list[str]:
    data = summary["dataset"]
    counts = ", ".join(f"{name} ({count})" for name, count in data["classes"].items())
    codec = {"tucker": "the linear two-sided codec (Tucker-2)", "transformers": "the transformer codec"}[
        summary["codec"]
    ]
    return [
        "<h2>How this was done</h2>",
        f"<p>{data['records']} records of {data['shape'][0]} × {data['shape'][1]} points: {html.escape(counts)}. "
        f"{summary['folds']} folds; scaling, codec, generator, classifier and every choice learned from the training "
        f"part of a fold alone. Latent generators use {codec}. {sum(summary['timing'].values()):.0f} s.</p>",
    ]


def write_ratio(workdir: Path, summary: Summary) -> None:
    """Writes figures and page of the ratio study."""
    images = save_figures(workdir, {"ratio": plot_ratio(summary)})
    rows = [
        [
            line["candidate"], line["mode"], line["classifier"], f"{line['ratio']:g}", f"{line['n_synthetic']:.0f}",
            *(points(line[f"delta_{score}"]) for score in TITLES),
        ]
        for line in summary["lines"]
    ]  # fmt: skip
    parts = [
        f'<div class="verdict"><p>How many synthetic records?</p><p>{html.escape(summary["sentence"])}</p></div>',
        image(images["ratio"], "change of scores by ratio"),
        f"<p>Mean over {summary['folds']} strict folds, band: 95 % interval for overlapping folds. The best ratio is read "
        "off the same folds that score it; a run that must not be optimistic chooses it inside (leaderboard).</p>",
        table(
            "Change against no synthetic records, points",
            ["generator", "mode", "classifier", "ratio", "synthetic records", "accuracy", "balanced accuracy"],
            rows,
        ),
        *_about(summary),
    ]
    write_page(workdir, render_page("How many synthetic records?", parts))


def plot_ratio(summary: Summary) -> Figure:
    """Change by ratio, a row per classifier, a column per score, a line per candidate and mode."""
    lines = summary["lines"]
    classifiers = list(dict.fromkeys(line["classifier"] for line in lines))
    figure, axes = grid(len(classifiers), 2, width=5.4, height=3.2, sharex=True)
    for i, classifier in enumerate(classifiers):
        for j, (score, title) in enumerate(TITLES.items()):
            ax = axes[i, j]
            mine = [line for line in lines if line["classifier"] == classifier]
            for name in dict.fromkeys(label(line) for line in mine):
                own = [line for line in mine if label(line) == name]
                ratio = [line["ratio"] for line in own]
                change = [100 * line[f"delta_{score}"]["delta"] for line in own]
                band = 100 * np.array([line[f"delta_{score}"]["ci95"] for line in own])
                (drawn,) = ax.plot(ratio, change, ".-", label=name)
                ax.fill_between(ratio, band[:, 0], band[:, 1], alpha=0.1, color=drawn.get_color())
            ax.axhline(0.0, color="black", linewidth=0.8)
            ax.set_xscale("log")
            ax.set_xticks(ratio, [f"{r:g}" for r in ratio])
            ax.minorticks_off()
            ax.set_title(classifier, fontsize=9)
            ax.set_ylabel(f"change of {title} [points]")
            ax.set_xlabel("synthetic records per training record")
            ax.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=7)
    return figure


def write_curve(workdir: Path, summary: Summary) -> None:
    """Writes figures and page of the learning curve."""
    images = save_figures(workdir, {"curve": plot_curve(summary)})
    rows = [
        [
            line["classifier"], label(line), f"{line['n_train']:.0f}",
            *(f"{100 * line[score]:.1f}" for score in TITLES),
            *("" if line["candidate"] == "none" else points(line[f"delta_{score}"]) for score in TITLES),
        ]
        for line in summary["lines"]
    ]  # fmt: skip
    parts = [
        '<div class="verdict"><p>What are synthetic records worth in real ones?</p>'
        f"<p>{html.escape(summary['sentence'])}</p></div>",
        image(images["curve"], "scores by number of training records"),
        f"<p>Mean over {summary['folds']} strict folds; bars: 95 % interval of the change against none.</p>",
        table(
            "Percent, and change against none in points",
            ["classifier", "generator", "training records", "accuracy", "balanced", "change", "change of balanced"],
            rows,
        ),
        *_about(summary),
    ]
    write_page(workdir, render_page("What are synthetic records worth?", parts))


def plot_curve(summary: Summary) -> Figure:
    """Scores by number of training records, a row per classifier."""
    lines = summary["lines"]
    classifiers = list(dict.fromkeys(line["classifier"] for line in lines))
    figure, axes = grid(len(classifiers), 2, width=5.4, height=3.2)
    for i, classifier in enumerate(classifiers):
        for j, (score, title) in enumerate(TITLES.items()):
            ax = axes[i, j]
            mine = [line for line in lines if line["classifier"] == classifier]
            for name in dict.fromkeys(label(line) for line in mine):
                own = [line for line in mine if label(line) == name]
                n, mean = [line["n_train"] for line in own], np.array([100 * line[score] for line in own])
                if name == "none":
                    ax.plot(n, mean, "o--", color="black", label="none")
                    continue
                reach = [50 * float(np.diff(line[f"delta_{score}"]["ci95"])[0]) for line in own]
                ax.errorbar(n, mean, yerr=reach, fmt=".-", capsize=3, label=name)
            ax.set_title(classifier, fontsize=9)
            ax.set_xlabel("real training records")
            ax.set_ylabel(f"{title} [%]")
            ax.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=7)
    return figure


def write_minority(workdir: Path, summary: Summary) -> None:
    """Writes figures and page of the study of small classes."""
    images = save_figures(workdir, {"minority": plot_minority(summary)})
    rows = [
        [name, str(count), f"{100 * recall:.0f}", *(f"{100 * line['change_K'][k]:+.1f}" for line in summary["lines"])]
        for k, ((name, count), recall) in enumerate(
            zip(summary["dataset"]["classes"].items(), summary["recall_K"], strict=True)
        )
    ]
    head = ["class", "records", "recall without", *(label(line) for line in summary["lines"])]
    parts = [
        f'<div class="verdict"><p>Do small classes gain most?</p><p>{html.escape(summary["sentence"])}</p></div>',
        image(images["minority"], "change of recall by class size"),
        f"<p>Classifier {summary['classifier']}, ratio {summary['ratio']:g}; mean over {summary['folds']} strict folds; "
        "each dot is a class, the line a fit by class size.</p>",
        table("Recall per class in percent, and its change in points", head, rows),
        table(
            "Change of recall for each halving of the class size, points",
            ["generator", "slope (95 % interval)", "smallest class", "largest class"],
            [
                [
                    label(line),
                    points(line["slope"]),
                    f"{100 * line['smallest']:+.1f}",
                    f"{100 * line['largest']:+.1f}",
                ]
                for line in summary["lines"]
            ],
        ),
        *_about(summary),
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
        ax.plot(counts_K, change_K, "o", color=SYNTHETIC)
        halvings_K = -np.log2(counts_K / counts_K.mean())
        fit = np.mean(change_K) + 100 * line["slope"]["delta"] * (halvings_K - halvings_K.mean())
        order = np.argsort(counts_K)
        ax.plot(counts_K[order], fit[order], color=GREY)
        ax.axhline(0.0, color="black", linewidth=0.8)
        ax.set_xscale("log")
        ax.set_xticks(sorted(set(counts_K)), [str(c) for c in sorted(set(counts_K))], fontsize=7)
        ax.minorticks_off()
        ax.set_title(label(line), fontsize=9)
        ax.set_xlabel("records of the class")
        ax.set_ylabel("change of recall [points]")
        ax.grid(alpha=0.3)
    return figure
