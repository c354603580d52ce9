"""The longer texts of the configure script, and its closing lines.

Invariant: names of menu entries, prompts and the lines behind `**` are an interface: people's scripts look for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

PRODUCT = "Pointsman Virtual Traffic Manager"

INTRODUCTION = f"This program will perform the initial configuration of the {PRODUCT}."
CONFIGURED = f"Initial configuration has already been performed on this {PRODUCT} installation."
CLEARED = (
    "All configuration has been cleared since, and the software is stopped. Choose 2 to configure it anew."
)

MENU = (
    "1. Quit (default)",
    "2. Perform the post-install configuration again",
    "3. Clear all configuration",
    "",
    "H. Help",
)

HELP = (
    "1 ends this program and leaves everything as it is.",
    "2 goes through the questions again. Each shows what holds now, and Enter keeps it. The configuration of your "
    "services is not touched, and nothing is changed before the last question is answered.",
    "3 stops the software and removes its whole configuration: services, users, licence keys, certificates, history. "
    "Run this program again and choose 2 to configure it anew.",
)

REALLY_CLEAR = (
    "This removes the whole configuration of this traffic manager: its services, users, licence keys, certificate "
    "and history. It cannot be undone.",
    "WARNING: The software is stopped first. From then on no traffic is served until it is configured again.",
)

LEAVES = "This traffic manager leaves the cluster of {} first, which goes on without it."
NOT_TOLD = (
    "WARNING: The other members could not be told ({}). Remove this traffic manager at one of them: pointsman cluster "
    "remove {}"
)

LICENCE_KEY = (
    "A licence key sets what this traffic manager may do. Without one it runs as Community Edition: full function, "
    "with limited bandwidth and cluster size.",
    "Keys can be added in the Admin UI at any time.",
)

RUN_AS = (
    "The software is started as root. What handles traffic can run as any other UNIX user and group; an "
    "unprivileged user is strongly advised.",
)
ROOT_WARNING = (
    "WARNING: Traffic will be handled as root. Whoever finds a flaw in what handles it then owns this machine; "
    "an unprivileged user is strongly advised."
)

RESTRICT = (
    "Internal management traffic (the Admin UI, the external API and what the members of a cluster say to each other) "
    "can be restricted to a single IP address of this machine.",
)
RESTRICT_WARNING = (
    "WARNING: Each such address is a single point of failure for the whole cluster: when it cannot be reached, this "
    "traffic manager can be neither managed nor heard by the others. It needs a dedicated and reliable network."
)

UNRESOLVED_WARNING = (
    "WARNING: The name '{name}' stays although it cannot be resolved. Other members of a cluster may have "
    "connectivity issues with this traffic manager until it can."
)

UNIQUE_NAME = (
    "Each Traffic Manager in your cluster must have a unique name, resolvable by each member of the cluster."
)
RENAME = (
    "Would you like to:",
    "1. Keep the current Traffic Manager name (default)",
    "2. Specify a new resolvable hostname",
    "3. Use an IP address instead of a hostname",
)

WHICH_CLUSTER = (
    f"Which {PRODUCT} cluster should this installation be added to?",
    "",
    "C) Create a new cluster",
    "S) Specify another machine to contact",
    "",
    "Select C to create a new cluster.",
)

JOINING = "Joining the cluster containing the following admin servers:"
VERIFIED = (
    "Have you verified the admin server fingerprints, or do you trust the network between this machine and the "
    "other admin servers? Y/N"
)
MEMBER_OF = "This Traffic Manager is a member of the cluster of {}. C leaves it there."
LEAVE_FIRST = (
    "This Traffic Manager is a member of a cluster already. To join another one, leave that first: "
    "pointsman cluster leave."
)
REPLACED = (
    "WARNING: The cluster's configuration replaces that of this traffic manager, services and users included."
)

NOTHING_CHANGED = "Nothing was changed."


def fingerprint_table(rows: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """Host:Port and SHA-1 fingerprint of servers, each with its SHA-256 fingerprint below."""
    table = [("Host:Port", "SHA-1 Fingerprint")]
    for place, sha1, sha256 in rows:
        table += [(place, sha1), ("", f"SHA-256 {sha256}")]
    width = max(len(place) for place, _ in table) + 2
    return tuple(f"{place:{width}}{text}" for place, text in table)


def numbered(choices: Sequence[str]) -> tuple[str, ...]:
    """Choices as a numbered list."""
    return tuple(f"  {number}) {choice}" for number, choice in enumerate(choices, 1))


def closing(sha1: str, sha256: str, url: str) -> tuple[str, ...]:
    """What is printed when the software runs: fingerprints to note down, and where to go on."""
    return (
        "**",
        "** The SHA-1 fingerprint of the admin server's SSL certificate:",
        f"** {sha1}",
        f"** SHA-256: {sha256}",
        "** Keep a record of this for security verification when connecting to the admin server with a web browser "
        f"and when clustering other {PRODUCT} installations with this one.",
        "**",
        f"** To configure the {PRODUCT}, connect to the admin server at:",
        f"**   {url}",
        "** and login as 'admin' with your admin password.",
        "**",
    )
