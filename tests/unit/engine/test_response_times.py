"""Lines of response times, and how many are asked for."""

from __future__ import annotations

import random

import pytest

from pointsman.compiler.haproxy.response_times import SHARE
from pointsman.engine.haproxy.response_times import (
    AIM,
    ENOUGH,
    FEW,
    LEAST_SHARE,
    MOST_SHARE,
    Share,
    parse,
)
from pointsman.schema.sample import Answered


@pytest.mark.parametrize(
    ("line", "told"),
    [
        # An answer of a node: queue, connect and the node's own time.
        (b"71 vs-a pool-b 200 5 10 2 30 900 300 2000\n", Answered("vs-a", "pool-b", 42, 30, 100)),
        (b"71 vs-a~ pool-b:http:p2 404 0 -1 -1 7 8 100 2000", Answered("vs-a", "pool-b:http:p2", 7, 7, 100)),
        # One of many: 4,000 requests a second, of which 20 are told.
        (b"71 vs-a pool-b 200 0 0 0 3 3 400000 2000", Answered("vs-a", "pool-b", 3, 3, 20_000)),
        # No node answered: as long as the client waited after its request.
        (b"71 vs-a pool-b 504 20 0 1 -1 30020 100 2000", Answered("vs-a", "pool-b", 30_000, 30_000, 100)),
        (b"71 vs-a pool-b 503 -1 4000 -1 -1 4000 100 2000", Answered("vs-a", "pool-b", 4000, 4000, 100)),
    ],
)
def test_a_line_is_read(line: bytes, told: Answered) -> None:
    found = parse(line)
    assert found is not None
    assert found == (told, 71, 2000)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"71 vs-a vs-a 301 0 -1 -1 -1 1 100 2000",  # the engine itself answered
        b"71 vs-a pool-b -1 0 0 1 -1 300 100 2000",  # the client left
        b"71 vs-a pool-b 200 0 0 1 -1 300 100 2000",
        b"71 vs-a pool-b 200 0 0 0 3 3 0 2000",
        b"71 vs-a pool-b 200 0 0 0 3 3 100 0",
        b"71 vs-a pool-b 200 0 0 0 3 3 100",
        b"71 vs-a pool-b 200 0 0 0 3 3 100 2000 5",
        b"71 vs-a pool-b 200 0 0 0 3.5 3 100 2000",
        b"71 vs-a pool-b 200 0 0 0 9999999999 3 100 2000",
        b"71 vs-a pool/b 200 0 0 0 3 3 100 2000",
        b"<13>Jan  1 00:00:00 su: root",
        b"\xff\xfe\x00" * 100,
    ],
)
def test_what_is_no_line_is_left_out(line: bytes) -> None:
    assert parse(line) is None


def test_no_bytes_do_harm() -> None:
    dice = random.Random(3)
    line = b"71 vs-a pool-b 200 5 10 2 30 900 300 2000\n"
    for _ in range(5000):
        hurt = bytearray(line)
        for _ in range(dice.randrange(1, 4)):
            hurt[dice.randrange(len(hurt))] = dice.randrange(256)
        found = parse(bytes(hurt))
        if found is not None:
            assert found[0].weight >= 100
            assert min(found[0].waited, found[0].responded) >= 0


def settle(share: Share, frontends: int, load: float, seconds: int = 60) -> float:
    """Lines a second of so many frontends with so many requests a second each, once nothing changes any more."""
    lines = 0.0
    for _ in range(seconds):
        each = min(load, share.wanted / 100)
        lines = frontends * each
        share.heard(round(lines), 1.0, thinned=load > each)
    return lines


@pytest.mark.parametrize("frontends", [1, 2, 10, 300, 3000])
def test_a_heavy_load_costs_as_much_as_a_light_one(frontends: int) -> None:
    lines = settle(Share(), frontends, 10_000)
    assert lines <= max(ENOUGH, frontends * LEAST_SHARE / 100)
    assert lines >= min(FEW, frontends * MOST_SHARE / 100)
    assert AIM <= ENOUGH


def test_under_a_light_load_every_request_is_told() -> None:
    share = Share()
    assert settle(share, 3, 15) == 45
    assert share.wanted == SHARE, "what needs no change gets none"


def test_more_is_told_again_when_the_load_is_gone() -> None:
    share = Share()
    settle(share, 500, 1000)
    assert share.wanted < SHARE
    assert settle(share, 2, 40) == 80, "every request of the two that are left"
