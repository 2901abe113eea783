"""Whether codecs that are to be trained together fit into memory, told before anything is put on a device."""

import functools
import os
from typing import Any

import jax
from jax.sharding import Mesh

from gcims_jax import hosts
from gcims_jax.codec import train
from gcims_jax.codec.train import Examples, Task, TrainConfig
from gcims_jax.errors import InputError, counted

Array = jax.Array

SLACK = 0.9  # share of the free memory that members may take


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


def check_memory(
    task: Task, config: TrainConfig, fixed_M: Any, examples: Examples, validation: Examples, members: int, mesh: Mesh
) -> int:
    """Bytes of a member; InputError where they do not fit together, before anything is put on a device."""
    one = functools.partial(jax.tree.map, lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype))
    (_, rows, *row), looked_at = examples.rows_Mx.shape, validation.rows_Mx.shape[1]
    of_a_row = jax.ShapeDtypeStruct(tuple(row), examples.rows_Mx.dtype)
    each = member_bytes(task, config, one(fixed_M), rows, looked_at, of_a_row)
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
