"""Members of an ensemble: side by side in one array each, over all devices, and what memory they take."""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from gcims_jax import hosts
from gcims_jax.codec import train
from gcims_jax.codec.plans import Training
from gcims_jax.codec.stages import Codec
from gcims_jax.codec.train import Examples, Task, TrainConfig
from gcims_jax.errors import InputError, counted

Array = jax.Array

AXIS = "member"
SLACK = 0.9  # share of the free memory that members may take


class Data(NamedTuple):
    """What members are trained on, a pytree whose leaves have the members first."""

    keys_Mx2: np.ndarray
    fixed: Any
    examples: Examples
    validation: Examples


def mesh_of(members: int) -> Mesh:
    """All devices, of this process no more than there are members; every process must take part."""
    devices = jax.devices()
    return Mesh(np.array(devices if hosts.several() else devices[:members]), (AXIS,))


def stack(trainings: Sequence[Training], idle: int) -> Data:
    """Members side by side, filled up to one size; the last is repeated in places that are left idle."""
    task = trainings[0].task
    if any(one.task != task for one in trainings):
        raise InputError("ensemble: expected trainings of one task, got several")

    def filled(rows: list[np.ndarray], quantum: int) -> Examples:
        most = -(-max(map(len, rows)) // quantum) * quantum
        padded = [np.pad(a, [(0, most - len(a))] + [(0, 0)] * (a.ndim - 1)) for a in rows]
        return Examples(np.stack(padded), np.array([len(a) for a in rows], np.int32))

    members = [*trainings, *[trainings[-1]] * idle]
    return Data(
        np.stack([np.asarray(jax.random.key_data(one.key)) for one in members]),
        jax.tree.map(lambda *leaves: np.stack(leaves), *_alike([one.fixed for one in members])),
        filled([np.asarray(one.rows_Mx) for one in members], task.quantum),
        filled([np.asarray(one.validation_Vx) for one in members], min(8, task.quantum)),
    )


def _alike(fixed: list[Any]) -> list[Any]:
    """Linear paths with as many principal components each: zeros before the first change nothing."""
    codecs = [getattr(one, "codec", None) for one in fixed]
    shapes = [one.principal_PxRxT.shape for one in codecs if one is not None and one.principal_PxRxT is not None]
    if not shapes:
        return fixed
    most = max(shape[0] for shape in shapes)

    def filled(codec: Codec) -> Codec:
        own = np.zeros((0, *shapes[0][1:]), np.float32) if codec.principal_PxRxT is None else codec.principal_PxRxT
        return codec._replace(principal_PxRxT=np.pad(own, ((most - len(own), 0), (0, 0), (0, 0))))

    return [one._replace(codec=filled(one.codec)) for one in fixed]


def placer(mesh: Mesh) -> Callable[[np.ndarray], Array]:
    """What puts an array on the devices, every one having its share of the members."""
    sharding = NamedSharding(mesh, P(AXIS))
    return lambda leaf: jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])


def member_bytes(
    task: Task, config: TrainConfig, fixed: Any, rows: int, looked_at: int, row: jax.ShapeDtypeStruct
) -> int:
    """Memory of one member: twice its training state, what it trains on, and what a step keeps for its gradient.

    A look at validation examples keeps nothing for a gradient; it is counted as a quarter of what a step with as many would.

    Args:
      task, config: of the training.
      fixed: arrays or their shapes, of one member.
      rows: training examples, with padding.
      looked_at: validation examples, with padding.
      row: shape of one example.
    """
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(lambda key: train.init(key, task, config), key)

    def kept(params: Any, fixed: Any, rows_Bx: Array, key: Array) -> Any:
        return jax.vjp(lambda params: task.losses(params, fixed, rows_Bx, key).mean(), params)[1]

    batch = jax.ShapeDtypeStruct((config.batch, *row.shape), row.dtype)
    step = _bytes(jax.eval_shape(kept, state.params, fixed, batch, key))
    look = step * looked_at // (4 * config.batch)
    return 2 * _bytes(state) + _bytes(fixed) + (rows + looked_at) * _bytes(row) + max(step, look)


def check_memory(task: Task, config: TrainConfig, data: Data, members: int, mesh: Mesh) -> int:
    """Bytes of a member; InputError where they do not fit together, before anything is put on a device."""
    one = functools.partial(jax.tree.map, lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype))
    (_, rows, *row), looked_at = data.examples.rows_Mx.shape, data.validation.rows_Mx.shape[1]
    of_a_row = jax.ShapeDtypeStruct(tuple(row), data.examples.rows_Mx.dtype)
    each = member_bytes(task, config, one(data.fixed), rows, looked_at, of_a_row)
    free, sharing = free_bytes(mesh)
    fits = hosts.least(int(SLACK * free / each) * (mesh.size // sharing))
    if members > fits:
        raise InputError(
            f"ensemble: expected members that fit into the memory of {counted(mesh.size, 'device')}, got {members} of "
            f"{each / 2**20:.1f} MiB each, {members * each / 2**30:.1f} GiB; {fits} fit, or set train.ensemble=off"
        )
    return each


def free_bytes(mesh: Mesh) -> tuple[int, int]:
    """Free memory, and how many devices of the mesh share it: devices of a CPU have that of the machine in common."""
    stats = mesh.local_devices[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0), 1
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), len(mesh.local_devices)
    return 2**62, len(mesh.local_devices)


def _bytes(tree: Any) -> int:
    # Keys have no itemsize of their own.
    return sum(leaf.size * getattr(leaf.dtype, "itemsize", 8) for leaf in jax.tree.leaves(tree))
