"""The page that says whether the verdict can be trusted."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from gcims_jax.evaluation.calibration import SAYS
from gcims_jax.reports.page import GREY, REAL, SYNTHETIC, grid, image, render_page, save_figures, table, write_page

COLOURS = dict(zip(SAYS, (SYNTHETIC, "#8c6bb1", GREY, REAL, "#5b8c5a"), strict=True))
ENOUGH = 0.8  # share of data sets in which a gain is found, to call it mostly found
Line = Mapping[str, Any]


def name(line: Line) -> str:
    """A condition, for tables."""
    what = {
        "permuted": "labels permuted, class Gaussians",
        "duplicated": "copies of training records",
        "mixed": f"fresh records, some mislabelled, {line['ratio']:g}×",
        "choose": f"fresh records for either side, {line['ratio']:g}×",
        "population": f"fresh records, {line['ratio']:g}×",
    }[line["kind"]]
    return f"{what}; {setting(line)}"


def setting(line: Line) -> str:
    """Judge, records and folds of a condition."""
    measured = f" of {line['records'] // line['measurements']} samples" if line["measurements"] > 1 else ""
    return f"{line['judge']}, {line['records']} records{measured}, {line['folds']} folds × {line['repeats']}"


def percent(share: Mapping[str, Any]) -> str:
    """A share of data sets with its interval."""
    return "{:.1f} ({:.1f} to {:.1f})".format(100 * share["share"], *(100 * v for v in share["ci95"]))


def sentence(summary: Mapping[str, Any]) -> str:
    """False alarms, and which gains are found how often."""
    nulls = [line for line in summary["lines"] if line["is_null"]]
    alarms, cautious, plain = (
        max((line["says_helps"][test] for line in nulls), key=lambda s: s["share"]) for test in SAYS[:3]
    )
    count = sum(round(line["says_helps"][SAYS[0]]["share"] * line["data_sets"]) for line in nulls)
    parts = [
        f"Where nothing helps, the {SAYS[0]} says “helps” in {count} of {sum(line['data_sets'] for line in nulls)} data sets, in "
        f"{percent(alarms)} % of the worst condition; the {SAYS[1]} in up to {percent(cautious)} %, a {SAYS[2]} in up to "
        f"{percent(plain)} %."
    ]
    for where in dict.fromkeys(map(setting, summary["lines"])):
        planted = [line for line in summary["lines"] if setting(line) == where and not line["is_null"]]
        if planted:
            gains = ", ".join(f"{100 * line['true_gain']:.1f}" for line in planted)
            found, seen = (
                ", ".join(f"{100 * line['says_helps'][test]['share']:.0f}" for line in planted) for test in SAYS[:2]
            )
            parts.append(
                f"With {where} it finds true gains of {gains} points in {found} % of data sets ({SAYS[1]}: {seen})."
            )
    return " ".join(parts)


def write(workdir: Path, summary: Mapping[str, Any]) -> None:
    """Writes figures and page."""
    lines = summary["lines"]
    figures = {"repeats": plot_repeats([line for line in lines if line["is_null"]]), "detection": plot_detection(lines)}
    images = save_figures(workdir, figures)
    rows = [
        [
            name(line),
            str(line["data_sets"]),
            f"{100 * line['true_gain']:+.1f} ± {100 * line['true_gain_error']:.1f}",
            *(percent(share) for share in line["says_helps"].values()),
        ]
        for line in lines
    ]
    parts = [
        f'<div class="verdict"><p>Can the verdict be trusted?</p><p>{html.escape(sentence(summary))}</p></div>',
        table(
            "Share of data sets in which the test says that synthetic records help, percent with 95 % interval",
            ["condition", "data sets", "true gain in points ± standard error", *SAYS],
            rows,
        ),
        "<h2>Where nothing helps</h2>",
        image(images["repeats"], "share of false alarms by number of repeats of the cross-validation"),
        table(
            "Standard error of the change where nothing helps, in points",
            [
                "condition",
                "spread of the change over data sets",
                "error by the deciding test",
                "by the corrected test",
                "over folds",
                "over records or samples",
            ],
            [
                [
                    name(line),
                    *(f"{100 * value:.1f}" for value in (line["spread_of_change"], *line["mean_errors"].values())),
                ]
                for line in lines
                if line["is_null"]
            ],
        ),
        "<p>An honest error is as large as the spread of the change over data sets, or somewhat larger. “Over records”: each "
        "record's change, mean over repeats, records taken as independent although they share training sets.</p>",
        "<p>False alarms by number of repeats of the cross-validation. Repeats use the same records again. A plain t-test "
        "over folds takes them for new evidence, so that what it finds may depend on how often one asks. The dotted line, "
        "2.5 %, is what a two-sided test at 5 % should call a gain.</p>",
        "<h2>Where fresh records help</h2>",
        image(images["detection"], "share of data sets in which a gain is reported, by true gain"),
        "<p>Each dot is a condition, those of no gain among them; bars are 95 % intervals (Clopper–Pearson). “Cannot tell” is "
        "not “no difference”: gains that are there are overlooked, most often by the corrected test, which is shown as the "
        "cautious one.</p>",
        "<h2>How this was done</h2>",
        "<p>Each data set is drawn from a population of its own, of four classes of one size, and judged as real ones are, "
        "without synthetic records and with them. “Labels permuted”: labels carry no information, and records are drawn "
        "from the Gaussian of each class. “Copies”: as many copies as training records. “Fresh records”: drawn from the "
        "population itself, the best that any generator could give. “Some mislabelled”: so many of them that the gain is nil while "
        "the classifier becomes another one. “For either side”: in each fold a coin decides which of the two classifiers gets "
        "the fresh records. Samples measured several times are kept on one side of each split. The true gain is that of a "
        "training set of a fold's size on 1000 fresh records, mean over data sets.</p>",
        "<p>The deciding test takes the mean change per held-out record, its variance clustered by record (or sample) and by "
        "fitted model, and adds once more what of it persists between models, for the part that each record has in training.</p>",
    ]
    write_page(workdir, render_page("Can the verdict be trusted?", parts))


def plot_repeats(lines: list[Line]) -> Figure:
    """Share of false alarms by number of repeats, a panel per null condition, a row per judge."""
    rows = {where: [line for line in lines if setting(line) == where] for where in map(setting, lines)}
    figure, axes = grid(len(rows), max(map(len, rows.values())), width=3.0, height=3.0, sharey=True)
    for row, mine in zip(axes, rows.values(), strict=True):
        for ax, line in zip(row, mine, strict=True):
            for test in SAYS:
                share_R = [100 * share for share in line["says_helps"][test]["after_repeats"]]
                ax.plot(range(1, len(share_R) + 1), share_R, "o-", color=COLOURS[test], label=test, markersize=4)
            ax.axhline(2.5, color="black", linestyle=":", linewidth=0.8)
            ax.set_title(name(line).replace("; ", "\n").replace(" records of", "\nrecords of"), fontsize=8)
            ax.set_xlabel("repeats")
            ax.grid(alpha=0.3)
        row[0].set_ylabel("says “helps” [% of data sets]")
    axes[0, 0].legend(fontsize=8)
    return figure


def plot_detection(lines: list[Line]) -> Figure:
    """Share of data sets with a reported gain by true gain, a panel per judge and number of records."""
    panels = list(dict.fromkeys(map(setting, lines)))
    figure, axes = grid(1, len(panels), width=4.6, height=3.6, sharey=True, sharex=True)
    for ax, panel in zip(axes[0], panels, strict=True):
        mine = [line for line in lines if setting(line) == panel]
        mine.sort(key=lambda line: line["true_gain"])
        gain = [100 * line["true_gain"] for line in mine]
        for test in SAYS:
            share = [100 * line["says_helps"][test]["share"] for line in mine]
            low, high = (
                [abs(s - 100 * line["says_helps"][test]["ci95"][i]) for s, line in zip(share, mine, strict=True)]
                for i in (0, 1)
            )
            ax.errorbar(
                gain, share, yerr=[low, high], fmt="o-", color=COLOURS[test], label=test, capsize=3, markersize=4
            )
        ax.axhline(100 * ENOUGH, color="black", linestyle=":", linewidth=0.8)
        ax.set_title(panel, fontsize=9)
        ax.set_xlabel("true gain [points]")
        ax.grid(alpha=0.3)
    axes[0, 0].set_ylabel("says “helps” [% of data sets]")
    axes[0, 0].legend(fontsize=8)
    return figure
