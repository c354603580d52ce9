"""Certificate authorities that client and node certificates are checked against."""

from __future__ import annotations

from pointsman.schema.resource import FileResource, Kind, ResourceType


class CertificateAuthority(FileResource):
    """One or more CA certificates in PEM, trusted for client certificates and for TLS to nodes."""


CERTIFICATE_AUTHORITY = ResourceType(
    path="ssl/cas",
    title="Certificate Authority",
    plural="Certificate Authorities",
    kind=Kind.FILE,
    model=CertificateAuthority,
)
