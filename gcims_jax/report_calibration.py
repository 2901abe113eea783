"""The page that says whether the verdict can be trusted."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from gcims_jax.calibrate import SAYS
from gcims_jax.page import GREY, REAL, SYNTHETIC, grid, image, render_page, save_figures, table, write_page

COLOURS = dict(zip(SAYS, (SYNTHETIC, GREY, REAL), strict=True))


def nulls(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The conditions in which nothing helps."""
    return [line for line in summary["lines"] if line["kind"] != "population"]


def sentence(summary: Mapping[str, Any]) -> str:
    """Worst false alarm rates, and the smallest gain that is mostly found."""
    shares = {test: max(line["says_helps"][test]["share"] for line in nulls(summary)) for test in SAYS}
    found = sorted(
        (
            line
            for line in summary["lines"]
            if line["kind"] == "population" and line["says_helps"][SAYS[0]]["share"] >= 0.8
        ),
        key=lambda line: line["true_gain"],
    )
    alarms, plain = (f"{100 * shares[test]:.1f} %" for test in SAYS[:2])
    text = (
        f"Where nothing helps the verdict says “helps” in at most {alarms} of data sets, a {SAYS[1]} in up to {plain}. "
    )
    if found:
        return text + (
            f"The smallest gain that it finds in at least 80 % of data sets is {100 * found[0]['true_gain']:.1f} points, "
            f"with {found[0]['records']} records."
        )
    return text + "None of the planted gains is found in 80 % of data sets."


def write(workdir: Path, summary: Mapping[str, Any]) -> None:
    """Writes figures and page."""
    images = save_figures(workdir, {"detection": plot_detection(summary)})
    rows = [
        [
            line["name"],
            str(line["data_sets"]),
            f"{100 * line['true_gain']:+.1f} ± {100 * line['true_gain_error']:.1f}",
            *(
                "{:.1f} ({:.1f} to {:.1f})".format(100 * share["share"], *(100 * v for v in share["ci95"]))
                for share in line["says_helps"].values()
            ),
        ]
        for line in summary["lines"]
    ]
    parts = [
        f'<div class="verdict"><p>Can the verdict be trusted?</p><p>{html.escape(sentence(summary))}</p></div>',
        image(images["detection"], "share of data sets in which a gain is reported, by true gain"),
        "<p>Each dot is a condition; bars are 95 % intervals (Clopper–Pearson). Left, where the true gain is zero, a test "
        "should stay below the dotted line at 5 %.</p>",
        table(
            "Share of data sets in which the test says that synthetic records help, percent",
            ["condition", "data sets", "true gain in points ± standard error", *SAYS],
            rows,
        ),
        "<h2>How this was done</h2>",
        f"<p>Each data set is drawn from a population of its own and judged by {summary['folds']}-fold cross-validation, "
        f"{summary['repeats']} repeat(s), PCA and a random forest. “permuted”: labels carry no information. “duplicated”: "
        "synthetic records are copies. “population”: they are fresh records of the class, the best any generator could "
        "give. The true gain is measured on 4000 fresh records.</p>",
    ]
    write_page(workdir, render_page("Can the verdict be trusted?", parts))


def plot_detection(summary: Mapping[str, Any]) -> Figure:
    """Share of data sets with a reported gain by true gain, a panel per number of records."""
    sizes = sorted({line["records"] for line in summary["lines"]})
    figure, axes = grid(1, len(sizes), width=5.0, height=3.6, sharey=True)
    for ax, records in zip(axes[0], sizes, strict=True):
        lines = sorted((line for line in summary["lines"] if line["records"] == records), key=lambda e: e["true_gain"])
        for test in SAYS:
            gain = [100 * line["true_gain"] for line in lines]
            share = [100 * line["says_helps"][test]["share"] for line in lines]
            low, high = (
                [abs(s - 100 * line["says_helps"][test]["ci95"][i]) for s, line in zip(share, lines, strict=True)]
                for i in (0, 1)
            )
            ax.errorbar(
                gain, share, yerr=[low, high], fmt="o-", color=COLOURS[test], label=test, capsize=3, markersize=4
            )
        ax.axhline(5.0, color="black", linestyle=":", linewidth=0.8)
        ax.set_title(f"{records} records", fontsize=9)
        ax.set_xlabel("true gain [points]")
        ax.grid(alpha=0.3)
    axes[0, 0].set_ylabel("says “helps” [% of data sets]")
    axes[0, 0].legend(fontsize=8)
    return figure
