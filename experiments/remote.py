"""Cells of a study on the workers of a Dask cluster; files stay with whoever asked."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

from threadpoolctl import threadpool_limits

from gcims_jax.errors import InputError, need
from gcims_jax.evaluation import study
from gcims_jax.evaluation.study import Cell, Scorer
from gcims_jax.parts import Part

from . import cluster


@contextlib.contextmanager
def scorer(address: str) -> Iterator[Scorer]:
    """What scores cells: workers of the cluster at the address, this process where there is none."""
    if not address:
        yield study.side_by_side
        return
    with cluster.connect(address) as client:
        cluster.check_code(client)
        yield functools.partial(_score, client)


def _score(client: Any, part: Part, cells: Sequence[Cell]) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Cells in the order in which workers end them. What a lost worker was at is done again by another."""
    distributed = need("dask.distributed", "dask", "--scheduler")
    if not cells:
        return
    # Records are sent once to every worker; one that comes later, or all that are left, get them from the others.
    try:
        sent = client.scatter(part, broadcast=True, hash=False)
        futures = {client.submit(_score_one, sent, cell, _code_here(), pure=False): cell for cell in cells}
        for done in distributed.as_completed(futures):
            cell = futures[done]
            try:
                yield cell, done.result()
            except distributed.KilledWorker as error:
                raise InputError(
                    f"--scheduler: expected workers that live, lost several at {cell.candidate.name} in fold "
                    f"{cell.index + 1}; give them more memory, and the same command goes on from here"
                ) from error
    except (OSError, distributed.client.FutureCancelledError) as error:
        raise InputError(
            f"--scheduler: expected a cluster until the end, lost it ({type(error).__name__}); the same command goes on from here"
        ) from error


def _score_one(part: Part, cell: Cell, version: str) -> dict[str, Any]:
    """A cell on a worker, which may have come after the others were asked for their code."""
    if (own := _code_here()) != version:
        raise InputError(
            f"--scheduler: expected workers with code version {version}, found {own} on one that came later"
        )
    with threadpool_limits(1):
        return study.score_cell(part, cell)


_code_here = functools.cache(cluster.own_code)
