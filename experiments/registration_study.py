"""What registration does to records: before and after, the ways they vary, and what it saves the codec."""

import math
import time
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gcims_jax import linalg, parts
from gcims_jax.errors import counted
from gcims_jax.evaluation import guard
from gcims_jax.phase import registration
from gcims_jax.phase.registration import Registration, RegistrationConfig
from gcims_jax.preprocessing import scale
from gcims_jax.reports import codec as codec_page
from gcims_jax.reports import phase as phase_page

from . import reconstruction as rec
from .job import Job

LATENTS = (8, 16, 32)


def run(job: Job) -> str:
    """Registers the training part of every fold, reconstructs its test part, and shows the first fold."""
    start = time.perf_counter()
    setup, config = job.setup, RegistrationConfig()
    rows: dict[int, dict[str, list[dict[str, float]]]] = {}
    figures: dict[str, tuple[Figure, str]] = {}
    within, at_bound, left_alone = [], set(), set()
    for fold in setup.folds:
        train, test = setup.part.take(fold.train), setup.part.take(fold.test)
        scaling = scale.fit(train, setup.method.preprocess)
        train, test = (part.with_values(scale.apply(scaling, part.x_NxRxT)) for part in (train, test))
        learned = parts.learn(registration.fit, train, config=config)
        guard.check_unseen(test, learned)
        theta_NxP = learned.value.labelled.theta_NxP
        within.append(
            _within(registration.apply(theta_NxP, train.x_NxRxT, config), train.x_NxRxT, labels=train.labels_N)
        )
        at_bound |= set(train.names_N[np.asarray(learned.value.labelled.at_bound_N)].tolist())
        left_alone |= set(train.names_N[np.asarray(learned.value.labelled.gain_N) == 0.0].tolist())
        for latent, errors in _reconstruct(learned.value, train.x_NxRxT, test.x_NxRxT, config).items():
            for name, error in errors.items():
                rows.setdefault(latent, {}).setdefault(name, []).append({"mse": error})
        if not figures:
            axes = setup.compression.slow, setup.compression.fast
            figures = phase_page.plot_all(train.x_NxRxT, train.labels_N, learned.value, config, *axes)
    test_to_train = float(np.mean([len(fold.test) / len(fold.train) for fold in setup.folds]))
    summary: dict[str, Any] = {"folds": len(setup.folds), "within_class_variance": within, "latents": {}}
    lines = [f"Registration leaves {100 * np.mean(within):.0f} % of the variance within classes of training records"]
    # Such records deserve a look: they may be of another substance, or spoiled.
    for names, what in (
        (at_bound, "warps at their bound"),
        (left_alone, "nothing in common with the template, left alone"),
    ):
        if names:
            lines.append(
                f"{counted(len(names), 'record')} with {what}: {', '.join(sorted(names)[:5])}{', …' * (len(names) > 5)}"
            )
    summary |= {"at_bound": sorted(at_bound), "left_alone": sorted(left_alone)}
    table = []
    for latent, by_name in rows.items():
        change = rec.ratio(by_name["registered"], by_name["plain"], "mse", test_to_train)
        errors = {name: rec.mean(values, "mse") for name, values in by_name.items()}
        summary["latents"][str(latent)] = {**errors, "registered_to_plain": change}
        low, high = change["ci95"]
        table.append(
            [str(latent), str(_smaller(latent, config)), *(f"{errors[n]:.3g}" for n in ("plain", "registered")),
             f"{change['ratio']:.2f} ({low:.2f} to {high:.2f})"]
        )  # fmt: skip
        lines.append(f"at d = {latent} the error is {change['ratio']:.2f} ({low:.2f} to {high:.2f}) of that without it")
    job.timed("study", start)
    head = ["d", "d with a warp", "Tucker-2", "registered, Tucker-2, put back", "ratio (95 % interval)"]
    caption = "The warp's parameters are taken off the latent matrix's"
    job.finish(
        summary,
        lambda workdir, summary: codec_page.write(
            workdir,
            "What does registration do?",
            "; ".join(lines) + ".",
            [("Held-out error at equal budget", caption, head, table)],
            figures,
        ),
    )
    return "\n".join(lines)


def _smaller(latent: int, config: RegistrationConfig) -> int:
    """The largest d whose matrix and a warp have no more numbers than a d×d matrix."""
    return max(1, math.isqrt(max(1, latent**2 - len(registration.spread(config)))))


def _reconstruct(
    learned: Registration, x_NxRxT: np.ndarray, test_MxRxT: np.ndarray, config: RegistrationConfig
) -> dict[int, dict[str, float]]:
    """Mean squared error of held-out records, by d, without and with a warp found without their label."""
    theta_MxP = registration.register(learned, test_MxRxT, config).theta_NxP
    aligned_NxRxT = registration.apply(learned.unlabelled.theta_NxP, x_NxRxT, config)
    aligned_MxRxT = registration.apply(theta_MxP, test_MxRxT, config)
    result = {}
    for latent in (d for d in LATENTS if d <= min(x_NxRxT.shape[1:])):
        plain = linalg.two_sided_basis(x_NxRxT, latent)
        smaller = linalg.two_sided_basis(aligned_NxRxT, _smaller(latent, config))
        back_MxRxT = registration.undo(theta_MxP, linalg.reconstruct_two_sided(smaller, aligned_MxRxT), config)
        result[latent] = {
            "plain": float(np.mean((linalg.reconstruct_two_sided(plain, test_MxRxT) - test_MxRxT) ** 2)),
            "registered": float(np.mean((back_MxRxT - test_MxRxT) ** 2)),
        }
    return result


def _within(registered_NxRxT: np.ndarray, x_NxRxT: np.ndarray, labels: np.ndarray) -> float:
    """Variance within classes, as a share of that before."""
    variances = [
        sum(np.sum((a[labels == k] - a[labels == k].mean(axis=0)) ** 2) for k in np.unique(labels))
        for a in (registered_NxRxT, x_NxRxT)
    ]
    return float(variances[0] / max(variances[1], 1e-30))
