"""Forms that bring a file.

Invariant: no more is read than the limit says, and the file lies in memory or in a nameless temporary file only.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

_MOST_FIELDS = 10


class TooLarge(Exception):
    """The form holds more than it can."""


async def read_upload(request: Request, limit: int) -> tuple[dict[str, str], str, bytes] | None:
    """The fields of a posted form, and name and content of its `file`; None when it is no such form.

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
            request.headers, bounded(), max_files=1, max_fields=_MOST_FIELDS, max_part_size=limit
        )
        form = await parser.parse()
        file = form.get("file")
        content = await file.read() if isinstance(file, UploadFile) else b""
        name = (file.filename or "") if isinstance(file, UploadFile) else ""
        fields = {key: value for key, value in form.items() if isinstance(value, str)}
    except (MultiPartException, ClientDisconnect, KeyError, UnicodeDecodeError):
        return None
    finally:
        await form.close()
    return fields, name.replace("\\", "/").rpartition("/")[2], content
