"""Names for the engine: legal, stable, and different for different objects."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pointsman.compiler.haproxy import name

NAMES = st.text("aZ0 -_/.:#'\"éß日🚦", max_size=40)
LEGAL = re.compile(r"[A-Za-z0-9_.:-]+")


@given(NAMES)
def test_names_are_legal(text: str) -> None:
    for made in (name.frontend(text), name.server(text), name.backend(text, "http", 3, once=True)):
        assert LEGAL.fullmatch(made)
        assert len(made) < 64
    assert re.fullmatch(r"certs/[a-z0-9.-]+\.pem", name.certificate(text))
    assert ".." not in name.certificate(text).split("/")


@given(NAMES, NAMES)
def test_names_differ_as_objects_do(one: str, other: str) -> None:
    assert (name.identifier(one) == name.identifier(other)) == (one == other)


def test_the_variants_of_a_pool_differ() -> None:
    variants = [
        name.backend("app", mode, level, once)
        for mode in ("http", "tcp")
        for level in (None, 1, 2)
        for once in (False, True)
    ]
    assert len(set(variants)) == len(variants)


def test_a_name_can_be_read() -> None:
    assert name.frontend("My Shop (new)").startswith("vs-my-shop-new-")
    assert name.frontend("日本語").startswith("vs-")
