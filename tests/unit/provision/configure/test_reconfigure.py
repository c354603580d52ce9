"""The menu of a configured instance, and the questions with what holds now in their brackets."""

from __future__ import annotations

import pytest
from tests.conversation import Island, Person

from pointsman.provision.configure import screen
from pointsman.provision.configure.dialogue import Dialogue
from pointsman.provision.configure.questions import (
    Answers,
    Choice,
    Earlier,
    Standing,
    choose,
    confirm_clearing,
    converse,
)
from pointsman.provision.order import Order

ORDER = Order(
    state="done",
    steps=("eula",),
    base="/base",
    user="web",
    group="web",
    bind="10.0.0.2",
    start_at_boot=False,
    name="pm1.example.com",
)
CONFIGURED = Earlier(Standing.CONFIGURED, ORDER, "pm1.example.com", "licence 7, unlimited")
TWO = Island(own=("10.0.0.1", "10.0.0.2"))
RENAMING = (
    "\n"
    "Each Traffic Manager in your cluster must have a unique name, resolvable by each member of the cluster.\n"
    "\n"
    "This Traffic Manager is currently called 'pm1.example.com'.\n"
    "\n"
    "Would you like to:\n"
    "1. Keep the current Traffic Manager name (default)\n"
    "2. Specify a new resolvable hostname\n"
    "3. Use an IP address instead of a hostname\n"
    "\n"
)


def menu(*lines: str, standing: Standing = Standing.CONFIGURED) -> tuple[Choice, str]:
    person = Person(*lines)
    return choose(Dialogue(person), standing), person.transcript


def talk(earlier: Earlier, machine: Island, *lines: str) -> tuple[Answers, str]:
    person = Person(*lines)
    answers = converse(Dialogue(person), earlier, machine)
    assert person.left == []
    return answers, person.transcript


def test_the_menu() -> None:
    """R47: the menu has these entries in these words; Enter quits; H helps; anything else is asked again."""
    chosen, transcript = menu("h", "4", "")
    shown = (
        "\n1. Quit (default)\n2. Perform the post-install configuration again\n3. Clear all configuration\n"
        "\nH. Help\n\n"
    )
    assert chosen is Choice.QUIT
    assert transcript == (
        "This program will perform the initial configuration of the Pointsman Virtual Traffic Manager.\n"
        "\n"
        "Initial configuration has already been performed on this Pointsman Virtual Traffic Manager installation.\n"
        f"{shown}Choose option [1]: h\n"
        "\n" + "".join(f"{line}\n" for line in screen.HELP) + f"{shown}Choose option [1]: 4\n"
        "Please answer 1, 2, 3 or H.\n"
        "\n"
        "Choose option [1]: \n"
    )
    assert menu("2")[0] is Choice.CONFIGURE
    assert menu("3")[0] is Choice.CLEAR


def test_the_menu_says_that_everything_was_cleared() -> None:
    """R47: after clearing, 2 configures anew, and the menu says so."""
    chosen, transcript = menu("2", standing=Standing.CLEARED)
    assert screen.CLEARED in transcript
    assert chosen is Choice.CONFIGURE


@pytest.mark.parametrize(("line", "sure"), [("", False), ("n", False), ("y", True)])
def test_clearing_asks_once_more(line: str, sure: bool) -> None:
    """R47: 3 warns that traffic stops and asks once more; Enter clears nothing."""
    person = Person(line)
    assert confirm_clearing(Dialogue(person)) is sure
    assert "WARNING: The software is stopped first." in person.transcript
    assert "Do you really want to clear all configuration? Y/N [N]: " in person.transcript


def test_enter_keeps_everything() -> None:
    """R47: 2 shows each earlier value in its brackets, and Enter keeps every one; R49: the renaming dialogue."""
    answers, transcript = talk(CONFIGURED, TWO, "accept", *[""] * 7)
    assert answers == Answers(ORDER)
    assert "Now: licence 7, unlimited\n" in transcript
    assert "UNIX user" not in transcript
    assert "management to one IP? Y/N [Y]: \n" in transcript
    assert "Which IP address [10.0.0.2]: \n" in transcript
    assert f"{RENAMING}Choose option [1]: \n" in transcript
    assert "operating system restarts? Y/N [N]: \n" in transcript
    assert (
        "Please choose a password for the admin server (leave blank to keep the present one): \n"
        in transcript
    )


def test_each_value_can_be_changed() -> None:
    """R47: option 2 takes new values."""
    machine = Island(own=("10.0.0.1", "10.0.0.2"), names={"pm2.example.com": ("10.0.0.1",)})
    answers, _ = talk(
        CONFIGURED, machine, "accept", "/tmp/key", "y", "1", "2", "pm2.example.com", "y", "c", "hidden secret",
        "hidden secret",
    )  # fmt: skip
    assert answers.order == Order(
        state="done",
        steps=("eula",),
        base="/base",
        user="web",
        group="web",
        bind="10.0.0.1",
        name="pm2.example.com",
    )
    assert (answers.licence_key, answers.password) == ("KEY", "hidden secret")


def test_a_name_that_does_not_resolve_is_offered_an_address() -> None:
    """R49: the bracket shows what Enter takes: 3 when the name does not resolve; with several addresses it asks."""
    earlier = Earlier(Standing.CONFIGURED, Order(state="done"), "pm1.example.com")
    machine = Island(own=("10.0.0.1", "10.0.0.2"), names={})
    answers, transcript = talk(earlier, machine, "accept", "", "", "", "10.0.0.2", "", "", "")
    assert (
        f"{RENAMING}Choose option [3]: \n  1) 10.0.0.1\n  2) 10.0.0.2\nWhich IP address [10.0.0.1]: "
        in transcript
    )
    assert answers.order.name == "10.0.0.2"


