"""Who a record is: the hash of its values, and the groups that equal records make one."""

import hashlib

import numpy as np


def identify(x_NxRxT: np.ndarray) -> np.ndarray:
    """Identity of each record: a hash of its shape and values, which nothing but the values changes."""
    rows = np.ascontiguousarray(x_NxRxT)
    rows = rows + 0.0 if rows.dtype.kind == "f" else rows  # -0.0 and 0.0 are equal
    start = f"{rows.dtype.str}{rows.shape[1:]}".encode()
    return np.asarray([hashlib.blake2b(row.data, digest_size=12, key=start[:64]).hexdigest() for row in rows])


def merge_groups(groups_N: np.ndarray, identities_N: np.ndarray) -> np.ndarray:
    """Groups that share a record, told by its identity, become one, under the first of their names."""
    # Only those who read groups wait for SciPy.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes, places = np.unique(np.concatenate([groups_N, identities_N]), return_inverse=True)
    group_N, identity_N = np.split(places, 2)
    links = coo_array((np.ones(len(groups_N)), (group_N, identity_N)), shape=(len(nodes),) * 2)
    _, component = connected_components(links, directed=False)
    component_N = component[group_N]
    first = {}
    for name, at in sorted(zip(groups_N.tolist(), component_N.tolist(), strict=True), reverse=True):
        first[at] = name
    return np.asarray([first[at] for at in component_N.tolist()])
