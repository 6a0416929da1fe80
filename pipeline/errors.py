"""The one error that a person's input may cause, and the one line that any error is shown by."""

__all__ = ["InputError", "a_type", "one_line"]


class InputError(ValueError):
    """A wrong file, key, column or value.

    The message is one line that names it, what was found and what is accepted; an entry point prints that line on
    stderr and exits with 1.
    """


def one_line(error: BaseException, limit: int = 300) -> str:
    """What an error says, on one line of at most `limit` characters; the name of its class where it says nothing.

    Example:
        >>> one_line(ValueError("no such\\n  layer")), one_line(ValueError("abcdef"), 3), one_line(KeyError())
        ('no such layer', 'abc …', 'KeyError')
    """
    line = " ".join(str(error).split()) or type(error).__name__
    return line if len(line) <= limit else f"{line[:limit]} …"


def a_type(value: object) -> str:
    """The class of a value, with its article.

    Example:
        >>> a_type(3), a_type([]), a_type(InputError())
        ('an int', 'a list', 'an InputError')
    """
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeio' else 'a'} {name}"
