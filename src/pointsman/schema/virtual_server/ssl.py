"""TLS on the connections from clients: certificates, client certificates, versions, OCSP.

Invariant: certificates are named, never held here; each row of a table names the host or issuer it
is for.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.address import HostPattern
from pointsman.schema.resource import Row, Section
from pointsman.schema.value import (
    Count,
    FilledLine,
    Hidden,
    Line,
    Lines,
    LineSet,
    Reference,
    Since,
    Switch,
    Table,
    TableKey,
    Unit,
    Unordered,
)

CertificateHeaders = Literal["all", "none", "simple"]
ClientCertificates = Literal["dont_request", "request", "require"]


class CaSiteRow(Row):
    """Which client certificates one host asks for."""

    cert_headers: CertificateHeaders
    """What nodes are told about the client's certificate in headers: nothing, its main facts, or all of
    it."""

    client_cas: Annotated[Lines, Reference("ssl/cas")]
    """The certificate authorities whose client certificates this host accepts."""

    host: HostPattern
    """Host name, or pattern such as *.example.com, that the row is for."""

    request_cert: ClientCertificates
    """Whether this host asks clients for a certificate, and turns away those that have none."""


class OcspIssuerRow(Row):
    """How to ask one issuer whether its certificates are still good."""

    aia: bool = True
    """Asks at the address that the certificate itself gives, if it gives one, instead of the one set here."""

    issuer: Annotated[FilledLine, Reference("ssl/cas", ("DEFAULT",))]
    """The certificate authority that the row is for; "DEFAULT" stands for all that have no row of their
    own."""

    nonce: Literal["off", "on", "strict"] = "off"
    """Sends a random number that a fresh answer repeats; strict refuses answers without it."""

    required: Literal["none", "optional", "strict"] = "optional"
    """Whether clients get in when nothing can be learnt: not asked at all, admitted, or turned away."""

    responder_cert: Annotated[Line, Reference("ssl/cas")] = ""
    """The certificate that must have signed the answers; empty accepts those of the issuer."""

    signer: Annotated[Line, Reference("ssl/server_keys")] = ""
    """The certificate that signs our requests; empty sends them unsigned."""

    url: Line = ""
    """Address of the OCSP responder, as http://host/path."""


class HostCertificateRow(Row):
    """The certificate for one host name."""

    alt_certificates: Annotated[Lines, Reference("ssl/server_keys")] = ()
    """Further certificates for the same name with keys of other kinds, such as ECDSA beside RSA."""

    certificate: Annotated[FilledLine, Reference("ssl/server_keys")]
    """The certificate presented to clients that ask for the name."""

    host: HostPattern
    """Host name, or pattern such as *.example.com, that clients name in the TLS handshake."""


class Ssl(Section):
    """Decryption of client connections and verification of clients."""

    add_http_headers: bool = False
    """Tells nodes in request headers how the client's connection was encrypted."""

    ca_sites: Annotated[Table[CaSiteRow], TableKey("host"), Unordered(), Since("8.3")] = ()
    """Client certificate settings of single hosts, instead of those of the whole virtual server."""

    cipher_suites: Annotated[Line, Since("5.0")] = ""
    """Permitted cipher suites, separated by commas or colons, best first; empty uses the global list."""

    client_cert_cas: Annotated[LineSet, Reference("ssl/cas")] = ()
    """The certificate authorities whose client certificates are accepted."""

    client_cert_headers: Annotated[CertificateHeaders, Since("5.0")] = "none"
    """What nodes are told about the client's certificate in headers: nothing, its main facts, or all of
    it."""

    elliptic_curves: Annotated[Lines, Since("3.4")] = ()
    """Permitted curves for the key exchange, best first; empty uses the global list."""

    honor_fallback_scsv: Annotated[Switch, Since("5.0")] = "use_default"
    """Refuses clients that fell back to an older version although both sides can do better (RFC 7507)."""

    issued_certs_never_expire: Annotated[LineSet, Reference("ssl/cas")] = ()
    """Certificate authorities whose certificates are accepted even after their expiry."""

    issued_certs_never_expire_depth: Annotated[Count, Field(le=255), Since("3.11")] = 1
    """How many levels below such an authority expiry is overlooked."""

    max_key_size: Annotated[int, Hidden(), Since("4.0"), Unit("bits")] = 0
    """The longest key accepted in client certificates; 0 for no limit."""

    min_key_size: Annotated[int, Hidden(), Since("4.0"), Unit("bits")] = 0
    """The shortest key accepted in client certificates; 0 for no limit."""

    ocsp_enable: bool = False
    """Asks the issuer of each client certificate over OCSP whether it has been revoked."""

    ocsp_issuers: Annotated[Table[OcspIssuerRow], TableKey("issuer"), Unordered()] = ()
    """How each issuer of client certificates is asked."""

    ocsp_max_response_age: Annotated[Count, Unit("s")] = 0
    """Age beyond which an OCSP answer is no longer believed; 0 for no limit."""

    ocsp_stapling: bool = False
    """Sends clients a recent OCSP answer for our own certificate in the handshake."""

    ocsp_time_tolerance: Annotated[Count, Unit("s")] = 30
    """By how much the responder's clock may differ from this one."""

    ocsp_timeout: Annotated[Count, Unit("s")] = 10
    """How long to wait for an OCSP answer; 0 waits without end."""

    request_client_cert: ClientCertificates = "dont_request"
    """Whether clients are asked for a certificate, and turned away if they have none."""

    send_close_alerts: bool = True
    """Ends TLS connections to clients with a close notification, so that they can tell an end from a cut."""

    server_cert_alt_certificates: Annotated[Lines, Reference("ssl/server_keys"), Since("3.8")] = ()
    """Further default certificates with keys of other kinds, such as ECDSA beside RSA."""

    server_cert_default: Annotated[Line, Reference("ssl/server_keys")] = ""
    """The certificate for clients that name no host, or one that has no certificate of its own."""

    server_cert_host_mapping: Annotated[Table[HostCertificateRow], TableKey("host"), Unordered()] = ()
    """Certificates by the host name that clients ask for in the TLS handshake (SNI)."""

    session_cache_enabled: Annotated[Switch, Since("5.0")] = "use_default"
    """Lets clients resume earlier TLS sessions by their identifier, which saves the full handshake."""

    session_tickets_enabled: Annotated[Switch, Since("5.0")] = "use_default"
    """Issues tickets with which clients resume earlier TLS sessions."""

    signature_algorithms: Line = ""
    """Permitted signature algorithms, separated by commas or colons, best first; empty uses the global
    list."""

    support_ssl3: Annotated[Switch, Since("5.0")] = "use_default"
    """Permits SSL 3.0 from clients; it is broken and should stay off."""

    support_tls1: Annotated[Switch, Since("5.0")] = "use_default"
    """Permits TLS 1.0 from clients; it is outdated."""

    support_tls1_1: Annotated[Switch, Since("5.0")] = "use_default"
    """Permits TLS 1.1 from clients; it is outdated."""

    support_tls1_2: Annotated[Switch, Since("5.0")] = "use_default"
    """Permits TLS 1.2 from clients."""

    support_tls1_3: Annotated[Switch, Since("6.1")] = "use_default"
    """Permits TLS 1.3 from clients."""

    trust_magic: bool = False
    """Believes traffic managers in front of this one what they say about the client ahead of the TLS
    handshake."""
