"""The instance's own certificate: replaced whole or not at all, and its end is said in time and once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.certificates import self_signed
from tests.running import AUTHOR, running

from pointsman.identity.certificate import CertificateRefused, InstanceCertificate
from pointsman.schema.condition import Standing
from pointsman.schema.event import Severity


async def test_replacing_is_an_event_with_its_author(tmp_path: Path) -> None:
    """R46: a new certificate's fingerprint, and that of the one before, can be read where changes are told."""
    async with running(tmp_path) as manager:
        certificate = manager.control.certificate
        former = certificate.view.sha1
        view = await certificate.replace(AUTHOR, *self_signed("pm1.example"))
        assert certificate.view == view
        assert (view.subject, view.names, view.self_signed) == ("CN=pm1.example", ("pm1.example",), True)
        (event,) = [event for event in manager.events if event.tag == "certreplaced"]
        assert (event.author, event.severity) == ("admin", Severity.INFO)
        assert view.sha1 in event.reason
        assert former in event.reason
        assert "192.0.2.7" in event.reason
        assert InstanceCertificate.open(tmp_path / "identity", "pm1").sha1 == view.sha1


async def test_what_is_refused_says_why_and_changes_nothing(tmp_path: Path) -> None:
    public, private = self_signed("a.example")
    other = self_signed("b.example")[1]
    expired, its_key = self_signed("c.example", days=-1)
    pairs = {
        (public, other): "does not belong",
        (public, ""): "not readable PEM",
        ("", private): "not readable PEM",
        (public, "\ud800"): "not readable PEM",
        (expired, its_key): "expired on",
    }
    async with running(tmp_path) as manager:
        former = manager.control.certificate.view
        for pair, why in pairs.items():
            with pytest.raises(CertificateRefused, match=why):
                await manager.control.certificate.replace(AUTHOR, *pair)
        assert manager.control.certificate.view == former
        assert not [event for event in manager.events if event.tag == "certreplaced"]
        assert {path.name for path in (tmp_path / "identity").iterdir()} == {"admin.private", "admin.public"}


async def test_its_end_is_said_thirty_days_before_and_once(tmp_path: Path) -> None:
    now = [0.0]

    def told() -> list[str]:
        found = [event.tag for event in manager.events if event.tag.startswith("cert")]
        manager.events.clear()
        return found

    async with running(tmp_path, clock=lambda: now[0]) as manager:
        certificate = manager.control.certificate
        ends = certificate.view.not_after.timestamp()
        for days_left, tags, standing in (
            (31, [], ()),
            (30, ["certexpiring"], (Standing.WARNING,)),
            (29, [], (Standing.WARNING,)),
            (0, ["certexpired"], (Standing.WARNING,)),
        ):
            now[0] = ends - days_left * 86_400
            certificate.look()
            assert told() == tags
            certificate.look()
            assert told() == []
            assert tuple(condition.standing for condition in certificate.conditions()) == standing
        assert "pointsman certificate replace" in certificate.conditions()[0].message
        assert set(certificate.conditions()) <= set(manager.control.conditions())
    async with running(tmp_path, clock=lambda: now[0]) as manager:
        manager.control.certificate.look()
        assert told() == [], "a restart is no news"
        await manager.control.certificate.replace(AUTHOR, *self_signed("pm1", days=36_500))
        assert manager.control.certificate.conditions() == ()
