"""The link between the engines of a cluster's members, over which they share what tables hold.

Invariant: members that know of the same members have the same text here, but for the line that listens and the name
without an address, which are this member's own. Both ends of a connection show the certificate of a member, or there is
none; one that was signed by a member, or by the cluster's authority, does not count.

Facts (HAProxy 2.8.25): a peer that listens on a `bind` line has no address of its own. Its certificate can be replaced
at run time. With a reload the old worker hands its tables to the new one over the same address, once it knows itself to
be complete: it has heard from another member, or has run for 5 to 10 s without hearing from one. What asks to join in
says its name itself, so the certificate alone keeps strangers out.
"""

from __future__ import annotations

from dataclasses import dataclass

from pointsman.compiler.facts import Facts, Member
from pointsman.compiler.haproxy import name
from pointsman.compiler.haproxy.quote import word
from pointsman.compiler.plan import ConfigSection, Line, Listener, Origin
from pointsman.compiler.remark import Remarks
from pointsman.schema.problem import ObjectId

PORT = 9082
"""TCP port on which the engines of members reach each other."""

SECTION = "cluster"
"""The name by which a table says that it is shared."""

CERTIFICATE_PATH = "certs/cluster.pem"
AUTHORITY_PATH = "cas/cluster.pem"

_SUBJECT = ObjectId("global_settings", "")
_ORIGIN = Origin(_SUBJECT)


@dataclass(frozen=True)
class Link:
    """This member's end of the link: itself, and all members. An engine that has no link to others hands its tables to
    its own successor through a `socket`.
    """

    own: Member
    members: tuple[Member, ...]
    socket: str = ""

    @property
    def listener(self) -> Listener:
        """Where the other members reach this one. It may be an address that another machine translates to ours."""
        return Listener(self.own.address, PORT, _SUBJECT, transparent=True)


def link(facts: Facts, remarks: Remarks) -> Link | None:
    """The link of this member; None for an instance that stands alone, and (with a condition) where it cannot be."""
    if len(facts.cluster) < 2:
        return None
    own = next((member for member in facts.cluster if member.name == facts.traffic_manager), None)
    if own is None or not facts.cluster_certificate or not facts.cluster_authority:
        return None  # it is just joining or leaving
    if _SUBJECT in facts.refused:
        without(f"{facts.refused[_SUBJECT]}; free it", remarks)
        return None
    return Link(own, facts.cluster)


def alone(facts: Facts) -> Link:
    """The link of an engine to its own successor."""
    own = Member(facts.traffic_manager, "")
    return Link(own, (own,), f"unix@{facts.engine_directory}/run/peers.sock")


def without(why: str, remarks: Remarks) -> None:
    """Says that this member does without the link; `why` holds what to do about it."""
    remarks.warn(
        _SUBJECT,
        "engines_not_linked",
        f"this traffic manager's engine does not share its tables (sessions) with the other members: {why}",
    )


def global_lines(known: Link | None) -> tuple[Line, ...]:
    """What `global` says of the link: who of the peers this engine is."""
    return () if known is None else (Line(f"localpeer {name.member(known.own.name)}", _ORIGIN),)


def sections(known: Link | None) -> tuple[ConfigSection, ...]:
    """The section of the link."""
    if known is None:
        return ()
    if known.socket:
        texts = [f"bind {word(known.socket)} mode 600", f"server {name.member(known.own.name)}"]
        return (_section(texts),)
    words = f"ssl crt {CERTIFICATE_PATH} ca-file {AUTHORITY_PATH} verify required ssl-min-ver TLSv1.3"
    texts = [
        f"bind {_address(known.own)} transparent {words}",
        f"default-server {words}",
        *(
            f"server {name.member(member.name)}" + ("" if member == known.own else f" {_address(member)}")
            for member in known.members
        ),
    ]
    return (_section(texts),)


def _section(texts: list[str]) -> ConfigSection:
    return ConfigSection(Line(f"peers {SECTION}", _ORIGIN), tuple(Line(text, _ORIGIN) for text in texts))


def certificates(known: Link | None, facts: Facts) -> dict[str, bytes]:
    """What the engine shows to others; it can be replaced at run time."""
    return {} if known is None or known.socket else {CERTIFICATE_PATH: facts.cluster_certificate}


def files(known: Link | None, facts: Facts) -> dict[str, bytes]:
    """By what the engine judges others."""
    return {} if known is None or known.socket else {AUTHORITY_PATH: facts.cluster_authority}


def _address(member: Member) -> str:
    return f"[{member.address}]:{PORT}" if ":" in member.address else f"{member.address}:{PORT}"
