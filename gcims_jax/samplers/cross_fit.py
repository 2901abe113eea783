"""λ, α and h by the likelihood of latents that neither the sampler nor the codec has learned from.

A codec fits the records it learned from more closely than new ones, so their latents scatter less. What is chosen with
them shrinks too little for the latents of new records. Here the training records are split, each side is encoded by a
codec that learned from the other side only, and the values that do best over all splits go into the fit of the whole.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from gcims_jax.errors import InputError
from gcims_jax.parts import Part
from gcims_jax.samplers import family, shrinkage
from gcims_jax.samplers.contract import check_fit_input, class_statistics, deviations
from gcims_jax.samplers.likelihood import held_out
from gcims_jax.samplers.mixing import nearest_classes
from gcims_jax.samplers.shrinkage import LIKELIHOOD, Selection


def choose_held_out(
    name: str, pairs: Sequence[tuple[Part, Part]], **options: Any
) -> tuple[dict[str, Any], Selection | None]:
    """A sampler's options with a number for each that is ``"likelihood"``, given or by default, and what was tried.

    Args:
      name: of the sampler.
      pairs: latents that the sampler learns from and latents held out, both encoded by a codec that learned from the
        records of the first only. Held records of a class that the first lacks are left aside, as are those that differ
        from all the first in a coordinate that is constant there: no value of an option gives them a density.
      options: of the sampler.

    Returns:
      Options for ``fit`` and the likelihood surface; the options as they are and None where nothing is to be chosen.
      Where no held record could be scored, the options are the fallback of ``shrinkage`` and the surface is -inf.

    Raises:
      InputError: no pairs, a pair whose sides share a record or a group, an option outside its range or of another
        sampler, malformed latents.
    """
    if name not in family.MEMBERS:
        return dict(options), None
    defaults = inspect.getfullargspec(family.MEMBERS[name]).kwonlydefaults
    if not set(options) <= set(defaults):
        raise InputError(f"sampler.options: expected some of {sorted(defaults)} for {name}, got {sorted(options)}")
    member = {"neighbours": None, "bandwidth": None, **family.FIXED.get(name, {}), **defaults, **options}
    shrinkage.check_values(**member)
    words = [option for option in ("alpha", "ridge", "bandwidth") if member[option] == LIKELIHOOD]
    if not words:
        return dict(options), None
    if not pairs:
        raise InputError("pairs: expected one or more of latents to learn from and latents held out, got none")
    grid = shrinkage.grids(member["alpha"], member["ridge"], member["bandwidth"])
    total_AxGxH, scored = 0.0, 0
    for learn, held in pairs:
        _check_apart(learn, held)
        sum_AxGxH, count = _of_pair(learn, held, grid, member["neighbours"], member["bandwidth"])
        total_AxGxH, scored = total_AxGxH + sum_AxGxH, scored + count
    surface_AxGxH = total_AxGxH / scored if scored else np.full(total_AxGxH.shape, -np.inf)
    selection = Selection(*grid.values(), surface_AxGxH)
    values = shrinkage.chosen(selection)
    return {**options, **{option: float(values[option]) for option in words}}, selection


def _of_pair(
    learn: Part, held: Part, grid: dict[str, np.ndarray], neighbours: int | None, bandwidth: Any
) -> tuple[np.ndarray, int]:
    """Summed log-density A×G×H of the held records, and how many of them could be scored."""
    stats = class_statistics(learn)
    latents_MxL, labels_M, _ = check_fit_input(held)
    known_M = np.isin(labels_M, stats.classes_K)
    positions_M = np.searchsorted(stats.classes_K, labels_M[known_M])
    held_MxP, kept_M = deviations(stats.centre_KxDxD, stats.used_P, positions_M, latents_MxL[known_M])
    factor_K = shrinkage.silverman(stats) if bandwidth == "silverman" else np.ones(len(stats.classes_K))
    sum_AxGxH = held_out(
        stats,
        nearest_classes(stats.centre_KxDxD, neighbours),
        grid["alpha"],
        grid["ridge"],
        factor_K[:, None] * grid["bandwidth"],
        held_MxP[kept_M],
        positions_M[kept_M],
        around_records=bandwidth is not None,
    )
    return sum_AxGxH, int(np.sum(kept_M))


def _check_apart(learn: Part, held: Part) -> None:
    """Raises InputError where a held record, or another of its group, is on the learning side too."""
    # Not the origins: behind held latents stands the codec, which has learned from the other side.
    for what, column in (("records", "identities_N"), ("groups", "groups_N")):
        if shared := set(getattr(learn, column).tolist()) & set(getattr(held, column).tolist()):
            raise InputError(
                f"pairs: expected held {what} that were not learned from, got {len(shared)} on both sides, "
                f"{min(shared)!r} among them; split by group"
            )
