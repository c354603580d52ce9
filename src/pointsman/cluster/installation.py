"""The files that say whether this instance is a member: its credential, a join under way, and that it was removed; and
the key of its engine.

Invariant: a join that was cut short is carried through when the cluster's configuration had been taken over, and is
forgotten when it had not; nothing in between survives a restart. The file of a join stays until another member knows
this one, for until then the cluster may have forgotten that it let it in. The engine's key is not the member's: whoever
breaks into what serves traffic is no member by that.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pointsman.cluster.roster import Objects, read_roster
from pointsman.identity.authority import NotAcceptable, make_key, private_text
from pointsman.identity.credential import Credential
from pointsman.private_file import sync, write_private

CREDENTIAL = Path("identity") / "member.pem"
ENGINE_KEY = Path("identity") / "engine.pem"
JOINING = Path("identity") / "joining.json"
REMOVED = Path("identity") / "removed.json"


class CredentialDamaged(Exception):
    """The credential of this member cannot be used; the text names the file and the remedy."""


@dataclass(frozen=True)
class Joining:
    """A join under way: the credential that was given, and what the instance brings along.

    `traffic_manager` are the settings of its own object, `traffic_ips` how it takes part in traffic IP groups.
    """

    credential: Credential
    traffic_manager: Mapping[str, Any]
    traffic_ips: str


@dataclass(frozen=True)
class Removed:
    """That this instance was removed from its cluster: by whom, and when (Unix seconds).

    `by` is "" when the cluster does not know it.
    """

    by: str
    at: int


class Installation:
    """The files in one home."""

    def __init__(self, home: Path) -> None:
        self._home = home

    @property
    def directory(self) -> Path:
        """Where they are."""
        return self._home / "identity"

    def credential(self) -> Credential | None:
        """This member's credential; None on an instance that stands alone. Raises `CredentialDamaged`, `OSError`."""
        path = self._home / CREDENTIAL
        try:
            return Credential.read(path)
        except NotAcceptable as error:
            raise CredentialDamaged(
                f"{path}: {error}; restore the file, or delete it to leave the cluster and stand alone"
            ) from None

    def store_credential(self, credential: Credential) -> None:
        """Makes this instance the holder of a credential. Raises `OSError`."""
        credential.store(self._home / CREDENTIAL)

    def engine_key(self) -> ec.EllipticCurvePrivateKey:
        """The key of this member's engine, made when there is none that can be used. Raises `OSError`."""
        path = self._home / ENGINE_KEY
        with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            if isinstance(key, ec.EllipticCurvePrivateKey):
                return key
        made = make_key()
        write_private(path, private_text(made))
        return made

    def begin_join(self, joining: Joining) -> None:
        """Notes a join, before the cluster's configuration is taken over. Raises `OSError`."""
        content = {
            "credential": joining.credential.text.decode("ascii"),
            "traffic_manager": joining.traffic_manager,
            "traffic_ips": joining.traffic_ips,
        }
        write_private(self._home / JOINING, json.dumps(content).encode())

    def joining(self, objects: Objects) -> Joining | None:
        """The join that is to be carried through, given what is stored; one that came to nothing is forgotten."""
        path = self._home / JOINING
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            credential = Credential.from_text(data["credential"].encode("ascii"))
            joining = Joining(credential, data["traffic_manager"], str(data["traffic_ips"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, NotAcceptable):
            path.unlink(missing_ok=True)
            return None
        if read_roster(objects).cluster != credential.name.cluster:
            path.unlink()
            return None
        return joining

    def forget_removal(self) -> None:
        """This instance is a member again. Raises `OSError`."""
        (self._home / REMOVED).unlink(missing_ok=True)

    def end_join(self) -> None:
        """The join is complete. Raises `OSError`."""
        (self._home / JOINING).unlink(missing_ok=True)

    def removed(self) -> Removed | None:
        """That this instance was removed; None when it was not."""
        try:
            data = json.loads((self._home / REMOVED).read_text(encoding="utf-8"))
            return Removed(str(data["by"]), int(data["at"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return Removed("", 0)

    def note_removed(self, removed: Removed) -> None:
        """Notes that this instance was removed. Raises `OSError`."""
        write_private(self._home / REMOVED, json.dumps({"by": removed.by, "at": removed.at}).encode())
        self.end_join()

    def stand_alone(self) -> None:
        """Forgets the cluster. Raises `OSError`."""
        for path in (CREDENTIAL, ENGINE_KEY, JOINING, REMOVED):
            with contextlib.suppress(FileNotFoundError):
                (self._home / path).unlink()
        sync(self.directory)
