"""Pictures and the page of the latent diagnostics."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from gcims_jax.fidelity.gaussian_null import LEVEL, SIMULATIONS, TESTS
from gcims_jax.fidelity.gaussianity import MAX_DIRECTIONS, MAX_RECORDS, POWER, REAL, RECORDS_PER_DIRECTION
from gcims_jax.reports.page import GREY, SYNTHETIC, grid, image, render_page, save_figures, table, write_page
from gcims_jax.reports.page import REAL as REAL_COLOUR

COLUMNS = 4
# What a reader calls the tests.
TITLES = {
    "skewness": "skewness",
    "kurtosis": "kurtosis",
    "henze_zirkler": "Henze–Zirkler",
    "dip": "dip",
    "least_kurtosis": "least marginal kurtosis",
    "tail_index": "tail index",
}


class Latents(NamedTuple):
    """Latents to show, flattened.

    Attributes:
      classes: K names.
      train_NxP, labels_N: of real training records.
      held_out_MxP, held_out_labels_M: of real held-out records.
      draws: N×P per sampler, with the labels of the training records.
    """

    classes: Sequence[str]
    train_NxP: np.ndarray
    labels_N: np.ndarray
    held_out_MxP: np.ndarray
    held_out_labels_M: np.ndarray
    draws: Mapping[str, np.ndarray]


def write(workdir: Path, summary: Mapping[str, Any], latents: Latents) -> None:
    """Writes ``figures/*.png`` and ``report.html`` into a work directory."""
    figures = {"energy": plot_energy(summary["samplers"]), "pca": plot_pca(latents), "tsne": plot_tsne(latents)}
    if any(entry["quantiles"] for entry in summary["classes"].values()):
        figures["quantiles"] = plot_quantiles(summary["classes"])
    images = save_figures(workdir, figures)
    classes, tested = summary["classes"], [entry for entry in summary["classes"].values() if entry["tests"]]
    parts = [
        '<div class="verdict"><p>Are the latents of a class Gaussian, and do draws look like them?</p>'
        f"<h1>{html.escape(headline(summary))}</h1><p>{html.escape(sampler_sentence(summary['samplers']))}</p></div>",
        "<h2>Class by class</h2>",
        _verdict_table(classes),
        f"<p>“Gaussian” means: no test objects, and the tests would find at least {100 * POWER:.0f} % of bimodal classes (two "
        "equal clusters, 5 of their standard deviations apart) and of heavy-tailed ones (t, 3 degrees of freedom) of the "
        "same size. Where they would not, nothing can be said. One class in twenty that is Gaussian is called not "
        "Gaussian by chance.</p>",
    ]
    if "quantiles" in images:
        parts += [
            "<h2>Quantiles</h2>",
            image(images["quantiles"], "normal quantile plots of the principal coordinates of each class"),
            "<p>Each line is a principal coordinate, the darkest the one of most variance, less the normal quantile "
            "that a Gaussian would have there. 95 % of Gaussian classes of the same size lie in the grey band, point by "
            "point. Ends that lead away from the normal ones, up at the right and down at the left, are heavy tails; ends "
            "that bend inwards, a flat top or two clusters; both ends up or both down, skewness.</p>",
        ]
    parts += [
        "<h2>Draws against held-out latents</h2>",
        image(images["energy"], "energy distance of each sampler's draws from held-out latents"),
        _sampler_table(summary["samplers"]),
        "<p>Energy distance within classes, of one draw per training record; a permutation test within classes asks whether "
        "draws and held-out latents are of one distribution. Spread: mean distance between two draws of a class over that "
        "between two held-out records; 1 is right, and in many dimensions the energy distance hardly sees it. "
        "The real training records are the fair comparison: the codec was trained on them, so held-out records may differ "
        "from them too, which no sampler can mend.</p>",
        "<h2>Real latents with draws over them</h2>",
        image(images["pca"], "principal components of latents and draws"),
        "<p>Two principal components of the training latents. Pale dots: real training records; crosses: held-out "
        "records (first panel) or draws; one colour per class. Draws beyond the frame are not shown.</p>",
        image(images["tsne"], "t-SNE of latents and draws"),
        "<p>t-SNE, fitted anew in each panel to both together: places and sizes mean nothing, only who is among whom. Draws that "
        "stand apart from the dots of their class are not like them.</p>",
    ]
    if tested:
        parts += ["<h2>All tests</h2>", _test_table(classes)]
    parts += ["<h2>How this was done</h2>", f"<p>{html.escape(_procedure(summary))}</p>"]
    write_page(workdir, render_page("Latent diagnostics", parts))


def headline(summary: Mapping[str, Any]) -> str:
    """How many classes are Gaussian, in words."""
    verdicts = [entry["verdict"] for entry in summary["classes"].values()]
    counts = {
        "Gaussian": sum(v == "Gaussian" for v in verdicts),
        "not Gaussian": sum(v.startswith("not") for v in verdicts),
        "too small to decide": sum(v.startswith("cannot") for v in verdicts),
    }
    words = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"Of {len(verdicts)} class{'es' * (len(verdicts) != 1)}: {words}"


def sampler_sentence(samplers: Mapping[str, Mapping[str, float]]) -> str:
    """Which samplers' draws can be told from held-out latents."""
    drawn = {name: entry for name, entry in samplers.items() if name != REAL}
    told = [name for name, entry in drawn.items() if min(entry["adjusted"], entry["spread_adjusted"]) <= LEVEL]
    alike = [name for name in drawn if name not in told]
    parts = []
    if told:
        parts.append(f"Draws that can be told from held-out latents: {', '.join(told)}.")
    if alike:
        parts.append(f"{'Those' if told else 'Draws'} that cannot, with so few held-out records: {', '.join(alike)}.")
    real = samplers[REAL]
    if (smaller := min(real["p_value"], real["spread_p_value"])) <= LEVEL / 2:
        parts.append(
            f"Even real training records can be told from held-out ones (p = {_p(smaller)}): the codec treats records that it "
            "has not seen differently."
        )
    return " ".join(parts)


def plot_energy(samplers: Mapping[str, Mapping[str, float]]) -> Figure:
    """Distance per sampler with what chance gives, and spread; both with the real training records first."""
    figure, axes = grid(1, 2, width=4.6, height=1.2 + 0.27 * len(samplers), sharey=True, width_ratios=(2, 1))
    distance, spread = axes[0]
    for y, (name, entry) in enumerate(samplers.items()):
        colour = REAL_COLOUR if name == REAL else SYNTHETIC
        told = entry["adjusted"] <= LEVEL
        distance.barh(y, entry["distance"], 0.6, color=colour if told else "white", edgecolor=colour)
        distance.plot([entry["null_median"]] * 2, [y - 0.38, y + 0.38], color="black", linewidth=1.5)
        differs = entry["spread_adjusted"] <= LEVEL
        spread.plot(entry["spread"], y, "o", color=colour, markerfacecolor=colour if differs else "white")
    handles = [
        Patch(color=GREY, label="differs from held-out latents"),
        Patch(facecolor="white", edgecolor=GREY, label="no difference found"),
        Line2D([], [], color="black", label="by chance (median)"),
    ]
    distance.axvline(samplers[REAL]["distance"], color=REAL_COLOUR, linewidth=0.8, linestyle=":")
    distance.set_yticks(range(len(samplers)), list(samplers))
    distance.set_ylim(len(samplers) - 0.5, -0.5)
    distance.set_xlabel("energy distance from held-out latents")
    spread.axvline(1.0, color=GREY, linewidth=1)
    spread.set_xlabel("spread, held-out = 1")
    spread.grid(axis="x", alpha=0.3)
    for ax in (distance, spread):
        ax.spines[["top", "right"]].set_visible(False)
    figure.legend(handles=handles, loc="outside upper center", fontsize=8, ncols=3, frameon=False)
    return figure


def plot_quantiles(classes: Mapping[str, Mapping]) -> Figure:
    """Q–Q lines of each class's principal coordinates, less the diagonal, with the band of Gaussian classes."""
    shown = {name: entry for name, entry in classes.items() if entry["quantiles"]}
    figure, axes = _panels(len(shown), width=2.7, height=2.3, sharey=True)
    for ax, (name, entry) in zip(axes, shown.items(), strict=True):
        q = entry["quantiles"]
        normal_N = np.asarray(q["normal_N"])
        ax.fill_between(normal_N, q["low_N"] - normal_N, q["high_N"] - normal_N, color="#dddddd")
        for i, coordinates_N in reversed(list(enumerate(q["coordinates_QxN"]))):
            shade = matplotlib.colormaps["Blues_r"](0.15 + 0.6 * i / MAX_DIRECTIONS)
            ax.plot(normal_N, coordinates_N - normal_N, ".-", color=shade, linewidth=0.8, markersize=3)
        ax.axhline(0.0, color="black", linewidth=0.6)
        ax.set_title(f"{name} ({entry['records']})", fontsize=9)
        ax.set_xlabel("normal quantile", fontsize=8)
        ax.tick_params(labelsize=7)
    for ax in axes[::COLUMNS]:
        ax.set_ylabel("coordinate − normal", fontsize=8)
    return figure


def plot_pca(latents: Latents) -> Figure:
    """Two principal components of the training latents, and in them held-out latents and every sampler's draws."""
    fitted = PCA(min(2, *latents.train_NxP.shape), random_state=0).fit(latents.train_NxP)

    def project(_: np.ndarray, over_MxP: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return fitted.transform(latents.train_NxP), fitted.transform(over_MxP)

    return _plot_maps(latents, project, share_axes=True)


def plot_tsne(latents: Latents) -> Figure:
    """t-SNE (van der Maaten & Hinton 2008) of training latents together with held-out latents or one sampler's draws."""

    def project(real_NxP: np.ndarray, over_MxP: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        both = np.concatenate([real_NxP, over_MxP])
        start = PCA(min(50, *both.shape), random_state=0).fit_transform(both)
        if start.shape[1] < 2:
            start = np.pad(start, ((0, 0), (0, 1)))
        perplexity = min(20.0, (len(both) - 1) / 3)
        placed = TSNE(perplexity=perplexity, init=1e-4 * start[:, :2] / max(start[:, 0].std(), 1e-12), random_state=0)
        placed_Mx2 = placed.fit_transform(start)
        return placed_Mx2[: len(real_NxP)], placed_Mx2[len(real_NxP) :]

    return _plot_maps(latents, project, share_axes=False)


def _plot_maps(latents: Latents, project: Any, *, share_axes: bool) -> Figure:
    over = {
        "held-out records": (latents.held_out_MxP, latents.held_out_labels_M),
        **{name: (draws_NxP, latents.labels_N) for name, draws_NxP in latents.draws.items()},
    }
    count = len(latents.classes)
    palette = matplotlib.colormaps["tab10" if count <= 10 else "gist_rainbow"]
    colours_K = np.array([palette(k if count <= 10 else k / count) for k in range(count)])
    figure, axes = _panels(len(over), width=2.7, height=2.6, sharex=share_axes, sharey=share_axes)
    for ax, (title, (over_MxP, labels_M)) in zip(axes, over.items(), strict=True):
        real_Nx2, over_Mx2 = project(latents.train_NxP, over_MxP)
        ax.scatter(*real_Nx2.T[:2], s=14, color=colours_K[latents.labels_N], alpha=0.3, linewidths=0)
        ax.scatter(*over_Mx2.T[:2], s=14, color=colours_K[labels_M], marker="x", linewidths=0.9)
        ax.set_title(title, fontsize=9)
        ax.set_xticks([])
        ax.set_yticks([])
        if share_axes:  # a few far draws would shrink the rest to a spot
            for set_limits, values_N in zip((ax.set_xlim, ax.set_ylim), real_Nx2.T, strict=False):
                set_limits(values_N.min() - 0.3 * np.ptp(values_N), values_N.max() + 0.3 * np.ptp(values_N))
    handles = [Line2D([], [], marker="o", linestyle="", color=colour, markersize=5) for colour in colours_K]
    figure.legend(handles, latents.classes, loc="outside lower center", ncols=min(count, 6), fontsize=8, frameon=False)
    return figure


def _panels(count: int, **options: Any) -> tuple[Figure, list[Any]]:
    """A figure with ``count`` axes in rows of ``COLUMNS``."""
    columns = min(COLUMNS, count)
    figure, axes = grid(-(-count // columns), columns, **options)
    for ax in axes.ravel()[count:]:
        ax.set_visible(False)
    return figure, list(axes.ravel()[:count])


def _verdict_table(classes: Mapping[str, Mapping]) -> str:
    def power(entry: Mapping[str, Any], kind: str) -> str:
        return f"{100 * entry['power'][kind]:.0f} %" if entry["power"] else "–"

    rows = [
        [name, str(entry["records"]), entry["verdict"], power(entry, "bimodal"), power(entry, "heavy_tailed"),
         str(entry["directions"]), f"{100 * entry['variance_share']:.0f} %", f"{entry['effective_rank']:.1f}"]
        for name, entry in classes.items()
    ]  # fmt: skip
    return table(
        "Training latents of one strict fold",
        ["class", "records", "verdict", "finds bimodal", "finds heavy tails", "directions tested", "variance in them",
         "effective rank"],
        rows,
    )  # fmt: skip


def _sampler_table(samplers: Mapping[str, Mapping[str, float]]) -> str:
    def adjusted(name: str, value: float) -> str:
        return "–" if name == REAL else _p(value)

    rows = [
        [name, f"{e['distance']:.3g}", f"{e['null_median']:.3g}", _p(e["p_value"]), adjusted(name, e["adjusted"]),
         f"{e['spread']:.2f}", _p(e["spread_p_value"]), adjusted(name, e["spread_adjusted"])]
        for name, e in samplers.items()
    ]  # fmt: skip
    return table(
        "Against held-out latents; p-values as they are and after Holm's correction over samplers and both tests",
        ["draws of", "energy distance", "by chance", "p-value", "Holm", "spread", "p-value", "Holm"],
        rows,
    )


def _test_table(classes: Mapping[str, Mapping]) -> str:
    def cell(outcome: Mapping[str, float]) -> str:
        star = " *" if outcome["adjusted"] <= LEVEL else ""
        return f"{outcome['statistic']:.3g} ({outcome['gaussian']:.3g}), p {_p(outcome['p_value'])}{star}"

    rows = [
        [name, *(cell(entry["tests"][test]) for test in TESTS)] for name, entry in classes.items() if entry["tests"]
    ]
    return table(
        "Statistic, in brackets its median among Gaussian classes of that size, and p-value; * rejects after Holm's "
        "correction over the six tests of the class",
        ["class", *(TITLES[test] for test in TESTS)],
        rows,
    )


def _procedure(summary: Mapping[str, Any]) -> str:
    protocol = summary["protocol"]
    return (
        f"Codec of latent size d = {summary['latent']}, learned from the {protocol['records_train']} training records of the "
        f"first of {protocol['folds']} stratified folds; {protocol['records_test']} records held out. Each class is tested "
        f"in its leading principal directions: one for every {RECORDS_PER_DIRECTION} records, at most {MAX_DIRECTIONS}; of a "
        f"class above {MAX_RECORDS} records so many, drawn at random. "
        "Mardia's skewness and kurtosis, Henze–Zirkler, Hartigan's dip (largest of the directions), the least kurtosis of a "
        "direction, and Hill's tail index of the largest tenth of all coordinates; p-values from "
        f"{SIMULATIONS} simulated Gaussian classes of the same size, whose principal directions are chosen from "
        "themselves in the same way; Holm's correction over the tests of a class."
    )


def _p(value: float) -> str:
    return f"{value:.4f}" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"
