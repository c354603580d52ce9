"""What a browser posted: fields that may repeat, in their order, and files.

Invariant: no more is read than the limits say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from pointsman.console.login import FORM_TYPE
from pointsman.web.ui.upload import TooLarge, UploadedFile, read_uploads

FORM_LIMIT = 4 * 1024 * 1024
"""Bytes of a form: a table of thousands of nodes fits."""
_MOST_FIELDS = 60_000
UPLOAD_LIMIT = 32 * 1024 * 1024


@dataclass(frozen=True)
class FormData:
    """The fields of a form, and the files that it brought."""

    fields: Mapping[str, Sequence[str]]
    files: tuple[UploadedFile, ...] = field(default=(), repr=False)

    @property
    def file(self) -> bytes:
        """The content of the first file of the field "file"; nothing where there is none."""
        return next((one.content for one in self.files if one.input == "file"), b"")

    @property
    def file_name(self) -> str:
        """What that file is called."""
        return next((one.name for one in self.files if one.input == "file"), "")

    def text(self, name: str, default: str = "") -> str:
        """The last value of a field."""
        return self.fields[name][-1] if self.fields.get(name) else default

    def all(self, name: str) -> Sequence[str]:
        """Every value of a field."""
        return self.fields.get(name, ())

    def __contains__(self, name: object) -> bool:
        return name in self.fields

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every field with its values, for a form that carries them on."""
        return [(name, value) for name, values in self.fields.items() for value in values]


async def read_form_data(request: Request) -> FormData | None:
    """The posted form; None when it is none, or larger than a form can be. Raises `TooLarge` for an upload."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        found = await read_uploads(request, UPLOAD_LIMIT)
        return None if found is None else FormData(*found)
    if kind != FORM_TYPE:
        return None
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > FORM_LIMIT:
                raise TooLarge
        pairs = parse_qsl(
            body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        )
    except (ClientDisconnect, ValueError):
        return None
    grouped: dict[str, list[str]] = {}
    for key, value in pairs:
        grouped.setdefault(key, []).append(value)
    return FormData(grouped)
