"""Forms that bring files.

Invariant: no more is read than the limit says, and the files lie in memory or in nameless temporary files only.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

_MOST_FIELDS = 200
_MOST_FILES = 20


class TooLarge(Exception):
    """The form holds more than it can."""


@dataclass(frozen=True)
class UploadedFile:
    """A file of a form's field `input`; `name` is what it is called where it came from, without directories."""

    input: str
    name: str
    content: bytes = field(repr=False)


async def read_uploads(
    request: Request, limit: int
) -> tuple[dict[str, tuple[str, ...]], tuple[UploadedFile, ...]] | None:
    """The fields and files of a posted form; None when it is no such form. A field that no file was chosen for has
    none.

    Raises `TooLarge` for a body of more than `limit` bytes.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return None

    async def bounded() -> AsyncGenerator[bytes, None]:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise TooLarge
            yield chunk

    form = FormData()
    try:
        parser = MultiPartParser(
            request.headers, bounded(), max_files=_MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=limit
        )
        form = await parser.parse()
        fields: dict[str, tuple[str, ...]] = {}
        files: list[UploadedFile] = []
        for key, value in form.multi_items():
            if isinstance(value, str):
                fields[key] = (*fields.get(key, ()), value)
            elif isinstance(value, UploadFile):
                name = (value.filename or "").replace("\\", "/").rpartition("/")[2]
                content = await value.read()
                if name or content:
                    files.append(UploadedFile(key, name, content))
    except (MultiPartException, ClientDisconnect, KeyError, UnicodeDecodeError):
        return None
    finally:
        await form.close()
    return fields, tuple(files)


async def read_upload(request: Request, limit: int) -> tuple[dict[str, str], str, bytes] | None:
    """The fields of a posted form, and name and content of its `file`; None when it is no such form.

    Raises `TooLarge` for a body of more than `limit` bytes.
    """
    found = await read_uploads(request, limit)
    if found is None:
        return None
    fields, files = found
    file = next((one for one in files if one.input == "file"), UploadedFile("file", "", b""))
    return {key: values[-1] for key, values in fields.items()}, file.name, file.content
