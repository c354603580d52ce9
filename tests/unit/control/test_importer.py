"""Imports in a whole traffic manager over an engine that carries nothing: what they do, and what is known of them."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import self_signed
from tests.running import AUTHOR, Running, running

from pointsman.compiler.plan import Plan
from pointsman.control.exports import Wish, export_configuration
from pointsman.control.import_order import ImportOrder
from pointsman.control.import_record import BASE, LAST, NoBase, read_base, read_memory, write_base
from pointsman.document.export import Secrets
from pointsman.document.fault import Faulty
from pointsman.engine.noop import NoopEngine
from pointsman.engine.outcome import Outcome
from pointsman.schema.condition import Standing
from pointsman.schema.event import Severity
from pointsman.schema.problem import ObjectId, Problem
from pointsman.store import Put

APP = ObjectId("pools", "app")
HAND = ObjectId("pools", "by-hand")
WEB = ObjectId("virtual_servers", "web")


def documents(base: Path, **files: str) -> ImportOrder:
    """An order for documents of these names and texts."""
    (base / "config").mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (base / "config" / name).write_text(text)
    return ImportOrder(base)


def pool(name: str, **basic: Any) -> str:
    """A document with one pool."""
    return json.dumps({"pools": [{"name": name, "properties": {"basic": basic}}]})


def tags(manager: Running) -> list[tuple[str, Severity]]:
    return [(e.tag, e.severity) for e in manager.events if e.tag.startswith("configimport")]


def service(port: int) -> str:
    """A document with one virtual server."""
    basic = {"enabled": True, "port": port, "pool": "discard"}
    return json.dumps({"virtual_servers": [{"name": "web", "properties": {"basic": basic}}]})


class Picky(NoopEngine):
    """An engine that refuses a configuration with a service on port 666 as a whole, also when it is left out."""

    async def apply(self, plan: Plan) -> Outcome:
        """Takes any other."""
        left_out = any(c.subject == WEB and c.standing is Standing.REJECTED for c in plan.conditions)
        if left_out or any(listener.port == 666 for listener in plan.listeners):
            return Outcome("refused", (), (Problem(WEB, ("basic", "port"), "x", "is bad; mend it"),), 0)
        return await super().apply(plan)


async def test_base_and_documents_are_the_whole_configuration(tmp_path: Path) -> None:
    """R30: one transaction makes what is described and deletes what is not; the author is the import."""
    order = documents(tmp_path / "docs", a=pool("app", note="one"))
    async with running(tmp_path) as manager:
        control, importer = manager.control, manager.control.importer
        await importer.take_snapshot()
        await control.put(AUTHOR, HAND, {})
        revision = control.revision
        done = await importer.run(order)
        assert (done.result.outcome, done.result.created, done.result.deleted) == ("ok", 1, 1)
        assert (control.revision, control.in_force, done.result.revision) == (revision + 1,) * 3
        assert control.settings(APP) == {"basic": {"note": "one"}}
        assert control.settings(HAND) is None
        (newest,) = await control.transactions(limit=1)
        assert newest.author.surface == "import"
        again = await importer.run(order)
        assert (again.result.outcome, again.desired and again.desired.edit.changes) == ("ok", ())
        assert control.revision == revision + 1
        assert tags(manager) == [("configimport", Severity.INFO)] * 2


async def test_a_renamed_object_leaves_nothing_behind(tmp_path: Path) -> None:
    """Importer 11c: rename key in file -> old object gone."""
    async with running(tmp_path) as manager:
        importer = manager.control.importer
        await importer.take_snapshot()
        await importer.run(documents(tmp_path / "docs", a=pool("old")))
        await importer.run(documents(tmp_path / "docs", a=pool("new")))
        assert manager.control.names("pools") == ("new",)


async def test_two_files_can_describe_one_object(tmp_path: Path) -> None:
    """Importer 11f: two files, one object: merged by field, the later name wins, lists are replaced."""
    first = pool("app", note="first", monitors=["Ping"], max_connection_attempts=3)
    order = documents(tmp_path / "docs", **{"00-a": first, "20-b": pool("app", note="second", monitors=[])})
    async with running(tmp_path) as manager:
        await manager.control.importer.take_snapshot()
        await manager.control.importer.run(order)
        assert manager.control.settings(APP) == {"basic": {"note": "second", "max_connection_attempts": 3}}


async def test_a_fault_keeps_everything_and_shows_its_place(tmp_path: Path) -> None:
    """Importer 11d: a syntax error keeps the old configuration; R32: the cause has file and line everywhere."""
    async with running(tmp_path) as manager:
        control, importer = manager.control, manager.control.importer
        await importer.take_snapshot()
        await importer.run(documents(tmp_path / "docs", a=pool("app")))
        revision = control.revision
        done = await importer.run(documents(tmp_path / "docs", b="pools:\n- name: [\n"))
        assert done.result.outcome == "failed"
        assert done.result.faults[0].file.endswith("docs/config/b")
        assert done.result.faults[0].line >= 2
        assert control.revision == revision
        assert control.names("pools") == ("app",)
        assert tags(manager)[-1] == ("configimportfailed", Severity.SERIOUS)
        assert "docs/config/b:" in manager.events[-1].reason
        status = await control.status()
        assert status.level == "error"
        assert "docs/config/b:" in status.sentence


async def test_a_fault_that_only_shows_in_the_whole_has_its_place_too(tmp_path: Path) -> None:
    """R32: what the merged object lacks is told at the place of the object in the document."""
    text = 'virtual_servers:\n- name: "web"\n  properties: {basic: {port: 80}}\n'
    async with running(tmp_path) as manager:
        importer = manager.control.importer
        await importer.take_snapshot()
        done = await importer.run(documents(tmp_path / "docs", a=text))
        (fault,) = done.result.faults
        assert (fault.line, fault.problem.subject) == (3, ObjectId("virtual_servers", "web"))


async def test_unknown_keys_are_passed_over_and_told_on_the_object(tmp_path: Path) -> None:
    """R28: unknown keys and dangling references are applied and reported on the object, also after a restart."""
    order = documents(tmp_path / "docs", a=pool("app", note="n", nonsense=1, monitors=["nowhere"]))
    async with running(tmp_path) as manager:
        await manager.control.importer.take_snapshot()
        done = await manager.control.importer.run(order)
        assert done.result.outcome == "warnings"
        assert len(done.result.remarks) == 1
        assert any("nowhere" in text for text in done.result.warnings)
        assert tags(manager) == [("configimport", Severity.WARN)]
    async with running(tmp_path) as manager:
        found = [c for c in manager.control.conditions(APP) if c.path == ("basic", "nonsense")]
        assert [c.standing for c in found] == [Standing.WARNING]
        assert "docs/config/a:1" in found[0].message
        await manager.control.importer.run(documents(tmp_path / "docs", a=pool("app")))
        assert all(c.path != ("basic", "nonsense") for c in manager.control.conditions(APP))


async def test_strict_refuses_unknown_keys(tmp_path: Path) -> None:
    order = documents(tmp_path / "docs", a=pool("app", nonsense=1))
    strict = ImportOrder(order.directory, strict=True)
    async with running(tmp_path) as manager:
        await manager.control.importer.take_snapshot()
        assert (await manager.control.importer.run(strict)).result.outcome == "failed"
        assert manager.control.names("pools") == ()


async def test_files_are_taken_in_by_reference(tmp_path: Path) -> None:
    """Importer 11g: fileRef for a rule; 11h: a missing file is an error that names file and path."""
    text = "rules:\n- name: r\n  content: {valueFrom: {fileRef: {name: data/r.txt}}}\n"
    order = documents(tmp_path / "docs", a=text)
    async with running(tmp_path) as manager:
        importer = manager.control.importer
        await importer.take_snapshot()
        missing = await importer.run(order)
        assert missing.result.cause.startswith(f"{tmp_path}/docs/config/a:3:")
        assert "data/r.txt" in missing.result.cause
        (tmp_path / "docs" / "data").mkdir()
        (tmp_path / "docs" / "data" / "r.txt").write_text("http.setResponseHeader('a', 'b');\n")
        assert (await importer.run(order)).result.outcome != "failed"
        assert manager.control.names("rules") == ("r",)


async def test_what_the_engine_refuses_is_undone(tmp_path: Path) -> None:
    """Importer 10: an apply that fails is rolled back to the revision before, and says so."""
    async with running(tmp_path, engine=Picky()) as manager:
        control, importer = manager.control, manager.control.importer
        await importer.take_snapshot()
        await importer.run(documents(tmp_path / "docs", a=service(8080)))
        good = control.settings(WEB)
        done = await importer.run(documents(tmp_path / "docs", a=service(666)))
        assert (done.result.outcome, done.result.refused) == ("failed", True)
        assert done.result.faults[0].file.endswith("docs/config/a")
        assert control.settings(WEB) == good
        assert await control.wait_in_force(control.revision, 10)
        assert control.in_force == control.revision


async def test_without_a_snapshot_nothing_is_imported(tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        await manager.control.put(AUTHOR, HAND, {})
        done = await manager.control.importer.run(documents(tmp_path / "docs", a=pool("app")))
        assert "config-snapshot" in done.result.cause
        assert manager.control.names("pools") == ("by-hand",)


async def test_preview_changes_nothing(tmp_path: Path) -> None:
    """Importer 10: a dry run says what would change."""
    async with running(tmp_path) as manager:
        importer = manager.control.importer
        await importer.take_snapshot()
        revision = manager.control.revision
        document, desired = await importer.preview(documents(tmp_path / "docs", a=pool("app")))
        assert [change.act for change in desired.edit.shown] == ["created"]
        assert list(document.objects) == [APP]
        assert (manager.control.revision, importer.last) == (revision, None)
        with pytest.raises(Faulty):
            await importer.preview(documents(tmp_path / "docs", b="{"))


async def test_snapshot_and_record_are_private_and_exact(tmp_path: Path) -> None:
    """Importer 5: the base snapshot holds what is stored, byte for byte, and nobody else can read it."""
    rule = ObjectId("rules", "r")
    async with running(tmp_path) as manager:
        control = manager.control
        await control.edit(
            AUTHOR,
            [
                Put(rule, {"content": b"\xff\x00 binary"}),
                Put(
                    APP, {"basic": {"nodes_table": [{"node": "10.0.0.1:80", "weight": 2}], "note": "\u2028é"}}
                ),
            ],
        )
        await control.importer.take_snapshot()
        base = read_base(tmp_path)
        assert base[rule] == control.settings(rule)
        assert base[APP] == control.settings(APP)
        order = documents(tmp_path / "docs", a=pool("app"))
        done = await control.importer.run(order)
        assert (done.result.outcome, control.settings(APP)) == ("ok", base[APP])
        assert done.desired is not None
        assert done.desired.edit.changes == ()
    for file in (BASE, LAST):
        assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600
    assert read_memory(tmp_path).last == done.result


@pytest.mark.parametrize("differences", [False, True])
@pytest.mark.parametrize("secrets", ["include", "exclude", "hash"])
async def test_an_export_can_be_put_back(tmp_path: Path, secrets: Secrets, differences: bool) -> None:
    """Importer 11k: export -> import -> no diff, whatever becomes of secrets, whole or as differences."""
    certificate, key = self_signed("k.example")
    async with running(tmp_path) as manager:
        control = manager.control
        await control.importer.take_snapshot()
        password = {"remote_licensing": {"owner_secret": "not in the open"}}
        await control.edit(
            AUTHOR,
            [
                Put(ObjectId("ssl/server_keys", "k"), {"basic": {"public": certificate, "private": key}}),
                Put(ObjectId("global_settings", ""), password if secrets != "exclude" else {}),
                Put(APP, {"basic": {"nodes_table": [{"node": "10.0.0.1:80"}], "note": "a"}}),
            ],
        )
        exported = await export_configuration(control, Wish("yaml", secrets, differences), AUTHOR)
        done = await control.importer.run(documents(tmp_path / "docs", a=exported.text))
        assert done.result.cause == ""
        assert done.desired is not None
        assert done.desired.edit.changes == ()
        secret = control.settings(ObjectId("ssl/server_keys", "k"))
        assert secret is not None
        assert secret["basic"]["private"] == key


def test_damaged_files_are_named(tmp_path: Path) -> None:
    """R25: a damaged record is as none; a damaged snapshot stops imports, with the remedy."""
    write_base(tmp_path, {}, 1)
    (tmp_path / BASE).write_text("{")
    (tmp_path / LAST).write_text('{"last": 3}')
    assert read_memory(tmp_path).last is None
    with pytest.raises(NoBase, match="config-snapshot"):
        read_base(tmp_path)


async def test_the_first_start_is_all_or_nothing(tmp_path: Path) -> None:
    """R28: base documents with a fault start nothing, and every fault of base and watched documents is named."""
    base = documents(tmp_path / "base", a="pools: 3\n")
    watched = documents(tmp_path / "watched", b="rules: 3\n")
    async with running(tmp_path) as manager:
        importer, revision = manager.control.importer, manager.control.revision
        with pytest.raises(Faulty) as refused:
            await importer.deploy(base, watched, {})
        assert {Path(fault.file).name for fault in refused.value.faults} == {"a", "b"}
        assert manager.control.revision == revision
        assert not (tmp_path / BASE).exists()


async def test_the_first_start_lays_watched_documents_on_the_base(tmp_path: Path) -> None:
    """R29: watched documents lie on top of the base, whose snapshot does not have them; R28: applied once only."""
    base = documents(tmp_path / "base", a=pool("app", note="base", max_connection_attempts=3))
    watched = documents(tmp_path / "watched", a=pool("app", note="watched"))
    async with running(tmp_path) as manager:
        control, importer = manager.control, manager.control.importer
        furnished = {i: s for i in control.snapshot.objects if (s := control.settings(i)) is not None}
        result = None
        for _ in range(2):  # the second as after a crash that came too late to matter: it finds the job done
            await importer.deploy(base, watched, furnished)
            result = result or await importer.conclude()
            assert control.settings(APP) == {"basic": {"note": "watched", "max_connection_attempts": 3}}
            assert read_base(tmp_path)[APP] == {"basic": {"note": "base", "max_connection_attempts": 3}}
            documents(tmp_path / "base", a=pool("app", note="changed later"))
        assert result is not None
        assert result.outcome == "ok"


@pytest.mark.parametrize("snapshot", [True, False])
async def test_a_first_start_that_was_killed_is_finished(tmp_path: Path, snapshot: bool) -> None:
    """R25: killed after the base was stored, with or without its snapshot, the next start finishes the job."""
    base = documents(tmp_path / "base", a=pool("app", note="base"))
    watched = documents(tmp_path / "watched", a=pool("extra"))
    async with running(tmp_path) as manager:
        control, importer = manager.control, manager.control.importer
        furnished = {i: s for i in control.snapshot.objects if (s := control.settings(i)) is not None}
        await importer.deploy(base, None, furnished)
        if not snapshot:
            (tmp_path / BASE).unlink()
        documents(tmp_path / "base", a=pool("other", note="base"))
    async with running(tmp_path) as manager:
        control, importer = manager.control, manager.control.importer
        await importer.deploy(base, watched, furnished)
        assert control.names("pools") == ("extra", "other")
        assert ObjectId("pools", "other") in read_base(tmp_path)
        await importer.deploy(base, None, furnished)
        result = await importer.conclude()
        assert result is not None


@pytest.mark.parametrize("watched", [True, False])
async def test_an_import_that_was_killed_before_its_end_is_concluded(tmp_path: Path, watched: bool) -> None:
    """R29: killed between storing and the engine's verdict, the next start undoes what the engine refuses."""
    order = documents(tmp_path / "docs", a=service(8080))
    async with running(tmp_path) as manager:
        await manager.control.importer.take_snapshot()
        await manager.control.importer.run(order)
        good, before = manager.control.settings(WEB), (tmp_path / LAST).read_bytes()
        await manager.control.importer.run(documents(tmp_path / "docs", a=service(666)))
        (tmp_path / LAST).write_bytes(before)  # as if it had been killed just before the end
    async with running(tmp_path, engine=Picky()) as manager:
        control, importer = manager.control, manager.control.importer
        assert control.in_force < control.revision
        await importer.resume(order if watched else None)
        result = await importer.conclude()
        assert result is not None
        assert (result.outcome, result.refused, result.directory) == ("failed", True, str(order.directory))
        assert tags(manager) == [("configimportfailed", Severity.SERIOUS)]
        assert control.settings(WEB) == good
        assert control.in_force == control.revision
    async with running(tmp_path, engine=Picky()) as manager:
        await manager.control.importer.resume(None)
        assert await manager.control.importer.conclude() is None


