"""Synthetic records from the generator that helps most, and whether they help here: for a user's own data."""

from collections.abc import Sequence

from gcims_jax.evaluation import choice, scoring, splits
from gcims_jax.evaluation.answers import FoldAnswers, dose_of
from gcims_jax.evaluation.candidates import Candidate, Dose
from gcims_jax.evaluation.scoring import Made
from gcims_jax.reports.leaderboard import Written

from . import studies, synthetic
from .job import Job


def run(job: Job) -> str:
    """Judges all candidates as the leaderboard does, then writes the records of the generator that its first fold prefers."""
    written = []

    def write(folds: list[FoldAnswers]) -> Written:
        job.progress.stage("synthetic records")
        candidate, dose = choose(job, folds)
        made = make(job, candidate, dose)
        records = synthetic.in_units(job, made, made.draws[scoring.key_of(candidate)], "strict", candidate.name)
        synthetic.write(job, records)
        text = (
            f"synthetic.nc: {len(records)} records of {candidate.name}, {dose.mode}, {dose.ratio:g}×, chosen inside the training "
            "part of the first fold."
        )
        written.append(text)
        return Written(synthetic.examples(job, made, records, "strict"), text)

    return "\n".join([studies.leaderboard(job, write), *written])


def choose(job: Job, folds: Sequence[FoldAnswers]) -> tuple[Candidate, Dose]:
    """The generator and dose that the first fold's training part finds best, with whichever classifier.

    Its held-out records have no say: they may test what is trained on these records. Copies where there is no other.
    """
    candidates = {c.name: c for c in studies.candidates_of(job) if c.generator}
    made = [name for name, candidate in candidates.items() if not candidate.is_plain] or list(candidates)
    rows, inner = folds[0].rows, folds[0].inner
    fitting = [i for i, row in enumerate(rows) if row["candidate"] in made]
    best = rows[fitting[0] if inner is None else choice.best(inner, fitting, ())]
    return candidates[best["candidate"]], dose_of(best)


def make(job: Job, candidate: Candidate, dose: Dose) -> Made:
    """Records of a candidate, learned from the first fold's training part."""
    setup, fold = job.setup, job.setup.folds[0]
    return scoring.make(
        splits.fold_keys(setup.seed, "strict", 0),
        [candidate],
        setup.part.take(fold.train),
        setup.part.take(fold.test),
        studies.plan_of(job)._replace(doses=(dose,)),
    )
