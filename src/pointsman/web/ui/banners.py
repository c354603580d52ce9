"""The administrator's texts on pages: the login's, the one right after it, and the one at the top of every page.

Invariant: they are plain text of bounded length, whatever is configured; templates escape them as they do everything.
"""

from __future__ import annotations

from pointsman.console.login import Banners
from pointsman.control.control import Control
from pointsman.schema.global_settings import GLOBAL_SETTINGS, GlobalSettings

LONGEST = 10_000
"""Characters of a text that pages show."""


class BannerTexts:
    """Reads them from the configuration of the moment."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def of_login(self) -> Banners:
        """What the login shows."""
        asked = self._settings().security
        before, after = _shown(asked.login_banner), _shown(asked.post_login_banner)
        return Banners(before, asked.login_banner_accept, after)

    def of_page(self) -> str:
        """What stands at the top of every page."""
        return _shown(self._settings().security.ui_page_banner)

    def _settings(self) -> GlobalSettings:
        return self._control.snapshot.get(GLOBAL_SETTINGS.path, "", GlobalSettings) or GlobalSettings()


def _shown(text: str) -> str:
    plain = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]}\N{HORIZONTAL ELLIPSIS}"
