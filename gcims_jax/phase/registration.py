"""Registration: smooth warps of both axes that bring records into step with a template, and the template itself.

The warp of a record is the one that makes the least of

    ½ |record ∘ warp − (a · template + b)|² / v  +  ½ stiffness · Σ (parameter / its spread)²

with the best gain a and offset b, and v the same sum of squares without a warp: so ½ means that nothing is explained. Steps
are those of Levenberg and Marquardt (Marquardt 1963, doi:10.1137/0111030), all records at once. As a warp moves whole rows and
whole columns, its Gauss–Newton matrix is made of sums over rows and over columns, and a step costs about one
interpolation. Coarse to fine: first smoothed records, then sharper ones, with a new template in between.

Training records are registered to a global template and from there to one of their class, which holds all its other
records. A record met later has no label and is registered to the global template.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax.batches import in_batches
from gcims_jax.errors import InputError
from gcims_jax.parts import Part
from gcims_jax.phase import warp as warping
from gcims_jax.phase.warp import FAST, SLOW, AxisWarp

Array = jax.Array

BOUND = 5.0  # spreads (``warp.SLOW``, ``warp.FAST``) beyond which no parameter goes
BATCH = 64  # records at once


@dataclasses.dataclass(frozen=True)
class RegistrationConfig:
    """How records are brought into step.

    Attributes:
      slow_knots, fast_knots: knots of the warps of both axes; fewer are smoother.
      anchor: share of the fast axis that a stretch leaves where it is; time zero, or the reactant ion peak, which may lie
        beyond the ends of the axis.
      anchored: whether the fast axis is not shifted either, as where drift times are relative to the reactant ion peak.
      stiffness: weight of the penalty; higher moves less.
      smoothing: standard deviations of the Gaussians that records are smoothed with, coarse to fine, shares of each axis;
        the template is renewed after each.
      iterations: steps at each smoothing.
      prior: records that the global template counts for in the template of a class.
    """

    slow_knots: int = 5
    fast_knots: int = 5
    anchor: float = 0.0
    anchored: bool = False
    stiffness: float = 0.03
    smoothing: tuple[float, ...] = (0.06, 0.02, 0.005)
    iterations: int = 3
    prior: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.stiffness < np.inf:
            raise InputError(f"registration.stiffness: expected a number above 0, got {self.stiffness}")
        if not self.smoothing or min(self.smoothing) < 0.0:
            raise InputError(f"registration.smoothing: expected shares of 0 or more, got {self.smoothing}")
        if self.iterations < 1:
            raise InputError(f"registration.iterations: expected 1 or more, got {self.iterations}")
        if not self.prior > 0.0:
            raise InputError(f"registration.prior: expected a number above 0, got {self.prior}")


class Registered(NamedTuple):
    """Warps that bring N records into step with a template, a pytree.

    Attributes:
      theta_NxP: parameters, see ``split``.
      gain_N: of the template, once warped; 0 where a record is flat or does not resemble the template, which is then left
        where it is.
      explained_N: share of the difference from the template that the warp takes away, from 0 to 1.
      at_bound_N: whether a parameter is at its bound: this record does not resemble the template, or lies far from it.
    """

    theta_NxP: Array
    gain_N: Array
    explained_N: Array
    at_bound_N: Array


class Registration(NamedTuple):
    """What was learned from training records.

    Attributes:
      template_RxT: global template.
      unlabelled: warps of the training records to it.
      labelled: warps of the training records to the templates of their classes.
    """

    template_RxT: Array
    unlabelled: Registered
    labelled: Registered


def spread(config: RegistrationConfig) -> np.ndarray:
    """Units of the P parameters: offset, logarithm of the stretch and knots of the slow axis, then of the fast one."""
    axes = ((SLOW, config.slow_knots), (FAST, config.fast_knots))
    spread_P = np.concatenate([[s.offset, s.log_scale, *[s.knots] * knots] for s, knots in axes])
    if config.anchored:
        spread_P[2 + config.slow_knots] = 1e-9  # the fast axis stays where it is anchored
    return spread_P


def split(theta_NxP: Array, config: RegistrationConfig) -> tuple[AxisWarp, AxisWarp]:
    """Warps of the slow and the fast axis from parameters side by side."""
    axes = theta_NxP[:, : 2 + config.slow_knots], theta_NxP[:, 2 + config.slow_knots :]
    slow, fast = (AxisWarp(part[:, 0], part[:, 1], part[:, 2:]) for part in axes)
    return slow, fast


def positions(theta_NxP: Array, shape: tuple[int, int], config: RegistrationConfig) -> tuple[Array, Array]:
    """Positions of both axes, N×R and N×T; see ``warp.positions``."""
    slow, fast = split(theta_NxP, config)
    return warping.positions(slow, shape[0]), warping.positions(fast, shape[1], config.anchor)


def apply(theta_NxP: np.ndarray, x_NxRxT: np.ndarray, config: RegistrationConfig) -> np.ndarray:
    """Records in step with the template, float32."""
    return in_batches(functools.partial(_apply, _compiled_for(config)), BATCH, theta_NxP, x_NxRxT)


def undo(theta_NxP: np.ndarray, x_NxRxT: np.ndarray, config: RegistrationConfig) -> np.ndarray:
    """Records in step with the template put back to where they were, float32."""
    return in_batches(functools.partial(_undo, _compiled_for(config)), BATCH, theta_NxP, x_NxRxT)


@functools.partial(jax.jit, static_argnums=0)
def _apply(config: RegistrationConfig, theta_NxP: Array, x_NxRxT: Array) -> Array:
    return warping.apply(x_NxRxT, *positions(theta_NxP, x_NxRxT.shape[1:], config))


@functools.partial(jax.jit, static_argnums=0)
def _undo(config: RegistrationConfig, theta_NxP: Array, x_NxRxT: Array) -> Array:
    slow_NxR, fast_NxT = positions(theta_NxP, x_NxRxT.shape[1:], config)
    return warping.apply(x_NxRxT, warping.invert(slow_NxR), warping.invert(fast_NxT))


def _compiled_for(config: RegistrationConfig) -> RegistrationConfig:
    """The configuration without what compiled code takes as an argument, so that it serves all values of it."""
    return dataclasses.replace(config, stiffness=1.0, smoothing=(0.0,), prior=1.0)


def check_shape(shape: tuple[int, int], config: RegistrationConfig) -> None:
    """Raises InputError where an axis has too few points for its knots."""
    for length, knots in zip(shape, (config.slow_knots, config.fast_knots), strict=True):
        warping.check_knots(length, knots)


def fit(part: Part, config: RegistrationConfig) -> Registration:
    """Learns templates and warps from training records, and from nothing else.

    Args:
      part: training records on a scale where small peaks count too, such as [0, 1] after a logarithm.
      config: sizes and stiffness.

    Raises:
      InputError: no part, axes too short for the knots, no records, records that are not finite.
    """
    if not isinstance(part, Part):
        raise InputError(
            f"registration: expected a Part, got {type(part).__name__}; make one of arrays with parts.from_arrays"
        )
    x_NxRxT, labels_N = np.asarray(part.x_NxRxT, np.float32), part.labels_N
    if x_NxRxT.ndim != 3 or not len(x_NxRxT):
        raise InputError(f"registration: expected records (N, R, T), got an array of shape {x_NxRxT.shape}")
    check_shape(x_NxRxT.shape[1:], config)
    if not np.all(np.isfinite(x_NxRxT)):
        raise InputError("registration: expected finite records, got NaN or infinite values; clean the records first")
    theta_NxP = np.zeros((len(x_NxRxT), len(spread(config))), np.float32)
    template_RxT = x_NxRxT.mean(axis=0)
    for share in config.smoothing:
        unlabelled = _register(theta_NxP, x_NxRxT, template_RxT, config, share)
        # Only how records differ is known; without this the template could wander off with all records behind it.
        theta_NxP = unlabelled.theta_NxP - unlabelled.theta_NxP.mean(axis=0)
        template_RxT = apply(theta_NxP, x_NxRxT, config).mean(axis=0)
    unlabelled = _register(theta_NxP, x_NxRxT, template_RxT, config, config.smoothing[-1])
    labelled = unlabelled
    for share in config.smoothing[-2:]:
        registered_NxRxT = apply(labelled.theta_NxP, x_NxRxT, config)
        template_NxRxT = _class_templates(registered_NxRxT, labels_N, template_RxT, config.prior)
        labelled = _register(labelled.theta_NxP, x_NxRxT, template_NxRxT, config, share)
    return Registration(template_RxT, unlabelled, labelled)


def register(registration: Registration, x_MxRxT: np.ndarray, config: RegistrationConfig) -> Registered:
    """Brings records that were not learned from into step with the global template, without a label."""
    x_MxRxT = np.asarray(x_MxRxT, np.float32)
    if x_MxRxT.shape[1:] != registration.template_RxT.shape:
        raise InputError(
            f"registration: expected records of {registration.template_RxT.shape} points like the training records, got "
            f"{x_MxRxT.shape[1:]}"
        )
    theta_MxP = np.zeros((len(x_MxRxT), len(spread(config))), np.float32)
    for share in config.smoothing:
        registered = _register(theta_MxP, x_MxRxT, registration.template_RxT, config, share)
        theta_MxP = registered.theta_NxP
    return registered


def _class_templates(
    registered_NxRxT: np.ndarray, labels_N: np.ndarray, template_RxT: np.ndarray, prior: float
) -> np.ndarray:
    """For each record the mean of the other records of its class, with the global template counted as ``prior`` more.

    Were a record part of its own template, that of a small class would hold it where it is.
    """
    templates_NxRxT = np.empty_like(registered_NxRxT)
    for label in np.unique(labels_N):
        own = labels_N == label
        others = registered_NxRxT[own].sum(axis=0) - registered_NxRxT[own]
        templates_NxRxT[own] = (others + prior * template_RxT) / (own.sum() - 1 + prior)
    return templates_NxRxT


def _register(
    theta_NxP: np.ndarray, x_NxRxT: np.ndarray, template_xRxT: np.ndarray, config: RegistrationConfig, share: float
) -> Registered:
    """Warps of records to their templates (N, or one for all), from a first guess, at one smoothing."""
    step = functools.partial(_register_batch, _compiled_for(config), config.stiffness, share)
    return in_batches(step, BATCH, theta_NxP, x_NxRxT, np.broadcast_to(template_xRxT, x_NxRxT.shape))


@functools.partial(jax.jit, static_argnums=0)
def _register_batch(
    config: RegistrationConfig,
    stiffness: Array,
    share: Array,
    theta_BxP: Array,
    x_BxRxT: Array,
    template_BxRxT: Array,
) -> Registered:
    x_BxRxT, template_BxRxT = _smooth(x_BxRxT, share), _smooth(template_BxRxT, share)
    return jax.vmap(functools.partial(_register_one, config, stiffness))(theta_BxP, x_BxRxT, template_BxRxT)


def _smooth(x_NxRxT: Array, share: Array) -> Array:
    """Gaussian smoothing of both axes by a share of each."""
    kernels = []
    for length in x_NxRxT.shape[1:]:
        apart_LxL = jnp.arange(length)[:, None] - jnp.arange(length)
        kernel_LxL = jnp.exp(-0.5 * (apart_LxL / jnp.maximum(share * length, 1e-2)) ** 2)
        kernels.append(kernel_LxL / kernel_LxL.sum(axis=1, keepdims=True))
    return kernels[0] @ x_NxRxT @ kernels[1].T


class _State(NamedTuple):
    """Where the steps of one record are: parameters in spreads, and the loss there."""

    theta_P: Array
    damping: Array
    loss: Array
    gradient_P: Array
    hessian_PxP: Array


def _register_one(
    config: RegistrationConfig, stiffness: Array, theta_P: Array, x_RxT: Array, template_RxT: Array
) -> Registered:
    spread_P = jnp.asarray(spread(config), jnp.float32)
    unmoved_RxT, gain = _residual(x_RxT, template_RxT)
    still = jnp.sum(unmoved_RxT**2)
    # Flat, or nothing like the template: no warp says anything.
    comparable = (gain > 0.0) & (still > 1e-10 * jnp.sum(template_RxT**2))
    still = jnp.where(comparable, still, 1.0)
    evaluate = functools.partial(_evaluate, config, stiffness, spread_P, x_RxT, template_RxT, still)

    def step(state: _State, _: None) -> tuple[_State, None]:
        damped_PxP = state.hessian_PxP + state.damping * jnp.diag(jnp.diag(state.hessian_PxP))
        moved_P = state.theta_P - jax.scipy.linalg.solve(damped_PxP, state.gradient_P, assume_a="pos")
        tried_P = jnp.clip(moved_P, -BOUND, BOUND)
        new = _State(tried_P, 0.3 * state.damping, *evaluate(tried_P))
        old = state._replace(damping=5.0 * state.damping)
        return jax.tree.map(functools.partial(jnp.where, new.loss < state.loss), new, old), None

    start_P = jnp.where(comparable, theta_P / spread_P, 0.0)
    state = _State(start_P, jnp.float32(0.1), *evaluate(start_P))
    state = jax.lax.scan(step, state, length=config.iterations)[0]
    best_P = jnp.where(comparable, state.theta_P, 0.0)
    fitted_RxT = _apply(config, spread_P * best_P[None], x_RxT[None])[0]
    residual_RxT, gain = _residual(fitted_RxT, template_RxT)
    explained = jnp.clip(1.0 - jnp.sum(residual_RxT**2) / still, 0.0, 1.0)
    at_bound = jnp.any(jnp.abs(best_P) >= BOUND)
    return Registered(
        spread_P * best_P, jnp.where(comparable, gain, 0.0), jnp.where(comparable, explained, 0.0), at_bound
    )


def _residual(warped_RxT: Array, template_RxT: Array) -> tuple[Array, Array]:
    """Difference from the template at its best gain and offset, and the gain; one below nothing is nothing."""
    centred_RxT = template_RxT - template_RxT.mean()
    deviation_RxT = warped_RxT - warped_RxT.mean()
    gain = jnp.sum(centred_RxT * deviation_RxT) / jnp.maximum(jnp.sum(centred_RxT**2), 1e-30)
    gain = jnp.maximum(gain, 0.0)
    return deviation_RxT - gain * centred_RxT, gain


def _evaluate(
    config: RegistrationConfig,
    stiffness: Array,
    spread_P: Array,
    x_RxT: Array,
    template_RxT: Array,
    still: Array,
    theta_P: Array,
) -> tuple[Array, Array, Array]:
    """Loss of one record at parameters in spreads, its gradient and its Gauss–Newton matrix."""

    def places(theta_P: Array) -> tuple[Array, Array]:
        slow_1xR, fast_1xT = positions((spread_P * theta_P)[None], x_RxT.shape, config)
        return slow_1xR[0], fast_1xT[0]

    slow_R, fast_T = places(theta_P)
    slow_RxP, fast_TxP = jax.jacfwd(places)(theta_P)
    warped_RxT = warping.apply(x_RxT[None], slow_R[None], fast_T[None])[0]
    residual_RxT, _ = _residual(warped_RxT, template_RxT)
    # How a value changes when it is read elsewhere: the slope of the warped record over that of the warp.
    by_slow_RxT = jnp.gradient(warped_RxT, axis=0) / jnp.gradient(slow_R)[:, None]
    by_fast_RxT = jnp.gradient(warped_RxT, axis=1) / jnp.gradient(fast_T)[None, :]
    gradient_P = slow_RxP.T @ (by_slow_RxT * residual_RxT).sum(axis=1)
    gradient_P += fast_TxP.T @ (by_fast_RxT * residual_RxT).sum(axis=0)
    cross_PxP = slow_RxP.T @ (by_slow_RxT * by_fast_RxT) @ fast_TxP
    hessian_PxP = slow_RxP.T @ ((by_slow_RxT**2).sum(axis=1)[:, None] * slow_RxP) + cross_PxP
    hessian_PxP += fast_TxP.T @ ((by_fast_RxT**2).sum(axis=0)[:, None] * fast_TxP) + cross_PxP.T
    loss = 0.5 * jnp.sum(residual_RxT**2) / still + 0.5 * stiffness * jnp.sum(theta_P**2)
    gradient_P = gradient_P / still + stiffness * theta_P
    return loss, gradient_P, hessian_PxP / still + stiffness * jnp.eye(len(theta_P))
