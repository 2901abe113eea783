"""Trains a task's weights: jitted steps under ``lax.scan``, best state kept, resumable bit for bit.

Everything that a step needs is in ``TrainState`` and the arguments; the randomness of step i comes from
``fold_in(key, i)``. So a run that continues from a checkpoint repeats exactly what an undisturbed run does, and
``train_steps`` can be vmapped over a leading ensemble axis of states, keys and data.
"""

import dataclasses
import functools
import math
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from gcims_jax.codec import optimise
from gcims_jax.codec.checkpoints import Checkpoints
from gcims_jax.errors import InputError

Array = jax.Array
Params = Any

OPTIMISERS = ("adamw", "muon")
ENSEMBLE = ("auto", "on", "off")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Optimisation: linear warm-up, cosine decay to zero, clipped gradients.

    Attributes:
      steps: optimiser steps.
      batch: examples per step, drawn with replacement: series where stages are trained one by one, else records.
      optimiser: "adamw", or "muon" (Jordan 2024): orthogonalised momentum for matrices, AdamW for the rest.
      learning_rate: peak of the schedule.
      weight_decay: decoupled, of both optimisers.
      warmup: fraction of the steps before the peak.
      clip: largest global norm of a gradient.
      evaluate_every: steps between two looks at the validation examples.
      patience: looks in a row without a new best after which training stops; 0 never stops early.
      give_up: share of the steps after which training stops unless validation has been better than at the start; while
        the learning rate is high it seldom is. 1 never stops early.
      validation_fraction: training records (at least one) that are held out for these looks.
      validation_series: series drawn from the held-out records for one look.
      checkpoint_seconds: least time between two checkpoints; the last state is always saved.
      ensemble: whether codecs that are needed side by side are trained together, see ``ensemble``; "auto" does so on
        accelerators and where several processes share a run.
    """

    steps: int = 300
    batch: int = 128
    optimiser: str = "adamw"
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    warmup: float = 0.05
    clip: float = 1.0
    evaluate_every: int = 50
    patience: int = 0
    give_up: float = 1.0
    validation_fraction: float = 0.1
    validation_series: int = 1024
    checkpoint_seconds: float = 30.0
    ensemble: str = "auto"

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
        if not 0.0 < self.give_up <= 1.0:
            raise InputError(f"train.give_up: expected a share above 0, up to 1, got {self.give_up}")
        if self.patience < 0:
            raise InputError(f"train.patience: expected 0 or more, got {self.patience}")
        if self.optimiser not in OPTIMISERS:
            raise InputError(f"train.optimiser: expected one of {list(OPTIMISERS)}, got {self.optimiser!r}")
        if self.ensemble not in ENSEMBLE:
            raise InputError(f"train.ensemble: expected one of {list(ENSEMBLE)}, got {self.ensemble!r}")


class TrainingDiverged(RuntimeError):
    """The loss became NaN or infinite; the last checkpoint is intact."""


class Task(Protocol):
    """What is trained, on examples of any shape; hashable, for it is static in compiled code.

    Attributes:
      quantum: examples are padded to a multiple of this many, so that folds of nearly equal size share compiled code.
    """

    quantum: int

    def init(self, key: Array) -> Params:
        """Weights before the first step."""

    def losses(self, params: Params, fixed: Any, examples_Bx: Array, key: Array | None) -> Array:
        """Loss of each of B examples.

        Args:
          params: weights.
          fixed: arrays that training does not change.
          examples_Bx: B examples.
          key: of dropout, noise and perturbation in a training step; None for a look, which is deterministic.
        """


class TrainState(NamedTuple):
    """All that changes in training, a pytree.

    Attributes:
      step: steps done, scalar.
      params: weights now.
      opt_state: optimiser's moments.
      best_params: weights of the best look so far, the one before the first step included.
      best_loss: their validation loss.
      train_loss_E: mean training loss before each of the E looks, NaN where not reached.
      validation_loss_E: validation loss at each look; the first is before the first step.
    """

    step: Array
    params: Params
    opt_state: Any
    best_params: Params
    best_loss: Array
    train_loss_E: Array
    validation_loss_E: Array


class Examples(NamedTuple):
    """Training or validation examples, a pytree.

    Attributes:
      rows_Mx: the examples; rows from ``count`` on are padding, never drawn and never counted.
      count: number of examples, at least 1, scalar.
    """

    rows_Mx: Array
    count: Array


class Curves(NamedTuple):
    """Training history per look, losses in the task's unit; the first look is before the first step."""

    steps_E: np.ndarray
    train_loss_E: np.ndarray
    validation_loss_E: np.ndarray


