"""Licence keys: signed texts that say how much the traffic managers of a cluster may do.

Invariant: the content is kept to the byte; what it must hold is `compiler.check`'s to say.
"""

from __future__ import annotations

from pointsman.schema.resource import FileResource, Kind, ResourceType


class LicenseKey(FileResource):
    """A licence key as its issuer sent it, usually named after its serial. The best valid one is in use."""


LICENSE_KEY = ResourceType(
    path="license_keys",
    title="License Key",
    plural="License Keys",
    kind=Kind.FILE,
    model=LicenseKey,
    kept_by_import=True,
)
