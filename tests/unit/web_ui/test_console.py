"""What all pages share: templates of one version, and browsers in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.console.agent import in_words
from pointsman.console.template import Pages

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X)"
KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"


def test_a_running_process_shows_pages_of_its_own_version(tmp_path: Path) -> None:
    """Another version is installed over this one: what was not shown yet is the old page, and what was is, too."""
    (tmp_path / "seen.html").write_text("old {{ name }}")
    (tmp_path / "later.html").write_text('{% extends "seen.html" %}')
    pages = Pages([tmp_path])
    assert pages.render("seen.html", {"name": "<b>"}).body == b"old &lt;b&gt;"
    (tmp_path / "seen.html").write_text("new {{ another }}")
    (tmp_path / "later.html").unlink()
    assert pages.render("later.html", {"name": "x"}).body == b"old x"
    assert pages.render("seen.html", {"name": "y"}).body == b"old y"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (f"{WINDOWS} {KHTML} Chrome/126.0.0.0 Safari/537.36", "Chrome 126 on Windows"),
        (f"{WINDOWS} {KHTML} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.87", "Edge 126 on Windows"),
        (f"{MAC} {KHTML} Chrome/125.0.0.0 Safari/537.36 OPR/111.0.0.0", "Opera 111 on macOS"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox 128 on Linux"),
        (
            f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
            "Safari 17 on macOS",
        ),
        (f"{IPHONE} {KHTML} Version/17.5 Mobile/15E148 Safari/604.1", "Safari 17 on iPhone"),
        (f"{IPHONE} {KHTML} CriOS/126.0 Mobile/15E148 Safari/604.1", "Chrome 126 on iPhone"),
        (
            f"Mozilla/5.0 (Linux; Android 14) {KHTML} Chrome/126.0 Mobile Safari/537.36",
            "Chrome 126 on Android",
        ),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 14541) {KHTML} Chrome/126.0 Safari/537.36",
            "Chrome 126 on ChromeOS",
        ),
        ("Firefox/128", "Firefox 128"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("<b>Chrome/x</b> on Windows", "<b>Chrome/x</b> on Windows"),
        ("", ""),
    ],
)
def test_a_browser_in_words(agent: str, words: str) -> None:
    assert in_words(agent) == words
