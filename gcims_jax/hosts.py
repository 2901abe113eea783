"""Processes of one run, on one machine each: all compute the same, the first writes. One process is the ordinary case."""

import json
import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from gcims_jax.errors import InputError

# JAX looks for the rest by itself under Slurm, Open MPI, Kubernetes and on TPUs.
COORDINATOR, PROCESSES, PROCESS = "JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
WAIT = 120  # seconds for the others


def start(coordinator: str = "", processes: int | None = None, process: int | None = None) -> bool:
    """Joins the processes of a run, before anything is computed; options go before the environment.

    Args:
      coordinator: address of the first process as host:port; "" takes that of the environment, or is no such run.
      processes: how many there are.
      process: which one this is, from 0.

    Returns:
      Whether there are several.

    Raises:
      InputError: an incomplete description, or others that do not answer.
    """
    coordinator = coordinator or os.environ.get(COORDINATOR, "")
    if not coordinator:
        if processes is not None or process is not None:
            raise InputError("--coordinator: expected host:port of the first process with --processes, got none")
        return False
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--coordinator: expected host:port, for example 10.0.0.1:1234, got {coordinator!r}")
    processes, process = (
        int(os.environ[name]) if given is None and os.environ.get(name, "").isdigit() else given
        for name, given in ((PROCESSES, processes), (PROCESS, process))
    )
    if processes is not None and process is not None and not 0 <= process < processes:
        raise InputError(f"--process: expected 0 to {processes - 1} of {processes} processes, got {process}")
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(
            coordinator, processes, process, initialization_timeout=WAIT, shutdown_timeout_seconds=WAIT // 4
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"--coordinator: expected {processes or 'all'} processes to meet at {coordinator} within {WAIT} s, got: "
            f"{str(error).splitlines()[0]}"
        ) from error
    return jax.process_count() > 1


def leave() -> None:
    """Ends what the processes have in common, so that none waits for the last; each can go on by itself."""
    if several():
        multihost_utils.sync_global_devices("leave")
        jax.distributed.shutdown()


def several() -> bool:
    """Whether there are other processes."""
    return jax.process_count() > 1


def is_first() -> bool:
    """Whether this process writes files and progress."""
    return jax.process_index() == 0


def agree(what: Mapping[str, str] | None) -> None:
    """Holds against each other what must be the same for all; whoever cannot go on says so with None, and all end.

    Args:
      what: texts by name, such as hashes of data.

    Raises:
      InputError: on every process, with the names of what differs.
    """
    if not several():
        return
    names = all_texts("\n".join(what) if what is not None else "")
    if ill := [i for i, text in enumerate(names) if not text]:
        if what is not None:
            raise InputError(
                f"processes: expected all to go on, got an end of process {ill[0]}; its own message says why"
            )
        return
    values = [json.loads(text) for text in all_texts(json.dumps(what))]
    for i, other in enumerate(values):
        differing = [name for name in values[0] if other.get(name) != values[0][name]]
        if differing:
            raise InputError(
                f"processes: expected the same configuration, data and code in all, got others in process {i} than in "
                f"process 0: {', '.join(differing)}; start the same command with the same files on every host"
            )


def all_texts(text: str) -> list[str]:
    """The texts of all processes, in their order."""
    raw = np.frombuffer(text.encode(), np.uint8)
    sizes = multihost_utils.process_allgather(np.int32(len(raw)))
    padded = np.zeros(max(int(np.max(sizes)), 1), np.uint8)
    padded[: len(raw)] = raw
    rows = np.atleast_2d(multihost_utils.process_allgather(padded))
    return [bytes(row[:size]).decode() for row, size in zip(rows, np.atleast_1d(sizes), strict=True)]


def from_first(value: Any) -> Any:
    """What the first process says, as JSON allows; of one process its own."""
    return json.loads(all_texts(json.dumps(value))[0]) if several() else value


def least(number: int) -> int:
    """The smallest number that a process has."""
    return min(map(int, all_texts(str(number)))) if several() else number


def arrays_from_first(tree: Any) -> Any:
    """A pytree of arrays, of one shape everywhere, as the first process has it."""
    return multihost_utils.broadcast_one_to_all(tree) if several() else tree


def gather(tree: Any) -> Any:
    """A pytree of arrays that lie on many devices, whole and in this process' memory."""
    if several():
        return multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(np.asarray, tree)
