"""From a command line to a finished work directory."""

import importlib
import sys

if __name__ != "experiments":
    # A clone has the folders configs/ and experiments/ at its top; installed they are gcims_jax._configs and
    # gcims_jax._experiments, so that nothing of these names lands in site-packages. Modules here import each other
    # relatively, which works in both places. Recipes, the user's own among them, say "from configs import base" in both.
    sys.modules["configs"] = importlib.import_module("gcims_jax._configs")
