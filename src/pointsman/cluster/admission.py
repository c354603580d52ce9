"""What an instance that joins and the member it asks tell each other, and when it is let in.

Pure. Invariant: who is let in by `refusal` has a free place under the licence, a name of its own and a version that
can read the cluster's configuration.

The request is JSON, the answer a line of JSON (four bytes of length before it) and the whole state behind it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pointsman.cluster.refusal import Cause, JoinRefused
from pointsman.cluster.roster import Roster

JOIN = "/cluster/join"
TABLE = "/cluster/members"
REQUEST_LIMIT = 65_536
WHOLE_LIMIT = 1 << 30
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True)
class JoinRequest:
    """What a joining instance says: who vouches for it, its certificate request (PEM), what it is.

    With `resolve` it wants to be refused where its name cannot be resolved by the member that it asks. `installation`
    tells one that asks once more from another one of the same name; an older version does not say it.
    """

    user: str
    password: str = field(repr=False)
    request: str
    public_key: str
    name: str
    version: str
    level: int
    licence: str
    resolve: bool = False
    installation: str = ""

    def encoded(self) -> bytes:
        """For the wire."""
        return json.dumps(asdict(self)).encode("ascii")

    @classmethod
    def read(cls, body: bytes) -> JoinRequest:
        """The request in a body. Raises `JoinRefused`."""
        try:
            data = json.loads(body)
            found = cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})
            texts = (found.user, found.password, found.request, found.public_key, found.name, found.version)
            # What is not printable could be neither shown nor answered.
            if (
                all(isinstance(text, str) for text in (*texts, found.licence, found.installation))
                and all(text.isprintable() for text in (found.name, found.version))
                and type(found.level) is int
                and type(found.resolve) is bool
            ):
                return found
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        raise JoinRefused(
            Cause.REQUEST, "the request is not what an instance sends to join; use its commands"
        )


@dataclass(frozen=True)
class JoinAnswer:
    """What a member gives to one that it lets in; `keys` are data keys by generation, wrapped for it.

    `time` is its clock (Unix seconds), so that a joiner whose clock is wrong writes nothing under its own; 0: not told.
    """

    member: str
    certificate: str
    authority: str
    keys: Mapping[int, str]
    whole: bytes = field(repr=False)
    time: float = 0.0

    def encoded(self) -> bytes:
        """For the wire."""
        head = {
            "member": self.member,
            "certificate": self.certificate,
            "authority": self.authority,
            "keys": {str(generation): wrapped for generation, wrapped in self.keys.items()},
            "time": self.time,
        }
        text = json.dumps(head).encode("ascii")
        return _LENGTH.pack(len(text)) + text + self.whole

    @classmethod
    def read(cls, body: bytes) -> JoinAnswer:
        """The answer in a body. Raises `JoinRefused`."""
        try:
            (length,) = _LENGTH.unpack_from(body)
            head = json.loads(body[_LENGTH.size : _LENGTH.size + length])
            keys = {int(generation): str(wrapped) for generation, wrapped in head["keys"].items()}
            certificate, authority = str(head["certificate"]), str(head["authority"])
            whole, time = body[_LENGTH.size + length :], float(head.get("time", 0.0))
            return cls(str(head["member"]), certificate, authority, keys, whole, time)
        except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise JoinRefused(
                Cause.REQUEST, "what the cluster answered is not readable; look at its version"
            ) from error


@dataclass(frozen=True)
class TableRow:
    """One admin server of a cluster: where it is, and the fingerprints of its certificate."""

    name: str
    host: str
    port: int
    sha1: str
    sha256: str


def read_table(body: bytes) -> tuple[TableRow, ...]:
    """The admin servers in an answer. Raises `JoinRefused`."""
    try:
        return tuple(
            TableRow(
                str(row["name"]), str(row["host"]), int(row["port"]), str(row["sha1"]), str(row["sha256"])
            )
            for row in json.loads(body)["members"]
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise JoinRefused(
            Cause.REQUEST, "what answers is not the admin server of a Pointsman instance"
        ) from error


def encode_table(rows: tuple[TableRow, ...]) -> dict[str, Any]:
    """The admin servers as JSON."""
    return {"members": [asdict(row) for row in rows]}


def refusal(
    request: JoinRequest, roster: Roster, *, limit: int, pending: int, version: str, level: int
) -> JoinRefused | None:
    """Why an instance cannot be let in; `limit` is the licence's (0: none), `pending` are joins under way."""
    count = max(1, len(roster.members)) + pending
    if limit and count >= limit:
        return JoinRefused(
            Cause.FULL,
            f"the cluster has {count} members, and its licence permits {limit}; remove a member, install a licence for "
            "more, or back up and restore",
        )
    newest = max([level, *(member.level for member in roster.members)])
    ours = max([version, *(member.version for member in roster.members)], key=version_key)
    if request.level < newest or version_key(request.version) < version_key(ours):
        return JoinRefused(
            Cause.VERSION,
            f"the instance runs version {request.version} (schema level {request.level}) and the cluster {ours} (level "
            f"{newest}); an older one cannot join, install {ours} there",
        )
    if roster.named(request.name) is not None:
        return JoinRefused(
            Cause.NAME,
            f'the cluster has a member called "{request.name}"; give the instance another name, or remove that member',
        )
    return None


def version_key(version: str) -> tuple[int, ...]:
    """What versions are compared by: their numbers, up to the first part that is none."""
    numbers: list[int] = []
    for part in version.split("+", maxsplit=1)[0].replace("-", ".").split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)
