"""What every generator of records is, and what several share."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax import options as option_rules
from gcims_jax import parts
from gcims_jax.batches import for_each, traced
from gcims_jax.errors import InputError
from gcims_jax.options import Rules
from gcims_jax.parts import Learned, Part

Array = jax.Array


class Description(NamedTuple):
    """What a fitted generator does.

    Attributes:
      changes: False where it chose to change nothing: its records are plain copies.
      text: what it chose, one short sentence for tables.
    """

    changes: bool
    text: str


class Generator(NamedTuple):
    """A way to make synthetic records; ``make`` puts one together.

    Attributes:
      fit: ``fit(key, part, **options) -> Learned``, of training records on the [0, 1] scale; carries their origin.
      sample: ``sample(key, learned, labels_S) -> Part``, one synthetic record per label, in this order, with the origin of
        what was learned; same key, same records.
      options: names of the options of ``fit`` and their values where none are given.
      read: ``read(of, given) -> options`` in their types; raises InputError for one that ``fit`` does not take, which names
        ``of``.
      describe: ``describe(learned) -> Description``.
      draw: ``draw(key, state, labels_S) -> x_SxRxT``, what ``sample`` wraps, of ``learned.value``; pure, the same inside ``jax.jit``
        and ``jax.vmap`` over keys and labels, where labels that were not there in training give NaN.
    """

    fit: Callable[..., Learned]
    sample: Callable[[Array, Learned, np.ndarray], Part]
    options: Mapping[str, Any]
    read: Callable[[str, Mapping[str, Any]], dict[str, Any]]
    describe: Callable[[Learned], Description]
    draw: Callable[[Array, Any, np.ndarray], Any]


def make(
    fit: Callable[..., Any],
    sample: Callable[[Array, Any, np.ndarray], np.ndarray],
    describe: Callable[[Any], Description],
    rules: Rules | Callable[[Mapping[str, Any]], Rules],
    options: Mapping[str, Any] | None = None,
) -> Generator:
    """A generator of inner functions that know of no origin: it is attached here, and only here.

    Args:
      fit: ``fit(key, part, **options) -> state``.
      sample: ``sample(key, state, labels_S) -> x_SxRxT``, pure; a label that was not there in training is an InputError, and
        NaN inside ``jax.jit``.
      describe: ``describe(state) -> Description``.
      rules: what each option may be; a function of the options that were given where one decides about others.
      options: of ``fit`` and their values where none are given; None reads them from its keyword-only parameters.
    """
    if options is None:
        parameters = inspect.signature(fit).parameters.values()
        options = {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}

    def read(of: str, given: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in given.items() if value is not None}
        return option_rules.read(of, rules(given) if callable(rules) else rules, given)

    def fit_part(key: Array, part: Part, **given: Any) -> Learned:
        check_part(part)
        return parts.learn(functools.partial(fit, key), part, **read("generator", given))

    def sample_part(key: Array, learned: Learned, labels_S: np.ndarray) -> Part:
        labels_S = np.asarray(labels_S)
        return parts.synthetic(sample(key, learned.value, labels_S), labels_S, learned.origin)

    return Generator(fit_part, sample_part, options, read, lambda learned: describe(learned.value), sample)


class Pool(NamedTuple):
    """The training records, by class: the state of generators that change copies of them.

    Attributes:
      x_NxRxT: training records.
      labels_N: their labels.
      options: of the generator, by name.
    """

    x_NxRxT: np.ndarray
    labels_N: np.ndarray
    options: Mapping[str, Any]


def numpy_rng(key: Array) -> np.random.Generator:
    """A numpy generator that depends on nothing but the key."""
    return np.random.default_rng(np.asarray(jax.random.bits(key, (4,))))


def check_part(part: Any) -> None:
    """Raises InputError unless these are records that know where they come from."""
    if not isinstance(part, Part):
        raise InputError(
            f"generator: expected a Part, records that know where they come from, got {type(part).__name__}; make one with "
            "parts.from_records, or of arrays with parts.from_arrays"
        )
    if not len(part):
        raise InputError("generator: expected training records, got a part without any")


def check_labels(known_N: np.ndarray, labels_S: np.ndarray) -> np.ndarray:
    """Labels to draw as an integer array, if each was there in training; inside ``jax.jit`` nothing is looked at."""
    labels_S = (jnp if traced(labels_S) else np).asarray(labels_S)
    if labels_S.ndim != 1:
        raise InputError(f"labels to draw: expected one for each record in a list or array, got shape {labels_S.shape}")
    if traced(labels_S):
        return labels_S
    known = set(np.asarray(known_N).tolist())
    if unknown := sorted(set(labels_S.tolist()) - known):
        raise InputError(
            f"labels to draw: expected labels of the training records, got {unknown[0]!r} as well; they are "
            f"{', '.join(map(repr, sorted(known)))}"
        )
    return labels_S


def pick(key: Array, known_N: np.ndarray, labels_S: np.ndarray) -> np.ndarray:
    """A training record of the label for each draw, as indices; every record of a class as often as the next.

    The first draws of a class are spread as evenly as all of them, so any prefix is a fair smaller set. Inside ``jax.jit`` a
    label that was not there in training gets N, the index of no record.
    """
    labels_S = check_labels(known_N, labels_S)
    xp = jnp if traced(key, labels_S) else np
    order_key, turn_key = jax.random.split(key)
    order_N = xp.lexsort((for_each(order_key, _bits, known_N), known_N))  # class by class, by chance within
    first_S, end_S = (xp.searchsorted(np.sort(known_N), labels_S, side) for side in ("left", "right"))
    count_S = xp.maximum(end_S - first_S, 1)
    by_label_S = xp.argsort(labels_S, stable=True)
    # How many draws of the label come before.
    rank_S = xp.argsort(by_label_S) - xp.searchsorted(labels_S[by_label_S], labels_S)
    # Every round through a class begins elsewhere, so that two picks for the same labels are not always the same pairs.
    turn_S = for_each(turn_key, _bits, labels_S)[rank_S // count_S] % (1 << 16)
    place_S = first_S + (rank_S + turn_S.astype(int)) % count_S
    return xp.where(end_S > first_S, order_N[xp.minimum(place_S, len(known_N) - 1)], len(known_N))


def take(a_Nx: np.ndarray, picked_S: np.ndarray) -> np.ndarray:
    """Rows by index; inside ``jax.jit`` NaN for an index of no row."""
    return jnp.take(a_Nx, picked_S, axis=0, mode="fill") if traced(picked_S) else a_Nx[picked_S]


def _bits(key: Array, row: Array) -> Array:
    return jax.random.bits(key)
