"""How much to regularise a class covariance: α, λ and h by rule, or by the likelihood of records left out by group."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage

from gcims_jax.options import Rules, number, read
from gcims_jax.samplers.contract import RULES, ClassStatistics
from gcims_jax.samplers.likelihood import leave_group_out

LIKELIHOOD = "likelihood"
RIDGES = (0.001, 0.003, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
ALPHAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
BANDWIDTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5)
# Values of an option beyond which there are none.
ENDS = {"alpha": (0.0, 1.0), "ridge": (0.0, 1.0), "bandwidth": ()}
# Used where the records say nothing: every class has one group or identical records.
FALLBACK = {"alpha": 0.5, "ridge": 0.1, "bandwidth": 0.5}


class Selection(NamedTuple):
    """What was tried and what records that were not learned from say to it.

    Attributes:
      alpha_A, ridge_G, bandwidth_H: values tried; one where it was given.
      log_likelihood_AxGxH: mean log-density in nats of a record that was left out or held out; -inf where there was none.
    """

    alpha_A: np.ndarray
    ridge_G: np.ndarray
    bandwidth_H: np.ndarray
    log_likelihood_AxGxH: np.ndarray


def check_values(alpha: Any, ridge: Any, neighbours: int | None, bandwidth: Any) -> None:
    """Raises InputError for an option outside its range."""
    given = {"alpha": alpha, "ridge": ridge, "neighbours": neighbours, "bandwidth": bandwidth}
    read("sampler", rules(given), given)


def rules(given: Mapping[str, Any]) -> Rules:
    """What options may be; a class covariance without others and without a bandwidth has rules of its own for λ."""
    own = given.get("alpha") == 0.0 and given.get("bandwidth") is None
    return {
        "alpha": number(0, 1, LIKELIHOOD),
        "ridge": number(0, 1, LIKELIHOOD, *(("ledoit_wolf", "oas") if own else ())),
        "neighbours": RULES["neighbours"],
        "bandwidth": number(0, 1000, LIKELIHOOD, "silverman", above=True),
    }


def grids(alpha: Any, ridge: Any, bandwidth: Any) -> dict[str, np.ndarray]:
    """Values to try of each option; one where it is not chosen by likelihood, 1 for h where a rule or nothing gives it."""
    fixed = 1.0 if bandwidth in (None, "silverman") else bandwidth
    return {
        "alpha": np.asarray(ALPHAS if alpha == LIKELIHOOD else [alpha]),
        "ridge": np.asarray(RIDGES if ridge == LIKELIHOOD else [ridge]),
        "bandwidth": np.asarray(BANDWIDTHS if bandwidth == LIKELIHOOD else [fixed]),
    }


def chosen(selection: Selection) -> dict[str, Any]:
    """α, λ and h of the largest likelihood; the fallback for what was to be chosen where the records say nothing."""
    surface_AxGxH = selection.log_likelihood_AxGxH
    if not np.isfinite(surface_AxGxH).any():
        return {name: FALLBACK[name] if len(tried) > 1 else tried[0] for name, tried in _tried(selection).items()}
    best = np.unravel_index(np.argmax(surface_AxGxH), surface_AxGxH.shape)
    return {name: tried[i] for (name, tried), i in zip(_tried(selection).items(), best, strict=True)}


def at_edge(selection: Selection) -> tuple[str, ...]:
    """Options whose chosen value is the smallest or largest that was tried, though others lie beyond it.

    α = 0, α = 1 and λ = 1 are ends of what is possible, not of what was tried. Empty where the records say nothing.
    """
    if not np.isfinite(selection.log_likelihood_AxGxH).any():
        return ()
    values, tried = chosen(selection), _tried(selection)
    return tuple(
        name
        for name, value in values.items()
        if len(tried[name]) > 1 and value in (tried[name][0], tried[name][-1]) and value not in ENDS[name]
    )


def _tried(selection: Selection) -> dict[str, np.ndarray]:
    return {"alpha": selection.alpha_A, "ridge": selection.ridge_G, "bandwidth": selection.bandwidth_H}


def choose(
    stats: ClassStatistics, neighbourhood_KxK: np.ndarray, alpha: Any, ridge: Any, bandwidth: Any
) -> tuple[float, np.ndarray, np.ndarray, Selection | None]:
    """α, λ per class and h per class; those that are words are worked out from the training latents."""
    count = len(stats.classes_K)
    grid = grids(alpha, ridge, bandwidth)
    values, selection = {name: tried[0] for name, tried in grid.items()}, None
    if LIKELIHOOD in (alpha, ridge, bandwidth):
        around_records = bandwidth is not None
        surface_AxGxH = leave_group_out(stats, neighbourhood_KxK, *grid.values(), around_records=around_records)
        selection = Selection(*grid.values(), surface_AxGxH)
        values = chosen(selection)
    ridge_K = closed_form_ridge(stats, ridge) if ridge in ("ledoit_wolf", "oas") else np.full(count, values["ridge"])
    bandwidth_K = silverman(stats) if bandwidth == "silverman" else np.full(count, values["bandwidth"])
    return float(values["alpha"]), ridge_K.astype(float), bandwidth_K.astype(float), selection


def closed_form_ridge(stats: ClassStatistics, rule: str) -> np.ndarray:
    """λ of each class by Ledoit & Wolf (2004) or OAS (Chen et al. 2010), without a P×P matrix; 0 for one record."""
    ridge_K = np.zeros(len(stats.classes_K))
    for k in np.flatnonzero(stats.counts_K > 1):
        x_NxP = stats.deviations_NxP[stats.positions_N == k]
        n, size = x_NxP.shape
        gram_NxN = x_NxP @ x_NxP.T / n
        trace, square = np.trace(gram_NxN), np.sum(gram_NxN**2)
        if trace == 0.0:
            continue
        if rule == "ledoit_wolf":
            ridge_K[k] = ledoit_wolf_shrinkage(x_NxP, assume_centered=True)
        else:
            numerator = square / size**2 + (trace / size) ** 2
            denominator = (n + 1.0) * (square / size**2 - (trace / size) ** 2 / size)
            ridge_K[k] = 1.0 if denominator <= 0.0 else min(1.0, numerator / denominator)
    return ridge_K


def silverman(stats: ClassStatistics) -> np.ndarray:
    """h of each class by Silverman's rule (1986), with the effective rank of the pooled covariance as the dimension."""
    gram_NxN = stats.deviations_NxP @ stats.deviations_NxP.T
    dimension = max(1.0, np.trace(gram_NxN) ** 2 / max(np.sum(gram_NxN**2), np.finfo(float).tiny))
    return (4.0 / ((dimension + 2.0) * stats.counts_K)) ** (1.0 / (dimension + 4.0))
