"""What every sampler is, and what all of them check and share."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax import options as option_rules
from gcims_jax.batches import traced
from gcims_jax.errors import InputError
from gcims_jax.options import Rule, Rules
from gcims_jax.parts import Part

# Latents are float32: a coordinate whose values differ by no more than this share of the largest is constant.
ROUNDING = 4 * float(np.finfo(np.float32).eps)


# What options may be that mean the same in every sampler that has them.
RULES: dict[str, Rule] = {
    "ridge": option_rules.number(0, 1),
    "neighbours": option_rules.count(1, 1000),
    "components": option_rules.count(1, 1000),
    "directions": option_rules.count(1, 100_000),
    "steps": option_rules.count(1, 10_000_000),
    "seed": option_rules.count(0, 2**31 - 1),
}


def check(**given: Any) -> None:
    """Raises InputError for an option that its rule in ``RULES`` forbids."""
    option_rules.read("sampler", RULES, given)


class Sampler(NamedTuple):
    """A way to draw latent matrices.

    Attributes:
      fit: ``fit(part, **options) -> state``, where ``part.x_NxRxT`` are latent matrices N×d×d.
      sample: ``sample(key, state, labels_S) -> latents_SxDxD``.
      log_density: ``log_density(state, latents_MxDxD, labels_M) -> log_density_M`` in nats, of each latent matrix under
        its label's distribution of the coordinates in use; None where it has no closed form. Inside ``jax.jit`` it is as exact as
        JAX is set to be, and NaN for labels not seen in fit and for classes without a density.
      special: rules of options that ``RULES`` lacks or that are not as there, given the values of all; None for none.
    """

    fit: Callable[..., Any]
    sample: Callable[[jax.Array, Any, jax.Array], jax.Array]
    log_density: Callable[[Any, np.ndarray, np.ndarray], np.ndarray] | None = None
    special: Callable[[Mapping[str, Any]], Rules] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Options of ``fit`` and their values where none are given."""
        parameters = inspect.signature(self.fit).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}

    def rules(self, given: Mapping[str, Any]) -> Rules:
        """What each option may be beside others that were given."""
        known = {**RULES, **(self.special({**self.options, **given}) if self.special else {})}
        return {name: known[name] for name in self.options}


class ClassStatistics(NamedTuple):
    """Training latents split into class centres and deviations from them, float64.

    A coordinate is in use where the training latents differ. The others, as the zeros that a PCA start pads d² latents
    with, have no distribution: they are no part of P, and draws keep them.

    Attributes:
      classes_K: integer labels, sorted.
      counts_K: records of each class.
      positions_N: index of each record's class in ``classes_K``.
      groups_N: index of each record's group.
      centre_KxDxD: class means; coordinates out of use at their constant.
      used_P: the P coordinates in use, as indices into the d² of a flattened latent; one where no record differs.
      deviations_NxP: each record less its class mean, in the coordinates in use.
    """

    classes_K: np.ndarray
    counts_K: np.ndarray
    positions_N: np.ndarray
    groups_N: np.ndarray
    centre_KxDxD: np.ndarray
    used_P: np.ndarray
    deviations_NxP: np.ndarray


def class_statistics(part: Part) -> ClassStatistics:
    """Checks a sampler's input, finds the coordinates in use and centres them.

    Raises:
      InputError: shapes that disagree, labels that are not integers, latents that are not finite, no class with two
        records.
    """
    latents_NxL, labels_N, groups_N = check_fit_input(part)
    classes_K, positions_N, counts_K = np.unique(labels_N, return_inverse=True, return_counts=True)
    if len(labels_N) == len(classes_K):
        raise InputError("latents: expected a class with at least 2 records to learn a covariance from, got none")
    low_L, high_L = latents_NxL.min(axis=0), latents_NxL.max(axis=0)
    used_L = high_L - low_L > ROUNDING * np.maximum(np.abs(low_L), np.abs(high_L))
    if not used_L.any():
        used_L[0] = True  # identical records: one coordinate without spread, so that nothing downstream is empty
    centre_KxL = np.stack([latents_NxL[positions_N == k].mean(axis=0) for k in range(len(classes_K))])
    centre_KxL[:, ~used_L] = (0.5 * (low_L + high_L))[~used_L]
    return ClassStatistics(
        classes_K=classes_K,
        counts_K=counts_K,
        positions_N=positions_N,
        groups_N=groups_N,
        centre_KxDxD=centre_KxL.reshape(-1, *part.x_NxRxT.shape[1:]),
        used_P=np.flatnonzero(used_L),
        deviations_NxP=(latents_NxL - centre_KxL[positions_N])[:, used_L],
    )


def class_rows(stats: ClassStatistics) -> tuple[np.ndarray, np.ndarray]:
    """Records of each class as indices K×M, padded with 0, and which of them are not padding; M is the largest count."""
    members_KxM = np.zeros((len(stats.classes_K), stats.counts_K.max()), int)
    for k, count in enumerate(stats.counts_K):
        members_KxM[k, :count] = np.flatnonzero(stats.positions_N == k)
    return members_KxM, np.arange(members_KxM.shape[1]) < stats.counts_K[:, None]