def test_a_restricted_address_is_the_one_to_be_called_by() -> None:
    """R49: with management restricted to an address, that one is the name."""
    answers, transcript = talk(CONFIGURED, TWO, "accept", "", "", "", "3", "", "", "")
    assert "The IP address that management is restricted to is used: 10.0.0.2\n" in transcript
    assert answers.order.name == "10.0.0.2"


def test_keeping_an_unresolvable_name_warns() -> None:
    """R49: an unresolvable name can be kept, with a warning."""
    earlier = Earlier(Standing.CONFIGURED, Order(state="done"), "pm1.example.com")
    answers, transcript = talk(earlier, Island(names={}), "accept", "", "", "1", "", "", "")
    assert screen.UNRESOLVED_WARNING.format(name="pm1.example.com") in transcript
    assert answers.order.name == ""


def test_a_new_host_name_must_be_one_and_resolve() -> None:
    """R49: a new host name that is none, or that cannot be resolved, is asked again."""
    earlier = Earlier(Standing.CONFIGURED, Order(state="done"), "10.0.0.1")
    answers, transcript = talk(
        earlier,
        Island(),
        "accept",
        "",
        "",
        "2",
        "",
        "no name",
        "-x",
        "nowhere",
        "pm1.example.com",
        "",
        "",
        "",
    )
    assert transcript.count("A host name has letters, digits, hyphens and dots.") == 3
    assert "'nowhere' cannot be resolved." in transcript
    assert answers.order.name == "pm1.example.com"


def test_without_an_address_there_is_no_choice_3() -> None:
    """R49: where the machine has no address to be called by, 3 is refused and Enter keeps the name."""
    earlier = Earlier(Standing.CONFIGURED, Order(state="done"), "pm1.example.com")
    answers, transcript = talk(earlier, Island(names={}, own=()), "accept", "", "", "3", "", "", "", "")
    assert "This machine has no IP address that others could reach." in transcript
    assert answers.order.name == ""


def test_after_clearing_everything_is_asked_as_at_first() -> None:
    """R47: a cleared instance is asked for user, group and password again."""
    cleared = Earlier(Standing.CLEARED, Order(state="cleared"))
    answers, transcript = talk(
        cleared, Island(), "accept", "", "web", "web", "", "", "", "secret one", "secret one"
    )
    assert "UNIX user to run as [nobody]: web\n" in transcript
    assert answers.order == Order(
        state="done", community=True, user="web", group="web", name="pm1.example.com"
    )


def test_a_licence_key_leaves_the_choice_of_an_edition() -> None:
    """R43: with a key that was added later, Community Edition stays what holds when the key has expired."""
    earlier = Earlier(Standing.CONFIGURED, Order(state="done", community=True), "pm1.example.com")
    answers, _ = talk(earlier, Island(), "accept", "/tmp/key", *[""] * 5)
    assert (answers.order.community, answers.licence_key) == (True, "KEY")


def test_a_member_stays_in_its_cluster() -> None:
    """R43: a member is told so; C leaves it there, S is refused, and no name of another member is taken."""
    member = Earlier(
        Standing.CONFIGURED, ORDER, "pm1.example.com", cluster=("pm1.example.com", "pm9.example.com")
    )
    machine = Island(
        own=("10.0.0.1", "10.0.0.2"),
        names={"pm1.example.com": ("10.0.0.1",), "pm9.example.com": ("10.0.0.9",)},
        others=("pm9.example.com",),
    )
    answers, transcript = talk(
        member, machine, "accept", "", "n", "2", "pm9.example.com", "pm1.example.com", "", "s", "c", ""
    )
    assert answers.join is None
    assert "Another traffic manager of the cluster is called 'pm9.example.com'." in transcript
    assert "is a member of the cluster of pm1.example.com, pm9.example.com. C leaves it there." in transcript
    assert screen.LEAVE_FIRST in transcript
    person = Person("n")
    assert not confirm_clearing(Dialogue(person), member.cluster)
    assert "leaves the cluster of pm1.example.com, pm9.example.com first" in person.transcript


def test_an_address_that_a_member_is_called_by_is_not_offered() -> None:
    """R49: names are unique among the members, addresses as well."""
    earlier = Earlier(Standing.CONFIGURED, Order(state="done"), "pm1.example.com")
    machine = Island(own=("10.0.0.1", "10.0.0.2", "10.0.0.3"), names={}, others=("10.0.0.1",))
    answers, transcript = talk(earlier, machine, "accept", "", "", "3", "10.0.0.1", "2", "", "", "")
    assert "  1) 10.0.0.2\n  2) 10.0.0.3\nWhich IP address" in transcript
    assert "Another traffic manager of the cluster is called '10.0.0.1'." in transcript
    assert answers.order.name == "10.0.0.3"


def test_joining_again_replaces_what_is_there() -> None:
    """R43: before the fingerprints are confirmed it is said that the configuration is replaced."""
    answers, transcript = talk(
        CONFIGURED, TWO, "accept", *[""] * 5, "s", "other", "", "y", "", "hidden secret", "n"
    )
    assert answers.join is not None
    assert answers.join.part == "n"
    assert transcript.index(screen.REPLACED) < transcript.index("Have you verified")
