"""What is wrong with a piece of configuration, as a value that every surface can show.

Invariant: a `Problem` always says where (object and field path) and what to do (the message ends with a remedy).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class ObjectId(NamedTuple):
    """Identity of a configuration object as an administrator writes it.

    `type` is the REST path of the resource type ("virtual_servers", "ssl/server_keys"); `name` is the object's
    name, or "" for a singleton such as `global_settings`.
    """

    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type}/{self.name}" if self.name else self.type


@dataclass(frozen=True)
class Problem:
    """One fault in one field.

    `path` is section, key and, for tables, the row's primary key and the column; empty for the whole object.
    `code` is a REST `error_id` such as "json.wrong_type" or "num.out_of_range".
    """

    subject: ObjectId | None
    path: tuple[str, ...]
    code: str
    message: str

    def __str__(self) -> str:
        where = ".".join(self.path)
        what = str(self.subject) if self.subject else "configuration"
        return f"{what}: {where}: {self.message}" if where else f"{what}: {self.message}"
