"""The page that shows whether synthetic records look real."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure

from gcims_jax.fidelity.realism import BLURRED
from gcims_jax.fidelity.realism import REAL as REAL_CONTROL
from gcims_jax.records import Axis
from gcims_jax.reports.page import REAL, SYNTHETIC, grid, image, render_page, save_figures, table, write_page

Summary = Mapping[str, Any]
SHOWN = 30  # peaks in table and pictures, the highest
LEVEL = 0.05
STAR = "★"
UNLIKE, CLOSER = f" {STAR} unlike", f" {STAR} closer"
MARKS = {"unlike real records": UNLIKE, "closer than real records": CLOSER, "like real records": ""}
BEST = {"low": "low", "high": "high", "half": "½"}


class Pictures(NamedTuple):
    """What is drawn.

    Attributes:
      real_RxT, synthetic_RxT: mean records of the class, in linear units.
      axes: slow and fast.
      reference_Mx2: places of its peaks, row and column.
    """

    real_RxT: np.ndarray
    synthetic_RxT: np.ndarray
    axes: Sequence[Axis]
    reference_Mx2: np.ndarray


def order(summary: Summary) -> list[int]:
    """The highest peaks of real records, highest first."""
    return sorted(range(len(summary["peaks"])), key=lambda m: -np.nan_to_num(summary["peaks"][m]["real_height"][1]))[
        :SHOWN
    ]


def sentence(summary: Summary) -> str:
    """Peaks, fidelity and memorisation of the method's records, in three sentences."""
    entries = summary["peaks"]
    kept = [entry for entry in entries if entry["other_share"] >= entry["real_share"] / 2]
    ratios = [entry["other_height"][1] / entry["real_height"][1] for entry in kept if entry["real_height"][1] > 0]
    differ = sum(entry.get("p_holm", 1.0) <= LEVEL for entry in entries)
    text = (
        f"Of {len(entries)} peaks of “{summary['class']}”, synthetic records ({summary['method']}) have {len(kept)} at least half as "
        "often as real ones"
    )
    if ratios:
        text += (
            f"; their median heights are {np.median(ratios):.2f} times the real ones (median over peaks), and those of "
            f"{differ} peaks differ in distribution (Holm, 5 %); their places vary {place_spread(entries):.2f} times as much"
        )
    checks = summary["memorisation"][summary["method"]]
    seen = [name for name, check in checks.items() if check["words"] == "memorised"]
    text += f". {fidelity_sentence(summary)} "
    return text + (f"Memorisation shows in: {', '.join(seen)}." if seen else "Memorisation was not seen.")


def fidelity_sentence(summary: Summary) -> str:
    """What is marked in the method's column, and whether the controls let one believe it."""
    found = summary["fidelity"][summary["method"]]
    compared = sum(measure["words"] in MARKS for measure in found.values())
    named = {mark: [name for name, one in found.items() if MARKS.get(one["words"]) == mark] for mark in MARKS.values()}
    unlike, closer = named[UNLIKE], named[CLOSER]
    text = f"Of {compared} figures of fidelity, {len(unlike)} {'is' if len(unlike) == 1 else 'are'} unlike those of real records"
    text += f" ({', '.join(unlike)})" if unlike else ""
    text += f", and {len(closer)} closer than real records come ({', '.join(closer)})." if closer else "."
    blurred, real = (is_marked(summary["controls"][name]) for name in (BLURRED, REAL_CONTROL))
    if not blurred:
        text += " Blurred real records are not told from real ones either: there are too few records to say more."
    if real:
        text += " Real records in their place are marked too, which happens once in twenty."
    return text


