"""The licence of a running instance: which key is in use, what follows from it, and new keys on their way in.

Invariant: there are always limits in force, and a change of them (a key that comes, goes or expires at its second)
reaches the apply loop without anybody asking; a licence never stops anything. What was told once is not told again
after a restart: HOME/licence/told.json remembers it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pointsman.control.configuration import Configuration
from pointsman.control.error import CannotStore, ControlError
from pointsman.control.licence_report import SECTION, LicenceView, conditions, tellings, view
from pointsman.licence.holding import Holding, choose
from pointsman.licence.incoming import Dropped, dropped, set_aside
from pointsman.licence.key import Licence, Refused, read_key
from pointsman.licence.trust import ISSUERS, Trust
from pointsman.private_file import write_private
from pointsman.schema.condition import Condition
from pointsman.schema.event import Event, Severity
from pointsman.schema.license_key import LICENSE_KEY, LicenseKey
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.validate import Invalid
from pointsman.store import Author, Change, Put, Transaction

PERIOD = 1.0
_TOLD = Path("licence") / "told.json"
_INCOMING = Author("licence/incoming", "", "file")
"""The author of keys that were left as files."""
_CLOCK_STEP = 2.0
"""Seconds that a clock may go back unnoticed."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Edition:
    """How an instance came to its licence. `own` is the one it issued itself, None in a container.

    `sentence` introduces a licence that was issued just now, "" otherwise. `community` says that Community Edition was
    chosen; `keep_choice` stores that choice and raises `OSError` when it cannot.
    """

    own: Licence | None = None
    sentence: str = ""
    community: bool = False
    keep_choice: Callable[[], None] = lambda: None


