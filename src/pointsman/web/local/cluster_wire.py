"""What is said of clusters in JSON, at the control socket as by the REST API.

Pure. Invariant: what is no join raises, and nothing that is raised is shown: its text might hold the password.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.cluster.edit import PARTS
from pointsman.cluster.joining import JoinWish
from pointsman.store import Author, Superseded


def superseded_body(superseded: Superseded) -> dict[str, Any]:
    """One edit that lost to another of the same time, and the one that stands; as JSON data."""
    return {
        "object": str(superseded.identity),
        "path": superseded.path,
        "lost": _edit(superseded.lost, superseded.lost_by, superseded.lost_at),
        "kept": _edit(superseded.kept, superseded.kept_by, superseded.kept_at),
    }


def _edit(value: Any, author: Author, time: float) -> dict[str, Any]:
    return {
        "value": value,
        "author": {"name": author.name, "address": author.address, "surface": author.surface},
        "time": time,
    }


def read_wish(data: Mapping[str, Any]) -> JoinWish:
    """A join out of JSON. Raises `KeyError`, `ValueError` or `TypeError` for what is none; the password goes to nobody
    whose fingerprint was not given.
    """
    part = data.get("traffic_ips", PARTS[0])
    texts = (data["host"], data["fingerprint"], data["user"], data["password"], part)
    port = data["port"]
    if not all(isinstance(text, str) for text in texts) or type(port) is not int or not 0 < port < 65_536:
        raise ValueError("not a join")
    if not data["fingerprint"].strip():
        raise ValueError("no fingerprint")
    if part not in PARTS:
        raise ValueError("no such part in traffic IP groups")
    host, fingerprint, user, password, _ = texts
    replace = data.get("replace_own") is True
    return JoinWish(host, port, fingerprint, user, password, replace_own=replace, part=part)
