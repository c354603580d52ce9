"""What the control plane does for provisioning: it finishes the order and writes the end of the provision log.

Invariant: the end is written once for each start of the container, after everything answers or when that is in vain,
and the order is done only after that.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pointsman import __version__
from pointsman.daemon.places import Places
from pointsman.identity.certificate import InstanceCertificate
from pointsman.provision.log import ProvisionLog, log_path
from pointsman.provision.order import ANNOUNCE, OrderDamaged, read_order, write_order
from pointsman.provision.surroundings import outward_address

_log = logging.getLogger("pointsman")


def announce(
    home: Path, places: Places, certificate: InstanceCertificate, licence: str, remark: str = ""
) -> None:
    """Says on standard output and in the provision log that the instance is ready, and that the order is done.

    `licence` is the licence's sentence, `remark` what the administrator should look at.
    """
    try:
        if not (home / ANNOUNCE).exists():
            if remark:
                _log.warning("%s", remark)
            print(f"INFO: Pointsman {__version__} runs again", flush=True)
            return
        log = _open_log(home)
        if remark:
            log.warn(remark)
        for line in end_of_log(places, certificate, licence, outward_address() or "127.0.0.1"):
            log.info(line)
        # Read anew: somebody may have chosen an edition since this process started.
        if (order := read_order(home)) is not None and order.state == "begun":
            write_order(home, replace(order, state="done"))
        (home / ANNOUNCE).unlink()
    except (OSError, OrderDamaged) as error:
        # The instance serves; the next start says it again.
        _log.error("the end of provisioning cannot be written down: %s; free space or repair the disk", error)


def tell_failure(home: Path, text: str) -> None:
    """Says why the instance cannot run: in a container's start also in the provision log; first line the sum."""
    if (home / ANNOUNCE).exists():
        try:
            log = _open_log(home)
            total, *details = text.splitlines() or [text]
            for detail in details:
                log.error(detail)
            log.fatal(total)
        except OSError as error:
            _log.error("the provision log cannot be written: %s", error)
        else:
            return
    print(f"pointsman: {text}", file=sys.stderr)


def _open_log(home: Path) -> ProvisionLog:
    log = ProvisionLog(log_path(os.environ))
    log.fall_back(home, quietly=True)
    return log


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
