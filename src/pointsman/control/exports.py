"""The configuration as a document, whole or as what differs from its base, for every surface that hands it out.

Invariant: every export leaves an event that says who took it and what became of the secrets; it is made of one
revision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from pointsman.control.control import Control
from pointsman.control.described import always_there
from pointsman.document.export import Exported, Format, Secrets, export
from pointsman.schema.event import Event, Severity
from pointsman.schema.registry import BY_PATH
from pointsman.store import Author

_TOLD = {"include": "with its secrets", "exclude": "without secrets", "hash": "with its secrets as hashes"}


@dataclass(frozen=True)
class Wish:
    """What an export is to be; `differences` from the base instead of everything."""

    form: Format = "yaml"
    secrets: Secrets = "exclude"
    differences: bool = False


def read_wish(arguments: Mapping[str, str]) -> Wish:
    """The wish that the arguments `format`, `secrets` and `differences` tell; absent ones have their defaults. Raises
    `ValueError`, whose text says what to write.
    """
    forms, secrets = get_args(Format), get_args(Secrets)
    wish = Wish()
    form = next((known for known in forms if known == arguments.get("format", wish.form)), None)
    handling = next((known for known in secrets if known == arguments.get("secrets", wish.secrets)), None)
    differences = {"true": True, "": True, "false": False}.get(arguments.get("differences", "false"))
    if form is None:
        raise ValueError(f'the argument "format" must be one of {", ".join(forms)}')
    if handling is None:
        raise ValueError(f'the argument "secrets" must be one of {", ".join(secrets)}')
    if differences is None:
        raise ValueError('the argument "differences" must be true or false')
    return Wish(form, handling, differences)


async def export_configuration(control: Control, wish: Wish, actor: Author) -> Exported:
    """The present configuration as a document. The base of differences is the importer's base snapshot, or where there
    is none what every instance has when it is new. Raises `NoBase` where the snapshot cannot be read.
    """
    objects, base = control.objects, None
    if wish.differences:
        base = await asyncio.to_thread(control.base)
        if base is None:
            base = always_there()
    exported = await asyncio.to_thread(
        export, objects, BY_PATH, wish.form, secrets=wish.secrets, base=base, seed=control.identity.uuid
    )
    what = "the differences from the base" if wish.differences else "the configuration"
    surface = f" at {actor.surface_name}" if actor.surface else ""
    where = f"{surface} to {actor.address}" if actor.address else surface
    text = f"exported {what} {_TOLD[wish.secrets]}{where}"
    control.record(Event("general", "audit", Severity.INFO, None, text, author=actor.name))
    return exported
