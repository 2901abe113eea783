"""Codecs trained together: folds, repeats and seeds are members of one compiled step, shared out over all devices.

A step of one codec is too small for an accelerator, and codecs know nothing of each other. So the step is mapped over a
leading axis of members, and every device takes its share of them. Fewer records than the largest member has are padding;
members that have ended keep their state while the others go on. Every member has the checkpoints that it would have alone, so
what was trained together goes on one by one, and the other way round.
"""

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from tqdm import tqdm

from gcims_jax import hosts
from gcims_jax.codec import double, train
from gcims_jax.codec.checkpoints import Checkpoints
from gcims_jax.codec.double import CodecConfig
from gcims_jax.codec.plans import Plan, Training
from gcims_jax.codec.stacked import AXIS, check_memory, mesh_of, placer, stack
from gcims_jax.codec.stages import Codec
from gcims_jax.codec.train import Curves, Examples, Params, Task, TrainConfig, TrainState
from gcims_jax.errors import InputError, counted
from gcims_jax.parts import Part

Array = jax.Array

SAVING = 0.1  # most share of the time that goes to checkpoints


def wanted(config: TrainConfig) -> bool:
    """Whether codecs that are needed side by side are to be trained together.

    On a CPU one codec fills the cores, and members only crowd each other out of the cache.
    """
    if config.ensemble == "auto":
        return hosts.several() or jax.default_backend() != "cpu"
    return config.ensemble == "on"


def fit_all(
    keys: Sequence[Array],
    parts: Sequence[Part],
    config: CodecConfig,
    *,
    units: Sequence[tuple[float, float]] | None = None,
    directories: Sequence[Path] | None = None,
    title: str | None = None,
) -> list[tuple[Codec, dict[str, Curves]]]:
    """What ``double.fit`` gives of each part under its key, to rounding.

    Linear starts are fitted one by one; so is the decision whether transformers stay on.

    Args:
      keys: of everything random, one a member.
      parts: training records on the [0, 1] scale, of one shape.
      config: the same for all.
      units: low and span of the logarithmic scale, one a member.
      directories: of checkpoints, one a member; None keeps none. Only the first process reads and writes them.
      title: of the progress bar; None shows none.

    Raises:
      InputError: as ``double.fit``, records of several shapes, or more members than the memory holds.
      TrainingDiverged: a loss is no longer finite.
    """
    shapes = sorted({part.x_NxRxT.shape[1:] for part in parts})
    if len(shapes) != 1:
        raise InputError(f"ensemble: expected one or more parts with records of one shape, got {shapes}")
    units = units or [(0.0, 1.0)] * len(parts)
    plans = [double.fit_plan(k, p, config, units=u) for k, p, u in zip(keys, parts, units, strict=True)]
    return _follow_all(plans, config.train, directories, title)


def _follow_all(
    plans: Sequence[Plan], config: TrainConfig, directories: Sequence[Path] | None, title: str | None
) -> list[Any]:
    """Results of plans whose trainings are done together, as long as they have any."""
    answers, results = [None] * len(plans), [None] * len(plans)
    going = list(range(len(plans)))
    while going:
        trainings = {}
        for i in going:
            try:
                trainings[i] = plans[i].send(answers[i])
            except StopIteration as end:
                results[i] = end.value
        going = list(trainings)
        if going:
            folders = [directories[i] / trainings[i].name for i in going] if directories else None
            found = minimise_all(list(trainings.values()), config, directories=folders, title=title)
            answers = [found[going.index(i)] if i in trainings else None for i in range(len(plans))]
    return results


