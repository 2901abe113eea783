"""Training records with the nuisances of their set put on them anew, and with nothing else.

Which random changes the records of a class have is found in the training part, with their sizes: axes that move, gains of the
record, of channels, of regions, backgrounds (``gcims_jax.nuisances``). Each drawn record is a training record to which all
that was found is done once more. Where nothing is found, its records are plain copies.

What varies within a class need not hide it, so whether draws pay, and at which size, is chosen inside the training part as well: by
how well a classifier of changed copies of some of its records tells the class of the others (``ridge``). Groups stay whole.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from gcims_jax.generators import codecs
from gcims_jax.generators.contract import Description, make, numpy_rng, pick, take
from gcims_jax.generators.groups import split_groups
from gcims_jax.generators.ridge import Scores, class_scores, judge
from gcims_jax.nuisances import draw, find, words
from gcims_jax.nuisances.amounts import Amounts
from gcims_jax.nuisances.find import WITHIN, Found
from gcims_jax.nuisances.table import NUISANCES
from gcims_jax.options import Rule, count, number, word
from gcims_jax.parts import Part

Array = jax.Array

ALL = "all"
SHOWN = 3  # nuisances that a description names
CHOOSE = "choose"
SIZES = (0.5, 1.0)  # tried, in multiples of what was found
SPLITS = 3  # of the training part, to choose by
COPIES = 4  # of each class, in multiples of the largest, to try a size with
THRESHOLD = (
    1.5  # standard errors of groups by which draws have to pay; the better of two is taken, so one is not enough
)


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
    size: float | str = CHOOSE,
    which: str = ALL,
    within: str = "class",
    units: tuple[float, float] = (0.0, 1.0),
    logarithm: int = 0,
) -> Nuisances:
    """Finds the nuisances of training records.

    Args:
      key: of the draws that are tried.
      part: training records on the [0, 1] scale.
      size: of draws, in multiples of what was found; "choose" takes what pays inside the training part, or none.
      which: names of nuisances that draws may have, joined by "+", or "all"; all are looked for.
      within: "class", or "group" to leave out what differs between groups.
      units: low end and span of the scale before it was brought to [0, 1].
      logarithm: 1 where a logarithm was taken before.
    """
    amounts = Amounts(*units, logarithm=bool(logarithm))
    wanted = list(NUISANCES) if which == ALL else which.split("+")
    look = functools.partial(find.fit, amounts=amounts, within=within)
    part = part.with_values(np.asarray(part.x_NxRxT, np.float32))
    found = look(part)
    sizes = _sizes(found, wanted)
    if size == CHOOSE:
        size = _choose(key, part, lambda learn: _sizes(look(learn), wanted), amounts) if sizes else 0.0
    sizes = {name: size * one for name, one in sizes.items()} if size else {}
    return Nuisances(part.x_NxRxT, part.labels_N, found, sizes, amounts)


def _sizes(found: Found, wanted: Sequence[str]) -> dict[str, float]:
    return {name: one.size for name, one in found.sizes.items() if name in wanted}


def _choose(key: Array, part: Part, sizes_of: Callable[[Part], Mapping[str, float]], amounts: Amounts) -> float:
    """The size by which held-out records are told best, or 0 where plain copies tell them better.

    Nuisances are found again without the groups that are held out.
    """
    split_N = split_groups(numpy_rng(key), part.labels_N, part.groups_N, SPLITS)
    without = {int(split): sizes_of(part.take(np.flatnonzero(split_N != split))) for split in np.unique(split_N)}
    tried = {size: _scores(key, part, split_N, without, size, amounts) for size in (0.0, *SIZES)}
    # What was found is there, so nothing more is asked than that copies do no better.
    if tried[0.0].squared_G.mean() <= min(tried[size].squared_G.mean() for size in SIZES):
        return 0.0
    return max(SIZES, key=lambda size: float(tried[size].likelihood_G.mean()))


def _scores(
    key: Array,
    part: Part,
    split_N: np.ndarray,
    without: Mapping[int, Mapping[str, float]],
    size: float,
    amounts: Amounts,
) -> Scores:
    """How well copies of the other splits, changed as these are, tell the class of each record, if the class is among them."""
    x_NxRxT, labels_N = part.x_NxRxT, part.labels_N
    classes_K = np.unique(labels_N)
    scores_NxK = np.full((len(labels_N), len(classes_K)), np.nan)
    for split, sizes in without.items():
        changes = {name: size * one for name, one in sizes.items()}
        if any(NUISANCES[name].does in ("slow", "fast") for name in sizes):
            # Interpolation smooths noise, which helps whatever moves; so every size, none too, moves by half a point more.
            for name, length in zip(("slow_shift", "fast_shift"), x_NxRxT.shape[1:], strict=True):
                changes[name] = float(np.hypot(changes.get(name, 0.0), 0.5 / max(length - 1, 1)))
        learn = np.flatnonzero(split_N != split)
        held = np.flatnonzero((split_N == split) & np.isin(labels_N, labels_N[learn]))
        if not len(held):
            continue
        pick_key, change_key = jax.random.split(jax.random.fold_in(key, split))
        known_K, counts_K = np.unique(labels_N[learn], return_counts=True)
        owner_C = learn[pick(pick_key, labels_N[learn], np.repeat(known_K, COPIES * counts_K.max()))]
        copies_CxRxT = draw.change(change_key, x_NxRxT[owner_C], changes, amounts)
        scores_NxK[held] = class_scores(x_NxRxT[held], copies_CxRxT, labels_N[owner_C], classes_K)
    return judge(scores_NxK, labels_N, part.groups_N, classes_K)


def sample(key: Array, state: Nuisances, labels_S: np.ndarray) -> np.ndarray:
    """Training records of the labels with nuisances drawn anew."""
    pick_key, change_key = jax.random.split(key)
    x_SxRxT = take(state.x_NxRxT, pick(pick_key, state.labels_N, labels_S))
    return draw.change(change_key, x_SxRxT, state.sizes, state.amounts)


def _describe(state: Nuisances) -> Description:
    if not state.sizes:
        why = "nothing that was found is taken" if state.found.sizes else "no nuisance found"
        return Description(False, f"{why}: plain copies")
    told = [words.short(name, size) for name, size in state.sizes.items()]
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return Description(True, ", ".join(told[:SHOWN]) + more)


def _names(value: Any) -> str:
    if not isinstance(value, str) or (value != ALL and not set(value.split("+")) <= set(NUISANCES)):
        raise ValueError
    return value


RULES: dict[str, Rule] = {
    "size": number(0, 10, CHOOSE),
    "which": Rule(f"{ALL}, or some of {', '.join(NUISANCES)} joined by +", _names),
    "within": word(WITHIN),
    "units": codecs.RULES["units"],
    "logarithm": count(0, 1),
}
nuisances = make(fit, sample, _describe, RULES)
