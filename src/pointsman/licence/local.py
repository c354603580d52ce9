"""The licence that an instance outside the container issues itself, kept below HOME/licence.

Invariant: issuer key and licence are files of mode 0600 in a directory of mode 0700, replaced atomically; a licence
that is there is never overwritten by `self_issue`, and it counts for this instance alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pointsman.licence.issuer import PRIVATE, IssuerRefused, encoded, load_issuer, raw_key
from pointsman.licence.key import SIZE_LIMIT, Licence, Refused, issue, new_serial, read_key
from pointsman.private_file import write_private


@dataclass(frozen=True)
class OwnLicence:
    """The licence, and whether it was issued just now; `sentence` is for the log and the screen."""

    licence: Licence
    fresh: bool
    sentence: str


def self_issue(home: Path, holder: str, *, now: float | None = None) -> OwnLicence:
    """The instance's own licence; on first use an issuer key is made and an unlimited licence issued with it.

    Raises `Refused` when what lies there is not usable, `OSError` when the directory is not.
    """
    directory = home / "licence"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    issuer = _issuer(directory / PRIVATE)
    path = directory / "licence.key"
    if path.exists():
        licence = _read(path, issuer)
        sentence = f"unlimited, issued by this instance to itself (serial {licence.serial})"
        return OwnLicence(licence, False, sentence)
    named = "".join(character for character in holder if character.isprintable())[:100] or "this instance"
    licence = Licence(new_serial(), named, int(time.time() if now is None else now))
    write_private(path, issue(licence, issuer).encode("ascii"))
    sentence = f"unlimited, issued by this instance to itself (serial {licence.serial}, {path})"
    return OwnLicence(licence, True, sentence)


def _read(path: Path, issuer: Ed25519PrivateKey) -> Licence:
    with path.open("rb") as stream:
        text = stream.read(SIZE_LIMIT + 1)
    remedy = "remove the file, and the instance issues itself another"
    try:
        key = read_key(text)
    except Refused as error:
        raise Refused(f"{path}: {error}; or {remedy}") from None
    if key.issuer != raw_key(issuer.public_key()):
        raise Refused(f"{path}: another issuer than this instance signed it; {remedy}")
    return key.licence


def _issuer(path: Path) -> Ed25519PrivateKey:
    if path.exists():
        try:
            return load_issuer(path)
        except IssuerRefused:
            raise Refused(
                f"{path} is not an Ed25519 key; restore it, or remove the directory to start anew"
            ) from None
    key = Ed25519PrivateKey.generate()
    write_private(path, encoded(key))
    return key
