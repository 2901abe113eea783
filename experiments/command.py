"""The command line that all commands share: recipes by name or path, one spelling of options, one sentence for a mistake."""

import argparse
import ast
import errno
import importlib.util
import os
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ml_collections import ConfigDict

import gcims_jax
from configs import base
from gcims_jax.errors import InputError, suggest

RECIPES = Path(base.__file__).parent
FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR)
_begun: set[str] = set()  # commands of this process


class Parser(argparse.ArgumentParser):
    """Options are written out, the help is the module's own text, and a mistake is an ``InputError``."""

    def __init__(self, name: str, text: str, usage: str | None = None) -> None:
        super().__init__(
            prog=f"python -m experiments.{name}" if __package__ == "experiments" else f"gcims-jax {name}",
            description=text.replace("``", ""),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            usage="%(prog)s [FILE_OR_FOLDER] OPTIONS" if usage is None else usage,
        )

    def error(self, message: str) -> NoReturn:
        what, _, rest = message.partition(": ")
        if what == "unrecognized arguments":
            self.refuse(rest.split()[0])
        raise InputError(f"command line: {message}")

    def refuse(self, argument: str, more: Sequence[str] = ()) -> NoReturn:
        """An argument that the command does not have, with the nearest of its options and of ``more``."""
        if not argument.startswith("--"):
            raise InputError(f"command line: expected options that begin with --, got {argument!r}")
        option = argument.partition("=")[0]
        leaf = option.removeprefix("--").replace("-", "_")
        recipe = [
            f"--config.{s}.{leaf}" for s, section in base.get_config().items() if more and leaf in _names(section)
        ]
        remedy = suggest(option, [*self._option_string_actions, *more]) or "; --help lists all options"
        if recipe:
            remedy = f"; in a recipe it is {' or '.join(recipe)}"
        raise InputError(f"command line: unknown option {option}{remedy}")


def begin(name: str, argv: Sequence[str]) -> None:
    """Says what begins, before imports and reading take their seconds."""
    if name not in _begun and not {"-h", "--help"} & set(argv):
        print(f"gcims_jax {gcims_jax.__version__}: {name}", flush=True)
    _begun.add(name)


