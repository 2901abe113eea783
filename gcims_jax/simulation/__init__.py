"""Physics of GC-IMS records, and the cultures that the simulated set is made of."""

import inspect
from typing import Any

from gcims_jax.errors import check_options
from gcims_jax.records import Records
from gcims_jax.seeds import as_int
from gcims_jax.simulation import gcims


def simulate(seed: Any = 0, **options: Any) -> Records:
    """Simulated GC-IMS records of bacterial cultures, 220 of 5 species where nothing else is said.

    Args:
      seed: a whole number or a JAX key.
      **options: n_retention, n_drift, class_sizes and so on, see ``gcims.simulate``, which gives the planted truth as well.

    >>> simulate(n_retention=16, n_drift=32, class_sizes={"Escherichia coli": 2, "Klebsiella pneumoniae": 3})
    <5 records of 16 retention time [s] × 32 drift time [ms] points, 2 classes>
    """
    check_options("simulate", list(inspect.signature(gcims.simulate).parameters)[1:], options)
    records, _ = gcims.simulate(as_int(seed), **options)
    return records
