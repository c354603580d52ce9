"""Transactions that are chained as they should be and write what no member would: they harm nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.store.exchanging import agree, join
from tests.unit.store.opening import ADMIN, opened, rule, site

from pointsman.store import (
    Author,
    Parcel,
    ParcelRefused,
    Put,
    Store,
)
from pointsman.store.rows import START, Head, link


def _forged(store_like: Parcel, ops: list[list[Any]], hlc: int) -> Parcel:
    """A transaction of an origin of its own that is chained as it should be, whatever it writes."""
    head = Head(1, "deadbeef", 1, hlc, 1.0, Author("eve"), "")
    text = json.dumps(ops)
    return replace(
        store_like,
        origin="deadbeef",
        sequence=1,
        hlc=hlc,
        time=1.0,
        author=Author("eve"),
        reason="",
        ops=text,
        chain=link(START, head, text),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", '"text"'),
        ("", "{}"),
        ("name", "[1]"),
        ("basic.pool", "7"),
        ("basic.pool", '{"a":1}'),
        ("basic.rules", '"x"'),
        ("basic.rules/0/@x", '"x"'),
        ("basic.rules/0/@x", '["1"]'),
        ("basic.rules/0/@x", '["1e999999999","@x"]'),
        ("basic.rules/0/@x", '["NaN","@x"]'),
        ("basic.nodes/n", '["1","row"]'),
        ("basic.nodes/n", '["1",{"weight":1}]'),
        ("basic.nodes/n", "17"),
        ("safe.certificates/n", '["1",{"host":"h","certificate":[[1]]}]'),
        ("safe.password", '"in clear"'),
        ("later.key", '{"anything":[1]}'),
        ("basic.pool/extra", "1"),
    ],
)
async def test_a_value_of_another_form_is_passed_over_and_harms_nothing(
    tmp_path: Path, name: str, value: str
) -> None:
    async with opened(tmp_path / "1") as one, opened(tmp_path / "2") as two:
        await join(one, two)
        settings = {"basic": {"port": 1, "rules": ["r"], "nodes": [{"node": "n0"}]}}
        made = await one.commit([Put(site("a"), settings)], ADMIN)
        assert made is not None
        parcel = (await one.parcels_after({})).parcels[-1]
        uid = one.objects.uid(site("a"))
        forged = _forged(parcel, [[f"sites/{uid}", name, value]], made.hlc + 1)
        await one.receive([forged], {})
        await agree(one, two)
        changed = next(identity for identity in one.objects if identity.type == "sites")
        assert one.objects[changed]["basic"]["port"] == 1
        nodes = [{"node": "n0"}, {"node": "n1"}]
        await one.commit([Put(changed, {"basic": {"port": 2, "rules": ["q", "r"], "nodes": nodes}})], ADMIN)
        await agree(one, two)
        await one.superseded()
    async with opened(tmp_path / "1") as again:
        assert again.objects[changed]["basic"]["port"] == 2


async def test_a_file_that_names_no_content_is_empty(pair: tuple[Store, Store]) -> None:
    one, two = pair
    made = await one.commit([Put(rule("r"), {"content": b"x"})], ADMIN)
    assert made is not None
    parcel = (await one.parcels_after({})).parcels[-1]
    key = f"rules/{one.objects.uid(rule('r'))}"
    await one.receive([_forged(parcel, [[key, "content", '"../../etc"']], made.hlc + 1)], {})
    await agree(one, two)
    assert two.objects[rule("r")] == {"content": b""}


async def test_a_secret_that_was_moved_is_refused(pair: tuple[Store, Store]) -> None:
    one, two = pair
    made = await one.commit([Put(site("a"), {"safe": {"password": "p"}})], ADMIN)
    assert made is not None
    parcel = (await one.parcels_after({})).parcels[-1]
    sealed = next(op for op in json.loads(parcel.ops) if op[1] == "safe.password")
    forged = _forged(parcel, [[sealed[0], "basic.note", sealed[2]]], made.hlc + 1)
    with pytest.raises(ParcelRefused, match="does not belong to this place or key"):
        await two.receive([forged], {})