class Licensing:
    """Decides what is in force."""

    def __init__(
        self,
        home: Path,
        configuration: Configuration,
        edition: Edition,
        on_event: Callable[[Event], None],
        on_limits: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`on_limits` is told why, whenever the limits in force become others."""
        self._home = home
        self._configuration = configuration
        self._edition = edition
        self._on_event = on_event
        self._on_limits = on_limits
        self._begun = False
        self._clock = clock
        self._trust = Trust(home)
        self._community = edition.community
        self._told = _read_told(home / _TOLD)
        self._decided_at = clock()
        self._issuers_seen = 0
        self._taking = True
        self.holding: Holding = choose(self._keys(), self._trust.refusal, self._decided_at, edition.own)

    @property
    def sentence(self) -> str:
        """What is in force, for the log, the screen and REST."""
        if self._edition.sentence and self.holding.licence == self._edition.own:
            return self._edition.sentence
        return self.holding.sentence

    @property
    def choice_open(self) -> bool:
        """Whether somebody has yet to choose: there is no key, and Community Edition was not chosen."""
        return self._edition.own is None and not self._community and not self.holding.keys

    def view(self) -> LicenceView:
        """Everything about the licence, for every surface."""
        issuers = self._trust.fingerprints()
        return view(
            self.holding, self.sentence, issuers, community=self._community, choice_open=self.choice_open
        )

    def conditions(self) -> tuple[Condition, ...]:
        """Remarks on the keys, as of now."""
        return conditions(self.holding, self._clock())

    def problems(self, changes: Iterable[Change]) -> tuple[Problem, ...]:
        """Why changes that somebody asks for bring keys that are not for this instance.

        What is no key at all is for the configuration's own checks.
        """
        found: list[Problem] = []
        for change in changes:
            if not isinstance(change, Put) or change.identity.type != LICENSE_KEY.path:
                continue
            if change.settings == self._configuration.settings(change.identity):
                continue
            try:
                refusal = self._trust.refusal(read_key(change.settings.get("content", b"")))
            except Refused:
                continue
            if refusal:
                found.append(Problem(change.identity, (), "licence.unauthorized", refusal))
        return tuple(found)

    def choose_community(self, actor: Author) -> None:
        """Stores that somebody chose Community Edition. Raises `CannotStore`."""
        if self._community:
            return
        try:
            self._edition.keep_choice()
        except OSError as error:
            raise CannotStore(
                f"the choice was not stored ({error.strerror or error}); free space, then repeat"
            ) from error
        self._community = True
        text = f"Community Edition was chosen at {actor.surface_name} from {actor.address or 'this machine'}"
        self._on_event(Event("general", "audit", Severity.INFO, None, text, author=actor.name))

    def on_transaction(self, transaction: Transaction) -> None:
        """Takes note of a change of the configuration."""
        if any(record.identity.type == LICENSE_KEY.path for record in transaction.changes):
            self.refresh()

    async def begin(self) -> None:
        """Takes the keys that were left while nothing ran, then tells what is in force; called once, before `run`."""
        self._begun = True
        for one in dropped(self._home):
            if not await self._take(one):
                break
        self.refresh()

    async def run(self) -> None:
        """Looks for new keys and at the clock for ever."""
        while True:
            await asyncio.sleep(PERIOD)
            await self.look()

    async def look(self) -> None:
        """Takes the keys that were left as files, and decides anew when something turned."""
        for one in dropped(self._home):
            if not await self._take(one):
                break
        now = self._clock()
        if (
            now >= self.holding.until
            or now < self._decided_at - _CLOCK_STEP
            or self._issuers_stamp() != self._issuers_seen
        ):
            self.refresh()

    def refresh(self) -> None:
        """Decides anew which key is in use, and tells what turned."""
        keys = self._keys()
        self._trust_the_first(keys.values())
        self._issuers_seen = self._issuers_stamp()
        self._decided_at = now = self._clock()
        before = self.holding.limits
        self.holding = choose(keys, self._trust.refusal, now, self._edition.own)
        if self.holding.limits != before:
            self._on_limits(f"the licence in force is another: {self.holding.sentence}")
        if self._begun:
            self._tell(now)

    def _keys(self) -> dict[str, bytes]:
        found = self._configuration.snapshot.all(LICENSE_KEY.path, LicenseKey)
        return {name: key.content for name, key in found}

    def _trust_the_first(self, texts: Iterable[bytes]) -> None:
        if not self._trust.open:
            return
        for text in texts:
            try:
                admitted = self._trust.admit(text)
            except Refused:
                continue
            except OSError as error:
                # Without the record the key counts all the same, as the first one.
                _log.warning(
                    "the issuer of a licence key cannot be recorded (%s); free space", error.strerror
                )
                return
            self._warn(admitted.warning, ObjectId(LICENSE_KEY.path, admitted.licence.serial))
            return

    def _warn(self, text: str, subject: ObjectId | None = None) -> None:
        if text:
            _log.warning("%s", text)
            self._on_event(Event(SECTION, "issuertrusted", Severity.WARN, subject, text))

    def _tell(self, now: float) -> None:
        told: dict[str, None] = {}
        for telling in tellings(self.holding, now):
            told[telling.fact] = None
            if telling.fact not in self._told:
                self._on_event(telling.event)
        if told.keys() != self._told.keys():
            self._told = told
            with contextlib.suppress(OSError):  # a full disk: it is told once more after a restart
                write_private(self._home / _TOLD, json.dumps(list(told)).encode(), durable=False)

    async def _take(self, one: Dropped) -> bool:
        """Stores a key that was left as a file; false when the rest has to wait as well."""
        fault, tag = one.fault, "licensecorrupt"
        try:
            if not fault:
                key = read_key(one.text)
                tag = "license-unauthorized"
                admitted = self._trust.admit(one.text)
                self._warn(admitted.warning, ObjectId(LICENSE_KEY.path, key.licence.serial))
                await self._configuration.put(
                    _INCOMING,
                    ObjectId(LICENSE_KEY.path, key.licence.serial),
                    {"content": one.text},
                    replace=True,
                )
        except Refused as error:
            fault = str(error)
        except Invalid as error:
            fault, tag = "; ".join(problem.message for problem in error.problems), "licensecorrupt"
        except (ControlError, OSError) as error:
            if self._taking:
                _log.warning("the licence key %s cannot be stored yet (%s)", one.path.name, error)
            self._taking = False
            return False
        self._taking = True
        try:
            if not fault:
                one.path.unlink()
                return True
            aside = set_aside(one.path)
        except OSError as error:
            # It would be taken again each second, so nothing is until the directory can be written.
            _log.warning("%s cannot be removed (%s)", one.path, error.strerror)
            return False
        text = f"the file {one.path.name} is set aside as {aside.name}: {fault}"
        _log.warning("%s", text)
        self._on_event(Event(SECTION, tag, Severity.SERIOUS, None, text))
        return True

    def _issuers_stamp(self) -> int:
        try:
            return (self._home / ISSUERS).stat().st_mtime_ns
        except OSError:
            return 0


def _read_told(path: Path) -> dict[str, None]:
    try:
        return dict.fromkeys(str(fact) for fact in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
