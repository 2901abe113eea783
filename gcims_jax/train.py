"""Trains one series autoencoder: jitted steps under ``lax.scan``, best state kept, resumable bit for bit.

Everything that a step needs is in ``TrainState`` and the arguments; the randomness of step i comes from
``fold_in(key, i)``. So a run that continues from a checkpoint repeats exactly what an undisturbed run does, and
``train_steps`` can be vmapped over a leading ensemble axis of states, keys and data.
"""

import dataclasses
import functools
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
from tqdm import tqdm

from gcims_jax.errors import InputError
from gcims_jax.model import SeriesAutoencoder

Array = jax.Array
Params = Any

# Series are padded to a multiple of this many, so that folds of nearly equal size share compiled code.
ROW_QUANTUM = 4096


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Optimisation of one stage: AdamW, linear warm-up, cosine decay to zero, clipped gradients.

    Attributes:
      steps: optimiser steps.
      batch: series per step, drawn with replacement.
      learning_rate: peak of the schedule.
      weight_decay: of AdamW.
      warmup: fraction of the steps before the peak.
      clip: largest global norm of a gradient.
      evaluate_every: steps between two looks at the validation series.
      validation_fraction: training records (at least one) that are held out for these looks.
      validation_series: series drawn from the held-out records for one look.
      checkpoint_seconds: least time between two checkpoints; the last state is always saved.
    """

    steps: int = 300
    batch: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    warmup: float = 0.05
    clip: float = 1.0
    evaluate_every: int = 50
    validation_fraction: float = 0.1
    validation_series: int = 1024
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "evaluate_every", "validation_series"):
            if getattr(self, name) < 1:
                raise InputError(f"train.{name}: expected 1 or more, got {getattr(self, name)}")
        for name in ("warmup", "validation_fraction"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise InputError(f"train.{name}: expected a fraction from 0 to below 1, got {getattr(self, name)}")
        for name in ("learning_rate", "clip"):
            if not getattr(self, name) > 0.0:
                raise InputError(f"train.{name}: expected a number above 0, got {getattr(self, name)}")


class TrainingDiverged(RuntimeError):
    """The loss became NaN or infinite; the last checkpoint is intact."""


class TrainState(NamedTuple):
    """All that changes in training, a pytree.

    Attributes:
      step: steps done, scalar.
      params: weights now.
      opt_state: optimiser's moments.
      best_params: weights of the best look so far.
      best_loss: their validation loss.
      train_loss_E: mean training loss before each of the E looks, NaN where not reached.
      validation_loss_E: validation loss at each look.
    """

    step: Array
    params: Params
    opt_state: Any
    best_params: Params
    best_loss: Array
    train_loss_E: Array
    validation_loss_E: Array


class Curves(NamedTuple):
    """Training history of one stage: losses (mean squared error in the stage's standardised unit) per look."""

    steps_E: np.ndarray
    train_loss_E: np.ndarray
    validation_loss_E: np.ndarray


def init(key: Array, model: SeriesAutoencoder, config: TrainConfig) -> TrainState:
    """State before the first step."""
    params = model.init(key, jnp.zeros((1, model.length)))
    looks = math.ceil(config.steps / config.evaluate_every)
    blank_E = jnp.full((looks,), jnp.nan)
    return TrainState(
        step=jnp.int32(0),
        params=params,
        opt_state=_optimiser(config).init(params),
        best_params=params,
        best_loss=jnp.float32(jnp.inf),
        train_loss_E=blank_E,
        validation_loss_E=blank_E,
    )


def train_steps(
    model: SeriesAutoencoder,
    config: TrainConfig,
    n_steps: int,
    state: TrainState,
    key: Array,
    series_MxL: Array,
    count: Array,
    validation_VxL: Array,
) -> TrainState:
    """Takes ``n_steps`` steps, then looks at the validation series; pure.

    Args:
      model, config, n_steps: static.
      state: where to go on from.
      key: of the whole training, the same at every call.
      series_MxL: training series; rows from ``count`` on are padding and never drawn.
      count: number of training series, at least 1.
      validation_VxL: series of held-out training records.

    Returns:
      The new state, with losses noted and the best weights kept.
    """
    optimiser = _optimiser(config)

    def step(carry: tuple[Params, Any], i: Array) -> tuple[tuple[Params, Any], Array]:
        params, opt_state = carry
        rows_B = jax.random.randint(jax.random.fold_in(key, i), (config.batch,), 0, count)
        loss, gradient = jax.value_and_grad(_loss)(params, model, series_MxL[rows_B])
        updates, opt_state = optimiser.update(gradient, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), loss

    (params, opt_state), losses = jax.lax.scan(step, (state.params, state.opt_state), state.step + jnp.arange(n_steps))
    validation_loss = _loss(params, model, validation_VxL)
    better = validation_loss < state.best_loss
    look = state.step // config.evaluate_every
    return TrainState(
        step=state.step + n_steps,
        params=params,
        opt_state=opt_state,
        best_params=jax.tree.map(lambda new, old: jnp.where(better, new, old), params, state.best_params),
        best_loss=jnp.where(better, validation_loss, state.best_loss),
        train_loss_E=state.train_loss_E.at[look].set(losses.mean()),
        validation_loss_E=state.validation_loss_E.at[look].set(validation_loss),
    )


jitted_init = jax.jit(init, static_argnums=(1, 2))
jitted_train_steps = jax.jit(train_steps, static_argnums=(0, 1, 2))


def fit(
    key: Array,
    model: SeriesAutoencoder,
    config: TrainConfig,
    series_MxL: np.ndarray,
    validation_VxL: np.ndarray,
    *,
    directory: Path | None = None,
    title: str | None = None,
) -> tuple[Params, Curves]:
    """Trains on standardised series and returns the weights of the best look.

    Args:
      key: of initialisation and batches.
      model: the autoencoder.
      config: optimisation.
      series_MxL: training series.
      validation_VxL: series of held-out training records.
      directory: where checkpoints are kept and, if there are any, continued from; None keeps none.
      title: shown with the progress bar; None shows no bar.

    Returns:
      The best weights and the losses.

    Raises:
      TrainingDiverged: the loss is no longer finite; checkpoints on disk stay as they were.
    """
    init_key, batch_key = jax.random.split(key)
    count = len(series_MxL)
    series_MxL = jnp.asarray(np.pad(series_MxL, ((0, -count % ROW_QUANTUM), (0, 0))))
    state = jitted_init(init_key, model, config)
    with _Checkpoints(directory) as checkpoints:
        state = checkpoints.restore(state)
        with tqdm(
            total=config.steps, initial=int(state.step), desc=title, disable=title is None, unit="step", leave=False
        ) as bar:
            while (done := int(state.step)) < config.steps:
                n_steps = min(config.evaluate_every, config.steps - done)
                state = jitted_train_steps(
                    model, config, n_steps, state, batch_key, series_MxL, jnp.int32(count), validation_VxL
                )
                look = done // config.evaluate_every
                losses = float(state.train_loss_E[look]), float(state.validation_loss_E[look])
                if not np.all(np.isfinite(losses)):
                    raise TrainingDiverged(
                        f"{title or 'training'}: the loss is not finite after step {done + n_steps} (training "
                        f"{losses[0]:g}, validation {losses[1]:g}); the last checkpoint is intact. Start again in a "
                        "new work directory with a lower train.learning_rate or train.clip"
                    )
                checkpoints.save(state, force=done + n_steps == config.steps, every=config.checkpoint_seconds)
                bar.set_postfix(train=f"{losses[0]:.4f}", validation=f"{losses[1]:.4f}")
                bar.update(n_steps)
    steps_E = np.minimum(np.arange(1, len(state.train_loss_E) + 1) * config.evaluate_every, config.steps)
    curves = Curves(steps_E, np.asarray(state.train_loss_E), np.asarray(state.validation_loss_E))
    return state.best_params, curves


def _loss(params: Params, model: SeriesAutoencoder, series_BxL: Array) -> Array:
    return jnp.mean((model.apply(params, series_BxL) - series_BxL) ** 2)


@functools.cache
def _optimiser(config: TrainConfig) -> optax.GradientTransformation:
    warmup = max(1, round(config.warmup * config.steps))
    schedule = optax.warmup_cosine_decay_schedule(0.0, config.learning_rate, warmup, max(config.steps, warmup + 1))
    return optax.chain(optax.clip_by_global_norm(config.clip), optax.adamw(schedule, weight_decay=config.weight_decay))


class _Checkpoints:
    """Saves and restores a ``TrainState`` through orbax, which never leaves a half-written step; no-op without directory."""

    def __init__(self, directory: Path | None) -> None:
        options = ocp.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False)
        self._manager = directory and ocp.CheckpointManager(Path(directory).absolute(), options=options)
        self._last = time.monotonic()

    def __enter__(self) -> "_Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        if self._manager:
            self._manager.close()

    def restore(self, state: TrainState) -> TrainState:
        if not self._manager or self._manager.latest_step() is None:
            return state
        like = jax.eval_shape(lambda: state)
        return self._manager.restore(self._manager.latest_step(), args=ocp.args.StandardRestore(like))

    def save(self, state: TrainState, *, force: bool, every: float) -> None:
        if self._manager and (force or time.monotonic() - self._last >= every):
            self._manager.save(int(state.step), args=ocp.args.StandardSave(state))
            self._last = time.monotonic()
