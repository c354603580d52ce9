"""What axe finds on a page that is serious or worse, in both themes.

The themes differ in colours alone, so the second is asked only for the rules that look at those.
"""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from playwright.sync_api import Page

QUIET = frozenset({"region", "landmark-one-main"})
COLOURS = ("color-contrast", "link-in-text-block")
_RUN = (
    "options => axe.run(document, {...options, resultTypes: ['violations']}).then(found => found.violations)"
)


def faults(page: Page) -> list[str]:
    """A line for each fault, with the theme it was seen in; the page is left in the dark theme."""
    page.emulate_media(color_scheme="light")
    page.evaluate(AXE_SCRIPT)
    light = _ask(page, {})
    page.emulate_media(color_scheme="dark")
    dark = _ask(page, {"runOnly": {"type": "rule", "values": list(COLOURS)}})
    return [f"light: {fault}" for fault in light] + [f"dark: {fault}" for fault in dark]


def _ask(page: Page, options: dict[str, Any]) -> list[str]:
    found: list[dict[str, Any]] = page.evaluate(_RUN, options)
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in ("serious", "critical") and one["id"] not in QUIET
    ]