def minimise_all(
    trainings: Sequence[Training],
    config: TrainConfig,
    *,
    directories: Sequence[Path] | None = None,
    title: str | None = None,
) -> list[tuple[Params, Curves]]:
    """What ``train.minimise`` gives of each training, to rounding.

    Args:
      trainings: of one task, one a member.
      config: optimisation.
      directories: of checkpoints, one a member.
      title: of the progress bar and of messages; None shows none.

    Raises:
      InputError: more members than the memory holds.
      TrainingDiverged: a loss is no longer finite; checkpoints stay as they were.
    """
    task, n = trainings[0].task, len(trainings)
    mesh = mesh_of(n)
    data = stack(trainings, -n % mesh.size)
    check_memory(task, config, data, n, mesh)
    if title and hosts.is_first():
        idle = -n % mesh.size
        print(
            f"{title} {counted(n, 'training')} together on {counted(mesh.size, 'device')}"
            + (f", {counted(idle, 'place')} left idle" if idle else ""),
            flush=True,
        )
    place = placer(mesh)
    keys, fixed, examples, validation = jax.tree.map(place, data)
    begin, look, advance = compiled(mesh, task, config)
    state, step_keys = begin(keys)
    saver = _Saver(directories, config.checkpoint_seconds)
    state = saver.restore(state, place)
    step_M, *_ = _noted(state)
    state = look(state, fixed, validation, place(step_M == 0))
    with tqdm(
        total=config.steps,
        initial=int(step_M[:n].min()),
        desc=title and f"{title} {trainings[0].words}",
        disable=title is None or not hosts.is_first(),
        unit="step",
        leave=False,
    ) as bar:
        while True:
            step_M, train_loss_MxE, validation_loss_MxE = _noted(state)
            going = [i for i in range(n) if not train.finished(config, int(step_M[i]), validation_loss_MxE[i])]
            if not going:
                break
            # Members that were restored from different steps catch up with each other.
            step = int(min(step_M[i] for i in going))
            active = [i for i in going if step_M[i] == step]
            active_M = np.isin(np.arange(len(step_M)), active)
            n_steps = min(config.evaluate_every, config.steps - step)
            state = advance(n_steps, state, step_keys, fixed, examples, validation, place(active_M))
            step_M, train_loss_MxE, validation_loss_MxE = _noted(state)
            e = train.look_after(config, step + n_steps)
            for i in active:
                losses = float(train_loss_MxE[i, e]), float(validation_loss_MxE[i, e])
                train.check_finite(f"{title or 'training'} member {i + 1}", step + n_steps, *losses)
            ended = [i for i in active if train.finished(config, step + n_steps, validation_loss_MxE[i])]
            saver.save(state, active, ended)
            bar.update(n_steps)
    state = hosts.gather(state._replace(opt_state=None))
    members = [jax.tree.map(lambda a, i=i: jnp.asarray(a[i]), state) for i in range(n)]
    return [(one.best_params, train.curves_of(config, one)) for one in members]


@functools.cache
def compiled(mesh: Mesh, task: Task, config: TrainConfig) -> tuple[Callable, Callable, Callable]:
    """First states, looks and steps of all members; ``shard_map``, since no device needs anything of another."""

    def everywhere(function: Callable) -> Callable:
        return jax.shard_map(jax.vmap(function), mesh=mesh, in_specs=P(AXIS), out_specs=P(AXIS))

    def begin(key_data: Array) -> tuple[TrainState, Array]:
        init_key, step_key = jax.random.split(jax.random.wrap_key_data(key_data))
        return train.init(init_key, task, config), jax.random.key_data(step_key)

    def look(state: TrainState, fixed: Any, validation: Examples, active: Array) -> TrainState:
        return _where(active, train.look(task, config, state, fixed, validation), state)

    def advance(n_steps: int, *arguments: Any) -> TrainState:
        def one(
            state: TrainState, key: Array, fixed: Any, examples: Examples, validation: Examples, active: Array
        ) -> TrainState:
            key = jax.random.wrap_key_data(key)
            after = train.train_steps(task, config, n_steps, state, key, fixed, examples)
            return _where(active, train.look(task, config, after, fixed, validation), state)

        return everywhere(one)(*arguments)

    return (
        jax.jit(everywhere(begin)),
        jax.jit(everywhere(look)),
        jax.jit(advance, static_argnums=0, donate_argnums=1),
    )


def _where(active: Array, after: TrainState, before: TrainState) -> TrainState:
    return jax.tree.map(lambda a, b: jnp.where(active, a, b), after, before)


def _noted(state: TrainState) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps and losses of all members."""
    return hosts.gather((state.step, state.train_loss_E, state.validation_loss_E))


class _Saver:
    """Checkpoints of all members, each in its own directory; the first process alone has them."""

    def __init__(self, directories: Sequence[Path] | None, every: float) -> None:
        self._directories = directories
        self._every, self._last = every, time.monotonic()

    def restore(self, state: TrainState, place: Callable[[np.ndarray], Array]) -> TrainState:
        if not hosts.from_first(bool(self._directories) and any(d.exists() for d in self._directories)):
            return state
        whole = jax.tree.map(np.array, hosts.gather(state))
        if hosts.is_first():
            for i, directory in enumerate(self._directories):
                with Checkpoints(directory) as checkpoints:
                    kept = checkpoints.restore(_member(whole, i))
                for all_of_them, own in zip(jax.tree.leaves(whole), jax.tree.leaves(kept), strict=True):
                    all_of_them[i] = np.asarray(own)
        return jax.tree.map(lambda leaf: place(np.asarray(leaf)), hosts.arrays_from_first(whole))

    def save(self, state: TrainState, going: list[int], ended: list[int]) -> None:
        """Those that have ended, and all that go on where it is time."""
        due = hosts.from_first(bool(self._directories) and time.monotonic() - self._last >= self._every)
        chosen = going if due else ended
        if not chosen or not hosts.from_first(bool(self._directories)):
            return
        start = time.monotonic()
        whole = hosts.gather(state)
        if hosts.is_first():
            for i in chosen:
                with Checkpoints(self._directories[i]) as checkpoints:
                    checkpoints.save(_member(whole, i), force=True, every=0.0)
        self._last = time.monotonic()
        self._every = max(self._every, (self._last - start) / SAVING)


def _member(state: TrainState, i: int) -> TrainState:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[i]), state)
