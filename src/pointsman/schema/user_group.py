"""User groups: what their users may see and change, and how long they stay logged in.

Invariant: a group says of each permission at most once how far its users may go; users themselves are no objects of
the configuration.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.permission import ADMIN_GROUP, BUILT_IN, Level
from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import Kind, Resource, ResourceType, Row, Section
from pointsman.schema.value import FilledLine, Line, Table, TableKey, Unit, Unordered


class Permission(Row):
    """How far the users of a group may go with one thing."""

    access_level: Level
    """Whether they may not see it (`none`), see it (`ro`) or change it (`full`)."""

    name: FilledLine
    """The permission's name; `all` stands for every one that is not named."""


class Basic(Section):
    """What the users of a group may do."""

    description: Line = ""
    """What the group is for, in a line for the administrator."""

    password_expire_time: Annotated[int, Field(ge=0, le=65_535), Unit("days")] = 0
    """After how long its users must choose a new password; 0 lets passwords last."""

    permissions: Annotated[Table[Permission], Unordered(), TableKey("name")] = ()
    """
    What its users may do. Of a permission that is not in the table the nearest one above it counts (`Pools` above
    `Pools!Edit`), at last `all`; what none of them says is not permitted.
    """

    timeout: Annotated[int, Field(ge=0, le=999_999), Unit("minutes")] = 30
    """How long a session at the administration server may lie idle before it ends; 0 does not end it for that."""


class SecondFactor(Section):
    """Whether its users must have a second factor. The section is an addition of this product."""

    required_for: Literal["nothing", "pages", "everything"] = "nothing"
    """
    For what a second factor is required: for `nothing`, so that users choose; for the `pages` of the administration
    server, so that users may still let programs log in over REST with the password alone; or for `everything`, so that
    they may not. Who has none is led to set it up, and gets nowhere else. The key is an addition of this product.
    """


class UserGroup(Resource):
    """What a group of users may see and change."""

    basic: Basic = Basic()
    second_factor: SecondFactor = SecondFactor()


USER_GROUP = ResourceType(
    path="user_groups",
    title="User Group",
    plural="User Groups",
    kind=Kind.COLLECTION,
    model=UserGroup,
    factory={
        name: {
            "basic": {
                "permissions": [
                    {"access_level": level, "name": permission} for permission, level in permitted.items()
                ]
            }
        }
        for name, permitted in BUILT_IN.items()
    },
)

ADMINISTRATORS = ObjectId(USER_GROUP.path, ADMIN_GROUP)
"""The group that belongs to the product: nothing deletes or renames it."""
