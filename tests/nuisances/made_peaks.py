"""Records of peaks with planted nuisances, and variation that is none."""

import jax
import numpy as np
from scipy import ndimage

from gcims_jax import parts
from gcims_jax.nuisances import draw
from gcims_jax.nuisances.amounts import Amounts

LOGARITHM = Amounts(0.0, 5.0, True)


def mean_records(rng, classes, shape, peaks=12):
    """Peaks at the same places in all classes, of other heights in each."""
    slow_Rx1, fast_T = np.linspace(0, 1, shape[0])[:, None], np.linspace(0, 1, shape[1])
    means_KxRxT = np.zeros((classes, *shape))
    for _ in range(peaks):
        slow, fast, height = rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), np.exp(0.5 * rng.normal())
        peak_RxT = np.exp(-0.5 * ((slow_Rx1 - slow) / 0.03) ** 2 - 0.5 * ((fast_T - fast) / 0.02) ** 2)
        means_KxRxT += (height * np.exp(0.8 * rng.normal(size=classes)))[:, None, None] * peak_RxT
    return means_KxRxT / means_KxRxT.max()


def make_part(
    seed, sizes, *, each=16, classes=3, shape=(32, 48), amounts=LOGARITHM, noise=0.01, kind="white", groups=None
):
    """A part with nuisances of these sizes, and noise of a kind."""
    rng = np.random.default_rng(seed)
    labels_N = np.repeat(np.arange(classes), each)
    plain_NxRxT = mean_records(rng, classes, shape)[labels_N]
    x_NxRxT = draw.change(jax.random.key(seed), plain_NxRxT, sizes, amounts)
    noise_NxRxT = rng.normal(size=x_NxRxT.shape)
    if kind == "coloured":
        noise_NxRxT = ndimage.gaussian_filter(noise_NxRxT, (0, 0, 2))
        noise_NxRxT /= noise_NxRxT.std()
    if kind == "with the signal":
        noise_NxRxT *= 1.0 + 10.0 * plain_NxRxT
    if kind == "patterns":  # twenty smooth patterns, each as much as a record's chance has it
        patterns_QxRxT = ndimage.gaussian_filter(rng.normal(size=(20, *shape)), (0, 1.5, 1.5))
        weights_NxQ = 3.0 / np.sqrt(20) * rng.normal(size=(len(labels_N), 20))
        noise_NxRxT += np.tensordot(weights_NxQ, patterns_QxRxT / patterns_QxRxT.std(), 1)
    return parts.from_arrays((x_NxRxT + noise * noise_NxRxT).astype(np.float32), labels_N, groups)
