"""What a start does not load."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        # What most starts never need: the first request of a page or of a local command loads it.
        ("pointsman.daemon.process", {"pointsman.web.ui", "pointsman.web.local.app", "starlette", "jinja2"}),
        ("pointsman.launcher.command", {"importlib.metadata", "asyncio"}),
        ("pointsman.cli.command", {"importlib.metadata", "asyncio", "pydantic"}),
    ],
)
def test_a_start_loads_no_more_than_it_needs(module: str, spared: set[str]) -> None:
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.check_output([sys.executable, "-P", "-c", code]))
    assert module in loaded
    assert spared & set(loaded) == set()
