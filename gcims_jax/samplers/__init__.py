"""Latent samplers: ``Sampler(fit, sample)`` pairs of pure functions, and the one table of them.

``fit(latents_NxDxD, labels_N, **options) -> state`` takes training latents with integer labels; the state is a
pytree. ``sample(key, state, labels_S) -> latents_SxDxD`` gives one draw for each requested label and is jittable.
Same key, same draw.
"""

from gcims_jax.samplers import gaussian_cholesky
from gcims_jax.samplers.contract import Sampler

SAMPLERS: dict[str, Sampler] = {
    "gaussian_cholesky": Sampler(gaussian_cholesky.fit, gaussian_cholesky.sample),
}
