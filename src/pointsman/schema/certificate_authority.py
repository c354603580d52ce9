"""Certificate authorities that client and node certificates are checked against.

Invariant: the content is kept to the byte; what it must hold is `compiler.check`'s to say.
"""

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
