"""All commands under one name: ``gcims-jax``, or ``python -m experiments`` from a clone."""

import importlib
import sys

from gcims_jax.errors import suggest

from . import command

# Module, function, what it does. A command is imported when it is asked for.
COMMANDS = {
    "run": ("run", "main", "one experiment from a recipe"),
    "augment": ("run", "augment", "synthetic records for your data, and whether they help"),
    "inspect": ("inspect", "main", "what there is in a file or folder, and what is odd about it"),
    "ingest": ("ingest", "main", "a folder of instrument files of any number into one store"),
    "plan": ("plan", "main", "what gain your records could show, before anything is trained"),
    "benchmark": ("benchmark", "main", "which generators help on which kind of data, simulated and your own"),
    "simulate": ("simulate", "main", "simulated records into a file"),
    "view": ("view", "main", "a page to look at records with the mouse, real beside synthetic"),
    "version": ("version", "main", "versions and the device"),
}
HELP = "\n".join(
    [
        "Synthetic GC-IMS records and other labelled 2D spectra, and an honest answer whether they help a classifier.",
        "",
        "usage: gcims-jax COMMAND OPTIONS",
        "",
        *(f"  {name:10s}{text}" for name, (_, _, text) in COMMANDS.items()),
        "",
        "gcims-jax COMMAND --help lists the options of a command. First steps:",
        "",
        "  gcims-jax run --config quickstart",
        "  gcims-jax augment my_records.nc --workdir runs/mine",
    ]
)


def main(argv: list[str] | None = None) -> int:
    """Hands the options to the command; gives the exit status."""
    name, *options = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help", "help"):
        print(HELP)
        return 0
    name = "version" if name == "--version" else name
    if name not in COMMANDS:
        known = f"expected one of {', '.join(COMMANDS)}"
        print(f"error: command: {known}, got {name!r}{suggest(name, COMMANDS)}", file=sys.stderr)
        return 1
    module, function, _ = COMMANDS[name]
    command.begin(name, options)
    return getattr(importlib.import_module(f".{module}", __package__), function)(options)


if __name__ == "__main__":
    sys.exit(main())
