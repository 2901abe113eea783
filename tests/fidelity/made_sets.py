"""Small sets of a known population, split into training and held-out records, and fresh ones."""

import numpy as np

from gcims_jax import parts
from gcims_jax.evaluation import populations


def population(seed, train=24, held_out=6, copies=1):
    """Training and held-out records, so many a class, each sample measured ``copies`` times, and fresh ones of the training labels."""
    rng, source = np.random.default_rng(seed), populations.population(seed[1])

    def measure(labels):
        x = np.repeat(populations.draw_records(rng, source, labels[::copies]), copies, axis=0)
        return x + rng.normal(0.0, 0.1, x.shape) * (copies > 1)

    def records(count, name):
        labels = np.repeat(populations.class_labels(4 * count), copies)
        return parts.from_arrays(measure(labels), labels, [f"{name} {i // copies}" for i in range(len(labels))])

    seen, unseen = records(train, "train"), records(held_out, "held out")
    return rng, seen, unseen, measure(np.repeat(seen.labels_N, copies))[::copies]