async def test_an_import_that_was_killed_before_its_end_may_be_good(tmp_path: Path) -> None:
    """R29: what the engine takes is kept, and recorded."""
    async with running(tmp_path) as manager:
        await manager.control.importer.take_snapshot()
        await manager.control.importer.run(documents(tmp_path / "docs", a=pool("app")))
        (tmp_path / LAST).unlink()
    async with running(tmp_path) as manager:
        await manager.control.importer.resume(None)
        result = await manager.control.importer.conclude()
        assert result is not None
        assert (result.outcome, result.revision) == ("ok", manager.control.revision)
        assert manager.control.names("pools") == ("app",)


async def test_a_later_start_imports_only_what_is_new(tmp_path: Path) -> None:
    """R30: edits outlive a restart of the control plane, until the watched documents change."""
    order = ImportOrder(documents(tmp_path / "docs", a=pool("app")).directory, trigger="start")
    async with running(tmp_path) as manager:
        importer = manager.control.importer
        await importer.take_snapshot()
        await importer.run(order)
        await manager.control.put(AUTHOR, HAND, {})
    async with running(tmp_path) as manager:
        await manager.control.importer.resume(order)
        assert await manager.control.importer.conclude() is None
        assert manager.control.names("pools") == ("app", "by-hand")
        documents(tmp_path / "docs", a=pool("app", note="new"))
        await manager.control.importer.resume(order)
        result = await manager.control.importer.conclude()
        assert result is not None
        assert manager.control.names("pools") == ("app",)
    documents(tmp_path / "docs", a="{")
    async with running(tmp_path) as manager:
        await manager.control.importer.resume(order)
        assert manager.control.importer.last is not None
        assert manager.control.importer.last.outcome == "failed"
        assert manager.control.names("pools") == ("app",)


async def test_a_fault_of_ours_is_a_failed_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R29: whatever a document brings about, the last good configuration stays and the control plane lives."""

    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("a fault")

    async with running(tmp_path) as manager:
        await manager.control.importer.take_snapshot()
        order = documents(tmp_path / "docs", a=pool("app"))
        monkeypatch.setattr("pointsman.control.importer.plan_import", broken)
        done = await manager.control.importer.run(order)
        assert "RuntimeError" in done.result.cause
        monkeypatch.undo()
        assert (await manager.control.importer.run(order)).result.outcome == "ok"
