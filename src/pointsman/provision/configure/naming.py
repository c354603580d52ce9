"""How a traffic manager gets its name, or another one: a host name that resolves, or one of its addresses.

Invariant: the name that comes out is a host name or an address of this machine, never empty.
"""

from __future__ import annotations

import contextlib
import ipaddress

from pointsman.provision.configure import screen
from pointsman.provision.configure.dialogue import Dialogue, Question, Wrong, one_of, yes_or_no
from pointsman.provision.configure.machine import Machine


def first_name(dialogue: Dialogue, bind: str, machine: Machine) -> str:
    """The name of a new installation: its host name, or an address where that does not resolve."""
    name = machine.host_name()
    if machine.resolve(name):
        return name
    addresses = (bind,) if bind else machine.addresses()
    dialogue.say("", f"The host name of this machine, '{name}', cannot be resolved by DNS.")
    if addresses:
        use = Question(
            "zxtm!name_useip",
            "Would you like to use an IP address to identify this Traffic Manager? Y/N",
            yes_or_no,
            default="Y",
        )
        if dialogue.ask(use):
            return _own_address(dialogue, bind, machine)
    dialogue.say(screen.UNRESOLVED_WARNING.format(name=name))
    return name


def new_name(dialogue: Dialogue, present: str, ordered: str, bind: str, machine: Machine) -> str:
    """The name after the renaming questions; when the present one is kept, "" if nobody ever decided on one
    (`ordered` is "").
    """
    taken = frozenset(machine.other_names())
    resolves = bool(machine.resolve(present))
    can_use_address = bool(bind or machine.addresses())
    dialogue.say(
        "",
        screen.UNIQUE_NAME,
        "",
        f"This Traffic Manager is currently called '{present}'.",
        "",
        *screen.RENAME,
        "",
    )
    usual = "1" if resolves or not can_use_address else "3"

    def check(text: str) -> str:
        choice = one_of("1", "2", "3")(text)
        if choice == "3" and not can_use_address:
            raise Wrong("This machine has no IP address that others could reach. Please choose 1 or 2.")
        return choice

    match dialogue.ask(Question("zxtm!name_setname", "Choose option", check, default=usual)):
        case "2":
            return _other_host_name(dialogue, machine, taken)
        case "3":
            return _own_address(dialogue, bind, machine, taken)
    if not resolves:
        dialogue.say(screen.UNRESOLVED_WARNING.format(name=present))
    return present if ordered else ""


def _other_host_name(dialogue: Dialogue, machine: Machine, taken: frozenset[str]) -> str:
    def check(text: str) -> str:
        if not is_host_name(text):
            raise Wrong("A host name has letters, digits, hyphens and dots. Please enter another.")
        _check_unique(text, taken)
        if not machine.resolve(text):
            raise Wrong(f"'{text}' cannot be resolved. Please enter a name that can, or make it known first.")
        return text

    return dialogue.ask(Question("zxtm!name_hostname", "New host name", check))


def _own_address(dialogue: Dialogue, bind: str, machine: Machine, taken: frozenset[str] = frozenset()) -> str:
    if bind and bind not in taken:
        dialogue.say(f"The IP address that management is restricted to is used: {bind}")
        return bind
    return choose_address(dialogue, machine, "zxtm!name_ip", "Which IP address", taken=taken)


def _check_unique(name: str, taken: frozenset[str]) -> None:
    if name in taken:
        raise Wrong(f"Another traffic manager of the cluster is called '{name}'. Please choose another name.")


def choose_address(
    dialogue: Dialogue,
    machine: Machine,
    key: str,
    prompt: str,
    *,
    present: str = "",
    ask_always: bool = False,
    taken: frozenset[str] = frozenset(),
) -> str:
    """One of the machine's addresses, but for those `taken` by others; a single one is taken without a question unless
    `ask_always`.
    """
    addresses = tuple(address for address in machine.addresses() if address not in taken)
    if len(addresses) == 1 and not ask_always and not dialogue.has(key):
        dialogue.say(f"The IP address of this machine is used: {addresses[0]}")
        return addresses[0]

    def check(text: str) -> str:
        if text.isascii() and text.isdigit() and 0 < int(text[:9]) <= len(addresses):
            return addresses[int(text) - 1]
        with contextlib.suppress(ValueError):
            address = str(ipaddress.ip_address(text))
            _check_unique(address, taken)
            if machine.has_address(address) and not ipaddress.ip_address(address).is_unspecified:
                return address
            raise Wrong(f"{address} is no address of this machine. Please choose one that is.")
        raise Wrong("Please enter a number of the list, or an IP address of this machine.")

    default = present if present and machine.has_address(present) else (addresses[0] if addresses else None)
    dialogue.say(*screen.numbered(addresses))
    return dialogue.ask(Question(key, prompt, check, default=default))


def is_host_name(text: str) -> bool:
    """Whether the text can be the name of a host: labels of letters, digits and hyphens with dots between them."""
    labels = text.split(".")
    return len(text) <= 253 and all(
        0 < len(label) <= 63
        and label.isascii()
        and label.replace("-", "").replace("_", "").isalnum()
        and not label.startswith("-")
        for label in labels
    )
