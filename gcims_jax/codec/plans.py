"""What is to be trained, told apart from who does it: one training after the other, or those of many codecs at once.

A plan is a generator. It yields trainings, takes the weights and losses that come of each, and ends with its result.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from gcims_jax.codec import train
from gcims_jax.codec.train import Curves, Params, Task, TrainConfig

Array = jax.Array
Result = TypeVar("Result")


class Training(NamedTuple):
    """What ``train.minimise`` needs.

    Attributes:
      name: of the folder of its checkpoints.
      words: what is trained, for the progress bar.
      key, task, rows_Mx, validation_Vx, fixed: see ``train.minimise``.
    """

    name: str
    words: str
    key: Array
    task: Task
    rows_Mx: np.ndarray
    validation_Vx: np.ndarray
    fixed: Any = None


Plan = Generator[Training, tuple[Params, Curves], Result]


def follow(
    plan: Plan[Result], config: TrainConfig, *, directory: Path | None = None, title: str | None = None
) -> Result:
    """Does the trainings of a plan one after the other; their checkpoints lie in folders of their names."""
    answer = None
    while True:
        try:
            wanted = plan.send(answer)
        except StopIteration as end:
            return end.value
        answer = train.minimise(
            wanted.key,
            wanted.task,
            config,
            wanted.rows_Mx,
            wanted.validation_Vx,
            fixed=wanted.fixed,
            directory=directory and directory / wanted.name,
            title=title and f"{title} {wanted.words}",
        )
