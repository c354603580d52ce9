"""The pages of the catalogues, put together.

Invariant: each page that knows more of a type stands before the one that is made for all types.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.routing import Route

from pointsman.web.ui.catalogs.authorities import Authorities
from pointsman.web.ui.catalogs.certificate_acts import CertificateActs
from pointsman.web.ui.catalogs.certificates import Certificates
from pointsman.web.ui.catalogs.extra_files import ExtraFiles
from pointsman.web.ui.catalogs.monitors import Monitors
from pointsman.web.ui.catalogs.overview import CatalogOverview
from pointsman.web.ui.catalogs.rule_versions import RuleVersions
from pointsman.web.ui.catalogs.rules import Rules
from pointsman.web.ui.catalogs.sni import SniMap
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.objects.extra import Extra
from pointsman.web.ui.objects.names import Names


class Catalogs:
    """Every page of the tab that is not made from a type's declaration alone."""

    def __init__(self, desk: Desk, changing: Changing, names: Names) -> None:
        certificates = Certificates(desk)
        monitors = Monitors(desk, changing, names)
        self.routes: list[Route] = [
            *CatalogOverview(desk, names).routes,
            *certificates.routes,
            *CertificateActs(desk, changing).routes,
            *SniMap(desk, changing, names).routes,
            *Authorities(desk, changing).routes,
            *Rules(desk, changing, names).routes,
            *RuleVersions(desk, changing).routes,
            *monitors.routes,
            *ExtraFiles(desk, changing, names).routes,
        ]
        """Where they are; to stand before the routes that all types share."""
        self.extras: Mapping[str, Extra] = {
            "ssl/server_keys": Extra(panels=certificates.panels),
            "monitors": Extra(panels=monitors.panels),
            "ssl/cas": Extra(panels=certificates.authority_panels),
        }
        """What the pages that all types share show besides."""
