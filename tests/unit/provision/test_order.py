"""The order survives being written and read, and says so when it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.provision.order import ORDER, Order, OrderDamaged, read_order, write_order


def test_what_was_written_is_read(tmp_path: Path) -> None:
    order = Order(state="done", steps=("packages", "licence"), watched="/import", bind="10.0.0.1")
    write_order(tmp_path, order)
    assert read_order(tmp_path) == order
    assert (tmp_path / ORDER).stat().st_mode & 0o777 == 0o600


def test_a_home_that_was_never_provisioned_has_none(tmp_path: Path) -> None:
    assert read_order(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "7"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    write_order(tmp_path, Order())
    (tmp_path / ORDER).write_text(content)
    with pytest.raises(OrderDamaged, match=r"order\.json"):
        read_order(tmp_path)
