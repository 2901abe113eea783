"""The documentation: ``sphinx-build -W -b html docs runs/docs``. Notebooks are executed when it is built."""

import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
# Kernels of notebooks start elsewhere and find the package by this.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])

import gcims_jax  # noqa: E402

project = "gcims_jax"
author = copyright = "The gcims_jax developers"  # noqa: A001
version = release = gcims_jax.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"gcims_jax {version}"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3  # links to headings, as on the pages of a repository

nb_execution_mode = "cache"  # a page that has not changed is not executed again
nb_execution_in_temp = True  # what notebooks write is not kept
nb_execution_raise_on_error = True
nb_execution_timeout = 300

napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # fields of named tuples are documented once
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"


def setup(app: Any) -> None:
    """Fields of named tuples are told by the docstring of the class, not one by one."""
    app.connect("autodoc-skip-member", _skip)


def _skip(app: Any, kind: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    return True if (getattr(thing, "__doc__", None) or "").startswith("Alias for field number") else None