def is_marked(found: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether any figure of a column has a star."""
    return any(MARKS.get(measure["words"]) for measure in found.values())


def write(workdir: Path, summary: Summary, pictures: Pictures) -> None:
    """Writes figures and page."""
    figures = {"means": plot_means(summary, pictures)}
    if summary["peaks"]:
        figures["heights"] = plot_heights(summary)
    images = save_figures(workdir, figures)
    counts = summary["records"]
    parts = [
        f'<div class="verdict"><p>Do synthetic records look real?</p><p>{html.escape(sentence(summary))}</p></div>',
        f"<h2>Peaks of {html.escape(summary['class'])}</h2>",
        image(images["means"], "mean real and mean synthetic record with its peaks"),
        "<p>Mean of the real and of the synthetic records of the class on one colour scale, with the peaks of the former in the "
        "order of their height.</p>",
    ]
    if "heights" in images:
        parts += [
            image(images["heights"], "heights of peaks in real and synthetic records"),
            "<p>Median and quartiles of the heights above the surroundings, over the records that have the peak.</p>",
            peak_table(summary),
            place_table(summary),
        ]
    parts += [
        "<h2>Fidelity</h2>",
        fidelity_table(summary),
        "<p>Each figure compares records with held-out real ones, at equal size and equal classes: synthetic records of each "
        "generator, and two controls, in which real training records take their place as they are and blurred. “Unlike” "
        "should stand beside the blurred ones, and nothing beside the real ones.</p>"
        f"<p>{STAR} marks a figure outside the range of the next table. A generator that draws from the distribution of real "
        "records has a star anywhere in its column in one page of twenty. “Unlike”: worse than training records are. "
        "“Closer”: nearer to held-out records than training records come, as records are that vary too little. Of peaks: of "
        "pairs of records of a class; small ones are the lower half.</p>",
        range_table(summary["fidelity"]),
        "<p>What real records reach: training against held-out records, in the same number. In brackets where the figure would "
        "lie if synthetic and training records could change places: 95 % of random exchanges have all their figures inside. "
        "Principal components and units are those of synthetic, training and held-out records together, so compare figures "
        "within a column: records far from real ones make the unit larger.</p>",
        "<h2>Memorisation</h2>",
        memorisation_table(summary["memorisation"]),
        "<p>In brackets what exchanging training and held-out records at random gives (95 %); beyond it, after adjusting for the "
        "number of figures, the generator remembers. Membership inference guesses from the synthetic records whether a real one "
        "was seen; the best of four attacks counts: ½ is guessing, a little more is chance, 1 is certain. Copies of training "
        "records always are. Not seen is no proof of privacy.</p>",
        "<h2>How this was done</h2>",
        f"<p>First strict fold: {counts['train']} training and {counts['held_out']} held-out records, {counts['synthetic']} "
        "synthetic ones per generator, of the classes of the training records. Generators, scaling and everything else that "
        "learns saw the training records alone. Distances are on the classifier's [0, 1] scale, peaks of the class in the "
        "input's unit.</p>",
    ]
    write_page(workdir, render_page("Do synthetic records look real?", parts))


def peak_table(summary: Summary) -> str:
    """Place and height of each peak."""
    rows = []
    for rank, m in enumerate(order(summary), 1):
        entry = summary["peaks"][m]
        p_value = entry.get("p_holm", np.nan)
        rows.append(
            [
                str(rank),
                *(f"{value:.4g}" for value in entry["place"]),
                f"{100 * entry['real_share']:.0f} / {100 * entry['other_share']:.0f}",
                *("{1:.3g} ({0:.3g} to {2:.3g})".format(*entry[f"{side}_height"]) for side in ("real", "other")),
                "–" if np.isnan(p_value) else f"{p_value:.3f}",
            ]
        )
    places = [f"{axis['name'].replace('_', ' ')} [{axis['unit']}]" for axis in summary["axes"]]
    head = ["peak", *places, "in % of records, real / synthetic", f"height [{summary['unit']}], real", "synthetic"]
    caption = f"Peaks of {summary['class']}: median height (quartiles), and p-value of equal heights"
    return table(caption, [*head, "p (Holm)"], rows)


def place_table(summary: Summary) -> str:
    """Shift of each peak, and how much its place varies."""
    rows = []
    for rank, m in enumerate(order(summary), 1):
        entry = summary["peaks"][m]
        row = [str(rank)]
        for which, step in zip(("row", "column"), entry["steps"], strict=True):
            spreads = (step * entry[f"{side}_{which}_sd"] for side in ("real", "other"))
            row += [_number(step * entry[f"{which}_shift"], "+.2g"), " / ".join(_number(s, ".2g") for s in spreads)]
        rows.append(row)
    slow, fast = (f"{axis['name'].replace('_', ' ')} [{axis['unit']}]" for axis in summary["axes"])
    spread = "spread, real / synthetic"
    head = ["peak", f"shift in {slow}", spread, f"shift in {fast}", spread]
    return table(
        "Where these peaks lie: mean place in synthetic less in real records, and standard deviations", head, rows
    )


def place_spread(entries: Sequence[Mapping[str, Any]]) -> float:
    """Standard deviation of a peak's place in synthetic over that in real records, median over peaks and axes."""
    pairs = [(e[f"other_{which}_sd"], e[f"real_{which}_sd"]) for e in entries for which in ("row", "column")]
    ratios = [other / real for other, real in pairs if real > 0.0 and np.isfinite(other)]
    return float(np.median(ratios)) if ratios else np.nan


def fidelity_table(summary: Summary) -> str:
    """Figures by generator, and of the controls."""
    columns = {**summary["fidelity"], **{f"control: {name}": found for name, found in summary["controls"].items()}}
    rows = []
    for key, first in summary["fidelity"][summary["method"]].items():
        cells = [
            f"{_number(found[key]['synthetic'], '.3g')}{MARKS.get(found[key]['words'], '')}"
            for found in columns.values()
        ]
        rows.append([key, BEST[first["ideal"]], *cells])
    return table("Against held-out real records", ["", "best", *columns], rows)


def range_table(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """What real records reach beside each generator, and the range of exchanges."""
    names = list(found)
    rows = []
    for key in found[names[0]]:
        ones = [found[name][key] for name in names]
        numbers = ([_number(one[which], ".2g") for which in ("real", "low", "high")] for one in ones)
        rows.append([key, *(f"{real} ({low} to {high})" for real, low, high in numbers)])
    return table("Training records in their place", ["", *names], rows)


def memorisation_table(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Figures by generator, each with its chance level."""
    names = list(found)
    rows = []
    for key in found[names[0]]:
        cells = []
        for name in names:
            check = found[name][key]
            chance = f" ({check['low']:.2g} to {check['high']:.2g})" if check["high"] > 0.0 else ""
            cells.append(f"{check['value']:.2g}{chance}{' memorised' if check['words'] == 'memorised' else ''}")
        rows.append([key, *cells])
    return table("Training records against held-out ones, as synthetic records see them", ["", *names], rows)


def plot_means(summary: Summary, pictures: Pictures) -> Figure:
    """Mean real and mean synthetic record, its peaks numbered."""
    figure, axes = grid(1, 2, width=5.2, height=4.4, sharex=True, sharey=True)
    slow, fast = pictures.axes
    centre = float(np.median(pictures.real_RxT))
    high = float(pictures.real_RxT.max()) - centre
    norm = AsinhNorm(
        linear_width=high / 60.0 or 1.0, vmin=min(0.0, float(pictures.real_RxT.min()) - centre), vmax=high or 1.0
    )
    for ax, title, mean_RxT in zip(
        axes[0], ("real", f"synthetic ({summary['method']})"), (pictures.real_RxT, pictures.synthetic_RxT), strict=True
    ):
        ax.pcolormesh(
            fast.values, slow.values, mean_RxT - centre, norm=norm, cmap="viridis", shading="nearest", rasterized=True
        )
        for rank, m in enumerate(order(summary), 1):
            i, j = pictures.reference_Mx2[m]
            ax.annotate(
                str(rank), (fast.values[j], slow.values[i]), color="white", fontsize=7, ha="center", va="center"
            )
        ax.set_title(title, fontsize=9)
        ax.set_xlabel(f"{fast.name.replace('_', ' ')} [{fast.unit}]")
    axes[0, 0].set_ylabel(f"{slow.name.replace('_', ' ')} [{slow.unit}]")
    return figure


def plot_heights(summary: Summary) -> Figure:
    """Quartiles of each peak's height, real and synthetic side by side."""
    ranks = order(summary)
    figure, axes = grid(1, 1, width=max(5.0, 0.32 * len(ranks) + 1.5), height=3.2)
    ax = axes[0, 0]
    for side, colour, offset, label in (("real", REAL, -0.15, "real"), ("other", SYNTHETIC, 0.15, "synthetic")):
        low, middle, high = np.array([summary["peaks"][m][f"{side}_height"] for m in ranks], float).T
        x = np.arange(1, len(ranks) + 1) + offset
        ax.errorbar(
            x, middle, yerr=[middle - low, high - middle], fmt="o", color=colour, capsize=2, markersize=4, label=label
        )
    ax.set_yscale("log")
    ax.set_xticks(range(1, len(ranks) + 1))
    ax.set_xlabel("peak")
    ax.set_ylabel(f"height [{summary['unit']}]")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return figure


def _number(value: float, form: str) -> str:
    """A number, or a dash where there is none."""
    return f"{value:{form}}" if np.isfinite(value) else "–"
