"""Training records with the nuisances of their set put on them anew, and with nothing else.

Which random changes the records of a class have is found in the training part, with their sizes: axes that move, gains of the
record, of channels, of regions, backgrounds (``gcims_jax.nuisances``). Each drawn record is a training record to which all
that was found is done once more. Where nothing is found, its records are plain copies.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from gcims_jax.generators import codecs
from gcims_jax.generators.contract import Description, make, numpy_rng, pick
from gcims_jax.nuisances import draw, find, words
from gcims_jax.nuisances.amounts import Amounts
from gcims_jax.nuisances.find import WITHIN, Found
from gcims_jax.nuisances.table import NUISANCES
from gcims_jax.options import Rule, count, number, word
from gcims_jax.parts import Part

Array = jax.Array

ALL = "all"
SHOWN = 3  # nuisances that a description names


class Nuisances(NamedTuple):
    """Fitted state.

    Attributes:
      x_NxRxT, labels_N: training records.
      found: in them.
      sizes: of draws, by name.
      amounts: what the [0, 1] scale stands for.
    """

    x_NxRxT: np.ndarray
    labels_N: np.ndarray
    found: Found
    sizes: Mapping[str, float]
    amounts: Amounts


def fit(
    key: Array,
    part: Part,
    *,
    size: float = 1.0,
    which: str = ALL,
    within: str = "class",
    units: tuple[float, float] = (0.0, 1.0),
    logarithm: int = 0,
) -> Nuisances:
    """Finds the nuisances of training records.

    Args:
      key: not used; there is nothing random in finding.
      part: training records on the [0, 1] scale.
      size: of draws, in multiples of what was found.
      which: names of nuisances that draws may have, joined by "+", or "all"; all are looked for.
      within: "class", or "group" to leave out what differs between groups.
      units: low end and span of the scale before it was brought to [0, 1].
      logarithm: 1 where a logarithm was taken before.
    """
    del key
    amounts = Amounts(*units, logarithm=bool(logarithm))
    found = find.fit(part, amounts=amounts, within=within)
    wanted = list(NUISANCES) if which == ALL else which.split("+")
    sizes = {name: size * one.size for name, one in found.sizes.items() if name in wanted and size > 0.0}
    return Nuisances(np.asarray(part.x_NxRxT, np.float32), part.labels_N, found, sizes, amounts)


def sample(key: Array, state: Nuisances, labels_S: np.ndarray) -> np.ndarray:
    """Training records of the labels with nuisances drawn anew."""
    rng = numpy_rng(key)
    x_SxRxT = state.x_NxRxT[pick(rng, state.labels_N, labels_S)]
    return draw.change(rng, x_SxRxT, state.sizes, state.amounts) if state.sizes else x_SxRxT


def _describe(state: Nuisances) -> Description:
    if not state.sizes:
        return Description(
            False, "no nuisance found: plain copies" if not state.found.sizes else "none taken: plain copies"
        )
    told = [words.short(name, size) for name, size in state.sizes.items()]
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return Description(True, ", ".join(told[:SHOWN]) + more)


def _names(value: Any) -> str:
    if not isinstance(value, str) or (value != ALL and not set(value.split("+")) <= set(NUISANCES)):
        raise ValueError
    return value


RULES: dict[str, Rule] = {
    "size": number(0, 10),
    "which": Rule(f"{ALL}, or some of {', '.join(NUISANCES)} joined by +", _names),
    "within": word(WITHIN),
    "units": codecs.RULES["units"],
    "logarithm": count(0, 1),
}
nuisances = make(fit, sample, _describe, RULES)
