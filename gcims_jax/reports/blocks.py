"""What a page leads with."""

import html


def verdict_block(question: str, text: str, word: str = "") -> str:
    """What a page leads with: the question, the word in its colour, and sentences, a line each."""
    colour = word.split(":")[0].replace(" ", "-")
    head = f"<h1>{html.escape(word.capitalize())}</h1>" if word else ""
    sentences = "".join(f"<p>{html.escape(line)}</p>" for line in text.split("\n"))
    return f'<div class="verdict {colour}"><p>{html.escape(question)}</p>{head}{sentences}</div>'
