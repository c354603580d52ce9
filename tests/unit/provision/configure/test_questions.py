"""The initial configuration as conversations: what is typed, what is seen, what comes out."""

from __future__ import annotations

import pytest
from tests.conversation import SEEN, Island, Person

from pointsman.provision.configure import screen
from pointsman.provision.configure.dialogue import TRIES, Dialogue, EndOfInput, Stopped
from pointsman.provision.configure.questions import Answers, Earlier, Standing, converse
from pointsman.provision.order import Order

NEW = Earlier(Standing.NEW, Order())
SECRET = "correct horse battery"
WHOLE = ("accept", "", "", "", "", "", "", SECRET, SECRET)
"""The shortest way through: Enter wherever that is possible."""


def talk(earlier: Earlier, machine: Island, *lines: str | None) -> tuple[Answers, str]:
    """The outcome of a conversation in which every line was used, and its transcript."""
    person = Person(*lines)
    answers = converse(Dialogue(person), earlier, machine)
    assert person.left == []
    return answers, person.transcript


def test_the_whole_conversation_of_a_new_installation() -> None:
    """R43: the questions come in this order, in these words, and Enter takes what the brackets show."""
    answers, transcript = talk(NEW, Island(), *WHOLE)
    assert transcript == (
        "This program will perform the initial configuration of the Pointsman Virtual Traffic Manager.\n"
        "\n"
        "Please read the licence of this software.\n"
        "\n"
        "The text of the licence.\n"
        "\n"
        "Enter 'accept' to accept this licence: accept\n"
        "\n"
        "A licence key sets what this traffic manager may do. Without one it runs as Community Edition: full function, "
        "with limited bandwidth and cluster size.\n"
        "Keys can be added in the Admin UI at any time.\n"
        "Full path and file name of a licence key (leave blank for Community Edition): \n"
        "No licence key: this traffic manager will run as Community Edition.\n"
        "\n"
        "The software is started as root. What handles traffic can run as any other UNIX user and group; an "
        "unprivileged user is strongly advised.\n"
        "UNIX user to run as [nobody]: \n"
        "UNIX group to run as [nogroup]: \n"
        "\n"
        "Internal management traffic (the Admin UI, the external API and what the members of a cluster say to each "
        "other) can be restricted to a single IP address of this machine.\n"
        "Would you like to restrict Pointsman Virtual Traffic Manager management to one IP? Y/N [N]: \n"
        "\n"
        "Would you like the Pointsman Virtual Traffic Manager to start automatically when the operating system "
        "restarts? Y/N [Y]: \n"
        "\n"
        "Which Pointsman Virtual Traffic Manager cluster should this installation be added to?\n"
        "\n"
        "C) Create a new cluster\n"
        "S) Specify another machine to contact\n"
        "\n"
        "Select C to create a new cluster.\n"
        "\n"
        "Choose option [C]: \n"
        "\n"
        "Please choose a password for the admin server: \n"
        "Re-enter: \n"
    )
    assert answers == Answers(Order(state="done", community=True, name="pm1.example.com"), SECRET)


@pytest.mark.parametrize("word", ["", "yes", "ACCEPT", "accept it", "y"])
def test_anything_but_accept_stops_the_process(word: str) -> None:
    """R43: the word accept confirms the licence, anything else stops the process."""
    with pytest.raises(Stopped, match="accept-license"):
        talk(NEW, Island(), word)


def test_wrong_answers_are_asked_again() -> None:
    """R43: every wrong answer but the first question's is asked again, and says what is wrong."""
    answers, transcript = talk(
        NEW, Island(),
        "accept", "/nowhere", "/tmp/key", "noone", "web", "nogroups", "web", "maybe", "y", "10.9.9.9", "7", "1",
        "perhaps", "n", "X", "c", "", SECRET, "another", "short", "short",
    )  # fmt: skip
    for said in (
        "/nowhere: there is no such file.",
        "There is no UNIX user 'noone'",
        "There is no UNIX group 'nogroups'",
        "Please answer Y or N.",
        "10.9.9.9 is no address of this machine.",
        "Please enter a number of the list, or an IP address of this machine.",
        "Please answer C or S.",
        "A password has 1 to 1024 characters.",
        "The two passwords differ.",
        "WARNING: A password of fewer than 8 characters",
    ):
        assert said in transcript
    assert answers.order == Order(
        state="done", user="web", group="web", bind="10.0.0.1", start_at_boot=False, name="pm1.example.com"
    )
    assert (answers.licence_key, answers.password) == ("KEY", "short")
    assert SECRET not in transcript
    assert SECRET not in repr(answers)


def test_root_is_warned_of() -> None:
    """R43: running as root is possible and gets a warning."""
    answers, transcript = talk(NEW, Island(), "accept", "", "root", "root", "", "", "", SECRET, SECRET)
    assert transcript.count(screen.ROOT_WARNING) == 1
    assert (answers.order.user, answers.order.group) == ("root", "root")


