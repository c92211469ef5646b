"""YAML files: what they hold, and where in them something stands."""

from __future__ import annotations

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_DEPTH = 100
"""libyaml runs out of stack, and ends the process, where nesting is very deep."""


class YamlError(ValueError):
    """A text is not YAML that can be used: why, and in which line, from 0, where that is known."""

    def __init__(self, words: str, line: int | None = None) -> None:
        where = "" if line is None else f" in line {line + 1}"
        super().__init__(f"is not YAML{where}: {words.rstrip('.')}.")


def read_yaml(text: str) -> object:
    """Return what a YAML text holds, in plain types.

    Raises
    ------
    YamlError
        If it is no YAML, is nested too deeply, or has a key twice in one mapping.

    Examples
    --------
    >>> read_yaml("a: [1, b]")
    {'a': [1, 'b']}
    >>> read_yaml("{a: 1, b: 2, a: 3}")
    Traceback (most recent call last):
        ...
    service.yaml_lines.YamlError: is not YAML in line 1: the key 'a' stands twice.
    """
    try:
        _check_depth(text)
        _check_keys(yaml.compose(text, Loader=LOADER))
        return yaml.load(text, Loader=LOADER)  # noqa: S506  a safe one
    except YamlError:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        words = getattr(error, "problem", None) or " ".join(str(error).split())
        # libyaml puts the end of a text a line behind its last one.
        last = max(0, len(text.splitlines()) - 1)
        raise YamlError(words, None if mark is None else min(mark.line, last)) from None
    # Constructors of YAML's own types raise whatever their code meets: KeyError for `!!bool x`.
    except (RecursionError, ValueError, LookupError, AttributeError, TypeError) as error:
        words = "a number, a date or a value with a tag cannot be read"
        raise YamlError(words, _line_of_unreadable(text)) from error


def _line(part: yaml.Event | yaml.Node) -> int | None:
    return None if part.start_mark is None else part.start_mark.line


def _line_of_unreadable(text: str) -> int | None:
    """Return the line of the first single value that cannot be made into what it says it is."""
    loader = LOADER(text)
    for event in yaml.parse(text, Loader=LOADER):
        if not isinstance(event, yaml.ScalarEvent):
            continue
        tag = event.tag or loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        try:
            loader.construct_object(yaml.ScalarNode(tag, event.value))
        except Exception:  # whatever the constructor meets
            return _line(event)
    return None


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise YamlError("nested too deeply", _line(event))


def _check_keys(root: yaml.Node | None) -> None:
    nodes, seen = [root], set[int]()
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = set()
            for key, value in node.value:
                if (key.tag, str(key.value)) in keys:
                    raise YamlError(f"the key {key.value!r} stands twice", _line(key))
                keys.add((key.tag, str(key.value)))
                nodes.append(value)


def place_in(text: str, pointer: str) -> str:
    """Return where in a YAML text something stands, as messages name it.

    Examples
    --------
    >>> place_in("keys: [3]", "/keys/0"), place_in("keys: [3]", "")
    ('at /keys/0 (line 1)', 'at /')
    """
    return f"at {pointer} (line {line_of(text, pointer)})" if pointer else "at /"


def line_of(text: str, pointer: str) -> int:
    r"""Return the line, from 1, of what a JSON pointer names, or of the last part that is there.

    Examples
    --------
    >>> line_of("pools:\n- name: a\n  count: four", "/pools/0/count")
    3
    """
    node = yaml.compose(text, Loader=LOADER)
    line = 1 if node is None else node.start_mark.line + 1
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == key), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and key.isdigit() and int(key) < len(node.value):
            node = node.value[int(key)]
            line = node.start_mark.line + 1
        else:
            break
    return line