def place(centre_KxDxD: jax.Array, used_P: jax.Array, positions_S: jax.Array, draws_SxP: jax.Array) -> jax.Array:
    """Latents S×d×d: class means, plus deviations in the coordinates in use; the others keep their constant exactly."""
    centre_SxDxD = centre_KxDxD.at[positions_S].get(mode="fill")  # NaN for labels that were not there in training
    if used_P.size == centre_KxDxD[0].size:
        return centre_SxDxD + draws_SxP.reshape(centre_SxDxD.shape)
    centre_SxL = centre_SxDxD.reshape(len(positions_S), centre_KxDxD[0].size)
    latents_SxL = centre_SxL.at[:, used_P].add(draws_SxP, indices_are_sorted=True, unique_indices=True)
    return latents_SxL.reshape(centre_SxDxD.shape)


def deviations(
    centre_KxDxD: jax.Array, used_P: jax.Array, positions_M: np.ndarray, latents_MxL: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of ``place``: deviations M×P from class means, and which latents have the constants of the others.

    A latent with another value than all training records in a coordinate out of use is outside of what was learned: its
    density is 0. The constants are compared to the rounding of float32 at the largest class mean.

    Raises:
      InputError: latents of another size than those of fit.
    """
    xp = jnp if traced(centre_KxDxD, positions_M, latents_MxL) else np
    centre_KxL = xp.asarray(centre_KxDxD, float).reshape(len(centre_KxDxD), -1)
    if latents_MxL.shape[1] != centre_KxL.shape[1]:
        raise InputError(
            f"latents: expected shape (M, {', '.join(map(str, centre_KxDxD.shape[1:]))}) as in fit, got "
            f"{latents_MxL.shape[1]} coordinates"
        )
    less_MxL = latents_MxL - centre_KxL[positions_M]
    used_L = xp.any(xp.arange(less_MxL.shape[1])[:, None] == used_P, axis=1)
    kept_M = xp.all(used_L | (xp.abs(less_MxL) <= ROUNDING * xp.max(xp.abs(centre_KxL))), axis=1)
    return less_MxL[:, used_P], kept_M


def check_fit_input(part: Part) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latents flattened to N×d² in float64, labels as an integer array and groups as indices.

    Raises:
      InputError: not a part, shapes that disagree, labels that are not integers, latents that are not finite.
    """
    if not isinstance(part, Part):
        raise InputError(
            f"sampler: expected a Part, latents that know where they come from, got {type(part).__name__}; make one with "
            "parts.from_arrays(latents_NxDxD, labels_N)"
        )
    latents_NxL, labels_N = check_latents(part.x_NxRxT, part.labels_N)
    if len(part.groups_N) != len(labels_N):
        raise InputError(f"groups: expected one for each of {len(labels_N)} records, got {len(part.groups_N)}")
    return latents_NxL, labels_N, np.unique(part.groups_N, return_inverse=True)[1]


def check_latents(latents_NxDxD: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latents flattened to N×d² in float64 and labels as an integer array.

    Raises:
      InputError: shapes that disagree, labels that are not integers, latents that are not finite.
    """
    xp = jnp if traced(latents_NxDxD, labels_N) else np
    latents = xp.asarray(latents_NxDxD, float)
    labels_N = xp.asarray(labels_N)
    if latents.ndim != 3 or latents.shape[1] != latents.shape[2] or 0 in latents.shape:
        raise InputError(f"latents: expected shape (N, d, d), got {latents.shape}")
    if labels_N.shape != latents.shape[:1] or not np.issubdtype(labels_N.dtype, np.integer):
        raise InputError(
            f"labels: expected {len(latents)} integers, got shape {labels_N.shape} of type {labels_N.dtype}"
        )
    if xp is np and not np.all(np.isfinite(latents)):
        raise InputError(f"latents: expected finite numbers, got {np.sum(~np.isfinite(latents))} NaN or infinite")
    return latents.reshape(len(latents), -1), labels_N


def each_class(of_class: Callable[[jax.Array], jax.Array], count: int, positions_M: jax.Array) -> jax.Array:
    """Of ``of_class(k)``, M numbers for each of K classes in turn, each record's own; NaN for a position that is none."""
    result_KxM = jax.lax.map(of_class, jnp.arange(count))
    return result_KxM.at[positions_M, jnp.arange(len(positions_M))].get(mode="fill")


def class_positions(classes_K: jax.Array, labels_S: jax.Array) -> jax.Array:
    """Position of each label among the fitted classes; inside ``jax.jit`` K for a label that was not seen in fit.

    Raises:
      InputError: a label that was not seen in fit, where labels can be looked at.
    """
    if traced(classes_K, labels_S):
        positions_S, last = jnp.searchsorted(classes_K, labels_S), len(classes_K) - 1
        return jnp.where(jnp.asarray(classes_K)[jnp.minimum(positions_S, last)] == labels_S, positions_S, last + 1)
    unseen = sorted(set(np.asarray(labels_S).tolist()) - set(np.asarray(classes_K).tolist()))
    if unseen:
        raise InputError(f"labels: expected some of {np.asarray(classes_K).tolist()} (seen in fit), got {unseen}")
    return jnp.searchsorted(classes_K, labels_S)
