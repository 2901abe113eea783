"""Prints versions and the device: ``gcims-jax version``."""

import platform
import sys

import gcims_jax

from . import command, settings, workdir


def main(argv: list[str] | None = None) -> int:
    """Prints; gives the exit status."""
    return command.main("version", _run, argv)


def _run(argv: list[str]) -> None:
    command.Parser("version", __doc__, "%(prog)s").parse_args(argv)
    software = workdir.about_software()
    versions = {"gcims-jax": gcims_jax.__version__, "Python": platform.python_version(), **software["versions"]}
    for name, text in versions.items():
        print(f"{name:18s} {text}")
    if software["git_revision"]:
        print(f"{'revision':18s} {software['git_revision']}")
    print(f"{'device':18s} {settings.describe_device()}")


if __name__ == "__main__":
    sys.exit(main())
