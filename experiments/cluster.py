"""A Dask cluster that is there already: finding it, and workers of the same code."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from gcims_jax.errors import InputError, need

from . import workdir

WAIT = 8  # seconds for a scheduler to answer


@contextlib.contextmanager
def connect(address: str) -> Iterator[Any]:
    """A client of the cluster at an address such as tcp://host:8786.

    Raises:
      InputError: no scheduler that answers within seconds, or one without workers.
    """
    distributed = need("dask.distributed", "dask", "--scheduler")
    check(address)
    try:
        client = distributed.Client(address, timeout=WAIT)
    except (OSError, ValueError) as error:
        raise _no_answer(address, error) from error
    with client:
        if not client.nthreads():
            raise InputError(f"--scheduler: expected a cluster with workers, found none at {address}")
        yield client


def check(address: str) -> None:
    """Raises InputError unless a scheduler greets whoever comes to the address; "" is no address.

    Dask's own client waits without end for one that listens and is silent.
    """
    if not address:
        return
    try:
        parts = urlsplit(address)
        if not parts.hostname or parts.port is None:
            raise ValueError("no host and port")
        with socket.create_connection((parts.hostname, parts.port), timeout=WAIT) as line:
            if parts.scheme == "tcp" and not line.recv(1):
                raise OSError("no greeting")
    except (OSError, ValueError) as error:
        raise _no_answer(address, error) from error


def _no_answer(address: str, error: Exception) -> InputError:
    return InputError(f"--scheduler: expected the address of a running Dask scheduler, got {address} ({error})")


def own_code() -> str:
    """Version of the code of the process that this runs in."""
    return workdir.code_version()


def check_code(client: Any) -> None:
    """Raises InputError unless all workers have the code of this process."""
    own = workdir.code_version()
    for worker, found in client.run(own_code, on_error="return").items():
        if found != own:
            what = f"{type(found).__name__}: {found}" if isinstance(found, Exception) else f"version {found}"
            raise InputError(
                f"--scheduler: expected workers with this code, version {own}, found {what} on {worker}; install the same "
                "version there and start them again"
            )
