"""Everything of a plan that can be read, as named texts, so that two plans can be compared line by line.

Pure. Invariant: no private key and no secret value of the configuration appears in a listing.
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

from pointsman.compiler.plan import ConfigSection, Plan
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import Key, Kind, Resource
from pointsman.schema.snapshot import Snapshot

CONFIGURATION = "haproxy.cfg"
_SHORTEST_SECRET = 4
"""Shorter values would hide ordinary words all over the text."""
_AROUND = 3
"""Sections beside a difference in which its context is looked for; each has a line at least."""
_HUNK = re.compile(r"@@ -([0-9]+)(,[0-9]+)? \+([0-9]+)(,[0-9]+)? @@")


def listing(plan: Plan, secrets: Iterable[str] = ()) -> Mapping[str, tuple[str, ...]]:
    """Lines by file name: the engine's configuration, certificate lists, maps; certificates and files as
    digests.

    Each of `secrets`, plain or in base64, is replaced by a short fingerprint.
    """
    covers = _covers(secrets)
    lines = plan.text().split("\n")[:-1]
    return {CONFIGURATION: tuple(_cover(line, covers) for line in lines), **_others(plan)}


def _others(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Everything of a listing but the engine's configuration."""
    texts: dict[str, tuple[str, ...]] = {}
    texts |= {path: tuple(entries) for path, entries in plan.certificate_lists.items()}
    texts |= {path: tuple(f"{key} {value}" for key, value in entries) for path, entries in plan.maps.items()}
    for path, content in {**plan.certificates, **plan.files}.items():
        texts[path] = (f"sha256 {_digest(content)}",)
    return texts


def compare_listings(old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]) -> str:
    """A unified diff of two listings; empty when they are the same."""
    return "".join(f"{line}\n" for name in _ordered({*old, *new}) for line in _compare(name, old, new))


def compare_plans(old: Plan, new: Plan, secrets: Iterable[str] = ()) -> str:
    """What `compare_listings` says of the listings of two plans, quickly also where they are large and nearly equal."""
    head = "".join(f"{line}\n" for line in _compare_sections(old.sections, new.sections, _covers(secrets)))
    return head + compare_listings(_others(old), _others(new))


def _compare_sections(
    old: Sequence[ConfigSection], new: Sequence[ConfigSection], covers: Mapping[str, str]
) -> Iterator[str]:
    """The unified diff of two configurations: sections are compared as wholes, and lines only where those differ."""
    before, after = [section.text for section in old], [section.text for section in new]
    first = 0
    while first < min(len(before), len(after)) and before[first] == after[first]:
        first += 1
    last = 0
    while last < min(len(before), len(after)) - first and before[-1 - last] == after[-1 - last]:
        last += 1
    middle = difflib.SequenceMatcher(
        None, before[first : len(before) - last], after[first : len(after) - last], autojunk=False
    )
    told = False
    for low, high, other_low, other_high in _blocks(middle.get_opcodes(), before, first):
        # Enough sections on both sides that the context of a difference is there; what of it is common falls away.
        start, end = max(0, low - _AROUND), min(len(before), high + _AROUND)
        other_start, other_end = other_low - (low - start), other_high + (end - high)
        sides = (before[start:end], after[other_start:other_end])
        offsets = [sum(text.count("\n") for text in side) for side in (before[:start], after[:other_start])]
        lines = [[_cover(line, covers) for line in "".join(side).split("\n")[:-1]] for side in sides]
        names = f"a/{CONFIGURATION}", f"b/{CONFIGURATION}"
        found = list(difflib.unified_diff(lines[0], lines[1], *names, lineterm=""))
        yield from () if told else found[:2]
        told = told or bool(found)
        yield from (_moved(line, offsets) if line.startswith("@@") else line for line in found[2:])


def _blocks(
    opcodes: Iterable[tuple[str, int, int, int, int]], before: Sequence[str], first: int
) -> Iterator[tuple[int, int, int, int]]:
    """Where sections differ, in both configurations; differences so near that they share context are one."""
    held: list[int] | None = None
    for tag, low, high, other_low, other_high in opcodes:
        if tag == "equal":
            continue
        here = [low + first, high + first, other_low + first, other_high + first]
        if held is not None and here[0] - held[1] <= 2 * _AROUND:
            held = [held[0], here[1], held[2], here[3]]
            continue
        if held is not None:
            yield (held[0], held[1], held[2], held[3])
        held = here
    if held is not None:
        yield (held[0], held[1], held[2], held[3])


def _moved(line: str, offsets: Sequence[int]) -> str:
    """The head of a hunk, further down by so many lines."""
    found = _HUNK.fullmatch(line)
    if found is None:
        return line
    old, new = (int(found[group]) + offset for group, offset in zip((1, 3), offsets, strict=True))
    return f"@@ -{old}{found[2] or ''} +{new}{found[4] or ''} @@"


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (name != CONFIGURATION, name))


def _compare(
    name: str, old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    before = f"a/{name}" if name in old else "/dev/null"
    after = f"b/{name}" if name in new else "/dev/null"
    return difflib.unified_diff(old.get(name, ()), new.get(name, ()), before, after, lineterm="")


def secrets_of(snapshot: Snapshot) -> frozenset[str]:
    """The values of all secret keys in a configuration."""
    found: set[str] = set()
    for identity, built in snapshot.objects.items():
        kind = BY_PATH.get(identity.type)
        if kind is None or kind.kind is Kind.FILE or not isinstance(built, Resource):
            continue
        for key, hidden in _secret_keys(kind.path):
            if key.secret is not None:
                found.add(str(key.read(built)))
            if hidden:
                found.update(str(getattr(row, name)) for row in key.read(built) for name in hidden)
    return frozenset(found - {""})


@cache
def _secret_keys(type_path: str) -> tuple[tuple[Key, tuple[str, ...]], ...]:
    """The keys of a type that are secret, or have columns that are."""
    keys = BY_PATH[type_path].keys
    found = ((key, tuple(c.name for c in key.columns if c.secret is not None)) for key in keys)
    return tuple((key, hidden) for key, hidden in found if key.secret is not None or hidden)


def _covers(secrets: Iterable[str]) -> Mapping[str, str]:
    return {
        hidden: f"<secret {_digest(secret.encode('utf-8', 'replace'))[:8]}>"
        for secret in secrets
        if len(secret) >= _SHORTEST_SECRET
        for hidden in (secret, base64.b64encode(secret.encode("utf-8", "replace")).decode("ascii"))
    }


def _cover(text: str, covers: Mapping[str, str]) -> str:
    for hidden, cover in covers.items():
        text = text.replace(hidden, cover)
    return text


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
