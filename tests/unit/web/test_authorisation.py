"""Who may do what over REST."""

from __future__ import annotations

from pointsman.store import Author
from pointsman.web.api.authorisation import refuse, refuse_export

ADMIN, OTHER = Author("admin", "192.0.2.1", "rest"), Author("ann", "192.0.2.1", "rest")
LOCAL = Author("local:root", "", "local")


def test_the_whole_configuration_is_for_the_administrator() -> None:
    """Importer 7: every user may read objects, but only the administrator takes all of them away as a document."""
    assert refuse_export(ADMIN) is None
    assert refuse_export(LOCAL) is None
    refused = refuse_export(OTHER)
    assert refused is not None
    assert refused.status == 403
    assert refuse(OTHER, "GET") is None
    assert refuse(OTHER, "PUT") is not None
