"""What answers on the cluster port to whoever is no member of the cluster.

Invariant: nothing is told but health, and nothing can be changed.
"""

from __future__ import annotations

from collections.abc import Callable

from pointsman.web.answer import App, Receive, Scope, Send, error_answer, send_answer
from pointsman.web.health import health_answer


def make_cluster_app(health: Callable[[], str]) -> App:
    """The application for the cluster port: `/healthz`, and a refusal for everything else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answer = health_answer(scope, health)
        if answer is None:
            answer = error_answer(403, "cluster.members_only", "only members of the cluster are served here")
        await send_answer(send, answer)

    return app
