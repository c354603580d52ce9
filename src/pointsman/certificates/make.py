"""New keys, certificates that sign themselves, and requests for an authority to sign.

Pure but for the randomness of keys. Invariant: what is made holds the names it was asked for, as subject alternative
names; a name that no certificate can hold is refused in words.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MOST_NAMES = 200
LONGEST_DAYS = 3650
_COMMON_NAME_LIMIT = 64
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

KEYS: Mapping[str, tuple[str, Callable[[], Key]]] = {
    "ec-p256": (
        "ECDSA P-256 (quick, for all clients of today)",
        lambda: ec.generate_private_key(ec.SECP256R1()),
    ),
    "ec-p384": ("ECDSA P-384", lambda: ec.generate_private_key(ec.SECP384R1())),
    "rsa-2048": ("RSA 2048 bits (for very old clients too)", lambda: rsa.generate_private_key(65537, 2048)),
    "rsa-3072": ("RSA 3072 bits", lambda: rsa.generate_private_key(65537, 3072)),
    "rsa-4096": ("RSA 4096 bits (slow)", lambda: rsa.generate_private_key(65537, 4096)),
}
"""The kinds of keys that are offered, with how one is made; the long ones take a second or more."""


class Unfit(ValueError):
    """A subject or name that cannot be in a certificate, as a sentence; `field` is which one."""

    def __init__(self, text: str, field: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True)
class Subject:
    """Who a certificate is for; "" for what it does not say."""

    common_name: str = ""
    organization: str = ""
    unit: str = ""
    locality: str = ""
    state: str = ""
    country: str = ""


_PARTS = (
    ("country", NameOID.COUNTRY_NAME, 2, "Country"),
    ("state", NameOID.STATE_OR_PROVINCE_NAME, 128, "State or province"),
    ("locality", NameOID.LOCALITY_NAME, 128, "Locality"),
    ("organization", NameOID.ORGANIZATION_NAME, 64, "Organization"),
    ("unit", NameOID.ORGANIZATIONAL_UNIT_NAME, 64, "Organizational unit"),
    ("common_name", NameOID.COMMON_NAME, _COMMON_NAME_LIMIT, "Common name"),
)


def read_key(pem: str) -> PrivateKeyTypes | None:
    """A key as it is stored; None for what is none. Its arithmetic was proven when it was stored."""
    try:
        data = pem.encode("utf-8", "surrogatepass")
        return load_pem_private_key(data, password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def names_of(text: str) -> tuple[str, ...]:
    """The host names and addresses of a text, by lines, blanks or commas; international ones as DNS has them.

    Raises `Unfit`.
    """
    found = dict.fromkeys(_host(word) for word in re.split(r"[\s,;]+", text) if word)
    if len(found) > MOST_NAMES:
        raise Unfit(
            f"A certificate of more than {MOST_NAMES} names is no good; take a wildcard or several.", "names"
        )
    return tuple(found)


def self_signed(key: Key, subject: Subject, names: Iterable[str], days: int, now: datetime.datetime) -> str:
    """A certificate that vouches for itself, in PEM. Raises `Unfit`."""
    if not 1 <= days <= LONGEST_DAYS:
        raise Unfit(f"The validity must be between 1 and {LONGEST_DAYS} days.", "days")
    names = tuple(names)
    name = _name(subject, names)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if names:
        builder = builder.add_extension(_alternatives(names), critical=False)
    return builder.sign(key, _hash(key)).public_bytes(Encoding.PEM).decode()


def request(key: Key, subject: Subject, names: Iterable[str]) -> str:
    """A certificate signing request in PEM. Raises `Unfit`."""
    names = tuple(names)
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(subject, names))
    if names:
        builder = builder.add_extension(_alternatives(names), critical=False)
    return builder.sign(key, _hash(key)).public_bytes(Encoding.PEM).decode()


def _hash(key: Key) -> hashes.SHA256 | hashes.SHA384 | None:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    return (
        hashes.SHA384()
        if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256
        else hashes.SHA256()
    )


def _name(subject: Subject, names: tuple[str, ...]) -> x509.Name:
    common = subject.common_name.strip() or next(
        (name for name in names if len(name) <= _COMMON_NAME_LIMIT), ""
    )
    if not common and not names:
        raise Unfit("Give a common name, or at least one host name.", "names")
    attributes = []
    for part, oid, longest, label in _PARTS:
        value = common if part == "common_name" else str(getattr(subject, part)).strip()
        if not value:
            continue
        if part == "country":
            value = value.upper()
            if not re.fullmatch("[A-Z]{2}", value):
                raise Unfit("A country is two letters, such as DE or US.", part)
        if len(value) > longest or not value.isprintable():
            raise Unfit(f"{label} has {longest} characters at most, all of them printable.", part)
        attributes.append(x509.NameAttribute(oid, value))
    return x509.Name(attributes)


def _alternatives(names: Iterable[str]) -> x509.SubjectAlternativeName:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(found)


def _host(word: str) -> str:
    """A host name or address as a certificate holds it."""
    try:
        return str(ipaddress.ip_address(word.strip("[]")))
    except ValueError:
        pass
    word = word.rstrip(".").lower()
    star, rest = ("*.", word[2:]) if word.startswith("*.") else ("", word)
    try:
        plain = rest if rest.isascii() else rest.encode("idna").decode()
    except UnicodeError:
        plain = ""
    if len(plain) > 253 or not plain or not all(map(_LABEL.fullmatch, plain.split("."))):
        raise Unfit(
            f"{word[:80]} is no host name; write www.example.com, *.example.com or an address.", "names"
        )
    return star + plain
