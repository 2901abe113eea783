"""Checkpoints of a training: orbax never leaves a half-written step."""

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

# Only the first process of a run writes, so orbax must not wait for the others.
ALONE = ocp.options.MultiprocessingOptions(
    primary_host=0, active_processes={0}, barrier_sync_key_prefix="first_process"
)


class Checkpoints:
    """Saves and restores the state of a training, a pytree with its ``step``; does nothing without a directory."""

    def __init__(self, directory: Path | None) -> None:
        alone = {"multiprocessing_options": ALONE} if jax.process_count() > 1 else {}
        # orbax makes no directory for one process among several.
        if directory and alone:
            Path(directory).mkdir(parents=True, exist_ok=True)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=1, enable_async_checkpointing=False, create=not alone, **alone
        )
        self._manager = directory and ocp.CheckpointManager(Path(directory).absolute(), options=options)
        self._last = time.monotonic()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        if self._manager:
            self._manager.close()

    def restore(self, state: Any) -> Any:
        """The state that was saved last; the one given where there is none."""
        if not self._manager or self._manager.latest_step() is None:
            return state
        like = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), state)
        kept = self._manager.restore(self._manager.latest_step(), args=ocp.args.StandardRestore(like))
        return jax.tree.map(jnp.asarray, kept)

    def _check_room(self, state: Any) -> None:
        """Raises OSError where the disk is full, before orbax does so from its threads, with a traceback each."""
        folder, needed = self._manager.directory, sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        if shutil.disk_usage(folder).free < 2 * needed + 2**20:  # it writes its own files beside the arrays
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    def save(self, state: Any, *, force: bool, every: float) -> None:
        """Saves if forced to, or if so many seconds have passed since the last time."""
        if self._manager and (force or time.monotonic() - self._last >= every):
            self._check_room(state)
            # In this process' memory, they can be read back on any device.
            self._manager.save(int(state.step), args=ocp.args.StandardSave(jax.tree.map(np.asarray, state)))
            self._last = time.monotonic()
