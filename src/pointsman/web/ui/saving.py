"""The forms that keep and forget filters of lists; see `saved`.

Invariant: what is kept is an address of a listed page, and belongs to who is logged in.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.login import local_path
from pointsman.control.accounts import Accounts
from pointsman.web.ui.desk import Desk, back_to
from pointsman.web.ui.saved import in_one_form, key_of, saved_filters
from pointsman.web.ui.site import TABS
from pointsman.web.ui.visit import Refused, Visit

KEEP = "/saved-filters/keep"
DROP = "/saved-filters/drop"
MOST = 12
"""Of one page."""
LONGEST_NAME = 60
LONGEST_QUERY = 900
_PLACES = frozenset(place.path for tab in TABS for place in tab.places)


class SavedFilters:
    """Handlers of the forms."""

    def __init__(self, desk: Desk, accounts: Accounts) -> None:
        self._desk = desk
        self._accounts = accounts

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [self._desk.post(KEEP, self.keep), self._desk.post(DROP, self.drop)]

    async def keep(self, visit: Visit) -> Response:
        """POST with `next`, the address of a list as it shows what is to be kept, and `name`."""
        path, query = _address(visit)
        name = " ".join(visit.form.text("name").split())
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise Refused(
                f"The name of a filter has 1 to {LONGEST_NAME} characters that can be seen. Choose another."
            )
        if not query:
            raise Refused("There is nothing to keep yet: filter, sort or choose columns first.")
        if len(query) > LONGEST_QUERY:
            raise Refused("That filter is too long to be kept. Choose fewer columns, or shorter words.")
        kept = saved_filters(self._desk.users.accounts[visit.user].preferences, path, query)
        if len(kept) >= MOST and all(one.name != name for one in kept):
            raise Refused(f"This page has {MOST} kept filters already. Remove one first.")
        await self._accounts.prefer(visit.user, key_of(path, name), query)
        visit.tell(
            f"The filter is kept as \N{LEFT DOUBLE QUOTATION MARK}{name}\N{RIGHT DOUBLE QUOTATION MARK}."
        )
        return back_to(f"{path}?{query}")

    async def drop(self, visit: Visit) -> Response:
        """POST with `next` and the `name` of one to be forgotten."""
        path, query = _address(visit)
        await self._accounts.prefer(visit.user, key_of(path, visit.form.text("name")), "")
        return back_to(f"{path}?{query}" if query else path)


def _address(visit: Visit) -> tuple[str, str]:
    path, _, query = local_path(visit.form.text("next")).partition("?")
    if path not in _PLACES:
        raise Refused("Filters are kept of listed pages only.")
    return path, in_one_form(query)
