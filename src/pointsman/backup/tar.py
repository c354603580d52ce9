"""The container of a backup: a plain tar of regular files with names of our own, written and read.

Pure. Invariant: reading never writes a file and never follows a name; whatever bytes come in, it ends with the members
or with `ArchiveRefused`, having held no more than the limits say.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping

BLOCK = 512
ARCHIVE_LIMIT = 256 * 1024 * 1024
"""Bytes of an archive, unpacked."""
MEMBER_LIMIT = 64 * 1024 * 1024
MEMBERS_LIMIT = 20_000
_PADDING_LIMIT = 1024 * 1024
_GZIP = b"\x1f\x8b"
_NAME = re.compile(r"manifest\.(json|sha256)|configuration\.json|secrets\.(json|sealed)|files/[0-9a-f]{64}")
_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
FIRST = "manifest.json"
LAST = "manifest.sha256"


class ArchiveRefused(Exception):
    """The bytes are not a backup that can be used; the text says why and what to do."""


def pack(members: Mapping[str, bytes], time: int) -> bytes:
    """The archive of `members` in their order; the same members and time (Unix seconds) give the same bytes."""
    parts: list[bytes] = []
    for name, content in members.items():
        parts += (_header(name, len(content), time), content, bytes(-len(content) % BLOCK))
    parts.append(bytes(2 * BLOCK))
    return b"".join(parts)


def unpack(data: bytes) -> dict[str, bytes]:
    """The members of an archive (tar, or tar in gzip), in their order. Raises `ArchiveRefused`."""
    data = _plain(data, ARCHIVE_LIMIT)
    members: dict[str, bytes] = {}
    place = 0
    while True:
        block = data[place : place + BLOCK]
        if len(block) < BLOCK:
            raise ArchiveRefused("the archive ends too early; download or copy it again")
        place += BLOCK
        if not any(block):
            break
        name, size = _read_header(block)
        if name in members:
            raise ArchiveRefused(f"the archive has the member {name} twice; it was altered")
        if not members and name != FIRST:
            raise ArchiveRefused(f"the archive does not begin with {FIRST}; give a backup of this product")
        if len(members) >= MEMBERS_LIMIT:
            raise ArchiveRefused(f"the archive has more than {MEMBERS_LIMIT} members; it was altered")
        if place + size > len(data):
            raise ArchiveRefused(f"the archive ends inside {name}; download or copy it again")
        members[name] = data[place : place + size]
        place += size + -size % BLOCK
    rest = data[place:]
    if len(rest) > _PADDING_LIMIT or rest.strip(b"\0"):
        raise ArchiveRefused("the archive goes on after its end; it was altered")
    return members


def first_member(head: bytes) -> bytes:
    """The content of the first member, from the first bytes of an archive. Raises `ArchiveRefused`."""
    data = _plain(head, len(head) if head[:2] != _GZIP else 8 * len(head), whole=False)
    if len(data) < BLOCK:
        raise ArchiveRefused("the archive ends too early; download or copy it again")
    name, size = _read_header(data[:BLOCK])
    if name != FIRST or BLOCK + size > len(data):
        raise ArchiveRefused(f"the archive does not begin with {FIRST}; give a backup of this product")
    return data[BLOCK : BLOCK + size]


def _plain(data: bytes, limit: int, *, whole: bool = True) -> bytes:
    if data[:2] != _GZIP:
        if len(data) > limit:
            raise ArchiveRefused(f"the archive has more than {limit} bytes; it was altered")
        return data
    unzip = zlib.decompressobj(wbits=31)
    try:
        plain = unzip.decompress(data, limit)
    except zlib.error as error:
        raise ArchiveRefused(f"the archive's compression is damaged ({error}); download it again") from None
    if whole and unzip.unconsumed_tail:
        raise ArchiveRefused(f"the archive unpacks to more than {limit} bytes; it was altered")
    if whole and not unzip.eof:
        raise ArchiveRefused("the archive's compression ends too early; download or copy it again")
    if whole and unzip.unused_data.strip(b"\0"):
        raise ArchiveRefused("the archive goes on after its end; it was altered")
    return plain


def _header(name: str, size: int, time: int) -> bytes:
    def number(value: int, width: int) -> bytes:
        return f"{value:0{width - 1}o}\0".encode()

    fields = (
        name.encode("ascii").ljust(100, b"\0"),
        number(0o600, 8),
        number(0, 8),
        number(0, 8),
        number(size, 12),
        number(max(0, time), 12),
    )
    before, after = b"".join(fields), b"0" + bytes(100) + b"ustar\x0000" + bytes(BLOCK - 265)
    checksum = sum(before) + 8 * ord(" ") + sum(after)
    return before + f"{checksum:06o}\0 ".encode() + after


def _read_header(block: bytes) -> tuple[str, int]:
    stored = _number(block[148:156])
    if stored != sum(block[:148]) + 8 * ord(" ") + sum(block[156:]):
        raise ArchiveRefused("this is not a tar archive, or it is damaged; give a backup of this product")
    raw = block[:100].rstrip(b"\0")
    if block[345:500].strip(b"\0") and block[257:263] == b"ustar\0":
        raw = block[345:500].rstrip(b"\0") + b"/" + raw
    name = raw.decode("ascii", "backslashreplace")
    shown = name if name.isprintable() else ascii(name)
    if block[156:157] not in (b"0", b"\0"):
        raise ArchiveRefused(f"the member {shown} is not a plain file; only plain files belong into a backup")
    if not _NAME.fullmatch(name):
        raise ArchiveRefused(f"the member {shown} does not belong into a backup; it was altered")
    size = _number(block[124:136])
    if size > MEMBER_LIMIT:
        raise ArchiveRefused(f"the member {shown} has more than {MEMBER_LIMIT} bytes; it was altered")
    return name, size


def _number(field: bytes) -> int:
    found = _OCTAL.fullmatch(field)
    if found is None:
        raise ArchiveRefused("this is not a tar archive, or it is damaged; give a backup of this product")
    return int(found[1], 8)


def check_sizes(members: Iterable[tuple[str, int]]) -> None:
    """Refuses to write what could not be read again. Raises `ArchiveRefused`."""
    total = count = 0
    for name, size in members:
        count, total = count + 1, total + size + 2 * BLOCK
        if size > MEMBER_LIMIT:
            raise ArchiveRefused(
                f"{name} would have {size} bytes, more than {MEMBER_LIMIT}; make files smaller"
            )
    if total > ARCHIVE_LIMIT or count > MEMBERS_LIMIT:
        raise ArchiveRefused(
            f"the backup would have {count} members and {total} bytes; {MEMBERS_LIMIT} and {ARCHIVE_LIMIT} can be "
            "read again; delete files that are not needed"
        )
