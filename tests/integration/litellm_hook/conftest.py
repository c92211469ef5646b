"""The hook by itself, with a stand-in for the class that it derives from."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from examples.local_service import free_port

HOOK = Path(__file__).parents[3] / "deploy" / "litellm" / "jouleplan_hook.py"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    names = ("litellm", "litellm.integrations", "litellm.integrations.custom_logger")
    for name in names:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    base = type("CustomLogger", (), {})
    monkeypatch.setattr(sys.modules[names[-1]], "CustomLogger", base, raising=False)
    monkeypatch.delenv("JOULEPLAN_API_KEY", raising=False)
    monkeypatch.setenv("JOULEPLAN_URL", f"http://127.0.0.1:{free_port()}")
    spec = importlib.util.spec_from_file_location("jouleplan_hook", HOOK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bodies() -> list[tuple[str, Any]]:
    return []
