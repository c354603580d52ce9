"""What the configuration of the moment asks of who logs in, wherever that is.

Invariant: it only adds to what always holds; without settings nothing is asked besides.
"""

from __future__ import annotations

from pointsman.control.access import Access
from pointsman.control.control import Control
from pointsman.identity.guessing import LoginRules
from pointsman.identity.user import Users
from pointsman.schema.global_settings import GLOBAL_SETTINGS, GlobalSettings

_MINUTE = 60.0


def govern_logins(control: Control, users: Users) -> None:
    """Has users asked what the global settings and their groups say."""
    access = Access(users, lambda: control.snapshot)
    users.guessing.rules = lambda: _rules(control)
    users.strict = lambda user: access.requires_factor(user) == "everything"


def _rules(control: Control) -> LoginRules:
    settings = control.snapshot.get(GLOBAL_SETTINGS.path, "", GlobalSettings)
    if settings is None:
        return LoginRules()
    asked = settings.security
    return LoginRules(
        believed_seconds=float(settings.rest_api.auth_timeout),
        delay_seconds=float(asked.login_delay),
        attempts=asked.max_login_attempts,
        suspension_seconds=asked.max_login_suspension_time * _MINUTE,
        track_unknown=asked.track_unknown_users,
    )
