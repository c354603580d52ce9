"""`/healthz`: whether this instance works, for balancers and containers, without a login.

Invariant: the answer is one word that says nothing about the configuration.
"""

from __future__ import annotations

from collections.abc import Callable

from pointsman.web.answer import Answer, Scope, text_answer

OK = "ok"


def health_answer(scope: Scope, health: Callable[[], str]) -> Answer | None:
    """The answer to a request of `/healthz`, else None; `health` gives "ok" or one word of trouble."""
    if scope["raw_path"] != b"/healthz" or scope["method"] not in ("GET", "HEAD"):
        return None
    word = health()
    return text_answer(200 if word == OK else 503, word)