def init(key: Array, task: Task, config: TrainConfig) -> TrainState:
    """State before the first step and the first look."""
    params = task.init(key)
    blank_E = jnp.full((1 + math.ceil(config.steps / config.evaluate_every),), jnp.nan, jnp.float32)
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
    task: Task, config: TrainConfig, n_steps: int, state: TrainState, key: Array, fixed: Any, examples: Examples
) -> TrainState:
    """Takes ``n_steps`` steps up to the next look; pure.

    Args:
      task, config, n_steps: static.
      state: where to go on from.
      key: of the whole training, the same at every call.
      fixed: arrays that the task needs and training does not change.
      examples: training examples.

    Returns:
      The new state, with the training loss noted.
    """
    optimiser = _optimiser(config)

    def loss(params: Params, rows_Bx: Array, key: Array) -> Array:
        return task.losses(params, fixed, rows_Bx, key).mean()

    def step(carry: tuple[Params, Any], i: Array) -> tuple[tuple[Params, Any], Array]:
        params, opt_state = carry
        batch_key, loss_key = jax.random.split(jax.random.fold_in(key, i))
        drawn_B = jax.random.randint(batch_key, (config.batch,), 0, examples.count)
        value, gradient = jax.value_and_grad(loss)(params, examples.rows_Mx[drawn_B], loss_key)
        updates, opt_state = optimiser.update(gradient, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), value

    (params, opt_state), values = jax.lax.scan(step, (state.params, state.opt_state), state.step + jnp.arange(n_steps))
    done = state.step + n_steps
    train_loss_E = state.train_loss_E.at[look_after(config, done)].set(values.mean())
    return state._replace(step=done, params=params, opt_state=opt_state, train_loss_E=train_loss_E)


def look(task: Task, config: TrainConfig, state: TrainState, fixed: Any, validation: Examples) -> TrainState:
    """Notes the loss of the validation examples, from held-out training records, and keeps the best weights; pure."""
    losses_V = task.losses(state.params, fixed, validation.rows_Mx, None)
    loss = jnp.where(jnp.arange(len(losses_V)) < validation.count, losses_V, 0.0).sum() / validation.count
    better = loss < state.best_loss
    return state._replace(
        best_params=jax.tree.map(lambda new, old: jnp.where(better, new, old), state.params, state.best_params),
        best_loss=jnp.where(better, loss, state.best_loss),
        validation_loss_E=state.validation_loss_E.at[look_after(config, state.step)].set(loss),
    )


jitted_init = jax.jit(init, static_argnums=(1, 2))
jitted_train_steps = jax.jit(train_steps, static_argnums=(0, 1, 2))
jitted_look = jax.jit(look, static_argnums=(0, 1))


