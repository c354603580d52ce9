"""The wizards, in the order in which they are listed.

Invariant: a wizard that is not here has no page.
"""

from __future__ import annotations

from pointsman.web.ui.wizards.clone import CLONE_SERVICE
from pointsman.web.ui.wizards.decrypt import SSL_DECRYPT
from pointsman.web.ui.wizards.groups import NEW_GROUP
from pointsman.web.ui.wizards.housekeeping import BACKUP, FREE_DISK, JOIN, RESTORE
from pointsman.web.ui.wizards.nodes import NODE_WIZARDS
from pointsman.web.ui.wizards.rules import ENABLE_RULE
from pointsman.web.ui.wizards.service import NEW_SERVICE
from pointsman.web.ui.wizards.wizard import Wizard

WIZARDS: tuple[Wizard, ...] = (
    NEW_SERVICE,
    SSL_DECRYPT,
    CLONE_SERVICE,
    NEW_GROUP,
    *NODE_WIZARDS,
    ENABLE_RULE,
    BACKUP,
    RESTORE,
    JOIN,
    FREE_DISK,
)
