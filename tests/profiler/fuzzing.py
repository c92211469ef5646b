"""What the laws over random files share: how many are drawn, their cells, and how commands end."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from profiler.__main__ import main

EXAMPLES = int(os.environ.get("JOULEPLAN_FUZZ_EXAMPLES", "150"))
"""Examples of each law; more of them find what is rare."""
FUZZED = settings(
    deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow]
)


@contextlib.contextmanager
def kept(content: bytes, name: str = "table.csv") -> Iterator[Path]:
    """Keep content in a file for a while."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


CELLS = st.one_of(
    st.sampled_from(
        [
            *("", "0", "1", "-1", "1e400", "nan", "inf", "300 W", "0.3 kW", "40 %", "300,5", "°"),
            *("2026-03-01T12:00:00Z", "2026/03/01 12:00:00", "1772366400", "1772366400000", "P0"),
            *("[N/A]", '"', "\u0000", "1" * 400, "300\u00b5W", "12:00", "made-up", "1xl4", "on"),
        ]
    ),
    st.text(max_size=8),
)


def ends_in_a_sentence(arguments: list[str]) -> None:
    """Run the command line: it does its work or says why not."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        status = main(arguments)
    assert status in (0, 2)
    assert "Traceback" not in said.getvalue()
    assert status == 0 or said.getvalue().startswith("error: ")