def minimise(
    key: Array,
    task: Task,
    config: TrainConfig,
    rows_Mx: np.ndarray,
    validation_Vx: np.ndarray,
    *,
    fixed: Any = None,
    directory: Path | None = None,
    title: str | None = None,
) -> tuple[Params, Curves]:
    """Trains and returns the weights of the best look.

    Args:
      key: of initialisation and everything random in the steps.
      task: what to train.
      config: optimisation.
      rows_Mx: training examples.
      validation_Vx: examples of held-out training records.
      fixed: arrays that the task needs and training does not change.
      directory: where checkpoints are kept and, if there are any, continued from; None keeps none.
      title: shown with the progress bar, where output is a terminal; None shows no bar.

    Returns:
      The best weights and the losses.

    Raises:
      TrainingDiverged: the loss is no longer finite; checkpoints on disk stay as they were.
    """
    init_key, step_key = jax.random.split(key)
    examples, validation = pad(rows_Mx, task.quantum), pad(validation_Vx, min(8, task.quantum))
    state = jitted_init(init_key, task, config)
    with Checkpoints(directory) as checkpoints:
        state = checkpoints.restore(state)
        if int(state.step) == 0:
            state = jitted_look(task, config, state, fixed, validation)
        with tqdm(
            total=config.steps,
            initial=int(state.step),
            desc=title,
            disable=True if title is None else None,
            unit="step",
            leave=False,
        ) as bar:
            while not _is_finished(config, state):
                n_steps = min(config.evaluate_every, config.steps - int(state.step))
                state = jitted_train_steps(task, config, n_steps, state, step_key, fixed, examples)
                state = jitted_look(task, config, state, fixed, validation)
                e = look_after(config, int(state.step))
                losses = float(state.train_loss_E[e]), float(state.validation_loss_E[e])
                check_finite(title or "training", int(state.step), *losses)
                checkpoints.save(state, force=_is_finished(config, state), every=config.checkpoint_seconds)
                bar.set_postfix(train=f"{losses[0]:.4f}", validation=f"{losses[1]:.4f}")
                bar.update(n_steps)
    return state.best_params, curves_of(config, state)


def pad(rows_Mx: np.ndarray, quantum: int) -> Examples:
    """Examples filled up with zeros to a multiple of ``quantum``."""
    padding = [(0, -len(rows_Mx) % quantum)] + [(0, 0)] * (np.ndim(rows_Mx) - 1)
    return Examples(jnp.asarray(np.pad(rows_Mx, padding)), jnp.int32(len(rows_Mx)))


def check_finite(title: str, step: int, train_loss: float, validation_loss: float) -> None:
    """Raises TrainingDiverged unless both losses of a look are numbers."""
    if not np.all(np.isfinite((train_loss, validation_loss))):
        raise TrainingDiverged(
            f"{title}: the loss is not finite after step {step} (training {train_loss:g}, validation "
            f"{validation_loss:g}); the last checkpoint is intact. Start again in a new work directory with a lower "
            "train.learning_rate or train.clip"
        )


def finished(config: TrainConfig, step: int, validation_loss_E: np.ndarray) -> bool:
    """Whether training ends after so many steps: all are done, or validation says so."""
    e = look_after(config, step)
    best = int(np.argmin(validation_loss_E[: e + 1]))
    hopeless = best == 0 and config.give_up * config.steps <= step
    return step >= config.steps or hopeless or 0 < config.patience <= e - best


def curves_of(config: TrainConfig, state: TrainState) -> Curves:
    """The losses that a state has noted."""
    looks = 1 + look_after(config, int(state.step))
    steps_E = np.minimum(np.arange(looks) * config.evaluate_every, config.steps)
    return Curves(steps_E, np.asarray(state.train_loss_E)[:looks], np.asarray(state.validation_loss_E)[:looks])


def look_after(config: TrainConfig, step: Any) -> Any:
    """Index of the look after this many steps."""
    return -(-step // config.evaluate_every)


def _is_finished(config: TrainConfig, state: TrainState) -> bool:
    return finished(config, int(state.step), np.asarray(state.validation_loss_E))


@functools.cache
def _optimiser(config: TrainConfig) -> optax.GradientTransformation:
    return optimise.make(
        config.optimiser,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        clip=config.clip,
        warmup=max(1, round(config.warmup * config.steps)),
        steps=config.steps,
    )
