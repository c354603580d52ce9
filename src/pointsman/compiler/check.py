"""Faults that the configuration alone decides and that span more than one key: refused before anything is stored.

Pure. Invariant: the answer depends on the configuration alone. What only this machine can decide (a port in use, a
name that does not resolve) is not here: that becomes a condition on the stored object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pointsman.schema.certificate_authority import CertificateAuthority
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.server_key import ServerKey
from pointsman.schema.snapshot import Snapshot


def check(snapshot: Snapshot, changed: Iterable[ObjectId]) -> tuple[Problem, ...]:
    """All faults of the objects `changed` within `snapshot`; objects that are not there are passed over."""
    return tuple(problem for identity in changed for problem in _check_one(snapshot, identity))


def _check_one(snapshot: Snapshot, identity: ObjectId) -> Iterator[Problem]:
    match snapshot.objects.get(identity):
        case Pool():
            yield from _failure_chain(snapshot, identity)
        case ServerKey() as key:
            yield from _key_pair(identity, key)
        case CertificateAuthority() as authority:
            yield from _authority(identity, authority)
        case _:
            return


def _failure_chain(snapshot: Snapshot, identity: ObjectId) -> Iterator[Problem]:
    chain = [identity.name]
    while (pool := snapshot.get("pools", chain[-1], Pool)) is not None and (
        following := pool.basic.failure_pool
    ):
        if following in chain:
            if following == identity.name:
                circle = " -> ".join([*chain, following])
                message = f"the failure pools form a circle ({circle}); choose a pool that does not lead back"
                yield Problem(identity, ("basic", "failure_pool"), "pool.circular", message)
            return
        chain.append(following)


def key_pair_fault(public: str, private: str) -> tuple[str, str] | None:
    """Why a certificate and key cannot serve: (key name, sentence), or None when they match."""
    try:
        certificates = x509.load_pem_x509_certificates(public.encode())
    except ValueError:
        return (
            "public",
            "is not a certificate in PEM; paste the text from BEGIN CERTIFICATE to END CERTIFICATE",
        )
    try:
        key = serialization.load_pem_private_key(private.encode(), password=None)
    except TypeError:
        return (
            "private",
            "is encrypted with a passphrase; remove the passphrase first (openssl pkey -in FILE)",
        )
    except ValueError:
        return "private", "is not a private key in PEM; paste the text from BEGIN to END PRIVATE KEY"
    except Exception:
        # cryptography raises UnsupportedAlgorithm and others for key kinds that it does not know
        return "private", "is of a kind that is not supported; use an RSA or elliptic-curve key"
    as_bytes = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if certificates[0].public_key().public_bytes(*as_bytes) != key.public_key().public_bytes(*as_bytes):
        return (
            "private",
            "does not belong to the certificate; send the key that the certificate was made from",
        )
    return None


def _key_pair(identity: ObjectId, key: ServerKey) -> Iterator[Problem]:
    fault = key_pair_fault(key.basic.public, key.basic.private)
    if fault is not None:
        yield Problem(identity, ("basic", fault[0]), "certificate.invalid", fault[1])


def _authority(identity: ObjectId, authority: CertificateAuthority) -> Iterator[Problem]:
    try:
        x509.load_pem_x509_certificates(authority.content)
    except ValueError:
        message = "holds no certificate in PEM; send one or more CERTIFICATE blocks"
        yield Problem(identity, (), "certificate.invalid", message)
