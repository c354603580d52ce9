"""What an instance may do without a licence key: outside a container it issues itself a licence, in one it does not.

Invariant: a choice that was made on the page or by the configure script is never lost to the other.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pointsman.control.licensing import Edition
from pointsman.licence.local import self_issue
from pointsman.provision.order import Order, OrderDamaged, read_order, write_order


def edition_of(home: Path, name: str, order: Order | None) -> Edition:
    """The edition of the instance `name`; `order` is None outside a container. Raises `Refused`, `OSError`."""
    if order is None:
        own = self_issue(home, name)
        return Edition(own.licence, own.sentence if own.fresh else "")

    def keep_choice() -> None:
        # Read anew: the configure script may have changed it since.
        try:
            write_order(home, replace(read_order(home) or Order(), community=True))
        except OrderDamaged as error:
            raise OSError(str(error)) from None

    return Edition(community=order.community, keep_choice=keep_choice)
