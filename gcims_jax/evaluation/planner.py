"""What gain these records could show: before a run from plain classifiers, after it from what was answered.

The deciding test (``verdict.decide``) has an error of three parts: what persists in a record's change whichever model answers,
what comes and goes with the model, and what all answers of a model share. The first shrinks with records alone, the second
with records and repeats, the third with fitted models. Known from one cross-validation they tell the error of another.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from gcims_jax.evaluation import verdict

SEEN = 0.8  # of cases in which the smallest visible gain is called one
# The variance that each further point of gain brings to what persists, over that point; 1 if all of it came of records that gain
# whichever model answers. Before a run, where no gain has been seen, and after it, beyond the gain that was seen. Both
# were set on simulated data sets so that promises are kept, and confirmed on others (``benchmarks.planner``).
PERSISTS_BEFORE, PERSISTS_AFTER = 0.6, 0.3
FEWEST = 5  # records or groups with a changed answer, below which nothing is told
DRAWS = 200  # of the bootstrap
HALVINGS = 20  # of the range in which a gain is searched


class Design(NamedTuple):
    """A cross-validation.

    Attributes:
      size: records, or groups where records are not independent; fewer where groups are of unequal size (Kish).
      folds: of each repeat.
      repeats: of all folds.
    """

    size: float
    folds: float
    repeats: float


class Seen(NamedTuple):
    """Answers of one cross-validation, summed up for each group and model.

    Attributes:
      gain: mean change.
      score_GxJ: weighted deviations from the mean change, summed over the records of a group that a model answered.
      models_G: how many models answered each group.
      changed: groups with an answer that changed.
      spread: variance of a single answer's change.
      largest: mean change of a group, the one furthest from 0; 1 where none changed.
      design: of the cross-validation.
    """

    gain: float
    score_GxJ: np.ndarray
    models_G: np.ndarray
    changed: int
    spread: float
    largest: float
    design: Design


class Components(NamedTuple):
    """Parts of the variance of a change, each for one record (or group), one repeat and one model; numbers or one a draw.

    Attributes:
      persistent: of a record's change, whichever model answers; divided by records.
      passing: of a record's change from model to model; divided by records and repeats.
      shared: of the change that all answers of a model share; divided by models.
      spread: of a single answer's change.
      share: of groups in that spread; 1 where every record is its own.
      gain: that was seen.
      largest: mean change of a group, the one furthest from 0.
      persists: variance that each further point of gain brings to what persists, over that point and ``share``.
    """

    persistent: np.ndarray | float
    passing: np.ndarray | float
    shared: np.ndarray | float
    spread: float
    share: float
    gain: np.ndarray | float
    largest: float
    persists: float


def see(gain_RxN: np.ndarray, model_RxN: np.ndarray, groups_N: np.ndarray | None = None) -> Seen:
    """Sums up a cross-validation.

    Args:
      gain_RxN: per repeat and held-out record, right with minus right without, NaN where not tested.
      model_RxN: number of the fold that answered; any value where not tested.
      groups_N: group of each record, where records are not independent.
    """
    gain_RxN = np.asarray(gain_RxN, np.float64)
    tested_RxN = ~np.isnan(gain_RxN)
    count_N = tested_RxN.sum(axis=0)
    groups_N = np.arange(gain_RxN.shape[1]) if groups_N is None else np.asarray(groups_N)
    weight_M = (tested_RxN / (np.maximum(count_N, 1) * np.count_nonzero(count_N)))[tested_RxN]
    gain_M = gain_RxN[tested_RxN]
    gain = float(np.sum(weight_M * gain_M))
    deviation_M = gain_M - gain
    group_M = np.unique(np.broadcast_to(groups_N, gain_RxN.shape)[tested_RxN], return_inverse=True)[1]
    model_M = np.unique(np.asarray(model_RxN)[tested_RxN], return_inverse=True)[1]
    shape = group_M.max() + 1, model_M.max() + 1
    score_GxJ, answered_GxJ = np.zeros(shape), np.zeros(shape, bool)
    np.add.at(score_GxJ, (group_M, model_M), weight_M * deviation_M)
    answered_GxJ[group_M, model_M] = True
    repeats = float(np.mean(count_N[count_N > 0]))
    weight_G = np.bincount(group_M, weight_M)
    size = 1.0 / float(np.sum(weight_G**2))
    largest = float(np.max(np.abs(np.bincount(group_M, weight_M * gain_M) / weight_G)))
    return Seen(
        gain,
        score_GxJ,
        answered_GxJ.sum(axis=1),
        len(np.unique(group_M[gain_M != 0.0])),
        float(np.sum(weight_M * deviation_M**2)),
        largest or 1.0,
        Design(size, shape[1] / repeats, repeats),
    )


def components(seen: Seen, draws: int = 0, *, before: bool = False) -> Components:
    """Parts of the variance, of the answers themselves or of so many bootstrap draws of groups and of models.

    Before a run the answers are those of a pilot, whose own gain says nothing.

    As in ``clustered.estimate``. Groups and models are drawn each by themselves (Owen 2007, the pigeonhole bootstrap), which
    is wide rather than narrow. Where a single model answered every record, all of its change counts as persistent.
    """
    score_GxJ, (size, folds, repeats) = seen.score_GxJ, seen.design
    groups, models = score_GxJ.shape
    rng = np.random.default_rng(0)
    drawn_BxG = rng.multinomial(groups, np.full(groups, 1.0 / groups), draws) if draws else np.ones((1, groups))
    drawn_BxJ = rng.multinomial(models, np.full(models, 1.0 / models), draws) if draws else np.ones((1, models))
    sum_G, square_G = score_GxJ.sum(axis=1), np.sum(score_GxJ**2, axis=1)
    product_G = (sum_G**2 - square_G) * seen.models_G / np.maximum(seen.models_G - 1.0, 1.0)
    unbiased = size / max(size - 1.0, 1.0)
    record_B = unbiased * (drawn_BxG @ sum_G**2)
    persistent_B = unbiased * (drawn_BxG @ np.where(seen.models_G > 1, product_G, sum_G**2))
    persistent_B = np.clip(persistent_B, 0.0, record_B)
    # A group that is drawn twice is no pair of groups that share a model.
    cells = max(float(seen.models_G.sum()), 2.0)
    own_BxJ = drawn_BxG @ score_GxJ**2
    pairs_BxJ = (drawn_BxG @ score_GxJ) ** 2 - drawn_BxG**2 @ score_GxJ**2
    extra_BxJ = models / max(models - 1.0, 1.0) * (own_BxJ + pairs_BxJ) - cells / (cells - 1.0) * own_BxJ
    shared_B = np.maximum(np.sum(drawn_BxJ * extra_BxJ, axis=1), 0.0)
    single_B = size * (persistent_B + (record_B - persistent_B) * repeats)
    found = Components(
        persistent_B * size,
        (record_B - persistent_B) * size * repeats,
        shared_B * folds * repeats,
        seen.spread,
        float(np.mean(single_B)) / max(seen.spread, 1e-300),
        seen.gain + drawn_BxG @ sum_G,
        seen.largest,
        PERSISTS_AFTER,
    )
    if before:
        found = found._replace(gain=np.zeros_like(sum_G[:1]), persists=PERSISTS_BEFORE)
    return found if draws else Components(*(float(np.squeeze(part)) for part in found))


class Error(NamedTuple):
    """Of the deciding test: its standard error and degrees of freedom, and the spread of the change, which may be less."""

    error: np.ndarray
    degrees: np.ndarray
    spread: np.ndarray


def error(found: Components, design: Design, gain: np.ndarray | float = 0.0) -> Error:
    """What the deciding test's error will be in a cross-validation where so much is gained.

    Args:
      found: parts of the variance.
      design: of the cross-validation.
      gain: a gain g needs answers that change: their spread is g - g² or more.
    """
    size, folds, repeats = design
    missing = np.maximum(0.0, gain - gain**2 - found.spread)
    further = np.maximum(0.0, gain - np.abs(found.gain))
    persistent = (found.persistent + found.share * (found.persists * further + missing)) / size
    passing = found.passing / (size * repeats)
    shared = found.shared / (folds * repeats)
    record, model = persistent + passing, shared + persistent / repeats + passing
    spread = record**2 / max(size - 1.0, 1.0) + np.where(shared > 0.0, model**2, 0.0) / max(folds * repeats - 1.0, 1.0)
    most = max(size - 1.0, 1.0)
    degrees = np.clip((record + shared) ** 2 / np.maximum(spread, 1e-300), 1.0, most)
    least = np.maximum(found.largest, gain) * (1.0 - 0.025 ** (1.0 / size)) / stats.t.ppf(0.975, degrees)
    deciding = np.maximum(np.sqrt(record + shared + verdict.TRAINING * persistent), least)
    return Error(deciding, degrees, np.sqrt(record + shared))


def smallest_visible(found: Components, design: Design) -> np.ndarray:
    """The gain that the deciding test calls one in 4 of 5 cases, one a draw; 1 where there is none.

    It exceeds the reach of the interval by what chance takes away in 1 of 5 cases: 97.5 % point of Student's t times the error,
    and 80 % point times the spread of the change.
    """
    low = np.zeros(np.shape(found.persistent))
    high = np.ones_like(low)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        here = error(found, design, middle)
        reach = stats.t.ppf(0.975, here.degrees) * here.error + stats.t.ppf(SEEN, here.degrees) * here.spread
        low, high = np.where(middle >= reach, low, middle), np.where(middle >= reach, middle, high)
    return high


def more_of(size: float) -> int:
    """How many more records or groups to speak of: about a third, in fives or tens."""
    step = 5 if size < 100 else 10
    return max(step, step * round(size / 3 / step))


def summarise(seen: Seen, room: float, units: str = "records") -> dict[str, Any]:
    """The smallest visible gain after a run, with its records and with more, for ``results.json``.

    Args:
      seen: answers with and without.
      room: the largest gain that is possible, 1 - accuracy without.
      units: "records" or "groups".

    Returns:
      See ``tell``.
    """
    if round(seen.design.size) > FEWEST and seen.changed < FEWEST:
        return _untold(units, f"answers changed in {seen.changed or 'none'} of {round(seen.design.size)} {units}")
    return tell([seen], seen.design, room, units)


def tell(
    answers: list[Seen], design: Design, room: float, units: str = "records", *, before: bool = False
) -> dict[str, Any]:
    """The smallest visible gain of a cross-validation, mean over several kinds of answers.

    Args:
      answers: of classifiers, each with and without.
      design: of the cross-validation that is spoken of.
      room: the largest gain that is possible, 1 - accuracy without.
      units: "records" or "groups".
      before: the answers are those of a pilot.

    Returns:
      ``gain`` and its ``ci95``, both null where it cannot be told, and then ``reason``; ``more`` records or groups and
      ``gain_with_more``; ``units``.
    """
    if round(design.size) <= FEWEST:
        return _untold(units, f"there are only {design.size:.0f} {units}")

    def mean(design: Design, draws: int = 0) -> np.ndarray:
        found = [components(one, draws, before=before) for one in answers]
        return np.mean([smallest_visible(parts, design) for parts in found], axis=0)

    gain, drawn_B = float(mean(design)), mean(design, DRAWS)
    if gain > room:
        left = f"{100 * room:.0f} points are left to gain" if room < 0.995 else "none is large enough"
        return _untold(units, f"it would have to be {points(gain)} points, and {left}")
    low, high = np.percentile(drawn_B, (2.5, 97.5))
    more = more_of(design.size)
    return {
        "gain": gain,
        "ci95": (min(gain, float(low)), max(gain, float(high))),
        "reason": "",
        "more": more,
        "gain_with_more": float(mean(design._replace(size=design.size + more))),
        "units": units,
    }


def _untold(units: str, reason: str) -> dict[str, Any]:
    return {"gain": None, "ci95": None, "reason": reason, "more": None, "gain_with_more": None, "units": units}


def sentence(visible: Mapping[str, Any]) -> str:
    """The smallest visible gain in words."""
    if visible["gain"] is None:
        return f"The smallest gain that would be seen in 4 of 5 cases cannot be told: {visible['reason']}."
    low, high = visible["ci95"]
    return (
        f"With these {visible['units']} a gain of {points(visible['gain'])} points or more would be seen in 4 of 5 cases "
        f"(95 % interval {points(low)} to {points(high)}); with {visible['more']} more {visible['units']}, "
        f"{points(visible['gain_with_more'])} points."
    )


def points(gain: float) -> str:
    """A gain in points, with a decimal where it is small."""
    return f"{100 * gain:.0f}" if gain >= 0.0995 else f"{100 * gain:.1f}"
