"""The certificate that this instance presents to administrators and members: what it is, another one, its expiry.

Invariant: a new pair is in use from the next connection on, or refused with the reason and nothing has changed; that
the certificate runs out is said 30 days before, once, and stands as a condition until it is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from pointsman.control.error import CannotStore
from pointsman.identity.certificate import CertificateView, InstanceCertificate
from pointsman.private_file import write_private
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import ObjectId
from pointsman.store import Author

WARNING_DAYS = 30
LENGTH_LIMIT = 1 << 20
"""Characters of a certificate chain, or of a key, that are looked at."""
_DAY = 86_400.0
_PERIOD = 60.0
_TOLD = Path("identity") / "certificate.told"
_REMEDY = "replace it with `pointsman certificate replace`"


class OwnCertificate:
    """The use cases around the certificate of one instance."""

    def __init__(
        self,
        home: Path,
        name: str,
        certificate: InstanceCertificate,
        on_event: Callable[[Event], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._told_file = home / _TOLD
        self._subject = ObjectId("traffic_managers", name)
        self._certificate = certificate
        self._on_event = on_event
        self._clock = clock
        self._replacing = asyncio.Lock()
        self.view: CertificateView = certificate.view()

    async def replace(self, actor: Author, public: str, private: str) -> CertificateView:
        """Uses another chain and key (PEM) from the next connection on.

        Raises `CertificateRefused` when they do not fit, `CannotStore`.
        """
        async with self._replacing:
            former = self.view.sha1
            try:
                await asyncio.to_thread(
                    self._certificate.replace,
                    public.encode(errors="replace"),
                    private.encode(errors="replace"),
                )
            except OSError as error:
                raise CannotStore(
                    f"the certificate was not stored ({error.strerror or error}); free space, then repeat"
                ) from error
            self.view = self._certificate.view()
        text = (
            f"the certificate of this instance was replaced at {actor.surface_name} from "
            f"{actor.address or 'this machine'}: SHA-1 {self.view.sha1}, before {former}"
        )
        self._on_event(
            Event("general", "certreplaced", Severity.INFO, self._subject, text, author=actor.name)
        )
        return self.view

    def conditions(self) -> tuple[Condition, ...]:
        """That the certificate runs out soon, or has."""
        found = self._remark()
        return (Condition(self._subject, Standing.WARNING, *found),) if found is not None else ()

    def look(self) -> None:
        """Tells once that the certificate runs out, and once that it has."""
        found = self._remark()
        if found is None:
            return
        code, text = found
        fact = f"{code} {self.view.sha256}"
        with contextlib.suppress(OSError):
            if self._told_file.read_text() == fact:
                return
        severity = Severity.SERIOUS if code == "certificate_expired" else Severity.WARN
        tag = "certexpired" if code == "certificate_expired" else "certexpiring"
        self._on_event(Event("general", tag, severity, self._subject, text))
        with contextlib.suppress(OSError):  # a full disk: it is told once more
            write_private(self._told_file, fact.encode(), durable=False)

    async def run(self) -> None:
        """Looks at the clock for ever."""
        while True:
            self.look()
            await asyncio.sleep(_PERIOD)

    def _remark(self) -> tuple[str, str] | None:
        """Code and text of what is to be said now."""
        ends = self.view.not_after
        left = ends.timestamp() - self._clock()
        if left <= 0:
            text = f"the certificate of this instance expired on {ends:%Y-%m-%d}; {_REMEDY}"
            return "certificate_expired", text
        if left <= WARNING_DAYS * _DAY:
            days = int(left / _DAY)
            text = f"the certificate of this instance expires on {ends:%Y-%m-%d}, in {days} days; {_REMEDY}"
            return "certificate_expiring", text
        return None
