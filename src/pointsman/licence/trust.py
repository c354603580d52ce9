"""Whose licence keys an instance takes: the issuers below HOME/licence/issuers.

Invariant: once anything is there (also a file that cannot be read) no further issuer comes in by itself. While nothing
is, the issuer of the first key that is admitted is recorded, and so trusted from then on.

`*.pub` are public keys, `*.fp` fingerprints: a key names its issuer's public key, so a fingerprint is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pointsman.licence.issuer import (
    IssuerRefused,
    fingerprint,
    load_public,
    public_text,
    read_fingerprint,
)
from pointsman.licence.key import Key, Licence, Refused, read_key
from pointsman.private_file import write_private

ISSUERS = Path("licence") / "issuers"
"""Where they are, below the home."""


@dataclass(frozen=True)
class Admitted:
    """A licence that may be used here. `first` says that its issuer was not known before and is trusted now."""

    licence: Licence
    issuer: str
    first: bool

    @property
    def warning(self) -> str:
        """What to tell when an issuer is trusted on first use; "" otherwise."""
        if not self.first:
            return ""
        return (
            f"the issuer of licence {self.licence.serial} is trusted from now on, as the first one: compare its "
            f"SHA-256 fingerprint {self.issuer} with the issuer's own"
        )


class Trust:
    """The trusted issuers of one instance, as they are on disk at each asking."""

    def __init__(self, home: Path) -> None:
        self._directory = home / ISSUERS

    def fingerprints(self) -> frozenset[str]:
        """Those that are trusted; damaged files are passed over."""
        found: set[str] = set()
        for path in self._files():
            try:
                if path.suffix == ".pub":
                    found.add(fingerprint(load_public(path)))
                else:
                    found.add(read_fingerprint(path.read_text(encoding="ascii", errors="replace")[:200]))
            except (IssuerRefused, OSError):
                continue
        return frozenset(found)

    @property
    def open(self) -> bool:
        """Whether the next key's issuer will be trusted because it is the first."""
        return not self._files()

    def refusal(self, key: Key) -> str:
        """Why a key's issuer is not trusted, with the remedy; "" when it is, or would be as the first one."""
        known = self.fingerprints()
        if key.issuer_fingerprint in known or self.open:
            return ""
        whom = f"only {', '.join(sorted(known))} is trusted here" if known else "no other is trusted here"
        return (
            f"licence {key.licence.serial} comes from the issuer {key.issuer_fingerprint}, and {whom}; ask that one, "
            f"or trust this one too with `pointsman licence trust {key.issuer_fingerprint}`"
        )

    def admit(self, text: str | bytes, pin: str = "") -> Admitted:
        """Verifies a key text and records its issuer when it is the first. Raises `Refused`, `OSError`.

        `pin` is the fingerprint of the one issuer that will do (colons and case ignored); it is trusted with that.
        """
        key = read_key(text)
        if pin:
            wanted = _pinned(pin)
            if key.issuer_fingerprint != wanted:
                raise Refused(
                    f"licence {key.licence.serial} comes from the issuer {key.issuer_fingerprint}, not from {wanted}; "
                    "ask that one for a key, or correct the fingerprint"
                )
            self.add(key.issuer)
        elif refusal := self.refusal(key):
            raise Refused(refusal)
        first = self.open
        if first:
            self.add(key.issuer)
        return Admitted(key.licence, key.issuer_fingerprint, first)

    def add(self, issuer: bytes) -> None:
        """Trusts an issuer by its raw public key. Raises `OSError`."""
        path = self._directory / f"{_short(fingerprint(issuer))}.pub"
        if not path.exists():
            write_private(path, public_text(issuer))

    def add_fingerprint(self, text: str) -> str:
        """Trusts an issuer by its fingerprint, which is returned in our form. Raises `IssuerRefused`, `OSError`."""
        wanted = read_fingerprint(text)
        write_private(self._directory / f"{_short(wanted)}.fp", f"{wanted}\n".encode("ascii"))
        return wanted

    def _files(self) -> list[Path]:
        return sorted(path for suffix in ("pub", "fp") for path in self._directory.glob(f"[!.]*.{suffix}"))


def _short(printed: str) -> str:
    return printed.replace(":", "").lower()[:32]


def _pinned(pin: str) -> str:
    try:
        return read_fingerprint(pin)
    except IssuerRefused as error:
        raise Refused(str(error)) from None
