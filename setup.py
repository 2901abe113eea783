"""The page of the package on an index: the README without pictures and links that lead into a clone.

Everything else about the package is in ``pyproject.toml``.
"""

import re
from pathlib import Path

from setuptools import setup

text = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
# A picture goes with its caption. The project has no public address that they could be shown from.
text = re.sub(r"^!\[.*\)\n\n(\*[^*].*(\n.+)*\n\n)?", "", text, flags=re.M)
text = re.sub(r"\[([^\]]+)\]\((?!https?://)[^)]+\)", r"\1", text)
setup(long_description=text + "\nPages and files named here come with the source.\n", long_description_content_type="text/markdown")
