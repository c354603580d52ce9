"""What this instance is called and its id: the file HOME/identity/instance.json, and another name that is wished for.

Invariant: the file is replaced whole. A wish stays in it until the control plane has renamed the traffic manager's
object and then the file, so that a start that was cut short in between goes on.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pointsman.private_file import write_private

INSTANCE = Path("identity") / "instance.json"
"""Where it is, below the home."""


class IdentityDamaged(Exception):
    """The file is there and cannot be used; the text names it and the remedy."""


@dataclass(frozen=True)
class Wish:
    """A name that the instance shall have from its next start on, and who wishes so: user, address, surface."""

    name: str
    user: str = ""
    address: str = ""
    surface: str = "configure"


@dataclass(frozen=True)
class Called:
    """What an instance is called; `uuid` was made with it and never changes."""

    name: str
    uuid: str
    wish: Wish | None = None


def read_called(home: Path) -> Called | None:
    """What the instance of a home is called; None before its first start. Raises `IdentityDamaged`, `OSError`."""
    path = home / INSTANCE
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        wish = stored.get("wish")
        return Called(str(stored["name"]), str(stored["uuid"]), None if wish is None else Wish(**wish))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IdentityDamaged(
            f"{path}: {error}; restore the file or remove it to get a new identity"
        ) from None


def write_called(home: Path, called: Called) -> None:
    """Stores it. Raises `OSError`."""
    path = home / INSTANCE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content: dict[str, object] = {"uuid": called.uuid, "name": called.name}
    if called.wish is not None:
        content["wish"] = asdict(called.wish)
    write_private(path, json.dumps(content).encode())


def wish_name(home: Path, wish: Wish) -> bool:
    """Has the next start of the control plane rename the instance; false when it is called so already, or has not
    started yet. Raises `IdentityDamaged`, `OSError`.
    """
    called = read_called(home)
    if called is None:
        return False
    wanted = None if wish.name == called.name else wish
    if wanted != called.wish:
        write_called(home, replace(called, wish=wanted))
    return wanted is not None
