"""Whose covariance a class draws with: its own, that of its neighbourhood, or a blend of both."""

import numpy as np


def nearest_classes(centre_KxDxD: np.ndarray, neighbours: int | None) -> np.ndarray:
    """K×K, 1 where class c belongs to the neighbourhood of class k: itself and the nearest by centre, or all."""
    count = len(centre_KxDxD)
    if neighbours is None or neighbours >= count - 1:
        return np.ones((count, count))
    centre_KxL = centre_KxDxD.reshape(count, -1)
    squared_K = np.sum(centre_KxL**2, axis=1)
    distance_KxK = squared_K[:, None] + squared_K - 2.0 * centre_KxL @ centre_KxL.T
    np.fill_diagonal(distance_KxK, -np.inf)
    near_KxK = np.zeros((count, count))
    np.put_along_axis(near_KxK, np.argsort(distance_KxK, axis=1)[:, : neighbours + 1], 1.0, axis=1)
    return near_KxK


def mix(counts_K: np.ndarray, neighbourhood_KxK: np.ndarray, alpha: float) -> np.ndarray:
    """K×K share of the covariance of class c in that of class k; rows sum to 1.

    α of the neighbourhood's pooled covariance and 1 - α of the own one; all of the pooled one for a class with one
    record or none, and of all classes where its neighbourhood has no class with two.
    """
    freedom_K = np.maximum(counts_K - 1.0, 0.0)
    pooled_KxK = neighbourhood_KxK * freedom_K
    pooled_KxK[pooled_KxK.sum(axis=1) == 0.0] = freedom_K
    pooled_KxK /= np.maximum(pooled_KxK.sum(axis=1, keepdims=True), 1.0)
    alpha_Kx1 = np.where(freedom_K > 0.0, alpha, 1.0)[:, None]
    return alpha_Kx1 * pooled_KxK + (1.0 - alpha_Kx1) * np.eye(len(counts_K))


def shares(counts_K: np.ndarray, neighbourhood_KxK: np.ndarray, alpha: float) -> np.ndarray:
    """K×K weight of c_n c_nᵀ of each record of class c in the covariance of class k."""
    return mix(counts_K, neighbourhood_KxK, alpha) / np.maximum(counts_K - 1, 1)
