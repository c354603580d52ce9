"""Every key of an object that has several pages is on exactly one of them."""

from __future__ import annotations

from collections import Counter

from pointsman.schema.registry import BY_PATH
from pointsman.web.ui.objects.kinds import KINDS, SETTINGS, pages_of_section
from pointsman.web.ui.site import TABS


def test_every_key_is_on_exactly_one_page() -> None:
    shown = Counter(
        (pages.type, key.path)
        for pages in (*SETTINGS, *KINDS)
        for key in pages.kind.keys
        if key.section in pages.sections
    )
    every = {(pages.type, key.path) for pages in KINDS for key in BY_PATH[pages.type].keys}
    assert set(shown) == every
    assert {place for place, times in shown.items() if times != 1} == set()


def test_every_section_that_a_page_names_exists() -> None:
    for pages in (*SETTINGS, *KINDS):
        assert set(pages.sections) <= set(pages.kind.sections)
        for section in pages.sections:
            found = pages_of_section(pages.type, section)
            assert found is not None
            assert found.path == pages.path


def test_every_page_of_settings_is_listed() -> None:
    listed = {place.path: place for tab in TABS for place in tab.places}
    for pages in SETTINGS:
        assert listed[pages.path].permission == pages.permission
