"""What the control plane does for provisioning: it finishes the order and writes the end of the provision log.

Invariant: the end is written once for each start of the container, after everything answers, and the order is done only
after that.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pointsman import __version__
from pointsman.daemon.places import Places
from pointsman.identity.certificate import InstanceCertificate
from pointsman.provision.log import ProvisionLog, log_path
from pointsman.provision.order import ANNOUNCE, Order, write_order
from pointsman.provision.surroundings import outward_address

_log = logging.getLogger("pointsman")


def announce(
    home: Path, order: Order, places: Places, certificate: InstanceCertificate, licence: str
) -> Order:
    """Says on standard output and in the provision log that the instance is ready; the order as it is then.

    `licence` is the licence's sentence.
    """
    announcement = home / ANNOUNCE
    try:
        if not announcement.exists():
            print(f"INFO: Pointsman {__version__} runs again", flush=True)
            return order
        log = ProvisionLog(log_path(os.environ))
        log.fall_back(home, quietly=True)
        for line in end_of_log(places, certificate, licence, outward_address()):
            log.info(line)
        if order.state == "begun":
            order = replace(order, state="done")
            write_order(home, order)
        announcement.unlink()
    except OSError as error:
        # The instance serves; the next start says it again.
        _log.error("the end of provisioning cannot be written down: %s; free space or repair the disk", error)
    return order


def end_of_log(places: Places, certificate: InstanceCertificate, licence: str, address: str) -> Iterator[str]:
    """The last lines of the provision log: fingerprints and URL. `address` is where others reach this machine."""
    rest, page = (places.url(port, address) for port in (places.rest, places.ui))
    yield f"Pointsman {__version__} is running; licence: {licence}"
    yield f"REST API: {rest}/api/tm/8.3"
    yield f"SHA-1 fingerprint of the admin server's certificate: {certificate.sha1}"
    yield f"SHA-256 fingerprint of the admin server's certificate: {certificate.sha256}"
    yield (
        f"connect to the admin server at {page}/ and login as 'admin'; from outside this container's network, at the "
        f"address and port that {places.ui} is published at"
    )
