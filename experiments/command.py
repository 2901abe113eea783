"""The command line that all commands share: unknown options are one message, not a traceback."""

import sys

from absl import app

from gcims_jax.errors import InputError


def parse(argv: list[str]) -> list[str]:
    """Flags as usual, but an unknown option of the config is one message with the nearest name, not a traceback."""
    try:
        return app.parse_flags_with_usage(argv)
    except (AttributeError, KeyError) as error:
        text = " ".join(str(error.args[0] if error.args else error).split())
        sys.exit(f"error: unknown option of the config: {text}; configs/base.py lists all options")
    except (TypeError, ValueError, FileNotFoundError) as error:
        sys.exit(f"error: --config: {error}")


def check(argv: list[str]) -> None:
    """Everything is an option.

    Raises:
      InputError: something that is none.
    """
    if len(argv) > 1:
        raise InputError(f"command line: expected options that begin with --, got {argv[1:]}")
