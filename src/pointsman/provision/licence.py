"""Downloads the licence key of `ZEUS_LIC` and hands it to the instance.

Invariant: only a key that was verified, from an issuer that is trusted, is handed over; no text shows the credentials
in the key's address.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from pointsman.licence.holding import out_of_time
from pointsman.licence.incoming import drop
from pointsman.licence.key import Refused
from pointsman.licence.trust import Trust
from pointsman.outbound.fetch import FetchFailed, Try, fetch, shown
from pointsman.outbound.policy import LICENCE, Policy
from pointsman.provision.log import ProvisionLog
from pointsman.provision.outcome import CannotProvision, Exit


def install_licence(
    home: Path, url: str, fingerprint: str, log: ProvisionLog, policy: Policy = LICENCE
) -> None:
    """Downloads, verifies and hands over a key. Raises `CannotProvision`, `OSError`.

    `fingerprint` is that of the issuer the key must come from, "" for the one this instance trusts.
    """
    log.info(f"downloading the licence key from {shown(url)}")

    def tell(failed: Try) -> None:
        log.warn(f"the licence key did not come: {failed}")

    try:
        text = asyncio.run(fetch(url, policy, tell))
    except FetchFailed as error:
        raise CannotProvision(
            Exit.LICENCE, f"ZEUS_LIC: {error}; correct the address or its server, and start again"
        ) from None
    try:
        admitted = Trust(home).admit(text, fingerprint)
        drop(home, text)
    except Refused as refused:
        raise CannotProvision(Exit.LICENCE, f"ZEUS_LIC: {shown(url)}: {refused}") from None
    if admitted.warning:
        log.warn(admitted.warning)
    if why := out_of_time(admitted.licence, time.time()):
        log.warn(f"licence {admitted.licence.serial} is not valid: {why}")
    log.info(f"licence {admitted.licence.serial}, issued to {admitted.licence.holder}, is taken")
