"""A page to look at records with the mouse: ``gcims-jax view FILE [SYNTHETIC]``; from a clone ``python -m experiments.view``.

Real beside synthetic beside their difference, with chromatogram and spectrum through the cursor. The page is one file that
needs no network. SYNTHETIC is what a run leaves as synthetic.nc; without it only the records of FILE are shown.
"""

import sys
from pathlib import Path

from gcims_jax import io
from gcims_jax.errors import InputError, counted, need
from gcims_jax.io.checks import check_place
from gcims_jax.records import Records
from gcims_jax.reports import view

from . import command


def main(argv: list[str] | None = None) -> int:
    """Reads and writes; gives the exit status."""
    return command.main("view", _run, argv)


def _run(argv: list[str]) -> None:
    parser = command.Parser("view", __doc__, "%(prog)s FILE [SYNTHETIC] OPTIONS")
    parser.add_argument("file", type=Path, help=f"measured records; endings: {', '.join(io.endings())}")
    parser.add_argument("synthetic", type=Path, nargs="?", help="synthetic records on the same grid or a cutout of it")
    parser.add_argument("--out", type=Path, default=Path("view.html"), help="the page to write; default view.html")
    own = parser.parse_args(argv)
    if own.out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--out: expected a file name ending in .html, got {own.out}; add the ending")
    check_place(own.out, "choose another --out")
    need("plotly.offline", "view", "view")
    for path in filter(None, (own.file, own.synthetic)):
        _check_file(path)
    real = io.read(own.file)
    synthetic = io.read(own.synthetic) if own.synthetic else None
    own.out.parent.mkdir(parents=True, exist_ok=True)
    plan = view.write(own.out, real, synthetic, sources=(own.file.name, own.synthetic.name if own.synthetic else ""))
    print(f"real       {_counts(real)}")
    if synthetic is not None:
        print(f"synthetic  {_counts(synthetic)}")
    print(
        f"shown      {counted(plan.per_class, 'record')} of a class and file at most, {len(plan.slow_R)} × {len(plan.fast_T)} points"
    )
    print(f"\npage: {own.out}, {own.out.stat().st_size / 1e6:.1f} MB; open it in a browser")


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: expected a file with records, found nothing; check the path")
    if path.is_dir() and not io.is_known(path):
        raise InputError(
            f"{path}: expected a file with records, found a folder; "
            f"gcims-jax ingest {path} --output records.zarr makes one of it"
        )


def _counts(records: Records) -> str:
    n, r, t = records.shape
    return f"{counted(n, 'record')} of {r} × {t} points, {counted(len(records.classes), 'class')}"


if __name__ == "__main__":
    sys.exit(main())
