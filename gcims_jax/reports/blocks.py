"""What a page leads with."""

import html
from collections.abc import Mapping
from typing import Any

from gcims_jax.evaluation import planner


def verdict_block(question: str, text: str, word: str = "", visible: Mapping[str, Any] | None = None) -> str:
    """What a page leads with: the question, the word in its colour, and sentences, a line each.

    ``visible`` is a comparison's smallest visible gain, which the last sentence is about.
    """
    if visible is not None:
        text = f"{text}\n{planner.sentence(visible)}"
    colour = word.split(":")[0].replace(" ", "-")
    head = f"<h1>{html.escape(word.capitalize())}</h1>" if word else ""
    sentences = "".join(f"<p>{html.escape(line)}</p>" for line in text.split("\n"))
    return f'<div class="verdict {colour}"><p>{html.escape(question)}</p>{head}{sentences}</div>'
