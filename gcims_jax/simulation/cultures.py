"""What the simulated cultures contain: volatiles, growth medium, species and their markers.

Ketone positions were computed from published files; the rest are typical literature values, marked "unverified".
"""

from typing import NamedTuple

import numpy as np

from gcims_jax.errors import InputError


class Compound(NamedTuple):
    """One volatile: drift times relative to the RIP, and its retention index."""

    name: str
    monomer: float
    dimer: float
    retention_index: float


COMPOUNDS = (
    Compound("ethanol", 1.05, 1.13, 500),  # unverified
    Compound("acetone", 1.11, 1.22, 505),  # unverified
    Compound("2-butanone", 1.06, 1.245, 589),  # unverified
    Compound("ethyl acetate", 1.10, 1.335, 610),  # unverified
    Compound("2-methyl-1-propanol", 1.17, 1.37, 625),  # unverified
    Compound("3-methylbutanal", 1.18, 1.41, 650),  # unverified
    Compound("2-pentanone", 1.124, 1.378, 689),
    Compound("acetoin", 1.06, 1.33, 715),  # unverified
    Compound("3-methyl-1-butanol", 1.245, 1.49, 730),  # unverified
    Compound("1-pentanol", 1.25, 1.51, 766),  # unverified
    Compound("2-hexanone", 1.194, 1.513, 784),
    Compound("isovaleric acid", 1.22, 1.49, 845),  # unverified
    Compound("isoamyl acetate", 1.30, 1.75, 878),  # unverified
    Compound("2-heptanone", 1.267, 1.645, 892),
    Compound("2-octanone", 1.342, 1.774, 997),
    Compound("phenylacetaldehyde", 1.26, 1.54, 1040),  # unverified
    Compound("2-nonanone", 1.414, 1.897, 1096),
    Compound("2-phenylethanol", 1.29, 1.60, 1110),  # unverified
)

# Amount at the apex as the exponent of RIP depletion: 0.43 leaves 65 % of the RIP, 2.5 leaves 8 %.
MEDIUM = {
    "ethanol": 0.35, "acetone": 0.30, "2-butanone": 0.10, "ethyl acetate": 0.08, "2-methyl-1-propanol": 0.07,
    "3-methylbutanal": 0.35, "2-pentanone": 0.16, "acetoin": 0.08, "3-methyl-1-butanol": 0.20, "1-pentanol": 0.06,
    "2-hexanone": 0.04, "isovaleric acid": 0.05, "isoamyl acetate": 0.04, "2-heptanone": 0.15, "2-octanone": 0.04,
    "phenylacetaldehyde": 0.20, "2-nonanone": 0.07, "2-phenylethanol": 0.08,
}  # fmt: skip

# Amount relative to the medium. Markers overlap on purpose: species differ in degree, few compounds are exclusive.
SPECIES = {
    "Escherichia coli": {
        "ethanol": 2.2, "ethyl acetate": 2.2, "1-pentanol": 2.4, "2-heptanone": 1.5, "2-nonanone": 1.7,
        "3-methylbutanal": 0.7,
    },
    "Staphylococcus aureus": {
        "3-methylbutanal": 1.9, "isovaleric acid": 2.6, "acetoin": 1.6, "2-methyl-1-propanol": 1.4, "ethanol": 1.3,
    },
    "Klebsiella pneumoniae": {
        "acetoin": 2.4, "ethanol": 2.0, "ethyl acetate": 1.6, "2-heptanone": 1.6, "3-methyl-1-butanol": 1.6,
        "isoamyl acetate": 1.5,
    },
    "Enterobacter cloacae": {
        "2-methyl-1-propanol": 2.2, "2-phenylethanol": 2.0, "3-methyl-1-butanol": 2.1, "acetoin": 1.7,
        "ethanol": 1.7, "3-methylbutanal": 0.8,
    },
    "Pseudomonas aeruginosa": {
        "2-butanone": 2.2, "2-nonanone": 2.0, "2-heptanone": 1.6, "2-pentanone": 1.6, "acetone": 1.4, "ethanol": 0.7,
    },
}  # fmt: skip

CLASS_SIZES = {
    "Escherichia coli": 66, "Staphylococcus aureus": 54, "Klebsiella pneumoniae": 44,
    "Enterobacter cloacae": 36, "Pseudomonas aeruginosa": 20,
}  # fmt: skip


def deal(records: int) -> dict[str, int]:
    """So many records for all species, as evenly as can be.

    Raises:
      InputError: fewer than one for each.
    """
    names = list(CLASS_SIZES)
    if not isinstance(records, int) or records < len(names):
        raise InputError(f"records: expected {len(names)} or more, one for each species, got {records!r}")
    return {name: records // len(names) + (i < records % len(names)) for i, name in enumerate(names)}


# n-carbon 2-ketones, carbon 5 to 9: retention index against retention time in one published method.
LADDER_INDEX = np.array([689.0, 784.0, 892.0, 997.0, 1096.0])
LADDER_TIME_S = np.array([70.0, 92.0, 140.0, 236.0, 444.0])
