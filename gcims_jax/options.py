"""What options may be: one rule for each, so that a wrong one is named before anything is learned."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from gcims_jax.errors import InputError, check_options


class Rule(NamedTuple):
    """What an option may be.

    Attributes:
      expected: in words, after "expected".
      read: ``read(value)`` gives the value in its type; raises ValueError, TypeError or OverflowError for any other value.
    """

    expected: str
    read: Callable[[Any], Any]


Rules = Mapping[str, Rule]


def number(low: float, high: float, *words: str, above: bool = False) -> Rule:
    """A number from ``low`` to ``high``, or one of the words; ``above``: larger than ``low``."""

    def read(value: Any) -> float | str:
        if isinstance(value, str) and value in words:
            return value
        found = float(value)
        if not low <= found <= high or (above and found == low):
            raise ValueError
        return found

    span = f"a number above {low:g} and up to {high:g}" if above else f"a number from {low:g} to {high:g}"
    return Rule(" or ".join([span, *words]), read)


def count(low: int, high: int, *others: int) -> Rule:
    """A whole number from ``low`` to ``high``, or one of the others."""

    def read(value: Any) -> int:
        found = float(value)
        if found % 1 or not (low <= found <= high or found in others):
            raise ValueError
        return int(found)

    return Rule(" or ".join([f"a whole number from {low} to {high}", *map(str, others)]), read)


def truth() -> Rule:
    """True or False."""
    return kind(bool, "True or False")


def limits() -> Rule:
    """A range, from a lower to a higher number."""

    def read(value: Any) -> tuple[float, float]:
        if not isinstance(value, (tuple, list)):
            raise TypeError
        low, high = map(float, value)
        if not low < high:
            raise ValueError
        return low, high

    return Rule("(low, high) in the axis' unit", read)


def word(known: Iterable[str]) -> Rule:
    """One of the words."""
    words = tuple(known)

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError
        return value

    return Rule(f"one of {', '.join(words)}", read)


def none(expected: str) -> Rule:
    """No value at all."""

    def read(value: Any) -> Any:
        raise ValueError

    return Rule(expected, read)


def kind(of: Any, expected: str) -> Rule:
    """A value of a type."""

    def read(value: Any) -> Any:
        if not isinstance(value, of):
            raise TypeError
        return value

    return Rule(expected, read)


def read(of: str, rules: Rules, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options in their types; those that are None are as if not given.

    Args:
      of: whose options, for messages.
      rules: by option.
      given: values by option.

    Raises:
      InputError: an option without a rule, naming those that have one and the nearest, or a value that its rule forbids.
    """
    check_options(of, rules, given)
    result = {}
    for name, value in given.items():
        if value is None:
            continue
        try:
            result[name] = rules[name].read(value)
        except (ValueError, TypeError, OverflowError):
            raise InputError(f"{of}.{name}: expected {rules[name].expected}, got {value!r}") from None
    return result


def from_text(text: str) -> float | str:
    """A number where the text is one."""
    try:
        found = float(text)
    except ValueError:
        return text
    return text if math.isnan(found) else found