def test_a_restricted_address_warns_and_becomes_the_name_by_itself() -> None:
    """R43: the address that management is restricted to names the member when the host name does not resolve."""
    machine = Island(names={}, own=("10.0.0.1", "10.0.0.2"))
    answers, transcript = talk(
        NEW, machine, "accept", "", "", "", "y", "10.0.0.2", "", "", "", SECRET, SECRET
    )
    assert screen.RESTRICT_WARNING in transcript
    assert "  1) 10.0.0.1\n  2) 10.0.0.2\nWhich IP address [10.0.0.1]: 10.0.0.2\n" in transcript
    assert "The host name of this machine, 'pm1.example.com', cannot be resolved by DNS.\n" in transcript
    assert "identify this Traffic Manager? Y/N [Y]: \n" in transcript
    assert (answers.order.bind, answers.order.name) == ("10.0.0.2", "10.0.0.2")


def test_with_several_addresses_it_asks_which() -> None:
    """R43: where the name does not resolve and there are several addresses, it asks which one to use."""
    machine = Island(names={}, own=("10.0.0.1", "10.0.0.2"))
    answers, _ = talk(NEW, machine, "accept", "", "", "", "", "y", "2", "", "", SECRET, SECRET)
    assert (answers.order.bind, answers.order.name) == ("", "10.0.0.2")


def test_a_single_address_is_taken() -> None:
    """R43: where there is one address, it is used without a question."""
    answers, transcript = talk(NEW, Island(names={}), "accept", "", "", "", "", "y", "", "", SECRET, SECRET)
    assert "The IP address of this machine is used: 10.0.0.1" in transcript
    assert answers.order.name == "10.0.0.1"


def test_an_unresolvable_name_can_be_kept() -> None:
    """R43: N keeps the unresolvable name, and warns of connectivity issues."""
    answers, transcript = talk(NEW, Island(names={}), "accept", "", "", "", "", "n", "", "", SECRET, SECRET)
    assert screen.UNRESOLVED_WARNING.format(name="pm1.example.com") in transcript
    assert answers.order.name == "pm1.example.com"


def test_a_machine_without_addresses_keeps_its_name() -> None:
    answers, transcript = talk(NEW, Island(names={}, own=()), *WHOLE)
    assert answers.order.name == "pm1.example.com"
    assert "connectivity issues" in transcript


@pytest.mark.parametrize("answered", [0, 1, 2, 3, 4, 5, 6, 7, 8])
def test_the_end_of_the_input_has_no_outcome(answered: int) -> None:
    """R43: end of input and Ctrl-C at any question give no answers, so nothing can be carried out."""
    with pytest.raises(EndOfInput):
        talk(NEW, Island(), *WHOLE[:answered])
    with pytest.raises(KeyboardInterrupt):
        talk(NEW, Island(), *WHOLE[:answered], None)


def test_nobody_is_asked_for_ever() -> None:
    with pytest.raises(Stopped, match=f"zxtm!user: {TRIES} answers"):
        talk(NEW, Island(), "accept", "", *["noone"] * TRIES)


JOIN = ("accept", "", "", "", "", "", "s")


def test_joining_shows_the_fingerprint_before_anything_is_sent() -> None:
    """R43: another machine's fingerprint is shown in a table, and user and password are asked after Y only."""
    answers, transcript = talk(
        NEW, Island(), *JOIN, "nowhere", "", "other", "99999", "", "y", "", "", SECRET, ""
    )
    assert "ERROR: Cannot connect to remote host nowhere:9090." in transcript
    assert "Please enter a port number from 1 to 65535." in transcript
    assert (
        "\n"
        "Joining the cluster containing the following admin servers:\n"
        "\n"
        "Host:Port      SHA-1 Fingerprint\n"
        "other:9090     AA:BB\n"
        "               SHA-256 CC:DD\n"
        "10.0.0.8:9090  EE:FF\n"
        "               SHA-256 00:11\n"
        "\n"
        "Have you verified the admin server fingerprints, or do you trust the network between this machine and the "
        "other admin servers? Y/N [N]: y\n"
        "Cluster Administrator's user name [admin]: \n"
        "Cluster Administrator's password: \n"
    ) in transcript
    assert answers.join is not None
    assert answers.join.seen == SEEN
    assert (answers.join.user, answers.join.password, answers.join.part) == ("admin", SECRET, "p")
    assert SECRET not in transcript + repr(answers)


@pytest.mark.parametrize("answer", ["", "n", "N"])
def test_without_trust_nothing_is_joined(answer: str) -> None:
    """R43: N, which Enter takes too, does not join."""
    with pytest.raises(Stopped, match="not joined"):
        talk(NEW, Island(), *JOIN, "other", "", answer)
