"""Lines of OpenAI batch files in three parts: it is known where the LLM's name stands."""

import json
from dataclasses import dataclass

from hypothesis import strategies as st

LLMS = ("llama-3.1-8b-instruct", "qwen3-30b-a3b-instruct-2507")
SPELLINGS = (
    "llama-3.1-8b-instruct",
    "meta-llama/Llama-3.1-8B-Instruct",
    "qwen3-30b-a3b-instruct-2507",
    "Qwen/Qwen3-30B-A3B-Instruct-2507",
)
URL = "/v1/chat/completions"
SPACES = st.sampled_from([b"", b" ", b"\t ", b"  "])
NAUGHTY = st.sampled_from(
    ['"model": "x"', '\\"model":"y"', "model", "\\", "é ü", "\u2028", "{[", "]}", '","model":"z"']
)
TEXTS = st.lists(st.text(max_size=6) | NAUGHTY, max_size=3).map(" ".join)
LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXTS | st.sampled_from(["model", "body", "url"]), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = TEXTS.filter(
    lambda key: (
        key not in {"model", "messages", "max_tokens", "n", "max_completion_tokens"}
        and key != "max_output_tokens"
    )
)


@dataclass(frozen=True)
class Parts:
    """A line: what stands before the name, the name as JSON, and what stands after it."""

    before: bytes
    name: bytes
    after: bytes
    ending: bytes

    @property
    def line(self) -> bytes:
        return self.before + self.name + self.after


@st.composite
def strings(draw: st.DrawFn, text: str) -> bytes:
    """Return a text as JSON, some of its letters as escapes."""
    plain = json.dumps(text, ensure_ascii=draw(st.booleans())).encode("utf-8", "replace")
    if text and text.isascii() and text.isalnum() and draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(text) - 1))
        escape = f"\\u{ord(text[at]):04X}"
        return f'"{text[:at]}{escape}{text[at + 1 :]}"'.encode()
    return plain


@st.composite
def members(draw: st.DrawFn, pairs: list[tuple[str, bytes]]) -> list[bytes]:
    found = []
    for key, value in pairs:
        colon = draw(SPACES) + b":" + draw(SPACES)
        found.append(draw(SPACES) + draw(strings(key)) + colon + value + draw(SPACES))
    return found


def _written(value: object) -> bytes:
    return json.dumps(value).encode()


@st.composite
def batch_lines(draw: st.DrawFn, index: int) -> Parts:
    """Return a line with the custom_id `index`."""
    name = draw(strings(draw(st.sampled_from(SPELLINGS))))
    mark = b"\0MODEL\0"
    extra = draw(st.lists(st.tuples(KEYS, VALUES.map(_written)), max_size=3))
    message = {"role": draw(st.sampled_from(["user", "model"])), "content": draw(TEXTS)}
    body_pairs = [
        ("model", mark),
        ("messages", _written([message])),
        ("max_tokens", _written(draw(st.integers(1, 500)))),
        *extra,
    ]
    body = draw(st.permutations(draw(members(body_pairs))))
    outer_extra = draw(
        st.lists(
            st.tuples(st.sampled_from(["note", "model", "x"]), VALUES.map(_written)), max_size=2
        )
    )
    pairs = [
        ("custom_id", _written(f"{index}-{draw(TEXTS)}")),
        ("method", b'"POST"'),
        ("url", _written(URL)),
        ("body", b"{" + b",".join(body) + b"}"),
        *outer_extra,
    ]
    line = b"{" + b",".join(draw(st.permutations(draw(members(pairs))))) + b"}" + draw(SPACES)
    before, after = line.split(mark)
    return Parts(draw(SPACES) + before, name, after, draw(st.sampled_from([b"\n", b"\r\n"])))


@st.composite
def batch_files(draw: st.DrawFn) -> tuple[bytes, list[Parts]]:
    """Return a file, with blank lines, a byte order mark or no end, and its lines."""
    parts = [draw(batch_lines(index)) for index in range(draw(st.integers(1, 6)))]
    data = b"\xef\xbb\xbf" if draw(st.booleans()) else b""
    for part in parts:
        data += draw(st.sampled_from([b"", b"", b"\n", b" \r\n"])) + part.line + part.ending
    if draw(st.booleans()):
        data = data.rstrip(b"\r\n")
        last = parts[-1]
        parts[-1] = Parts(last.before, last.name, last.after, b"\n")
    return data, parts
