"""Which machine each traffic IP belongs to, and in which order the others take it over.

Pure, and from the configuration alone, so that all members come to the same answer without asking one another.
Invariant: the order of an address names every machine of its group once, active ones before passive ones.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

Order = tuple[str, ...]
"""Machines, the preferred one first."""


@dataclass(frozen=True)
class Group:
    """What placement needs of a group. `pins` are the machines that addresses belong to, of `active` ones only."""

    name: str
    addresses: tuple[str, ...]
    active: tuple[str, ...]
    passive: tuple[str, ...] = ()
    alphabetic: bool = False
    together: bool = False
    pins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Unit:
    """What moves as one: an address, or all of a group that is kept together. `key` decides between equals."""

    key: str
    addresses: tuple[str, ...]
    machines: tuple[str, ...]
    pin: str = ""

    @property
    def weight(self) -> int:
        return len(self.addresses)


def place(groups: Iterable[Group]) -> dict[str, Order]:
    """The order of each address of the groups, whose names and addresses differ."""
    groups = sorted(groups, key=lambda group: group.name)
    owners: dict[str, str] = {}
    loads: dict[str, int] = {}
    waiting: list[_Unit] = []
    for group in groups:
        machines = tuple(sorted(group.active or group.passive))
        if not machines:
            continue
        units = _units(group, machines)
        for number, unit in enumerate(units):
            if unit.pin:
                _give(unit, unit.pin, owners, loads)
            elif group.alphabetic:
                _give(unit, machines[number % len(machines)], owners, loads)
            else:
                waiting.append(unit)
    _balance(waiting, owners, loads)
    seconds = _seconds(groups, owners)
    found: dict[str, Order] = {}
    for group in groups:
        for address in sorted(group.addresses, key=_by_number):
            if address in owners:
                found[address] = _order(group, owners[address], seconds.get(address, ""))
    return found


def _units(group: Group, machines: tuple[str, ...]) -> list[_Unit]:
    addresses = tuple(sorted(group.addresses, key=_by_number))
    if group.together and addresses:
        pin = next((group.pins[address] for address in addresses if address in group.pins), "")
        return [_Unit(f"group {group.name}", addresses, machines, pin)]
    return [_Unit(address, (address,), machines, group.pins.get(address, "")) for address in addresses]


def _give(unit: _Unit, machine: str, owners: dict[str, str], loads: dict[str, int]) -> None:
    owners.update(dict.fromkeys(unit.addresses, machine))
    loads[machine] = loads.get(machine, 0) + unit.weight


def _balance(units: Sequence[_Unit], owners: dict[str, str], loads: dict[str, int]) -> None:
    """Gives each unit to one of its machines, so that none has two addresses more than another it could give one to.

    Single addresses first go where a hash of address and machine is highest, and then as few as possible move on: so
    a machine that comes or goes changes little for the others.
    """
    for unit in sorted(units, key=lambda unit: (-unit.weight, unit.key)):
        if unit.weight > 1:
            choice = min(
                unit.machines, key=lambda machine: (loads.get(machine, 0), -_rank(unit.key, machine))
            )
            _give(unit, choice, owners, loads)
    single = [unit for unit in units if unit.weight == 1]
    for unit in single:
        for machine in unit.machines:
            loads.setdefault(machine, 0)
        _give(unit, max(unit.machines, key=lambda machine: _rank(unit.key, machine)), owners, loads)
    held: dict[str, list[_Unit]] = {}
    for unit in single:
        held.setdefault(owners[unit.addresses[0]], []).append(unit)
    while path := _path(held, loads):
        for unit, source, target in path:
            held[source].remove(unit)
            held.setdefault(target, []).append(unit)
            owners.update(dict.fromkeys(unit.addresses, target))
        loads[path[0][1]] -= 1
        loads[path[-1][2]] += 1


_Move = tuple[_Unit, str, str]


def _path(held: Mapping[str, list[_Unit]], loads: Mapping[str, int]) -> list[_Move]:
    """Moves that take one address from a machine with many, perhaps by way of others, to one with two fewer."""
    for start in sorted(loads, key=lambda machine: (-loads[machine], machine)):
        came: dict[str, _Move | None] = {start: None}
        queue = [start]
        while queue:
            machine = queue.pop(0)
            best: dict[str, _Unit] = {}
            for unit in sorted(held.get(machine, ()), key=lambda unit: unit.key):
                for other in unit.machines:
                    if other not in came and (
                        other not in best or _rank(unit.key, other) > _rank(best[other].key, other)
                    ):
                        best[other] = unit
            for other in sorted(best, key=lambda other: (loads[other], other)):
                came[other] = (best[other], machine, other)
                queue.append(other)
        end = min(came, key=lambda machine: (loads[machine], machine))
        if loads[start] - loads[end] < 2:
            continue
        path: list[_Move] = []
        while (move := came[end]) is not None:
            path.insert(0, move)
            end = move[1]
        return path
    return []


def _seconds(groups: Sequence[Group], owners: Mapping[str, str]) -> dict[str, str]:
    """Who takes each address over first: what one machine held is spread over the others like the whole."""
    units: dict[str, list[_Unit]] = {}
    found: dict[str, str] = {}
    loads: dict[str, int] = {}
    for owner in owners.values():
        loads[owner] = loads.get(owner, 0) + 1
    for group in groups:
        for unit in _units(group, group.active):
            owner = owners.get(unit.addresses[0], "")
            others = tuple(sorted({*group.active} - {owner})) or tuple(sorted({*group.passive} - {owner}))
            if not owner or not others:
                continue
            if group.alphabetic:
                following = [machine for machine in others if machine > owner]
                found.update(dict.fromkeys(unit.addresses, (following or others)[0]))
            else:
                units.setdefault(owner, []).append(_Unit(f"{owner} {unit.key}", unit.addresses, others))
    for owner in sorted(units):
        _balance(units[owner], found, {machine: load for machine, load in loads.items() if machine != owner})
    return found


def _order(group: Group, owner: str, second: str) -> Order:
    """The whole order. From the third on it follows from the first two, so that few different orders arise."""
    first = [machine for machine in (owner, second) if machine]
    order = list(first)
    for machines in (group.active, group.passive):
        rest = sorted({*machines} - {*order})
        if group.alphabetic:
            order += [machine for machine in rest if machine > first[-1]]
            order += [machine for machine in rest if machine <= first[-1]]
        else:
            key = " ".join(first)
            order += sorted(rest, key=lambda machine: (-_rank(key, machine), machine))
    return tuple(order)


def _by_number(address: str) -> tuple[int, int]:
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed)


@lru_cache(maxsize=65_536)
def _rank(key: str, machine: str) -> int:
    """A number that only the two names decide, evenly spread."""
    digest = hashlib.blake2b(f"{key}\0{machine}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
