"""A choice on held-out latents that is made at once."""

import numpy as np
import pytest

from gcims_jax import samplers
from gcims_jax.samplers.shrinkage import Selection

CHOICE = {"alpha": 0.6, "ridge": 0.3, "bandwidth": 0.5}


def choose_held_out(name, pairs, **options):
    assert pairs and all(held.x_NxRxT.shape[1:] == learn.x_NxRxT.shape[1:] for learn, held in pairs)
    selection = Selection(np.zeros(1), np.zeros(1), np.zeros(1), np.zeros((1, 1, 1)))
    return {n: CHOICE[n] if v == "likelihood" else v for n, v in options.items()}, selection


@pytest.fixture
def stand_in(monkeypatch):
    """Chooses ``CHOICE`` whatever the latents."""
    monkeypatch.setattr(samplers, "choose_held_out", choose_held_out, raising=False)


@pytest.fixture(autouse=True)
def choice(monkeypatch):
    """Where samplers do not choose on held-out latents themselves."""
    if not hasattr(samplers, "choose_held_out"):
        monkeypatch.setattr(samplers, "choose_held_out", choose_held_out, raising=False)
