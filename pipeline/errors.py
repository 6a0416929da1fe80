"""The one error that a person's input may cause."""

__all__ = ["InputError"]


class InputError(ValueError):
    """A wrong file, key, column or value.

    The message is one line that names it, what was found and what is accepted; an entry point prints that line on
    stderr and exits with 1.
    """
