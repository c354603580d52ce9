"""Fixtures for end-to-end tests: a running instance, and origins to put behind it."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.e2e.reader import Reader
from tests.e2e.rest import CONFIG, Client
from tools.instance import Instance
from tools.traffic import Origin

# A run in the background of a shell ignores SIGINT, and so would every program it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """A traffic manager with nothing configured."""
    with Instance(tmp_path / "home") as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One traffic manager for all tests of a module."""
    with Instance(tmp_path_factory.mktemp("shared") / "home") as running:
        yield running


KINDS = ("virtual_servers", "pools", "monitors", "ssl/server_keys")
"""In the order in which they can be deleted."""


@pytest.fixture
def emptied(shared: Instance) -> Iterator[Instance]:
    """The shared traffic manager, which loses what a test makes of `KINDS` when that ends."""

    def there(kind: str) -> list[str]:
        return [child["href"] for child in shared.get(f"config/active/{kind}")["children"]]

    before = {kind: there(kind) for kind in KINDS}
    yield shared
    for kind in KINDS:
        # Backwards, since tests let later ones refer to earlier ones.
        for place in reversed([place for place in there(kind) if place not in before[kind]]):
            assert shared.rest("DELETE", place)[0] == 204, place


@pytest.fixture(scope="module")
def admin(shared: Instance) -> Iterator[Reader]:
    """The administrator at the pages of the shared traffic manager."""
    with Reader(shared) as reader:
        assert reader.log_in().status_code == 200
        yield reader


@pytest.fixture(scope="module")
def client(shared: Instance) -> Client:
    """A REST client of the shared traffic manager."""
    return Client(shared)


@pytest.fixture(scope="module")
def member(client: Client) -> str:
    """The name of the shared traffic manager in its own configuration."""
    (name,) = client.names(f"{CONFIG}/traffic_managers")
    return name


@pytest.fixture
async def origins() -> AsyncIterator[tuple[Origin, Origin, Origin]]:
    """Three HTTP origins called a, b and c."""
    made = (await Origin("a").start(), await Origin("b").start(), await Origin("c").start())
    yield made
    for origin in made:
        await origin.stop()
