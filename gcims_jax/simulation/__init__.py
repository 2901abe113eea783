"""Physics of GC-IMS records, and the cultures that the simulated set is made of."""

import inspect
from typing import Any

from gcims_jax.errors import InputError, check_options
from gcims_jax.records import Records
from gcims_jax.seeds import as_int
from gcims_jax.simulation import cultures, gcims


def simulate(seed: Any = 0, *, records: int | None = None, **options: Any) -> Records:
    """Simulated GC-IMS records of bacterial cultures, 220 of 5 species where nothing else is said.

    Args:
      seed: a whole number or a JAX key.
      records: number of them, dealt out to the species evenly; ``class_sizes`` says how many of which.
      **options: n_retention, n_drift, class_sizes and so on, see ``gcims.simulate``, which gives the planted truth as well.

    >>> simulate(n_retention=16, n_drift=32, class_sizes={"Escherichia coli": 2, "Klebsiella pneumoniae": 3})
    <5 records of 16 retention time [s] × 32 drift time [ms] points, 2 classes>
    """
    check_options("simulate", ["records", *list(inspect.signature(gcims.simulate).parameters)[1:]], options)
    if records is not None and "class_sizes" in options:
        raise InputError("simulate: expected records or class_sizes, got both; leave one of them out")
    if records is not None:
        options["class_sizes"] = cultures.deal(records)
    return gcims.simulate(as_int(seed), **options)[0]
