"""The questions of the initial configuration in their order, and the menu of an instance that has been through them.

Invariant: pure but for what `Machine` is asked; nothing is changed here, and answers are complete or there are none.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

from pointsman.identity.password import PASSWORD_LIMIT
from pointsman.provision.configure import screen
from pointsman.provision.configure.dialogue import Dialogue, Question, Stopped, Wrong, one_of, yes_or_no
from pointsman.provision.configure.machine import Machine
from pointsman.provision.configure.naming import choose_address, first_name, new_name
from pointsman.provision.configure.peer import JoinRequest
from pointsman.provision.order import Order

USER = "nobody"
GROUP = "nogroup"
ADMIN_PORT = 9090
SHORT_PASSWORD = 8
_PORTS = range(1, 65_536)


class Standing(enum.Enum):
    """How far an installation is."""

    NEW = "new"
    CONFIGURED = "configured"
    CLEARED = "cleared"


@dataclass(frozen=True)
class Earlier:
    """What holds before the questions.

    `name` is what the traffic manager is called, "" before it has a name; `licence` a sentence on the licence in
    force, "" when that is not known; `cluster` the names of its cluster's members, none where it stands alone.
    """

    standing: Standing
    order: Order
    name: str = ""
    licence: str = ""
    cluster: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answers:
    """What was answered: the order to carry out; a password to set and a licence key to add, "" for none."""

    order: Order
    password: str = field(default="", repr=False)
    licence_key: str = field(default="", repr=False)
    join: JoinRequest | None = None


class Choice(enum.Enum):
    """What the menu was answered with."""

    QUIT = "1"
    CONFIGURE = "2"
    CLEAR = "3"


def choose(dialogue: Dialogue, standing: Standing) -> Choice:
    """The menu of an instance that was configured before."""
    question = Question(
        "zxtm!reconfigure_option", "Choose option", one_of("1", "2", "3", "H"), default="1", decides=True
    )
    dialogue.say(screen.INTRODUCTION, "", screen.CONFIGURED)
    if standing is Standing.CLEARED:
        dialogue.say(screen.CLEARED)
    while True:
        dialogue.say("", *screen.MENU, "")
        chosen = dialogue.ask(question)
        if chosen != "H":
            return Choice(chosen)
        dialogue.say("", *screen.HELP)


def confirm_clearing(dialogue: Dialogue, members: tuple[str, ...] = ()) -> bool:
    """Whether everything shall really go, on an instance whose cluster has these members."""
    dialogue.say("", *screen.REALLY_CLEAR, "")
    if members:
        dialogue.say(screen.LEAVES.format(", ".join(members)), "")
    return dialogue.ask(
        Question(
            "zxtm!really_clear_config",
            "Do you really want to clear all configuration? Y/N",
            yes_or_no,
            default="N",
            decides=True,
        )
    )


def converse(dialogue: Dialogue, earlier: Earlier, machine: Machine) -> Answers:
    """All questions of the initial configuration. Raises `Stopped`, `EndOfInput`."""
    new = earlier.standing is not Standing.CONFIGURED
    if earlier.standing is Standing.NEW:
        dialogue.say(screen.INTRODUCTION, "")
    _accept(dialogue, machine)
    key = _licence_key(dialogue, earlier, machine)
    order = earlier.order
    if new:
        order = replace(order, community=not key)
        order = _run_as(dialogue, order, machine)
    order = replace(order, bind=_bind(dialogue, order.bind, machine))
    if new:
        order = replace(order, name=first_name(dialogue, order.bind, machine))
    else:
        order = replace(order, name=new_name(dialogue, earlier.name, order.name, order.bind, machine))
    order = replace(order, start_at_boot=_start_at_boot(dialogue, order.start_at_boot))
    order = replace(order, state="done")
    if _cluster(dialogue, earlier.cluster) == "S":
        return Answers(order, "", key, _join(dialogue, machine, new=new))
    return Answers(order, _password(dialogue, new=new), key)


def _accept(dialogue: Dialogue, machine: Machine) -> None:
    dialogue.say("Please read the licence of this software.", "")
    if not dialogue.has("accept-license"):
        dialogue.say(*machine.licence_text().rstrip("\n").split("\n"), "")
    answer = dialogue.ask(Question("accept-license", "Enter 'accept' to accept this licence", str))
    if answer != "accept":
        raise Stopped("accept-license: the licence was not accepted; only the word accept does that")


def _licence_key(dialogue: Dialogue, earlier: Earlier, machine: Machine) -> str:
    dialogue.say("", *screen.LICENCE_KEY)
    blank = "leave blank for Community Edition"
    if earlier.standing is Standing.CONFIGURED:
        blank = "leave blank to keep things as they are"
        if earlier.licence:
            dialogue.say(f"Now: {earlier.licence}")
    prompt = f"Full path and file name of a licence key ({blank})"
    key = dialogue.ask(
        Question(
            "zxtm!license_key", prompt, lambda path: machine.licence_key(path) if path else "", default=""
        )
    )
    if not key and earlier.standing is not Standing.CONFIGURED:
        dialogue.say("No licence key: this traffic manager will run as Community Edition.")
    return key


def _run_as(dialogue: Dialogue, order: Order, machine: Machine) -> Order:
    dialogue.say("", *screen.RUN_AS)

    def user(name: str) -> str:
        machine.user_number(name)
        return name

    def group(name: str) -> str:
        machine.group_number(name)
        return name

    chosen = dialogue.ask(Question("zxtm!user", "UNIX user to run as", user, default=order.user or USER))
    if machine.user_number(chosen) == 0:
        dialogue.say(screen.ROOT_WARNING)
    return replace(
        order,
        user=chosen,
        group=dialogue.ask(
            Question("zxtm!group", "UNIX group to run as", group, default=order.group or GROUP)
        ),
    )


def _bind(dialogue: Dialogue, present: str, machine: Machine) -> str:
    dialogue.say("", *screen.RESTRICT)
    restrict = dialogue.ask(
        Question(
            "zxtm!unique_bind",
            f"Would you like to restrict {screen.PRODUCT} management to one IP? Y/N",
            yes_or_no,
            default="Y" if present else "N",
        )
    )
    if not restrict:
        return ""
    dialogue.say(screen.RESTRICT_WARNING)
    return choose_address(
        dialogue, machine, "zxtm!bindip", "Which IP address", present=present, ask_always=True
    )


def _start_at_boot(dialogue: Dialogue, present: bool) -> bool:
    dialogue.say()
    return dialogue.ask(
        Question(
            "start_at_boot",
            f"Would you like the {screen.PRODUCT} to start automatically when the operating system restarts? Y/N",
            yes_or_no,
            default="Y" if present else "N",
        )
    )


def _cluster(dialogue: Dialogue, members: tuple[str, ...]) -> str:
    def check(text: str) -> str:
        choice = one_of("C", "S")(text)
        if choice == "S" and members:
            raise Wrong(screen.LEAVE_FIRST)
        return choice

    dialogue.say("", *screen.WHICH_CLUSTER, "")
    if members:
        dialogue.say(screen.MEMBER_OF.format(", ".join(members)), "")
    return dialogue.ask(Question("zxtm!cluster", "Choose option", check, default="C", decides=True))


def _password(dialogue: Dialogue, *, new: bool) -> str:
    def check(text: str) -> str:
        if not text and not new:
            return ""
        if not text or len(text) > PASSWORD_LIMIT:
            raise Wrong(f"A password has 1 to {PASSWORD_LIMIT} characters.")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise Wrong("The password holds bytes that are no UTF-8 text. Please choose another.")
        return text

    keep = "" if new else " (leave blank to keep the present one)"
    prompt = f"Please choose a password for the admin server{keep}"
    first = Question("admin!password", prompt, check, secret=True, default=None if new else "")
    while True:
        dialogue.say()
        prepared = dialogue.has("admin!password")
        password = dialogue.ask(first)
        if prepared or not password:
            break
        if dialogue.ask(Question("admin!password", "Re-enter", str, secret=True)) == password:
            break
        dialogue.refuse("admin!password", "The two passwords differ.")
    if 0 < len(password) < SHORT_PASSWORD:
        dialogue.say(f"WARNING: A password of fewer than {SHORT_PASSWORD} characters is soon guessed.")
    return password


def _join(dialogue: Dialogue, machine: Machine, *, new: bool) -> JoinRequest:
    def port(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text[:6]) in _PORTS):
            raise Wrong("Please enter a port number from 1 to 65535.")
        return int(text)

    def present(text: str) -> str:
        if not text:
            raise Wrong("Please enter something.")
        return text

    dialogue.say()
    host_question = Question(
        "zlb!admin_hostname", "Host name or IP address of a machine in the cluster", present
    )
    port_question = Question("zlb!admin_port", "Port of its admin server", port, default=str(ADMIN_PORT))
    while True:
        host, number = dialogue.ask(host_question), dialogue.ask(port_question)
        try:
            servers = machine.admin_servers(host, number)
            break
        except Wrong as error:
            dialogue.refuse("zlb!admin_hostname", str(error))
    rows = [(server.place, server.seen.sha1, server.seen.sha256) for server in servers]
    dialogue.say("", screen.JOINING, "", *screen.fingerprint_table(rows), "")
    if not new:
        dialogue.say(screen.REPLACED, "")
    if not dialogue.ask(
        Question("zxtm!fingerprints_ok", screen.VERIFIED, yes_or_no, default="N", decides=True)
    ):
        raise Stopped(
            "zxtm!fingerprints_ok: the fingerprints are not verified, so this machine was not joined"
        )
    user = dialogue.ask(
        Question("zlb!admin_username", "Cluster Administrator's user name", present, default="admin")
    )
    password = dialogue.ask(
        Question("zlb!admin_password", "Cluster Administrator's password", present, secret=True)
    )
    part = Question(
        "zxtm!clustertipjoin",
        "Take part in existing Traffic IP Groups: at once (Y), as passive machine (P), not at all (N)",
        one_of("Y", "P", "N"),
        default="P",
    )
    return JoinRequest(host, number, servers[0].seen, user, password, dialogue.ask(part).lower())
