"""Gaussian mixture per class in its principal subspace; its other directions are drawn as one Gaussian.

Components are chosen by the Bayesian information criterion (Schwarz 1978) among mixtures with diagonal covariances.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.mixture import GaussianMixture

from gcims_jax.parts import Part
from gcims_jax.samplers.contract import check, class_positions, class_statistics, place

Array = jax.Array

# A diagonal component has two numbers per direction; fewer records than this per direction cannot tell components.
RECORDS_PER_DIRECTION = 5


class Mixture(NamedTuple):
    """Fitted state, a pytree; C components, R directions (padded with zeros).

    Attributes:
      classes_K: integer labels seen in fit, sorted.
      centre_KxDxD: class means.
      used_P: coordinates of a flattened latent that have a distribution; the others are constant.
      basis_KxRxP: principal directions of the class, each as long as its standard deviation.
      weight_KxC: shares of the components.
      mean_KxCxR, std_KxCxR: of the components, in units of the basis; 0 and 1 in the directions drawn as one Gaussian.
      components_K: components chosen.
      directions_K: directions that the mixture models.
    """

    classes_K: Array
    centre_KxDxD: Array
    used_P: Array
    basis_KxRxP: Array
    weight_KxC: Array
    mean_KxCxR: Array
    std_KxCxR: Array
    components_K: Array
    directions_K: Array


def fit(part: Part, *, components: int = 4, directions: int = 8, seed: int = 0) -> Mixture:
    """Principal directions and a mixture per class; a class with one record takes the deviations of all others.

    Args:
      part: training latents N×d×d and their integer labels.
      components: most components to try.
      directions: most principal directions that the mixture models; one for every five records at most.
      seed: of the mixture's starts.

    Raises:
      InputError: fewer than one component or direction, malformed latents or labels, no class with two records.
    """
    check(components=components, directions=directions, seed=seed)
    stats = class_statistics(part)
    fitted = []
    for k, count in enumerate(stats.counts_K):
        chosen_N = stats.positions_N == k if count > 1 else stats.counts_K[stats.positions_N] > 1
        freedom = count - 1 if count > 1 else len(stats.positions_N) - len(stats.classes_K)
        fitted.append(_fit_class(stats.deviations_NxP[chosen_N], freedom, components, directions, seed))
    most = max(len(basis_RxP) for basis_RxP, _, _ in fitted)
    bases, weights, means, stds = [], [], [], []
    for basis_RxP, mixture, q in fitted:
        weight_C, mean_CxR, std_CxR = np.zeros(components), np.zeros((components, most)), np.ones((components, most))
        weight_C[: mixture.n_components] = mixture.weights_
        mean_CxR[: mixture.n_components, :q] = mixture.means_
        std_CxR[: mixture.n_components, :q] = np.sqrt(mixture.covariances_)
        bases.append(np.pad(basis_RxP, ((0, most - len(basis_RxP)), (0, 0))))
        weights.append(weight_C)
        means.append(mean_CxR)
        stds.append(std_CxR)
    return Mixture(
        classes_K=jnp.asarray(stats.classes_K),
        centre_KxDxD=jnp.asarray(stats.centre_KxDxD, jnp.float32),
        used_P=jnp.asarray(stats.used_P),
        basis_KxRxP=jnp.asarray(np.stack(bases), jnp.float32),
        weight_KxC=jnp.asarray(np.stack(weights), jnp.float32),
        mean_KxCxR=jnp.asarray(np.stack(means), jnp.float32),
        std_KxCxR=jnp.asarray(np.stack(stds), jnp.float32),
        components_K=jnp.asarray([mixture.n_components for _, mixture, _ in fitted]),
        directions_K=jnp.asarray([q for _, _, q in fitted]),
    )


def _fit_class(
    deviations_BxP: np.ndarray, freedom: int, components: int, directions: int, seed: int
) -> tuple[np.ndarray, GaussianMixture, int]:
    """Scaled principal directions, the mixture of the leading ones, and how many those are."""
    left_BxR, length_R, right_RxP = np.linalg.svd(deviations_BxP, full_matrices=False)
    kept_R = length_R > 1e-9 * max(length_R[0], np.finfo(float).tiny)
    kept_R[0] = True  # identical records: one direction of length 0
    std_R = length_R[kept_R] / np.sqrt(freedom)
    coordinates_BxR = left_BxR[:, kept_R] * np.sqrt(freedom)
    q = max(1, min(directions, len(deviations_BxP) // RECORDS_PER_DIRECTION, len(std_R)))
    tried = range(1, 1 + max(1, min(components, len(deviations_BxP) // RECORDS_PER_DIRECTION)))
    # A floor of 5 % of a direction's variance: else components shrink onto single records.
    mixtures = [
        GaussianMixture(c, covariance_type="diag", reg_covar=0.05, random_state=seed).fit(coordinates_BxR[:, :q])
        for c in tried
    ]
    best = min(mixtures, key=lambda mixture: mixture.bic(coordinates_BxR[:, :q]))
    return std_R[:, None] * right_RxP[kept_R], best, q


def sample(key: Array, state: Mixture, labels_S: Array) -> Array:
    """One draw per label, S×d×d."""
    return _draw(key, state, class_positions(state.classes_K, labels_S))


@jax.jit
def _draw(key: Array, state: Mixture, positions_S: Array) -> Array:
    component_key, normal_key = jax.random.split(key)
    classes, directions, size = state.basis_KxRxP.shape
    component_S = jax.random.categorical(component_key, jnp.log(state.weight_KxC[positions_S]))
    normal_SxR = jax.random.normal(normal_key, (len(positions_S), directions))
    coordinates_SxR = (
        state.mean_KxCxR[positions_S, component_S] + state.std_KxCxR[positions_S, component_S] * normal_SxR
    )
    # One product with the bases of all classes, zero but for the draw's own.
    own_SxK = jax.nn.one_hot(positions_S, classes)
    spread_SxKR = (own_SxK[:, :, None] * coordinates_SxR[:, None]).reshape(len(positions_S), classes * directions)
    draws_SxP = spread_SxKR @ state.basis_KxRxP.reshape(-1, size)
    return place(state.centre_KxDxD, state.used_P, positions_S, draws_SxP)
