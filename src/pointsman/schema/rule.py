"""Rules: TrafficScript text that virtual servers run on requests, responses and connections.

Invariant: the content is kept to the byte.
"""

from __future__ import annotations

from pointsman.schema.resource import FileResource, Kind, ResourceType


class Rule(FileResource):
    """A rule written in TrafficScript. The text is stored as it was sent."""


RULE = ResourceType(path="rules", title="Rule", plural="Rules", kind=Kind.FILE, model=Rule)
