"""Repeats by need: a run with ``protocol.budget_minutes`` ends when they are over, or when more repeats cannot change the word."""

from collections.abc import Callable, Sequence

from gcims_jax.evaluation import repeats, verdict
from gcims_jax.evaluation.answers import Chosen, FoldAnswers

from .settings import Setup


def enough(
    setup: Setup, sides: Callable[[Sequence[FoldAnswers]], tuple[Chosen, Chosen]], answers: Sequence[FoldAnswers]
) -> bool:
    """Whether no further repeat is to be begun; asked after each.

    It depends on kept answers alone, the seconds of the first repeat among them. A fold that was interrupted counts what was left
    of it.

    Args:
      setup: with the budget; without one all repeats are done.
      sides: what is chosen with and without synthetic records, which the word is about.
      answers: so far, whole repeats.
    """
    if not setup.budget_minutes:
        return False
    done, planned = 1 + answers[-1].fold.repeat, affordable(setup, answers)
    with_, without = sides(answers)
    gain_RxN = verdict.gains(with_.predicted_RxN, without.predicted_RxN, setup.truth.labels_N)
    if not repeats.settled(gain_RxN, with_.model_RxN, setup.truth.groups_N, planned):
        return False
    why = "the budget ends here" if done >= planned else "more cannot change the word"
    print(f"repeat {done} of {planned}: {why}", flush=True)
    return True


def affordable(setup: Setup, answers: Sequence[FoldAnswers]) -> int:
    """Repeats that the budget allows, one at least and those that were asked for at most, by the seconds of the first."""
    first = [fold.cells for fold in answers if fold.fold.repeat == 0]
    seconds = sum(cell["wall_seconds"] for cells in first for cell in cells)
    asked = 1 + setup.folds[-1].repeat
    return max(1, min(asked, int(60.0 * setup.budget_minutes / max(seconds, 1e-9))))