def main(name: str, work: Callable[[list[str]], int | None], argv: Sequence[str] | None) -> int:
    """Says what begins, does it, and gives the exit status; what a user can cause ends with one sentence.

    Args:
      name: of the command.
      work: takes the options; gives the exit status, None for 0.
      argv: the options; None takes those of the process.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        begin(name, argv)
        return work(argv) or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except BrokenPipeError:  # whoever read the output, as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in FULL + REFUSED:
            raise
        where = error.filename or "output"
        text = (
            f"{where}: expected room on the disk, got none left; make room, and the same command goes on from here"
            if error.errno in FULL
            else f"{where}: expected a place that can be read and written, got: {error.strerror}; choose another place"
        )
        print(f"error: {text}", file=sys.stderr)
    return 1


def read(parser: Parser, argv: Sequence[str], recipe: str | None) -> tuple[argparse.Namespace, ConfigDict]:
    """The parser's own options, and the recipe with the options that were set on the command line.

    Args:
      parser: of the command; gets ``--config`` and the list of recipes.
      argv: options.
      recipe: where ``--config`` names none; None asks for one.

    Raises:
      InputError: an unknown option, a value of the wrong kind, no such recipe.
    """
    otherwise = f"default {recipe}" if recipe else "needed"
    parser.add_argument("--config", default=recipe, help=f"recipe, a name from the list below or a path; {otherwise}")
    parser.epilog = _about_options()
    own, rest = parser.parse_known_args(one_spelling(argv))
    given = _pairs(rest, parser)
    if own.config is None:
        raise InputError(
            f"--config: expected a recipe, for example --config quickstart, got none; known are {', '.join(recipes())}"
        )
    config = load(own.config)
    for name, text in given:
        _set(config, name, text)
    return own, config.lock()


def one_spelling(argv: Sequence[str]) -> list[str]:
    """``--data.group_column`` and ``--group-column`` become ``--config.data.group_column``.

    ``--input PATH``, or a path in the first place, becomes ``--config.data.path PATH``.
    """
    section = base.get_config().data
    if argv and not argv[0].startswith("-"):
        argv = ["--input", *argv]

    def spelled(argument: str) -> str:
        option, equals, value = argument.partition("=")
        if not option.startswith("--"):
            return argument
        name = option.removeprefix("--").removeprefix("data.").replace("-", "_")
        if option == "--input":
            name = "path"
        elif not option.startswith("--data.") and name not in section:
            return argument
        return f"--config.data.{name}{equals}{value}"

    return [spelled(argument) for argument in argv]


def recipes() -> list[str]:
    """Names of the recipes that come along."""
    return sorted(path.stem for path in RECIPES.glob("*.py") if path.stem not in ("__init__", "base"))


def load(name: str) -> ConfigDict:
    """A recipe by its name or path.

    Raises:
      InputError: no such recipe, or a file that is none.
    """
    path = Path(name) if name.endswith(".py") else RECIPES / f"{name}.py"
    if not path.is_file():
        raise InputError(
            f"--config: expected the path of a recipe or one of {', '.join(recipes())}, got {name!r}"
            + suggest(Path(name).stem, recipes())
        )
    try:
        spec = importlib.util.spec_from_file_location("recipe", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.get_config()
    except InputError:
        raise
    except Exception as error:  # a user's recipe may do anything
        raise InputError(
            f"--config: expected a recipe whose get_config() gives the options, got {path}, which ends with "
            f"{type(error).__name__}: {error}"
        ) from error


def _about_options() -> str:
    section = base.get_config().data
    options = (f"--{name.replace('_', '-')}" for name in section if name != "path")
    lines = [
        f"recipes: {', '.join(recipes())}",
        "",
        "--input FILE_OR_FOLDER says which records; --data.path and --config.data.path are the same.",
        f"Which of them, and how they are read: {', '.join(options)}.",
        "Any other option of a recipe: --config.SECTION.NAME=VALUE, for example --config.train.steps=800.",
        f"All options with their defaults: {base.__file__}",
    ]
    return "\n".join(textwrap.fill(line, 110, break_on_hyphens=False, break_long_words=False) for line in lines)


def _pairs(rest: list[str], parser: Parser) -> list[tuple[str, str | None]]:
    """Options of the recipe with their values, ``--config.a.b=value`` or ``--config.a.b value``; None where there is no value."""
    found: list[tuple[str, str | None]] = []
    waits = False  # the last option for its value
    for argument in rest:
        if argument.startswith("--config."):
            name, equals, value = argument.removeprefix("--config.").partition("=")
            found.append((name, value if equals else None))
            waits = not equals
        elif waits and not argument.startswith("--"):
            found[-1] = (found[-1][0], argument)
            waits = False
        else:
            parser.refuse(argument, ["--input", *(f"--{name.replace('_', '-')}" for name in base.get_config().data)])
    return found


def _names(section: Any) -> list[str]:
    """Of the options of a section; none where it is an option itself."""
    return list(section) if isinstance(section, ConfigDict) else []


def _set(config: ConfigDict, name: str, text: str | None) -> None:
    """Sets one option, in the type that it has."""
    *sections, leaf = name.split(".")
    section: Any = config
    for i, part in enumerate([*sections, leaf]):
        if not isinstance(section, ConfigDict) or part not in section:
            there = _names(section)
            before = "".join(f"{s}." for s in sections[:i])
            remedy = suggest(part, there) or f"; {before or 'the recipe'} has {', '.join(there)}"
            raise InputError(f"command line: unknown option --config.{name}{remedy}")
        if i < len(sections):
            section = section[part]
    there = section[leaf]
    try:
        section[leaf] = _READ[type(there)][1](text)
    except (KeyError, ValueError, TypeError, SyntaxError, AttributeError):
        expected = _READ[type(there)][0] if type(there) in _READ else f"one of its options, {', '.join(there)}"
        got = "none" if text is None else f"{text!r}"
        raise InputError(f"--config.{name}={text}: expected {expected}, got {got}") from None


def _truth(text: str | None) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[(text or "true").lower()]


def _several(text: str) -> tuple[Any, ...]:
    """``(1, 2)``, ``('a', 'b')`` or, without quotes, ``a,b``."""
    try:
        found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        if re.search(r"[()\[\]'\"]", text):
            raise
        found = [word.strip() for word in text.split(",") if word.strip()]
    return tuple(found) if isinstance(found, (tuple, list)) else (found,)


def _text(text: str | None) -> str:
    if text is None:
        raise ValueError
    return text


# How a value of each type is read, and what it is in words.
_READ: dict[type, tuple[str, Callable[[Any], Any]]] = {
    bool: ("True or False", _truth),
    int: ("a whole number", int),
    float: ("a number", float),
    str: ("a text", _text),
    tuple: ("values with commas between", _several),
}
