"""Fixtures for the browser suite: Debian's Chromium, visitors, and instances to visit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from tests.browser.visitor import CHROMIUM, FLAGS, PATIENCE, Visitor
from tools.instance import Instance

from pointsman.provision.order import Order, write_order

Visit = Callable[..., Visitor]
"""Makes a visitor: the instance's address, and options of a browser context."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a browser."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One Chromium for all visits; each has a profile of its own."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: install Debian's chromium")
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """Visitors, each of whom gives a verdict at the end."""
    visitors: list[Visitor] = []

    def make(address: str, **options: Any) -> Visitor:
        context = chromium.new_context(ignore_https_errors=True, **options)
        visitors.append(Visitor(context, address))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.context.close()
    for visitor in visitors:
        visitor.verdict()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One traffic manager for all tests of a module that share it."""
    with Instance(tmp_path_factory.mktemp("shared") / "home") as running:
        yield running


@pytest.fixture
def provisioned(tmp_path: Path) -> Iterator[Instance]:
    """A traffic manager as a container starts it, without a licence."""
    home = tmp_path / "home"
    home.mkdir()
    write_order(home, Order(state="done"))
    with Instance(home) as running:
        yield running
