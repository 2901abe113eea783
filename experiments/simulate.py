"""Writes simulated GC-IMS records of bacterial cultures: ``gcims-jax simulate OUT.nc --records 60 --seed 0``.

The ending says the format. The same options give the same records.
"""

import sys
from pathlib import Path

from gcims_jax import io
from gcims_jax.errors import InputError, counted
from gcims_jax.io.checks import check_place
from gcims_jax.seeds import as_int
from gcims_jax.simulation import cultures, gcims

from . import command


def main(argv: list[str] | None = None) -> int:
    """Simulates and writes; gives the exit status."""
    return command.main("simulate", _run, argv)


def _run(argv: list[str]) -> None:
    parser = command.Parser("simulate", __doc__, "%(prog)s OUTPUT OPTIONS")
    species = list(cultures.CLASS_SIZES)
    parser.add_argument("output", type=Path, help=f"file to make; endings: {', '.join(sorted(io.WRITERS))}")
    parser.add_argument("--records", type=int, help=f"dealt to {len(species)} species evenly; default 220, unevenly")
    parser.add_argument("--seed", type=int, default=0, help="of everything random; default 0")
    parser.add_argument("--n-retention", type=int, default=512, help="points of the retention axis; default 512")
    parser.add_argument("--n-drift", type=int, default=1024, help="points of the drift axis; default 1024")
    own = parser.parse_args(argv)
    sizes = dict(cultures.CLASS_SIZES) if own.records is None else cultures.deal(own.records)
    if not str(own.output).lower().endswith(tuple(io.WRITERS)):
        raise InputError(f"{own.output}: expected a file name ending in one of {', '.join(sorted(io.WRITERS))}")
    if own.output.exists():
        raise InputError(f"{own.output}: expected no such file yet, found one; choose another name or delete it")
    check_place(own.output, "choose another place")
    records, _ = gcims.simulate(as_int(own.seed), n_retention=own.n_retention, n_drift=own.n_drift, class_sizes=sizes)
    own.output.parent.mkdir(parents=True, exist_ok=True)
    io.write(records, own.output)
    classes = counted(len(records.classes), "class")
    print(f"{own.output}: {counted(len(records), 'record')} of {own.n_retention} × {own.n_drift} points in {classes}")


if __name__ == "__main__":
    sys.exit(main())
