"""Copies how the service reads prompts into LiteLLM's hook: `make hook`.

A proxy has the hook alone, as one file, and both must read the same of a prompt.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOOK = ROOT / "deploy" / "litellm" / "jouleplan_hook.py"
MODULES = ("uncounted", "members", "reader")
BEGIN = "# Below: service/calls/prompts, copied by `make hook`; a test holds the two together.\n"
END = "# Above: service/calls/prompts.\n"


def updated(hook: str) -> str:
    """Return the text of the hook with the modules as they are now between its two marks."""
    before, _, rest = hook.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + "\n\n".join(map(_below_imports, MODULES)) + "\n\n" + END + after


def _below_imports(module: str) -> str:
    text = (ROOT / "service" / "calls" / "prompts" / f"{module}.py").read_text(encoding="utf-8")
    imports = [one for one in ast.parse(text).body if isinstance(one, ast.Import | ast.ImportFrom)]
    return "".join(text.splitlines(keepends=True)[imports[-1].end_lineno :]).strip() + "\n"


if __name__ == "__main__":
    HOOK.write_text(updated(HOOK.read_text(encoding="utf-8")), encoding="utf-8")
