"""The one error type for what a user can cause.

Messages follow one pattern: the rule, what was expected, what came, what to do.
"""

import difflib
import importlib
from collections.abc import Iterable
from typing import Any


class InputError(ValueError):
    """A file, field or option is not what the rule asks for; the message names it and the remedy."""


def suggest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'the nearest'?`` for the end of a message; empty where nothing known is near."""
    near = difflib.get_close_matches(str(name), list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def counted(number: int, of: str) -> str:
    """``1 record``, ``2 records``, ``2 classes``."""
    return f"{number} {of}" if number == 1 else f"{number} {of}{'es' if of.endswith('s') else 's'}"


def need(module: str, extra: str, purpose: str) -> Any:
    """A module that only few need and that an extra of the package installs.

    Raises:
      InputError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise InputError(
            f'{purpose}: expected {package} to be installed, found none ({error}); pip install "gcims-jax[{extra}]"'
        ) from error


def check_options(of: str, known: Iterable[str], given: Iterable[str]) -> None:
    """Raises InputError for an option that is not known, naming those that are and the nearest.

    Args:
      of: what has the options, for the message.
      known, given: names.
    """
    if unknown := sorted(set(given) - set(known)):
        remedy = suggest(unknown[0], known) or "; leave it out"
        raise InputError(f"{of}: expected options {sorted(known)}, got {unknown[0]!r}{remedy}")
