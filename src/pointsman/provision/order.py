"""What provisioning decided for an instance, and how far it got: the file HOME/provision/order.json.

Invariant: the file is replaced whole and holds no secret. An instance without it was not provisioned (it stands alone,
outside a container).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from pointsman.private_file import write_private

ORDER = Path("provision") / "order.json"
"""Where it is, below the home."""
ANNOUNCE = Path("provision") / "announce"
"""While this file is in the home the provision log lacks its end, which the control plane writes when all is ready."""

CLEARING = Path("provision") / "clearing"
"""While this file is in the home, clearing the configuration has begun and not ended; nothing may run."""

MEMBER = Path("identity") / "member.pem"
"""While this file is in the home, the instance is a member of a cluster."""


class OrderDamaged(Exception):
    """The file is there and cannot be used; the text names it and the remedy."""


@dataclass(frozen=True)
class Order:
    """What the instance is to be.

    `state` is "begun" until every step is done, "done" from then on, "cleared" after the configure script cleared the
    configuration (then nothing is provisioned again). `steps` are the steps that are done. `base` and `watched` are
    directories with documents ("" for none); `replicate`, `restart` and `restart_seconds` are the import's options.
    `community` says that Community Edition was chosen. `user` and `group` are whom the data plane runs as. `bind` is
    the one address that management traffic is restricted to ("" for every one), `name` what the traffic manager is
    called ("" for the host's name). Without `start_at_boot` the container's start starts nothing.
    """

    state: Literal["begun", "done", "cleared"] = "begun"
    steps: tuple[str, ...] = ()
    base: str = ""
    watched: str = ""
    replicate: bool = True
    restart: bool = True
    restart_seconds: float = 60.0
    community: bool = False
    user: str = "nobody"
    group: str = "nogroup"
    bind: str = ""
    start_at_boot: bool = True
    name: str = ""


def read_order(home: Path) -> Order | None:
    """The order of a home; None when it was never provisioned. Raises `OrderDamaged`, `OSError`."""
    path = home / ORDER
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise OrderDamaged(f"{path} is damaged; restore it, or remove {home} to provision anew") from None
    known = {field.name for field in fields(Order)}
    try:
        values = {name: value for name, value in data.items() if name in known}
        return Order(**{**values, "steps": tuple(values.get("steps", ()))})
    except (TypeError, AttributeError):
        raise OrderDamaged(f"{path} is damaged; restore it, or remove {home} to provision anew") from None


def write_order(home: Path, order: Order) -> None:
    """Stores the order, atomically and for good. Raises `OSError`."""
    (home / ORDER).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(home / ORDER, json.dumps(asdict(order), indent=1).encode("utf-8"))
