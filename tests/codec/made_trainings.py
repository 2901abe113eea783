"""Trainings that compile in no time, for this process and for others: ``python made_trainings.py FILE [HOST:PORT N I]``."""

import dataclasses
import re
import sys
from pathlib import Path
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from gcims_jax import InputError, hosts
from gcims_jax.codec import ensemble, stacked, train
from gcims_jax.codec.plans import Training
from gcims_jax.codec.train import TrainConfig

# The last looks are fewer steps apart; members end at different looks.
CONFIG = TrainConfig(steps=11, batch=4, evaluate_every=3, learning_rate=1.0, patience=1, checkpoint_seconds=0.0)
SIZES = (9, 16, 12, 15, 10)


@dataclasses.dataclass(frozen=True)
class Line:
    """Rows through a matrix, compared with a multiple of themselves."""

    quantum: ClassVar[int] = 16

    def init(self, key):
        return {"kernel": jax.random.normal(key, (4, 4))}

    def losses(self, params, fixed, rows_Bx4, key):
        noise = 0.0 if key is None else 0.1 * jax.random.normal(key, rows_Bx4.shape)
        return jnp.mean((rows_Bx4 @ params["kernel"] + noise - fixed * rows_Bx4) ** 2, axis=1)


def trainings(sizes=SIZES):
    result = []
    for i, n in enumerate(sizes):
        rng = np.random.default_rng(i)
        rows, held = (rng.normal(size=(m, 4)).astype(np.float32) for m in (n, 3 + i))
        result.append(Training("line", "line", jax.random.key(i), Line(), rows, held, np.float32(i)))
    return result


def one_by_one(directories=None):
    return [
        train.minimise(
            one.key, one.task, CONFIG, one.rows_Mx, one.validation_Vx, fixed=one.fixed,
            directory=directories and directories[i],
        )
        for i, one in enumerate(trainings())
    ]  # fmt: skip


def moved_between_devices(mesh):
    """Operations by which devices of a mesh would wait for each other, in the compiled step."""
    members = trainings()
    data = stacked.stack(members, -len(members) % mesh.size)
    place = stacked.placer(mesh)
    keys, fixed, examples, validation = jax.tree.map(place, data)
    begin, _, advance = ensemble.compiled(mesh, Line(), CONFIG)
    state, step_keys = begin(keys)
    active = place(np.ones(len(step_keys), bool))
    compiled = advance.lower(3, state, step_keys, fixed, examples, validation, active).compile()
    return re.findall(r"(?:all-gather|all-reduce|all-to-all|collective-permute)", compiled.as_text())


def main(file, coordinator="", processes="1", process="0"):
    if coordinator:
        assert hosts.start(coordinator, int(processes), int(process))
        hosts.agree({"data": "the same"})
        try:
            hosts.agree({"data": "the same", "config": f"of {process}"})
        except InputError as error:
            refused = str(error)
    file = Path(file)
    folders = [file.parent / f"member_{i}" for i in range(len(SIZES))]
    found = ensemble.minimise_all(trainings(), CONFIG, directories=folders)
    kept = {f"{i}_{j}": a for i, pair in enumerate(found) for j, a in enumerate(jax.tree.leaves(pair))}
    kept["devices"] = jax.device_count()
    if coordinator:
        kept["refused"] = refused
        hosts.leave()
    else:
        kept["moved"] = moved_between_devices(stacked.mesh_of(len(SIZES)))
    if hosts.is_first():
        np.savez(file, **kept)


if __name__ == "__main__":
    main(*sys.argv[1:])
