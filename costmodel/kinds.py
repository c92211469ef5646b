"""What JSON and YAML call a value, for messages that anybody reads."""

from collections.abc import Mapping


def kind_of(value: object) -> str:
    """Return the kind of a value in plain words.

    Examples
    --------
    >>> [kind_of(value) for value in (None, True, 1.5, "a", [], {})]
    ['null', 'true or false', 'a number', 'text', 'a list', 'an object']
    >>> kind_of(object())
    'something else'
    """
    if value is None:
        return "null"
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "text"),
        ((list, tuple), "a list"),
        (Mapping, "an object"),
    )
    return next((words for kind, words in kinds if isinstance(value, kind)), "something else")
