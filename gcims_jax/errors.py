"""The one error type for what a user can cause.

Messages follow one pattern: the rule, what was expected, what came, what to do.
"""


class InputError(ValueError):
    """A file, field or option is not what the rule asks for; the message names it and the remedy."""
