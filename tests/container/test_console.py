"""The console of a real container: the configure script by `docker exec`, on a terminal and replayed."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import subprocess
from collections.abc import Mapping, Sequence

import pytest
from tests.container.docker import LONG, Container, Containers
from tests.screen import Screen
from tools.instance import wait_for

pytestmark = pytest.mark.root
CONFIGURE = "/usr/local/zeus/zxtm/configure"
PORT = 80
PRODUCT = "Pointsman Virtual Traffic Manager"
OPENING = f"""\
This program will perform the initial configuration of the {PRODUCT}.

Initial configuration has already been performed on this {PRODUCT} installation.
"""
MENU = """
1. Quit (default)
2. Perform the post-install configuration again
3. Clear all configuration

H. Help

Choose option [1]: """
RENAMING = """
Each Traffic Manager in your cluster must have a unique name, resolvable by each member of the cluster.

This Traffic Manager is currently called '{name}'.

Would you like to:
1. Keep the current Traffic Manager name (default)
2. Specify a new resolvable hostname
3. Use an IP address instead of a hostname

Choose option [1]: """
WHICH_CLUSTER = f"""
Which {PRODUCT} cluster should this installation be added to?

C) Create a new cluster
S) Specify another machine to contact

Select C to create a new cluster.

Choose option [C]: """
CLOSING = f"""\
** The SHA-1 fingerprint of the admin server's SSL certificate:
** {{sha1}}
** SHA-256: {{sha256}}
** Keep a record of this for security verification when connecting to the admin server with a web browser and when \
clustering other {PRODUCT} installations with this one.
**
** To configure the {PRODUCT}, connect to the admin server at:
**   https://{{name}}:9090/
** and login as 'admin' with your admin password.
"""
JOINING = "Joining the cluster containing the following admin servers:"
VERIFIED = (
    "Have you verified the admin server fingerprints, or do you trust the network between this machine and the "
    "other admin servers? Y/N [N]: "
)
Step = tuple[str, str]
"""What is waited for, and what is then typed, with Enter behind it."""


def at_terminal(container: Container, *steps: Step) -> Screen:
    """`docker exec -i -t` of the configure script, as far as the last step."""
    docker = shutil.which("docker") or "docker"
    screen = Screen([docker, "exec", "-i", "-t", container.name, CONFIGURE], container.docker.environment)
    for text, answer in steps:
        screen.expect(text.replace("\n", "\r\n"))
        screen.type(f"{answer}\r")
    return screen


def through(container: Container, *steps: Step, status: int = 0) -> str:
    """One whole run at a terminal, which must end with `status`; what was on the screen."""
    screen = at_terminal(container, *steps)
    assert screen.end() == status, screen.whole
    return screen.whole.replace("\r\n", "\n")


def replayed(
    container: Container, answers: Mapping[str, str], *flags: str
) -> subprocess.CompletedProcess[str]:
    """A run without anybody, with answers from a file."""
    text = "".join(f"{key}={value}\n" for key, value in answers.items())
    container.exec("bash", "-c", "umask 077; cat > /tmp/answers", text=text)
    words = (CONFIGURE, "--noninteractive", "--noloop", "--replay-from=/tmp/answers", *flags)
    return container.exec(*words, check=False, seconds=90)


def reached(address: str, ports: Sequence[int] = (9070, 9080, 9090)) -> list[int]:
    """Which ports of management answer at an address."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    found = []
    for port in ports:
        connection = http.client.HTTPSConnection(address, port, timeout=5, context=context)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            found.append(port)
        except ConnectionRefusedError:
            pass
        finally:
            connection.close()
    return found


def names(container: Container) -> list[str]:
    """What the traffic managers are called, in REST."""
    found = container.rest("GET", "config/active/traffic_managers")[1]
    return [child["name"] for child in found["children"]]


def test_the_menu(plain: Container) -> None:
    """R47: the menu to the letter; help and a wrong answer lead back to it; Enter, Ctrl-C and the end of input quit."""
    through(plain, (OPENING + MENU, "H"), (MENU, "9"), ("Please answer 1, 2, 3 or H.", ""))
    for typed, status, said in (("\x03", 130, "interrupted"), ("\x04", 1, "the input ended")):
        screen = at_terminal(plain)
        screen.expect("Choose option [1]: ")
        screen.type(typed)
        assert screen.end() == status
        assert f"configure: {said}" in screen.whole
        assert "Nothing was changed." in screen.whole
    piped = plain.exec(CONFIGURE, text="1\n")
    assert piped.stdout == f"{OPENING}{MENU}1\n"
    nobody = plain.exec(CONFIGURE, check=False)
    assert nobody.returncode == 1
    assert "the input ended" in nobody.stderr


