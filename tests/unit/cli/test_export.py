"""`export` over the socket and over REST, and what becomes of the document."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.certificates import self_signed
from tests.running import AUTHOR
from tests.unit.cli.conftest import PASSWORD, Answer, Instance

from pointsman.schema.problem import ObjectId
from pointsman.store import Change, Delete, Put

Pointsman = Callable[..., Answer]
POOL, KEY = ObjectId("pools", "p"), ObjectId("ssl/server_keys", "k")
MONITOR = ObjectId("monitors", "m")


@pytest.fixture
def private(instance: Instance) -> str:
    """The private key of an instance with a pool, a key and a monitor that has a password."""
    public, private = self_signed("a.example")
    changes: list[Change] = [
        Put(POOL, {"basic": {"note": "x"}}),
        Put(KEY, {"basic": {"public": public, "private": private}}),
        Put(MONITOR, {"basic": {"type": "http"}, "http": {"authentication": "ann:opensesame"}}),
    ]
    instance.do(lambda: instance.running.control.edit(AUTHOR, changes))
    return private


@pytest.mark.parametrize("form", ["yaml", "json"])
@pytest.mark.parametrize("secrets", ["include", "exclude", "hash"])
def test_an_export_applied_again_changes_nothing(
    instance: Instance, private: str, pointsman: Pointsman, tmp_path: Path, form: str, secrets: str
) -> None:
    """Importer 11 k: export, then import, is no difference."""
    home, output = ("--home", instance.home), tmp_path / "export"
    done = pointsman("export", *home, "--format", form, "--secrets", secrets, "--output", output)
    assert (done.status, done.out) == (0, ""), done
    assert ("Secrets left out: 2." in done.err) == (secrets == "exclude")
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    text = output.read_text()
    assert (private.splitlines()[1] in text) == (secrets == "include")
    assert ("opensesame" in text) == (secrets == "include")
    for replace in ((), ("--replace",)):
        assert pointsman("diff", output, *home, *replace).out == "No difference.\n"
    (event,) = [event for event in instance.running.events if event.reason.startswith("exported")]
    assert event.tag == "audit"
    assert event.author.startswith("local:")


def test_a_hash_of_another_secret_is_refused_at_its_line(
    instance: Instance, private: str, pointsman: Pointsman, tmp_path: Path
) -> None:
    """Importer 7: a hashed secret that is not the stored one is named with object, key and line."""
    home, output = ("--home", instance.home), tmp_path / "export.yaml"
    pointsman("export", *home, "--secrets", "hash", "--output", output)
    changes = [Put(MONITOR, {"basic": {"type": "http"}, "http": {"authentication": "ann:other"}})]
    instance.do(lambda: instance.running.control.edit(AUTHOR, changes))
    refused = pointsman("apply", output, *home)
    assert refused.status == 1
    line = (
        next(n for n, text in enumerate(output.read_text().splitlines(), 1) if "authentication" in text) + 1
    )
    assert f"export.yaml:{line}:" in refused.err
    assert "monitors/m: http.authentication: is the hash of another secret than the stored one" in refused.err
    offline = pointsman("check", output)
    assert (offline.status, offline.err.count("only the instance that holds the secret can tell")) == (1, 2)
    assert pointsman("diff", output, "--against", output).status == 1


def test_differences_go_to_standard_output(instance: Instance, private: str, pointsman: Pointsman) -> None:
    """Importer 7: without a base snapshot, differences are those from a new instance."""
    gone = [Delete(ObjectId("monitors", "Ping"))]
    instance.do(lambda: instance.running.control.edit(AUTHOR, gone))
    shown = pointsman("export", "--home", instance.home, "--differences")
    assert shown.status == 0, shown
    assert "name: p\n" in shown.out
    assert "Simple HTTP" not in shown.out
    assert "# - monitors/Ping\n" in shown.out
    assert "monitors/Ping was deleted since the base" in shown.err


def test_differences_from_a_base_snapshot(instance: Instance, private: str, pointsman: Pointsman) -> None:
    """Importer 7: where there is a base snapshot, they are those from it; a damaged one is told, not passed over."""
    home = ("--home", instance.home)
    assert pointsman("config-snapshot", *home).status == 0
    assert pointsman("export", *home, "--differences").out == "version: 8.3\n"
    changes: list[Change] = [Put(POOL, {}), Delete(KEY)]
    instance.do(lambda: instance.running.control.edit(AUTHOR, changes))
    shown = pointsman("export", *home, "--differences")
    assert (
        shown.out
        == """\
# A document cannot say that an object is deleted. These were, since the base:
# - ssl/server_keys/k
version: 8.3
pools:
- name: p
  properties:
    basic:
      note: ""
"""
    )
    (snapshot,) = (path for path in (instance.home / "import").iterdir() if "base" in path.name)
    snapshot.write_text("{")
    damaged = pointsman("export", *home, "--differences")
    assert damaged.status == 1
    assert "the base snapshot" in damaged.err
    assert damaged.out == ""


def test_over_rest(instance: Instance, private: str, pointsman: Pointsman, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(f"{PASSWORD}\n")
    target = ("--url", instance.url, "--password-file", password, "--fingerprint", instance.fingerprint)
    local = pointsman("export", "--home", instance.home, "--secrets", "hash")
    remote = pointsman("export", *target, "--secrets", "hash")
    assert (remote.status, remote.out) == (0, local.out), remote
    output = tmp_path / "export.yaml"
    output.write_text(remote.out)
    refused = pointsman("apply", output, *target)
    assert refused.status == 1
    assert "is a hash, which REST does not compare" in refused.err


def test_what_cannot_be_written_or_asked(instance: Instance, pointsman: Pointsman, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = pointsman("export", "--home", instance.home, "--output", tmp_path / "file" / "x")
    assert done.status == 1
    assert "cannot be written" in done.err
    assert pointsman("export", "--home", instance.home, "--format", "xml").status == 1
    assert pointsman("export", "--home", tmp_path / "nowhere").status == 4
