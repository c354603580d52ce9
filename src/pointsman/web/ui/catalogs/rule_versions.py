"""The versions of a rule: who saved which when, how two differ, and taking an earlier one again.

Invariant: a version is what the log of changes holds; to take one is a change like any other, which is looked at first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.schema.problem import ObjectId
from pointsman.schema.rule import RULE
from pointsman.store import Put, Transaction
from pointsman.web.ui.catalogs.rules import READ, RULES, WRITE, address_of_rule, found_rule, text_of_rule
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.changes.lines import difference
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.visit import Refused, Visit

MOST = 100


@dataclass(frozen=True)
class Version:
    """What one change made of a rule: its content by digest; `current` is what is stored now."""

    revision: int
    time: float
    author: str
    where: str
    reason: str
    size: int
    digest: str
    current: bool


class RuleVersions:
    """Handlers of the pages."""

    def __init__(self, desk: Desk, changing: Changing) -> None:
        self._desk = desk
        self._changing = changing

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        path = f"{RULES}/{{name:object}}/versions"
        return [self._desk.get(path, self.show, READ), self._desk.post(path, self.take, WRITE)]

    async def show(self, visit: Visit) -> Response:
        """GET …/versions?of=&to=: the versions, and how the revision `of` differs from `to` (or from now)."""
        name = visit.name()
        found_rule(self._desk, name)
        versions = await self._versions(name)
        old = _at(versions, visit.number("of", 0, 0, 2**53))
        new = _at(versions, visit.number("to", 0, 0, 2**53)) or (versions[0] if versions else None)
        lines: Sequence[tuple[str, str]] | None = None
        if old is not None and new is not None:
            lines = await asyncio.to_thread(difference, await self._text(old), await self._text(new))
        return await self._desk.page(
            visit,
            "rule_versions.html",
            heading=say("Versions"),
            crumbs=[(name, address_of_rule(name))],
            name=name,
            versions=versions,
            old=old,
            new=new,
            lines=lines,
            path=f"{address_of_rule(name)}/versions",
            most=MOST,
            may_write=visit.may(WRITE, write=True),
        )

    async def take(self, visit: Visit) -> Response:
        """POST …/versions with revision: prepares to make the rule what it was then."""
        name = visit.name()
        found_rule(self._desk, name)
        revision = visit.form.text("revision")
        number = int(revision) if revision.isascii() and revision.isdecimal() and len(revision) < 16 else 0
        version = _at(await self._versions(name), number)
        content = await self._desk.control.file_content(version.digest) if version is not None else None
        if version is None or content is None:
            raise Refused("There is no such version any more. Choose another one.", 404)
        pending = Pending(
            owner=visit.session.csrf,
            changes=(Put(ObjectId(RULE.path, name), {"content": content}),),
            base=self._desk.control.revision,
            title=f"Take the version of revision {version.revision} of {name}",
            done=f"The rule {name} is what it was at revision {version.revision}.",
            back=f"{address_of_rule(name)}/versions",
            onward=address_of_rule(name),
            reason=f"back to revision {version.revision}",
        )
        return self._changing.prepare(visit, pending)

    async def _versions(self, name: str) -> list[Version]:
        control = self._desk.control
        log = await control.transactions(limit=MOST, subject=ObjectId(RULE.path, name))
        found: list[Version] = []
        for transaction in log:
            if (held := _content_of(transaction)) is not None:
                found.append(
                    Version(
                        revision=transaction.revision,
                        time=transaction.time,
                        author=transaction.author.name,
                        where=" ".join(
                            filter(None, (transaction.author.surface, transaction.author.address))
                        ),
                        reason=transaction.reason,
                        size=held[0],
                        digest=held[1],
                        current=not found,
                    )
                )
        return found

    async def _text(self, version: Version) -> str:
        content = await self._desk.control.file_content(version.digest)
        if content is None:
            raise Refused("The log does not hold the text of this version any more. Choose a newer one.", 404)
        return text_of_rule(content) or ""


def _content_of(transaction: Transaction) -> tuple[int, str] | None:
    """Size and digest of what a transaction made of the rule; None where it did something else with it."""
    for record in transaction.changes:
        if (
            record.identity.type == RULE.path
            and record.path == ("content",)
            and isinstance(record.after, dict)
        ):
            return int(record.after["bytes"]), str(record.after["sha256"])
    return None


def _at(versions: Sequence[Version], revision: int) -> Version | None:
    return next((one for one in versions if one.revision == revision), None)
