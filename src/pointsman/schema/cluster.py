"""What the members of a cluster keep about themselves: stored and replicated like configuration, shown by no surface.

Invariant: each type's path begins with "cluster/"; a member writes its own record only, but for the removal of one and
for wishes, which belong to all.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pointsman.schema.resource import Kind, Resource, ResourceType, Row, Section
from pointsman.schema.value import (
    Count,
    FilledLine,
    Line,
    LineSet,
    Reference,
    Secret,
    Table,
    TableKey,
    Text,
    Unordered,
)


class MemberBasic(Section):
    """Who a member is and where it is reached, as it says itself."""

    address: Line = ""
    """The IP address at which the other members reach it."""

    admin_sha1: Line = ""
    """SHA-1 fingerprint of the certificate of its admin server."""

    admin_sha256: Line = ""
    """SHA-256 fingerprint of the certificate of its admin server."""

    certificate: Line = ""
    """SHA-256 of the certificate that it shows other members, in hexadecimal."""

    control_port: Count = 0
    """The port on which it takes connections of other members."""

    engine_certificate: Text = ""
    """The certificate that its engine shows other engines, in PEM, signed by a key that only its engine has."""

    joined: Count = 0
    """When it became a member, in Unix seconds."""

    level: Count = 0
    """The schema level of its version."""

    licence: Line = ""
    """What its licence lets it do, in a word that is equal for equal licences."""

    public_key: Line = ""
    """Its public key, in base64 of DER, for keys that are wrapped for it."""

    rest_port: Count = 0
    """The port of its REST API."""

    traffic_manager: Annotated[Line, Reference("traffic_managers", loose=True)] = ""
    """Its object in the configuration; so its name is changed there alone."""

    ui_port: Count = 0
    """The port of its admin server."""

    version: Line = ""
    """The version of the product that it runs."""


class Removal(Section):
    """Whether it was removed; written as a whole."""

    by: Line = ""
    """Who removed it."""

    state: Literal["member", "removed"] = "member"
    """`removed` for good: one that comes back gets another id."""

    time: Count = 0
    """When, in Unix seconds."""


class Member(Resource):
    """One member; its name is the id that its certificate says."""

    basic: MemberBasic = MemberBasic()
    removal: Removal = Removal()


class AuthorityBasic(Section):
    """The cluster's id and the authority's certificate."""

    certificate: Text = ""
    """The authority's certificate, in PEM."""

    cluster: Line = ""
    """The cluster's id."""


class AuthorityKey(Section):
    """What is secret of it, apart from the rest, which must be readable while a data key is still on its way."""

    private: Annotated[Text, Secret("empty")] = ""
    """The authority's key, in PEM."""


class ClusterAuthority(Resource):
    """The certificate authority of the cluster; there is none on an instance that stands alone."""

    basic: AuthorityBasic = AuthorityBasic()
    key: AuthorityKey = AuthorityKey()


class SettingsBasic(Section):
    """What holds for all members."""

    override: bool = False
    """Whether the configuration may be changed although members run different versions."""


class ClusterSettings(Resource):
    """Decisions that all members follow."""

    basic: SettingsBasic = SettingsBasic()


class Preference(Row):
    """What a user chose for pages, one thing of it."""

    name: FilledLine
    """What it is about."""

    value: Text
    """What was chosen."""


class UserBasic(Section):
    """Who a user is, and how they prove it."""

    changed: Count = 0
    """When the password was set, in Unix seconds; 0 where that is not known."""

    former: Annotated[Text, Secret("empty")] = ""
    """Hashes of earlier passwords that must not come back yet, the last one first, separated by spaces."""

    groups: LineSet = ()
    """The names of the user's groups."""

    own_changes: Text = ""
    """When the user changed the password, in Unix seconds, separated by spaces, as far as a limit asks."""

    password: Annotated[Line, Secret("empty")] = ""
    """The hash of the password."""

    preferences: Annotated[Table[Preference], Unordered(), TableKey("name")] = ()
    """What the user chose for pages; a row for each, so that choices that were made apart are all kept."""

    spent: LineSet = ()
    """Digests of the recovery codes that were used, so that two that were used apart are both used up."""

    step: Count = 0
    """The time step of the last code that was used, so that it is taken at no other member."""

    suspended: bool = False
    """Whether the user may not log in for now."""


class UserFactor(Section):
    """The second factor; written as a whole."""

    api_without_code: bool = False
    """Whether programs may log in with the password alone."""

    enrolled: bool = False
    """Whether there is one, which tells also while the secret cannot be read yet."""

    recovery: Annotated[Text, Secret("empty")] = ""
    """Digests of the recovery codes that are left, separated by spaces."""

    secret: Annotated[Line, Secret("empty")] = ""
    """The secret of time-based codes, in base32; empty without a second factor."""


class ClusterUser(Resource):
    """A user who may log in at every member; the object has the user's name."""

    basic: UserBasic = UserBasic()
    factor: UserFactor = UserFactor()


class DataKeyBasic(Section):
    """A data key, wrapped."""

    generation: Count = 0
    """The number of the data key."""

    member: Line = ""
    """The id of the member that it is wrapped for."""

    wrapped: Text = ""
    """The key as that member alone can read it."""


class ClusterDataKey(Resource):
    """A data key for one member; the object is called "<generation>.<member>"."""

    basic: DataKeyBasic = DataKeyBasic()


class NodeWishBasic(Section):
    """What shall be done with a node that drains once it is empty, and who asked for that."""

    address: Line = ""
    """The address from which it was asked."""

    asked: Count = 0
    """When, in Unix seconds."""

    by: Line = ""
    """Who asked."""

    node: Line = ""
    """The node."""

    pool: Line = ""
    """The uid of its pool. It is no reference, which would keep a deleted pool in force."""

    surface: Line = ""
    """Through what it was asked."""

    what: Literal["disable", "remove"] = "disable"
    """What shall be done."""


class NodeWish(Resource):
    """A wish for a node that drains; the object is called by a random id."""

    basic: NodeWishBasic = NodeWishBasic()


MEMBERS = ResourceType(
    path="cluster/members",
    title="Cluster Member",
    plural="Cluster Members",
    kind=Kind.COLLECTION,
    model=Member,
    together=frozenset({"removal"}),
)
AUTHORITY = ResourceType(
    path="cluster/authority",
    title="Cluster Authority",
    plural="Cluster Authority",
    kind=Kind.SINGLETON,
    model=ClusterAuthority,
    together=frozenset({"basic"}),
)
SETTINGS = ResourceType(
    path="cluster/settings",
    title="Cluster Settings",
    plural="Cluster Settings",
    kind=Kind.SINGLETON,
    model=ClusterSettings,
)
USERS = ResourceType(
    path="cluster/users",
    title="Cluster User",
    plural="Cluster Users",
    kind=Kind.COLLECTION,
    model=ClusterUser,
    together=frozenset({"factor"}),
)
DATA_KEYS = ResourceType(
    path="cluster/data_keys",
    title="Cluster Data Key",
    plural="Cluster Data Keys",
    kind=Kind.COLLECTION,
    model=ClusterDataKey,
)
NODE_WISHES = ResourceType(
    path="cluster/node_wishes",
    title="Wish for a Node",
    plural="Wishes for Nodes",
    kind=Kind.COLLECTION,
    model=NodeWish,
    together=frozenset({"basic"}),
)
"""Kept by instances that stand alone as well: it is nothing that a restore or an import brings back."""
CLUSTER_TYPES: tuple[ResourceType, ...] = (AUTHORITY, DATA_KEYS, MEMBERS, NODE_WISHES, SETTINGS, USERS)
