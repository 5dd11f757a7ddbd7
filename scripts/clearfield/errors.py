"""The one exception that reaches a user."""


class ClearfieldError(Exception):
    """What is wrong, where, and what to do about it, in one sentence."""
