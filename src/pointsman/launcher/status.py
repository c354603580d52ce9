"""What the control plane's exit statuses mean to the launcher.

Invariant: a status that is not named here says nothing; the control plane is started again.
"""

STATUS_HOME_IN_USE = 4
STATUS_DO_NOT_RESTART = 78
STATUS_HOPELESS = frozenset({1, 2, STATUS_HOME_IN_USE, *range(10, 20)})
"""Statuses that end the launcher too when the control plane was never ready: bad flags, a home in use, and from 10 to
19 what provisioning cannot go on without.
"""