def test_configure_restrict_rename_clear_and_begin_anew(containers: Containers, origin: int) -> None:
    """R43, R44, R45, R47, R49: the questions in their order; what was answered holds; then all is cleared."""
    container = containers.run("-h", "pm1.shop.example")
    other, _ = containers.network()
    container.docker("network", "connect", other, container.name)
    address, elsewhere = container.address("bridge"), container.address(other)
    container.serve([f"{container.host}:{origin}"], PORT)
    assert reached(address) == reached(elsewhere) == [9070, 9080, 9090]

    refused = through(container, ("[1]: ", "2"), ("accept this licence: ", "yes"), status=1)
    assert "only the word accept does that" in refused
    seen = through(
        container,
        ("[1]: ", "2"),
        ("accept this licence: ", "accept"),
        ("Full path and file name of a licence key (", "no/full/path"),
        ("Please enter the full path", ""),
        (f"restrict {PRODUCT} management to one IP? Y/N [N]: ", "perhaps"),
        ("Please answer Y or N.", "Y"),
        ("single point of failure", address),
        (RENAMING.format(name="pm1.shop.example"), "2"),
        ("New host name: ", "nobody.knows.example"),
        ("'nobody.knows.example' cannot be resolved.", address),
        ("when the operating system restarts? Y/N [Y]: ", ""),
        (WHICH_CLUSTER, "X"),
        ("Please answer C or S.", "c"),
        ("password for the admin server (leave blank to keep the present one): ", "another password"),
        ("Re-enter: ", "a slip"),
        ("The two passwords differ.", "another password"),
        ("Re-enter: ", "another password"),
    )
    cert = "$ZEUSHOME/admin/bin/cert -in $ZEUSHOME/admin/etc/admin.public -f fingerprint"
    sha1, sha256 = container.shell(f"{cert}; {cert}-sha256").splitlines()
    assert seen.endswith(CLOSING.format(sha1=sha1, sha256=sha256, name=address) + "**\n")
    assert "another password" not in seen
    container.password = "another password"
    assert names(container) == [address]
    assert container.rest("GET", f"config/active/traffic_managers/{address}")[0] == 200
    assert container.rest("GET", "config/active/traffic_managers/pm1.shop.example")[0] == 404
    assert (reached(address), reached(elsewhere)) == ([9070, 9080, 9090], [])
    assert container.exec("pointsman-container", "health").stdout == "ok\n"  # loopback
    assert container.fetch(PORT) == (200, "hello")

    kept = through(container, ("[1]: ", "3"), ("clear all configuration? Y/N [N]: ", ""))
    assert "Nothing was changed." in kept
    for _ in range(2):
        gone = through(container, ("[1]: ", "3"), ("clear all configuration? Y/N [N]: ", "y"))
        assert "All configuration is cleared." in gone
        assert (container.fetch(PORT)[0], reached(address)) == (0, [])
    assert container.stop() == 0
    container.start()
    wait_for("the word", lambda: "the configuration was cleared" in container.logs(), LONG)
    assert container.logs().count("first start of an instance") == 1
    assert not container.control_plane()

    anew = {
        "zxtm!reconfigure_option": "2",
        "accept-license": "accept",
        "zxtm!license_key": "",
        "zxtm!user": "nobody",
        "zxtm!group": "nogroup",
        "zxtm!unique_bind": "n",
        "start_at_boot": "y",
        "zxtm!cluster": "C",
        "admin!password": "a third password",
    }
    done = replayed(container, anew, "--nostart")
    assert (done.returncode, done.stderr) == (0, "")
    assert "a third password" not in done.stdout
    assert reached(container.address("bridge")) == []
    container.shell("$ZEUSHOME/start-zeus", seconds=90)
    container.password = "a third password"
    assert names(container) == ["pm1.shop.example"]
    container.serve([f"{container.host}:{origin}"], PORT)


def test_a_member_to_join_is_shown_with_its_fingerprints(containers: Containers, plain: Container) -> None:
    """R43, R46: the table has what the other shows; whoever does not verify it joins nothing and changes nothing."""
    container = containers.run()
    before = container.shell("cat $ZEUSHOME/var/provision/order.json")
    place = f"{plain.address()}:9090"
    cert = "$ZEUSHOME/admin/bin/cert -in $ZEUSHOME/admin/etc/admin.public -f fingerprint"
    sha1, sha256 = plain.shell(f"{cert}; {cert}-sha256").splitlines()
    seen = through(
        container,
        ("[1]: ", "2"),
        ("accept this licence: ", "accept"),
        ("keep things as they are): ", ""),
        ("one IP? Y/N [N]: ", ""),
        ("Choose option [1]: ", ""),
        ("restarts? Y/N [Y]: ", ""),
        ("Choose option [C]: ", "S"),
        ("machine in the cluster: ", "127.0.0.1"),
        ("[9090]: ", "1"),
        ("ERROR: Cannot connect to remote host 127.0.0.1:1", plain.address()),
        ("[9090]: ", ""),
        (VERIFIED, ""),
        status=1,
    )
    table = seen[seen.index(JOINING) : seen.index(VERIFIED)]
    assert [line.split() for line in table.splitlines()[2:5]] == [
        ["Host:Port", "SHA-1", "Fingerprint"],
        [place, sha1],
        ["SHA-256", sha256],
    ]
    assert container.shell("cat $ZEUSHOME/var/provision/order.json") == before
    assert json.loads(before)["state"] == "done"
