"""Archives of backups: what is written comes back, and what somebody altered does not come in."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.each import each

from pointsman.backup import manifest as manifests
from pointsman.backup.archive import Archive, ArchiveRefused, Content, Manifest, read, with_description, write
from pointsman.backup.tar import MEMBER_LIMIT, first_member, pack, unpack
from pointsman.schema.level import LEVEL
from pointsman.schema.problem import ObjectId
from pointsman.store import Objects

POOL, KEY, RULE = ObjectId("pools", "web"), ObjectId("ssl/server_keys", "www"), ObjectId("rules", "r <b>")
MEMBER = ObjectId("traffic_managers", "tm1")
SNMP = ("snmp", "auth_password")
CONTENT = Content(
    {
        POOL: {"basic": {"nodes_table": [{"node": "127.0.0.1:80"}], "note": "caf\u00e9"}},
        KEY: {"basic": {"public": "PUBLIC", "private": "the private key", "note": "n"}},
        RULE: {"content": b"\x00\xff any bytes"},
        MEMBER: {"snmp": {"auth_password": "deep secret"}},
        ObjectId("cluster/members", "x"): {"basic": {}},
    },
    {"admin": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"},
)
MANIFEST = Manifest(time=1_750_000_000, description="before the change", traffic_manager="tm1", uuid="u")


def known(content: Content = CONTENT) -> dict[ObjectId, Any]:
    return {
        identity: settings
        for identity, settings in content.objects.items()
        if identity.type != "cluster/members"
    }


def test_what_is_written_comes_back() -> None:
    """R60: everything but the objects that no surface shows; equal input gives equal bytes."""
    data = write(MANIFEST, CONTENT)
    archive = read(data)
    assert archive.content.objects == known()
    assert archive.content.users == CONTENT.users
    assert archive.content.missing == ()
    counts = {"pools": 1, "ssl/server_keys": 1, "rules": 1, "traffic_managers": 1}
    assert archive.manifest == replace(MANIFEST, left_out=2, counts=counts)
    assert data == write(MANIFEST, CONTENT)
    assert read(gzip.compress(data)) == archive


def test_other_programs_can_read_it() -> None:
    data = write(MANIFEST, CONTENT)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
        assert members[0].name == "manifest.json"
        assert all(member.isreg() and member.mode == 0o600 for member in members)


def test_secrets_are_in_a_member_of_their_own() -> None:
    members = unpack(write(MANIFEST, CONTENT))
    assert b"the private key" in members["secrets.json"]
    assert not any(
        b"private key" in data or b"deep" in data for name, data in members.items() if name != "secrets.json"
    )


def test_a_passphrase_seals_them() -> None:
    """R60: under a passphrase everything comes back; without it the missing ones are named by object and field."""
    data = write(MANIFEST, CONTENT, passphrase="open sesame")
    assert b"the private key" not in data and b"argon2id" not in data
    assert read(data, "open sesame").content == replace(CONTENT, objects=known())
    closed = read(data)
    assert closed.content.missing == ((KEY, ("basic", "private")), (MEMBER, SNMP))
    assert closed.content.users == {}
    assert closed.content.objects[KEY] == {"basic": {"public": "PUBLIC", "note": "n"}}
    with pytest.raises(ArchiveRefused, match="passphrase"):
        read(data, "open sesame!")


def test_they_can_be_left_out() -> None:
    data = write(MANIFEST, CONTENT, secrets="left out")
    assert b"the private key" not in data and b"argon2id" not in data
    archive = read(data)
    assert archive.manifest.secrets == "left out"
    assert [place for place, _ in archive.content.missing] == [KEY, MEMBER]


def test_a_description_is_replaced_and_nothing_else() -> None:
    data = write(MANIFEST, CONTENT, passphrase="open sesame")
    other = with_description(data, "another")
    assert read(other, "open sesame").content == read(data, "open sesame").content
    assert read(other).manifest == replace(read(data).manifest, description="another")


def test_sealed_secrets_belong_to_their_configuration() -> None:
    ours = unpack(write(MANIFEST, CONTENT, passphrase="open sesame"))
    other = Content({POOL: {"basic": {"note": "x"}}})
    theirs = unpack(write(MANIFEST, other, passphrase="open sesame"))
    theirs["secrets.sealed"] = ours["secrets.sealed"]
    with pytest.raises(ArchiveRefused, match="passphrase"):
        read(packed(theirs), "open sesame")


def packed(members: dict[str, bytes], change: Callable[[dict[str, Any]], None] = lambda head: None) -> bytes:
    """The members with a manifest that fits them, but for a change."""

    head = json.loads(members["manifest.json"])
    rest = {name: data for name, data in members.items() if name not in ("manifest.json", "manifest.sha256")}
    head["members"] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in rest.items()
    }
    change(head)
    text = json.dumps(head).encode()
    ending = hashlib.sha256(text).hexdigest().encode() + b"\n"
    return pack({"manifest.json": text, **rest, "manifest.sha256": ending}, 0)


def changed(**values: Any) -> bytes:
    return packed(unpack(write(MANIFEST, CONTENT)), lambda head: head.update(values))


def configured(text: str | bytes) -> bytes:
    members = unpack(write(MANIFEST, CONTENT))
    members = {name: data for name, data in members.items() if not name.startswith("files/")}
    members["configuration.json"] = text.encode() if isinstance(text, str) else text
    return packed(members)


def tarred(*members: tarfile.TarInfo, form: int = tarfile.USTAR_FORMAT) -> bytes:
    whole = unpack(write(MANIFEST, CONTENT))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, data in whole.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in members:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    return out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


HOSTILE_MEMBERS = {
    "absolute": member("/etc/passwd"),
    "parent": member("../../evil"),
    "inside": member("files/../../evil"),
    "unknown": member("run.sh"),
    "upper": member("files/" + "A" * 64),
    "symlink": member("files/" + "a" * 64, tarfile.SYMTYPE, "/etc/shadow"),
    "hardlink": member("files/" + "a" * 64, tarfile.LNKTYPE, "manifest.json"),
    "device": member("files/" + "a" * 64, tarfile.CHRTYPE),
    "fifo": member("files/" + "a" * 64, tarfile.FIFOTYPE),
    "directory": member("files", tarfile.DIRTYPE),
    "duplicate": member("configuration.json"),
    "second manifest": member("manifest.json"),
    "not UTF-8": member("files/\udcff\udcfe"),
    "long": member("x" * 99 + "/" + "y" * 90),
}


@pytest.mark.parametrize("name", HOSTILE_MEMBERS)
def test_members_that_do_not_belong_are_refused(name: str) -> None:
    with pytest.raises(ArchiveRefused):
        read(tarred(HOSTILE_MEMBERS[name]))


def test_extended_headers_are_refused() -> None:
    with pytest.raises(ArchiveRefused, match="not a plain file"):
        read(tarred(member("n" * 300), form=tarfile.PAX_FORMAT))
    with pytest.raises(ArchiveRefused, match="not a plain file"):
        read(tarred(member("n" * 300), form=tarfile.GNU_FORMAT))


MISSHAPEN: list[tuple[str, Any]] = [
    ("traffic_ip_groups", {"basic": {"ip_mapping": [1]}}),
    ("traffic_ip_groups", {"basic": {"ip_mapping": 7}}),
    ("traffic_ip_groups", {"basic": {"machines": [1, []]}}),
    ("traffic_ip_groups", {"basic": {"ipaddresses": [[1]]}}),
    ("virtual_servers", {"basic": {"pool": [1]}}),
    ("virtual_servers", {"basic": {"request_rules": 5}}),
    ("pools", {"basic": {"nodes_table": [{"weight": 1}]}}),
    ("pools", {"basic": {"nodes_table": {"a": 1}}}),
    ("pools", {"basic": {"note": None}}),
    ("pools", {"basic": {"passive_monitoring": "yes"}}),
]
HOSTILE = {
    "nothing": b"",
    "not a tar": b"not a tar" * 200,
    "zeros": bytes(10_240),
    "zip": b"PK\x03\x04" + bytes(1000),
    "cut": write(MANIFEST, CONTENT)[:-1500],
    "cut in gzip": gzip.compress(write(MANIFEST, CONTENT))[:-20],
    "gzip twice": gzip.compress(write(MANIFEST, CONTENT)) * 2,
    "gzip in gzip": gzip.compress(gzip.compress(write(MANIFEST, CONTENT))),
    "a tail": write(MANIFEST, CONTENT) + b"x",
    "gzip bomb": gzip.compress(bytes(300 * 1024 * 1024), 1),
    "a tail of zeros": write(MANIFEST, CONTENT) + bytes(2 * 1024 * 1024),
    "half a pair": changed(description="\ud800"),
    "half a pair in a name": configured(
        '{"objects": [{"type": "pools", "name": "\\udc00", "settings": {}}], "secrets": []}'
    ),
    "another product": changed(product="Other"),
    "another format": changed(format=2),
    "a format that is no number": changed(format="1"),
    "level 0": changed(level=0),
    "level true": changed(level=True),
    "time": changed(time=10**15),
    "a time that is text": changed(time="now"),
    "huge number": changed(time=10**400),
    "more in the manifest": changed(more=1),
    "handling": changed(secrets="somehow"),
    "counts": changed(objects={"pools": "many"}),
    "a long description": changed(description="x" * 100_000),
    "no members": changed(members={}),
    "wrong size": changed(members={"configuration.json": {"bytes": 1, "sha256": "0" * 64}}),
    "not JSON": configured("{"),
    "not UTF-8": configured(b'{"objects": [], "secrets": ["\xff"]}'),
    "deep": configured("[" * 100_000),
    "many": configured("[" + "[]," * 3_000_000 + "[]]"),
    "NaN": configured('{"objects": [], "secrets": [NaN]}'),
    "a name twice": configured('{"objects": [], "objects": [], "secrets": []}'),
    "another form": configured("[]"),
    "an object twice": configured(
        '{"objects": [{"type": "pools", "name": "a", "settings": {}}, {"type": "pools", "name": "a", "settings": {}}],'
        ' "secrets": []}'
    ),
    "an unknown type": configured('{"objects": [{"type": "nothing", "name": "a", "settings": {}}], "secrets": []}'),
    "an internal type": configured(
        '{"objects": [{"type": "cluster/members", "name": "a", "settings": {}}], "secrets": []}'
    ),
    "a file with settings": configured('{"objects": [{"type": "rules", "name": "a", "settings": {}}], "secrets": []}'),
    "a file that is missing": configured('{"objects": [{"type": "rules", "name": "a", "file": "b"}], "secrets": []}'),
    "settings that are none": configured('{"objects": [{"type": "pools", "name": "a", "settings": 7}], "secrets": []}'),
    **{
        f"a value of another form: {kind} {settings}": configured(
            json.dumps({"objects": [{"type": kind, "name": "a", "settings": settings}], "secrets": []})
        )
        for kind, settings in MISSHAPEN
    },
    "a secret of no object": configured('{"objects": [], "secrets": [["pools", "a", ["b", "c"]]]}'),
    "secrets without places": packed({
        **unpack(write(MANIFEST, CONTENT)),
        "secrets.json": b'{"secrets": [["pools", "none", ["a", "b"], -1, "x"]], "users": {}}',
    }),
    "secrets of no form": packed({
        **unpack(write(MANIFEST, CONTENT)),
        "secrets.json": b'{"secrets": [7], "users": {}}',
    }),
    "users of no form": packed({
        **unpack(write(MANIFEST, CONTENT)),
        "secrets.json": b'{"secrets": [], "users": {"a": 1}}',
    }),
    "a file of nobody": packed({**unpack(write(MANIFEST, CONTENT)), "files/" + "0" * 64: b"x"}),
}  # fmt: skip


@each(zip(HOSTILE), str)
def test_what_is_no_backup_is_refused(name: str) -> None:
    with pytest.raises(ArchiveRefused) as refusal:
        read(HOSTILE[name])
    assert len(str(refusal.value)) < 400
    assert str(refusal.value).isprintable()


def test_backslashes_are_no_escapes() -> None:
    content = Content({POOL: {"basic": {"note": "\\ud800 \\\\ud800 \U0001f600"}}})
    assert read(write(MANIFEST, content)).content.objects == content.objects


def test_a_changed_byte_anywhere_is_noticed() -> None:
    """Every byte that means something is under a checksum."""
    data = write(MANIFEST, CONTENT)
    good = read(data)
    for place in range(0, len(data), 37):
        altered = bytearray(data)
        altered[place] ^= 0x41
        try:
            assert read(bytes(altered)) == good, place  # padding and such
        except ArchiveRefused:
            continue


def test_the_size_of_a_member_is_bounded_before_it_is_believed() -> None:
    data = bytearray(write(MANIFEST, CONTENT))
    data[124:136] = f"{MEMBER_LIMIT + 1:011o}\0".encode()
    data[148:156] = b"        "
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    with pytest.raises(ArchiveRefused, match="more than"):
        read(bytes(data))
    with pytest.raises(ArchiveRefused):
        first_member(bytes(data[:4096]))


def test_a_newer_one_is_refused_by_name() -> None:
    """R61: naming both versions."""
    for head in ({"level": LEVEL + 1, "version": "0.1.0"}, {"version": "99.3.1"}):
        with pytest.raises(
            ArchiveRefused, match=rf"version {head['version']}.*this version .*\(schema level {LEVEL}\)"
        ):
            read(changed(**head))


def test_the_manifest_is_read_without_the_rest() -> None:
    data = write(MANIFEST, CONTENT)
    for head in (data[:4096], gzip.compress(data)[:4096]):
        assert manifests.decode_manifest(first_member(head))[0].description == MANIFEST.description


def test_what_could_not_be_read_again_is_not_written() -> None:
    huge: Objects | dict[ObjectId, Any] = {RULE: {"content": bytes(MEMBER_LIMIT + 1)}}
    with pytest.raises(ArchiveRefused, match="make files smaller"):
        write(MANIFEST, Content(huge))


def test_an_archive_is_an_archive() -> None:
    assert isinstance(read(write(MANIFEST, Content({}))), Archive)
