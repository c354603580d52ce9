"""Replay files: what is read from them, what is refused, and conversations that they answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conversation import Island, Person

from pointsman.provision.configure.dialogue import Dialogue, Stopped
from pointsman.provision.configure.questions import Answers, Choice, Earlier, Standing, choose, converse
from pointsman.provision.configure.replay import (
    KEYS,
    ReplayRefused,
    parse_replay,
    read_replay,
)
from pointsman.provision.order import Order

NEW = Earlier(Standing.NEW, Order())
CONFIGURED = Earlier(Standing.CONFIGURED, Order(state="done"), "pm1.example.com")
ROOT = Path(__file__).resolve().parents[4]
SECRET = "p=ss #word "
COMPLETE = {
    "accept-license": "accept",
    "start_at_boot": "n",
    "zxtm!license_key": "",
    "zxtm!user": "web",
    "zxtm!group": "web",
    "zxtm!unique_bind": "y",
    "zxtm!bindip": "10.0.0.1",
    "zxtm!cluster": "C",
    "admin!password": SECRET,
}


def replayed(
    answers: dict[str, str], earlier: Earlier = NEW, machine: Island | None = None
) -> tuple[Answers, str]:
    """The outcome of a run without anybody at the terminal."""
    person = Person()
    dialogue = Dialogue(person, answers, interactive=False, loop=False)
    return converse(dialogue, earlier, machine or Island()), person.transcript


def test_a_file_is_read(tmp_path: Path) -> None:
    """R48: key=value lines; comments and empty lines are skipped; a value holds everything behind the first `=`."""
    file = tmp_path / "replay"
    file.write_text(f"# a comment\n\n  \nadmin!password={SECRET}\r\n zxtm!user =web\nzxtm!license_key=\n")
    file.chmod(0o600)
    found = read_replay(file)
    assert found.answers == {"admin!password": SECRET, "zxtm!user": "web", "zxtm!license_key": ""}
    assert found.remarks == ()
    assert SECRET not in repr(found)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o620, 0o611])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """R48: a replay file that others can read (or write) is refused, with what to do."""
    file = tmp_path / "replay"
    file.write_text(f"admin!password={SECRET}\n")
    file.chmod(mode)
    with pytest.raises(ReplayRefused, match="chmod 600") as refused:
        read_replay(file)
    assert SECRET not in str(refused.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """R48: a missing file, a directory, bytes that are no text and a huge file are refused by name."""
    with pytest.raises(ReplayRefused, match="nowhere"):
        read_replay(tmp_path / "nowhere")
    with pytest.raises(ReplayRefused, match="directory"):
        read_replay(tmp_path)
    with pytest.raises(ReplayRefused, match="not a file"):
        read_replay(Path("/dev/null"))
    file = tmp_path / "replay"
    for content in (b"a=\xff\n", b"a=" + b"x" * 70_000, b"a=" + b"x" * 5000, b"accept\n", b"=x\n"):
        file.write_bytes(content)
        file.chmod(0o600)
        with pytest.raises(ReplayRefused, match="replay"):
            read_replay(file)


def test_a_pipe_of_the_caller_will_do() -> None:
    """R48: `--replay-from=<(...)` gives a pipe."""
    read, write = os.pipe()
    os.write(write, b"start_at_boot=y\n")
    os.close(write)
    try:
        assert read_replay(Path(f"/dev/fd/{read}")).answers == {"start_at_boot": "y"}
    finally:
        os.close(read)


def test_unknown_keys_are_warned_of() -> None:
    """R48: an unknown key gets a warning with the nearest known one, without its value."""
    found = parse_replay(
        "f", "zxtm!licence_key=s3cret\nblue=1\nzxtm!user=a\nzxtm!user=b\nselfreg!register=y\n"
    )
    assert found.remarks == (
        "f:1: zxtm!licence_key is not known and ignored; did you mean zxtm!license_key?",
        "f:2: blue is not known and ignored",
        "f:4: zxtm!user is given again; this value is used",
        "f:5: selfreg!register is ignored: registering with a Services Director is not built in this version",
    )
    assert found.answers["zxtm!user"] == "b"


def test_keys_of_published_scripts_are_taken_without_a_word() -> None:
    """R48: keys that published scripts set and that nothing depends on here are no mistakes."""
    text = (
        "zxtm!join_new_cluster=Y\nzxtm!use_invalid_key_license=y\nnet!warn=\n"
        "Zeus::ZInstall::Common::get_password:Re-enter=x\n"
    )
    assert parse_replay("f", text).remarks == ()


@given(st.text())
def test_any_text_is_answers_or_refused(text: str) -> None:
    try:
        parse_replay("f", text)
    except ReplayRefused as error:
        assert str(error).startswith("f:")


def test_a_new_installation_is_replayed() -> None:
    """R48: a replay file answers every question without a terminal, and no secret is shown."""
    answers, transcript = replayed(COMPLETE)
    assert answers == Answers(
        Order(
            state="done", community=True, user="web", group="web", bind="10.0.0.1", start_at_boot=False,
            name="pm1.example.com",
        ),
        SECRET,
    )  # fmt: skip
    assert SECRET not in transcript
    assert "The text of the licence." not in transcript
    assert "Please choose a password for the admin server: (from the replay file)\n" in transcript
    assert "Re-enter" not in transcript


@pytest.mark.parametrize("key", ["accept-license", "zxtm!cluster", "admin!password"])
def test_a_missing_answer_is_named(key: str) -> None:
    """R48: without a terminal, a missing answer that nobody else can give ends the run and is named."""
    with pytest.raises(Stopped, match=f"^{key}: has no answer in the replay file"):
        replayed({name: value for name, value in COMPLETE.items() if name != key})


@pytest.mark.parametrize(
    "key", ["zxtm!license_key", "zxtm!user", "zxtm!group", "zxtm!unique_bind", "start_at_boot"]
)
def test_a_missing_answer_with_a_usual_value_takes_that(key: str) -> None:
    """R48: a question that Enter answers takes that value when the file is silent, and says so."""
    _, transcript = replayed({name: value for name, value in COMPLETE.items() if name != key})
    assert f"(the default: {key} is not in the replay file)" in transcript


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("accept-license", "yes"), ("start_at_boot", "maybe"), ("zxtm!license_key", "/nowhere"),
        ("zxtm!user", "noone"), ("zxtm!group", "noone"), ("zxtm!unique_bind", "1"), ("zxtm!bindip", "10.9.9.9"),
        ("zxtm!cluster", "X"), ("admin!password", ""), ("admin!password", "x" * 1025),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_named(key: str, wrong: str) -> None:
    """R48: without a terminal, a wrong answer ends the run and its key is named."""
    with pytest.raises(Stopped, match=f"^{key}: "):
        replayed({**COMPLETE, key: wrong})


def test_a_wrong_answer_is_asked_of_whoever_is_there_unless_noloop() -> None:
    """R48: with a terminal a wrong or missing answer is asked; with --noloop a wrong one ends the run."""
    given = {**COMPLETE, "zxtm!user": "noone"}
    del given["start_at_boot"]
    person = Person("web", "y")
    assert converse(Dialogue(person, given), NEW, Island()).order.user == "web"
    assert person.left == []
    with pytest.raises(Stopped, match=r"^zxtm!user: "):
        converse(Dialogue(Person("web", "y"), given, loop=False), NEW, Island())
    with pytest.raises(Stopped, match=r"^zxtm!user: "):
        converse(
            Dialogue(
                Person("noone", "web"), {"accept-license": "accept", "zxtm!license_key": ""}, loop=False
            ),
            NEW,
            Island(),
        )


def test_joining_is_replayed() -> None:
    """R48: the keys of joining answer its questions."""
    join = {
        "zxtm!cluster": "s", "zlb!admin_hostname": "other", "zlb!admin_port": "", "zxtm!fingerprints_ok": "Y",
        "zlb!admin_username": "admin", "zlb!admin_password": SECRET, "zxtm!clustertipjoin": "y",
    }  # fmt: skip
    answers, transcript = replayed({**COMPLETE, **join})
    assert answers.join is not None
    assert (answers.join.host, answers.join.port, answers.join.password) == ("other", 9090, SECRET)
    assert answers.join.part == "y"
    assert SECRET not in transcript
    for key, wrong in (
        ("zlb!admin_hostname", "nowhere"), ("zlb!admin_port", "0"), ("zxtm!fingerprints_ok", "n"),
        ("zlb!admin_password", ""), ("zxtm!clustertipjoin", "x"),
    ):  # fmt: skip
        with pytest.raises(Stopped, match=f"^{key}: "):
            replayed({**COMPLETE, **join, key: wrong})


def test_the_menu_and_renaming_are_replayed() -> None:
    """R48: zxtm!reconfigure_option chooses in the menu (and must be there), zxtm!name_setname in the renaming."""
    person = Person()
    given = {"zxtm!reconfigure_option": "2"}
    assert choose(Dialogue(person, given, interactive=False), Standing.CONFIGURED) is Choice.CONFIGURE
    with pytest.raises(Stopped, match=r"^zxtm!reconfigure_option: "):
        choose(Dialogue(person, {}, interactive=False), Standing.CONFIGURED)
    unresolved = Island(names={}, own=("10.0.0.1", "10.0.0.2"))
    again = {"accept-license": "accept", "zxtm!cluster": "C", "admin!password": "", "zxtm!name_setname": "3"}
    answers, _ = replayed({**again, "zxtm!name_ip": "10.0.0.2"}, CONFIGURED, unresolved)
    assert (answers.order.name, answers.password) == ("10.0.0.2", "")
    given = {**again, "zxtm!name_setname": "2", "zxtm!name_hostname": "pm1.example.com"}
    assert replayed(given, CONFIGURED)[0].order.name == "pm1.example.com"
    assert replayed({**again, "zxtm!name_setname": "1"}, CONFIGURED)[0].order.name == ""
    given = {**COMPLETE, "zxtm!unique_bind": "n", "zxtm!name_useip": "n"}
    assert replayed(given, NEW, unresolved)[0].order.name == "pm1.example.com"


def test_the_guide_lists_every_key() -> None:
    """R48: the guide's table of keys is the one that is read."""
    page = (ROOT / "docs" / "guide" / "configure.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `") and "`--" not in line]
    assert rows == [f"| `{key}` | {meaning} |" for key, meaning in KEYS.items()]
