"""The page that says whether the verdict can be trusted."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gcims_jax.evaluation.calibration import SAYS, SCORES, share
from gcims_jax.reports.page import GREY, REAL, SYNTHETIC, grid, image, render_page, save_figures, table, write_page

COLOURS = dict(zip(SAYS, (SYNTHETIC, REAL, GREY), strict=True))
ENOUGH = 0.8  # share of data sets in which a gain is found, to call it mostly found
NAMES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}
KINDS = {
    "permuted": "labels permuted, class Gaussians",
    "inside": "labels permuted, generator chosen inside",
    "halves": "one class under two names, class Gaussians",
    "duplicated": "copies of training records",
    "mixed": "fresh records, some mislabelled",
    "choose": "fresh records for either side",
    "fresh": "fresh records",
}
Line = Mapping[str, Any]


def kind(line: Line) -> str:
    """What synthetic records are, for tables."""
    return f"{KINDS[line['kind']]}, {line['ratio']:g}×"


def setting(line: Line) -> str:
    """Records, judge and folds of a condition."""
    s = line["setting"]
    source = {"even": "four equal classes", "tailed": "five unequal classes, heavy tails"}
    about = source.get(s["source"], Path(s["source"]).stem)
    groups = f" of {s['records'] // s['measurements']} samples" if s["measurements"] > 1 else ""
    groups = f" in {s['batches']} batches" if s["batches"] else groups
    return f"{about}; {s['judge']}; {s['records']} records{groups}; {s['folds']} folds × {s['repeats']}"


def percent(found: Mapping[str, Any]) -> str:
    """A share of data sets with its interval."""
    return "{:.1f} ({:.1f} to {:.1f})".format(100 * found["share"], *(100 * v for v in found["ci95"]))


def nulls(lines: Sequence[Line]) -> list[tuple[Line, str]]:
    """Every condition and score of which the true gain is nil."""
    return [(line, score) for line in lines for score in SCORES if line[score]["is_null"]]


def together(found: Sequence[tuple[Line, str]], word: str = "helps") -> dict[str, Any]:
    """One share over several conditions."""
    return share(sum(line[s][word]["count"] for line, s in found), sum(line["data_sets"] for line, _ in found))


def sentence(summary: Mapping[str, Any]) -> str:
    """False alarms, intervals, and which gains are found how often."""
    lines = summary["lines"]
    nil = nulls(lines)
    said = []
    for score in SCORES:
        mine = [(line, s) for line, s in nil if s == score]
        if mine:
            total, worst = together(mine), max(mine, key=lambda found: found[0][score]["helps"]["share"])[0]
            said.append(
                f"Where nothing helps, it says “helps” of {NAMES[score]} in {percent(total)} % of "
                f"{sum(line['data_sets'] for line, _ in mine)} data sets, in {percent(worst[score]['helps'])} % of the worst of "
                f"{len(mine)} conditions ({kind(worst)}; {setting(worst)})."
            )
    cover = [line[score]["covered"]["share"] for line in lines for score in SCORES]
    said.append(f"The 95 % interval holds the true gain in {100 * min(cover):.1f} to {100 * max(cover):.1f} %.")
    for where in dict.fromkeys(map(setting, lines)):
        planted = [line for line in lines if setting(line) == where and line["kind"] == "fresh"]
        if planted:
            gains = ", ".join(f"{100 * line['accuracy']['true_gain']:+.1f}" for line in planted)
            found, seen = (
                ", ".join(f"{100 * line['says_helps'][test]['share']:.0f}" for line in planted) for test in SAYS[:2]
            )
            said.append(f"{where}: gains of {gains} points are found in {found} % ({SAYS[1]}: {seen}).")
    return " ".join(said)


def write(workdir: Path, summary: Mapping[str, Any]) -> None:
    """Writes figures and page."""
    lines = summary["lines"]
    planted = [line for line in lines if line["kind"] == "fresh"]
    figures = {"level": plot_level(lines), "repeats": plot_repeats(lines)}
    if planted:
        figures["detection"] = plot_detection(planted)
    images = save_figures(workdir, figures)
    parts = [
        f'<div class="verdict"><p>Can the verdict be trusted?</p><p>{html.escape(sentence(summary))}</p></div>',
        "<h2>Where nothing helps</h2>",
        image(images["level"], "share of data sets called helped where nothing helps, by condition"),
        table(
            "Data sets called “helps” where the true gain is nil, percent with 95 % interval (Clopper–Pearson)",
            ["setting", "synthetic records", "score", "data sets", "helps", "hurts", "true gain in interval"],
            [
                [setting(line), kind(line), NAMES[score], str(line["data_sets"])]
                + [percent(line[score][name]) for name in ("helps", "hurts", "covered")]
                for line, score in nulls(lines)
            ],
        ),
        "<p>A test at the usual level may say “helps” in 2.5 %. The dotted lines are at 2.5 and 4 %.</p>",
        image(images["repeats"], "share of false alarms by number of repeats of the cross-validation"),
        "<p>False alarms by number of repeats of the cross-validation, all nulls of a setting together. Repeats use the same "
        "records again. A plain t-test over folds takes them for new evidence.</p>",
        table(
            "Standard error of the change of accuracy, in points",
            ["setting", "synthetic records", "spread over data sets", "by the deciding test", "by the corrected test"],
            [
                [setting(line), kind(line)]
                + [
                    f"{100 * value:.1f}"
                    for value in (
                        line["accuracy"]["spread_of_change"],
                        line["accuracy"]["mean_error"],
                        line["corrected_error"],
                    )
                ]
                for line in lines
            ],
        ),
        "<p>An honest error is as large as the spread of the change over data sets, or somewhat larger.</p>",
    ]
    if planted:
        parts += [
            "<h2>Where fresh records help</h2>",
            image(images["detection"], "share of data sets in which a gain is reported, by true gain and records"),
            table(
                "Data sets called “helps” where fresh records are added, percent with 95 % interval",
                ["setting", "added", "data sets", "true gain in points", *SAYS[:2], "true gain in interval"],
                [
                    [setting(line), f"{line['ratio']:g}×", str(line["data_sets"])]
                    + [
                        f"{100 * line['accuracy']['true_gain']:+.1f} ± {100 * line['accuracy']['true_gain_error']:.1f}",
                        *(percent(line["says_helps"][test]) for test in SAYS[:2]),
                        percent(line["accuracy"]["covered"]),
                    ]
                    for line in planted
                ],
            ),
            "<p>“Cannot tell” is not “no difference”: gains that are there are overlooked, most often by the corrected test, "
            "which is shown as the cautious one.</p>",
        ]
    parts += [
        "<h2>How this was done</h2>",
        "<p>Each data set is judged as a user's are, without synthetic records and with them. It is drawn from one of ten "
        "populations of a kind, or from a file of real records whose names are given at random. “Labels permuted”: labels carry no "
        "information. “Chosen inside”: each fold takes nothing, copies or draws, as a run chooses, by a third of the groups of its "
        "training part. “Copies”: as many as "
        "training records; where the classifier gains by them the condition is no null. “Fresh records”: drawn from the population "
        "itself, the best that any generator could give. “Some mislabelled”: so many of them that the gain is nil while the "
        "classifier becomes another one. “For either side”: in each fold a coin decides which of the two classifiers gets the fresh "
        "records. Samples and batches are kept on one side of each split. With meaningless labels of unequal classes only balanced "
        "accuracy has a gain of nil. The true gain is that of a training set of a fold's size on 400 fresh records, mean over many "
        "training sets of each population.</p>",
    ]
    write_page(workdir, render_page("Can the verdict be trusted?", parts))


def plot_level(lines: Sequence[Line]) -> Figure:
    """One dot a null condition with its interval, a colour a score."""
    nil = nulls(lines)
    where = list(dict.fromkeys(setting(line) for line, _ in nil))
    figure, axes = grid(1, 1, width=8.0, height=1.2 + 0.42 * max(len(where), 1))
    ax = axes[0, 0]
    for row, name in enumerate(where):
        mine = [(line, score) for line, score in nil if setting(line) == name]
        for index, (line, score) in enumerate(mine):
            found, place = line[score]["helps"], row + 0.7 * ((index + 0.5) / len(mine) - 0.5)
            low, high = (100 * v for v in found["ci95"])
            colour = SYNTHETIC if score == "accuracy" else REAL
            ax.plot([low, high], [place, place], color=colour, linewidth=1.0, alpha=0.5)
            ax.plot(100 * found["share"], place, "o", color=colour, markersize=3.5)
    for limit in (2.5, 4.0):
        ax.axvline(limit, color="black", linestyle=":", linewidth=0.8)
    ax.set_yticks(range(len(where)), where, fontsize=8)
    ax.invert_yaxis()
    ax.set_xlim(left=0.0)
    ax.set_xlabel("says “helps” [% of data sets]; orange: accuracy, blue: balanced accuracy")
    ax.grid(alpha=0.3, axis="x")
    return figure


def plot_repeats(lines: Sequence[Line]) -> Figure:
    """Share of false alarms by number of repeats, a panel a setting."""
    nil = [line for line, score in nulls(lines) if score == "accuracy"]
    where = list(dict.fromkeys(map(setting, nil)))
    columns = min(4, max(len(where), 1))
    figure, axes = grid(-(-max(len(where), 1) // columns), columns, width=3.4, height=3.0, sharey=True)
    for ax, name in zip(axes.ravel(), where, strict=False):
        mine = [line for line in nil if setting(line) == name]
        for test in SAYS:
            share_R = 100 * np.mean([line["says_helps"][test]["after_repeats"] for line in mine], axis=0)
            ax.plot(range(1, len(share_R) + 1), share_R, "o-", color=COLOURS[test], label=test, markersize=4)
        ax.axhline(2.5, color="black", linestyle=":", linewidth=0.8)
        ax.set_title("\n".join(name.split("; ")), fontsize=8)
        ax.set_xlabel("repeats")
        ax.grid(alpha=0.3)
    for ax in axes.ravel()[len(where) :]:
        ax.axis("off")
    for ax in axes[:, 0]:
        ax.set_ylabel("says “helps” [% of data sets]")
    axes[0, 0].legend(fontsize=8)
    return figure


def plot_detection(planted: Sequence[Line]) -> Figure:
    """Share of data sets with a reported gain by true gain, a line a setting, the deciding and the corrected test."""
    figure, axes = grid(1, 2, width=5.2, height=4.0, sharey=True, sharex=True)
    for ax, test in zip(axes[0], SAYS[:2], strict=True):
        for name in dict.fromkeys(map(setting, planted)):
            mine = sorted(
                (line for line in planted if setting(line) == name), key=lambda line: line["accuracy"]["true_gain"]
            )
            gain = [100 * line["accuracy"]["true_gain"] for line in mine]
            found = [line["says_helps"][test] for line in mine]
            reach = [[100 * abs(f["share"] - f["ci95"][i]) for f in found] for i in (0, 1)]
            about = mine[0]["setting"]
            label = f"{about['records']} records, {about['judge']}" + (", samples" if about["measurements"] > 1 else "")
            label += ", batches" if about["batches"] else ""
            ax.errorbar(
                gain, [100 * f["share"] for f in found], yerr=reach, fmt="o-", capsize=3, markersize=4, label=label
            )
        ax.axhline(100 * ENOUGH, color="black", linestyle=":", linewidth=0.8)
        ax.set_title(test, fontsize=9)
        ax.set_xlabel("true gain [points]")
        ax.grid(alpha=0.3)
    axes[0, 0].set_ylabel("says “helps” [% of data sets]")
    axes[0, 1].legend(fontsize=7)
    return figure
