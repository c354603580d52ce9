"""Extra files: any content that rules and error pages use by name.

Invariant: the content is kept to the byte.
"""

from __future__ import annotations

from pointsman.schema.resource import FileResource, Kind, ResourceType


class ExtraFile(FileResource):
    """A file of any content, for rules to read and for error pages."""


EXTRA_FILE = ResourceType(
    path="extra_files", title="Extra File", plural="Extra Files", kind=Kind.FILE, model=ExtraFile
)
