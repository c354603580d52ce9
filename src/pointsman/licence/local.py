"""The licence of one instance: kept below HOME/licence, and issued by the instance to itself outside the
container.

Invariant: issuer key and licence are files of mode 0600 in a directory of mode 0700, replaced atomically; a
licence that is there is never overwritten by `self_issue`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pointsman.licence.key import SIZE_LIMIT, Licence, Refused, issue, new_serial, verify
from pointsman.private_file import write_private


@dataclass(frozen=True)
class Held:
    """The licence in use. `fresh` says that it was issued just now; `sentence` is for the log and the
    screen.
    """

    licence: Licence
    fresh: bool
    sentence: str


def self_issue(home: Path, holder: str, *, now: float | None = None) -> Held:
    """The instance's licence; on first use an issuer key is made and an unlimited licence issued with it.

    Raises `Refused` when what lies there is not usable, `OSError` when the directory is not.
    """
    directory = home / "licence"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    issuer = _issuer(directory / "issuer.pem")
    path = directory / "licence.key"
    if path.exists():
        with path.open(encoding="ascii", errors="replace") as stream:
            licence = verify(stream.read(SIZE_LIMIT + 1), issuer.public_key())
        return Held(
            licence, False, f"licence {licence.serial}, {_limits(licence)}, issued to {licence.holder}"
        )
    licence = Licence(new_serial(), holder, int(time.time() if now is None else now))
    write_private(path, issue(licence, issuer).encode("ascii"))
    sentence = f"issued an unlimited licence to this instance itself (serial {licence.serial}, {path})"
    return Held(licence, True, sentence)


def _limits(licence: Licence) -> str:
    if licence.unlimited:
        return "unlimited"
    words = []
    if licence.bandwidth:
        words.append(f"{licence.bandwidth} bit/s")
    if licence.cluster_size:
        words.append(f"{licence.cluster_size} cluster members")
    if licence.expires:
        words.append(time.strftime("until %Y-%m-%d", time.gmtime(licence.expires)))
    return ", ".join(words) or "features " + " ".join(licence.features)


def _issuer(path: Path) -> Ed25519PrivateKey:
    if path.exists():
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise Refused(f"{path} is not an Ed25519 key; restore it, or remove the directory to start anew")
        return key
    key = Ed25519PrivateKey.generate()
    encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    write_private(path, key.private_bytes(*encoding))
    return key
