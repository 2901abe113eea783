"""Synthetic GC-IMS records and other labelled 2D spectra, and an honest answer whether they help a classifier.

Arrays that cross a function's border carry their dimensions in the name (``x_NxRxT``, ``latents_NxDxD``):

  N  records (real)
  S  synthetic records (draws)
  R  points on the slow axis: retention time (GC)
  T  points on the fast axis: drift time (IMS)
  d  latent dimension of one series; a record's latent matrix is d×d, P = d²  (D in array names)
  K  classes
  F  members of an ensemble (folds × repeats × seeds) trained together
  J  folds of a protocol, over all repeats
  M  series;  L  points of a series (or of an axis before compression);  B  series in a batch
  C  compounds of the simulator;  E  looks at the validation series in training
"""

from gcims_jax.errors import InputError
from gcims_jax.io import read, write
from gcims_jax.records import Axis, Records

__all__ = ["Axis", "InputError", "Records", "read", "write"]
