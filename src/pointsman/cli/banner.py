"""What a person reads at the terminal once the traffic manager answers.

Pure. Invariant: a password is shown only at the start that generated it; nobody is told to try what does not serve.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pointsman import __version__
from pointsman.control.first_start import DEMO
from pointsman.identity.certificate import InstanceCertificate
from pointsman.identity.user import FirstPassword
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VirtualServer


def banner(
    rest: str, page: str, certificate: InstanceCertificate, home: Path, first: FirstPassword, licence: str
) -> str:
    """Where everything is: URLs, user, password or where it is kept, fingerprints, the licence's sentence."""
    if first.generated:
        password = f"{first.generated}   (kept in {home / 'admin-password'} until it is changed)"
    elif (home / "admin-password").exists():
        password = f"see {home / 'admin-password'}"
    else:
        password = "as given at the first start"  # noqa: S105 # a sentence
    return f"""
Pointsman {__version__} is running.

  page            {page}
  REST API        {rest}/api/tm/8.3   (plain http works from this machine)
  user            admin
  password        {password}
  SHA-1           {certificate.sha1}
  SHA-256         {certificate.sha256}
  licence         {licence}"""


def demo_words(snapshot: Snapshot, conditions: Iterable[Condition], home: Path) -> str:
    """How to try the demo, or why that would be in vain; `conditions` are those of `DEMO`."""
    return f"\n{_demo_sentence(snapshot, conditions, home)}\nStop it:          Ctrl-C\n"


def _demo_sentence(snapshot: Snapshot, conditions: Iterable[Condition], home: Path) -> str:
    server = snapshot.get(DEMO.type, DEMO.name, VirtualServer)
    if server is None:
        return "The demo was deleted; a new --home begins with it."
    if not server.basic.enabled:
        return "The demo is disabled."
    for condition in conditions:
        if condition.standing is Standing.REJECTED:
            return (
                f"The demo does not serve: {condition.message}.\n"
                f"It begins by itself once that is solved; see pointsman status --home {home}"
            )
    return f"Try it:           curl http://127.0.0.1:{server.basic.port}/"
