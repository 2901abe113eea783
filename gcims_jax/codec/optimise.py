"""Optimisers of a weight tree, run on stacks of equally shaped matrices: few operations compile and run faster."""

import math
from collections import defaultdict
from typing import Any

import jax
import jax.numpy as jnp
import optax
import optax.contrib

Array = jax.Array
REST = "rest"
# Muon's steps have one size for every matrix; what is left to AdamW (biases, gains, positions) takes smaller ones.
ADAM_SHARE = 0.1


def make(
    name: str, *, learning_rate: float, weight_decay: float, clip: float, warmup: int, steps: int
) -> optax.GradientTransformation:
    """Clipped gradients, linear warm-up, cosine decay to zero; "adamw", or "muon" for matrices and AdamW for the rest."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, learning_rate, warmup, max(steps, warmup + 1))
    if name == "muon":
        rule = optax.contrib.muon(
            schedule,
            weight_decay=weight_decay,
            adam_learning_rate=lambda count: ADAM_SHARE * schedule(count),
            muon_weight_dimension_numbers=lambda stacks: {
                key: None if key == REST else optax.contrib.MuonDimensionNumbers(1, 2) for key in stacks
            },
        )
    else:
        rule = optax.adamw(schedule, weight_decay=weight_decay)
    return stacked(optax.chain(optax.clip_by_global_norm(clip), rule))


def stacked(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """An optimiser that sees kernels of equal shape as one array (K, rows, columns) and all else as one vector."""

    def init(params: Any) -> Any:
        return inner.init(_stack(params))

    def update(updates: Any, state: Any, params: Any) -> tuple[Any, Any]:
        stacks, state = inner.update(_stack(updates), state, _stack(params))
        return _unstack(stacks, updates), state

    return optax.GradientTransformation(init, update)


def _groups(tree: Any) -> dict[str, list[tuple[int, tuple[int, ...]]]]:
    """Which leaves form which stack, with the shape that each has in it."""
    groups = defaultdict(list)
    for i, (path, leaf) in enumerate(jax.tree_util.tree_leaves_with_path(tree)):
        names = [str(getattr(part, "key", part)) for part in path]
        if names[-1] != "kernel":
            groups[REST].append((i, (leaf.size,)))
            continue
        # Attention kernels are (width, heads, features), the outgoing one (heads, features, width).
        shape = (math.prod(leaf.shape[:-1]), leaf.shape[-1])
        if leaf.ndim == 3 and "out" not in names:
            shape = (leaf.shape[0], math.prod(leaf.shape[1:]))
        groups[f"{shape[0]}x{shape[1]}"].append((i, shape))
    return groups


def _stack(tree: Any) -> dict[str, Array]:
    leaves = jax.tree.leaves(tree)
    return {
        key: jnp.concatenate([leaves[i].reshape(-1) for i, _ in members])
        if key == REST
        else jnp.stack([leaves[i].reshape(shape) for i, shape in members])
        for key, members in _groups(tree).items()
    }


def _unstack(stacks: dict[str, Array], like: Any) -> Any:
    leaves, structure = jax.tree.flatten(like)
    result = list(leaves)
    for key, members in _groups(like).items():
        start = 0
        for position, (i, shape) in enumerate(members):
            part = stacks[key][start : start + shape[0]] if key == REST else stacks[key][position]
            result[i] = part.reshape(leaves[i].shape)
            start += shape[0]
    return jax.tree.unflatten(structure, result)
