"""The order of a chain, and what is to be said about a whole one.

Pure. Invariant: a chain is put in order by who signed whom, not by where a file has its parts; nothing that a finding
says is taken from an unverified signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pointsman.certificates.facts import Mark, facts_of, is_authority, is_self_signed
from pointsman.certificates.match import covers

_SHORTEST_RSA_KEY = 2048


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and how it is."""

    mark: Mark
    text: str


@dataclass(frozen=True)
class Ordered:
    """A chain from the server's certificate upwards. `moved`: it came in another order; `extra`: what does not
    belong to it.
    """

    chain: tuple[x509.Certificate, ...]
    moved: bool
    extra: tuple[x509.Certificate, ...]


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed the certificate."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # an invalid signature, another issuer, a key of an unknown kind: each raises its own
        return False
    return True


def belongs(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    """Whether the key is the certificate's."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
    except (ValueError, UnsupportedAlgorithm):
        return False


def in_order(certificates: Sequence[x509.Certificate], key: PrivateKeyTypes | None = None) -> Ordered:
    """Puts certificates in the order in which a server sends them: its own, then each one's issuer.

    The server's own is the one that `key` belongs to, or else the one that signed none of the others. Of a certificate
    that occurs twice one is kept.
    """
    found = list(dict.fromkeys(certificates))
    if not found:
        return Ordered((), moved=False, extra=())
    chain = [_first(found, key)]
    rest = [one for one in found if one != chain[0]]
    while not is_self_signed(chain[-1]):
        issuer = next((one for one in rest if issued_by(chain[-1], one)), None)
        if issuer is None:
            break
        chain.append(issuer)
        rest.remove(issuer)
    moved = found[: len(chain)] != chain
    return Ordered(tuple(chain), moved, tuple(rest))


def _first(found: Sequence[x509.Certificate], key: PrivateKeyTypes | None) -> x509.Certificate:
    if key is not None:
        for one in found:
            if belongs(one, key):
                return one
    leaves = [one for one in found if not any(other != one and issued_by(other, one) for other in found)]
    return next((one for one in leaves if not is_authority(one)), leaves[0] if leaves else found[0])


def examine(
    chain: Sequence[x509.Certificate],
    now: float,
    *,
    roots: Iterable[x509.Certificate] = (),
    hosts: Iterable[str] = (),
    key_fits: bool | None = None,
) -> tuple[Finding, ...]:
    """What is to be said about the chain of a server.

    `roots` are authorities that somebody here trusts, `hosts` the names that virtual servers use it for, `key_fits`
    whether the private key is the certificate's, None where that is not known.
    """
    if not chain:
        return (Finding("error", "There is no certificate in it that can be read."),)
    found: list[Finding] = []
    if key_fits is not None:
        found.append(
            Finding("ok", "The private key belongs to the certificate.")
            if key_fits
            else Finding(
                "error",
                "The private key belongs to another certificate: upload the two that were made together.",
            )
        )
    found += _links(chain)
    found += _end(chain, roots)
    found += _each(chain, now)
    found += _names(chain[0], hosts)
    return tuple(found)


def _links(chain: Sequence[x509.Certificate]) -> Iterable[Finding]:
    broken = False
    for number, (one, issuer) in enumerate(pairwise(chain), 1):
        if issued_by(one, issuer):
            continue
        broken = True
        if one.issuer == issuer.subject:
            yield Finding(
                "error",
                f"Certificate {number + 1} has the name of the issuer of certificate {number}, and did not sign it: "
                "get the chain again from who issued the certificate.",
            )
        else:
            yield Finding(
                "error",
                f"Certificate {number + 1} is not the issuer of certificate {number}: the order is wrong, or one is "
                "missing between them. Upload the chain again; its order is put right then.",
            )
    if not broken and len(chain) > 1:
        yield Finding("ok", "The order is right: each certificate is followed by the one that signed it.")


def _end(chain: Sequence[x509.Certificate], roots: Iterable[x509.Certificate]) -> Iterable[Finding]:
    last = chain[-1]
    if is_self_signed(last):
        if len(chain) == 1:
            yield Finding(
                "warn",
                "It is self-signed: nobody vouches for it, and browsers warn of it. That is fine for a trial; have one "
                "signed by an authority for the public.",
            )
        else:
            yield Finding(
                "ok", "The chain is whole, up to its root. The root need not be sent; it does no harm."
            )
        return
    issuer = facts_of(last).issuer
    if any(issued_by(last, root) for root in roots if root.subject == last.issuer):
        yield Finding("ok", f"The chain is whole: {issuer} is a root that is known here.")
    elif len(chain) == 1:
        yield Finding(
            "warn",
            f"Its issuer, {issuer}, is not in the chain and is no root that is known here: probably an intermediate "
            "certificate is missing. Upload the certificate together with its chain.",
        )
    else:
        yield Finding(
            "warn",
            f"The chain ends with a certificate of {issuer}, which is no root that is known "
            "here. Clients must know it, "
            "or one more intermediate certificate is missing.",
        )


def _each(chain: Sequence[x509.Certificate], now: float) -> Iterable[Finding]:
    for number, certificate in enumerate(chain):
        facts = facts_of(certificate)
        which = "It" if number == 0 else f"Certificate {number + 1} ({facts.title})"
        mark, word = facts.light(now)
        end = f"{facts.not_after:%Y-%m-%d}"
        if word == "not valid yet":
            yield Finding("error", f"{which} is valid only from {facts.not_before:%Y-%m-%d %H:%M} UTC on.")
        elif word == "expired":
            yield Finding("error", f"{which} expired on {end}: clients refuse it. Replace it.")
        elif mark != "ok":
            yield Finding(mark, f"{which} expires on {end}, in {facts.days_left(now)} days. Have it renewed.")
        if facts.key.startswith("RSA") and facts.key_bits < _SHORTEST_RSA_KEY:
            yield Finding(
                "error", f"{which} has a key of {facts.key_bits} bits; 2048 is the least that is safe."
            )
        if facts.weak_signature and not facts.self_signed:
            yield Finding("error", f"{which} is signed with {facts.signature}, which clients refuse.")
        if number == 0 and not facts.for_servers:
            yield Finding(
                "warn", "It was not made for servers (its extended key usage), so clients refuse it."
            )
        if number > 0 and not facts.authority:
            yield Finding(
                "error", f"{which} is no certificate authority, so it may not have signed another one."
            )
        if facts.fault:
            yield Finding("warn", f"{which} is damaged: {facts.fault}.")


def _names(certificate: x509.Certificate, hosts: Iterable[str]) -> Iterable[Finding]:
    facts = facts_of(certificate)
    if not facts.names:
        yield Finding(
            "warn",
            "It names no host (no subject alternative name): browsers refuse it, whatever its common name says.",
        )
    wanted = sorted(set(hosts))
    missing = [host for host in wanted if not covers(facts.names, host)]
    if missing:
        shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        yield Finding(
            "error", f"Virtual servers present it for names that it does not hold: {shown}. Have them added."
        )
    elif wanted:
        yield Finding("ok", "It holds every name that virtual servers present it for.")
