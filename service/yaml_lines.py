"""Where in a YAML file something stands."""

from __future__ import annotations

import yaml


def place_in(text: str, pointer: str) -> str:
    """Return where in a YAML text something stands, as messages tell it.

    Examples
    --------
    >>> place_in("keys: [3]", "/keys/0"), place_in("keys: [3]", "")
    ('at /keys/0 (line 1)', 'at /')
    """
    return f"at {pointer} (line {line_of(text, pointer)})" if pointer else "at /"


def line_of(text: str, pointer: str) -> int:
    r"""Return the line of what a JSON pointer names, from 1.

    Parameters
    ----------
    text
        YAML that can be parsed.
    pointer
        RFC 6901; of what is not there, the line of the last part of it that is.

    Examples
    --------
    >>> line_of("pools:\n- name: a\n  count: four", "/pools/0/count")
    3
    """
    node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
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
