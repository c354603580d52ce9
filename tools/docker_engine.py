"""A private Docker Engine for the container suite, on a machine that has none and where we are root.

`python -m tools.docker_engine up` installs Debian's Docker, starts it and prints the variable to set; `down` stops it.
Invariants: the machine's own engine, if there is one, is neither used nor touched (own socket, data, bridge and
addresses, no rule of another engine is changed); what is kept between runs is below `.docker-engine` in this tree.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]
BASE = "debian:13-slim"
SUITE = "trixie"
# Debian's package of each program that is needed.
PACKAGES = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "runc": "runc",
    "docker-compose": "docker-compose",
    "iptables": "iptables",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
}
PULL_SECONDS = 30
STOP_SECONDS = 30
_MARK = hashlib.sha256(os.fsencode(TREE)).hexdigest()[:8]
NETWORK = f"10.{160 + int(_MARK, 16) % 64}"
"""The first half of the private addresses: the default bridge is NETWORK.0.0/24; networks of tests come after it. Other
checkouts have others, so that the end of one engine does not take the network of another."""


class NoEngine(Exception):
    """There is no Docker Engine and none can be had here; the message says why."""


def _run(
    *words: str, seconds: float = 60, check: bool = True, host: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "DEBIAN_FRONTEND": "noninteractive",
        **({"DOCKER_HOST": host} if host else {}),
    }
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=seconds, env=environment
        )
    except subprocess.TimeoutExpired:
        done = subprocess.CompletedProcess(words, 124, "", f"not done within {seconds} s")
    if check and done.returncode:
        raise NoEngine(f"{' '.join(words)}: {done.stderr.strip()[-500:]}")
    return done


def answers(host: str = "") -> bool:
    """Whether a Docker Engine answers: the one at `host`, else the one that the `docker` command would use."""
    if shutil.which("docker") is None:
        return False
    done = _run("docker", "info", "--format", "{{.ServerVersion}}", seconds=20, check=False, host=host)
    return done.returncode == 0 and bool(done.stdout.strip())


class PrivateEngine:
    """The engine of one checkout. `host` is the value for DOCKER_HOST."""

    def __init__(self) -> None:
        self._data = TREE / ".docker-engine"
        self._run = Path("/run") / f"pointsman-engine-{_MARK}"  # short: it holds sockets
        self._bridge = f"pm{_MARK}"
        self._process: subprocess.Popen[bytes] | None = None
        self.host = f"unix://{self._run}/docker.sock"

    def up(self) -> None:
        """Starts it unless it runs, with an image of the name `BASE` in it. Raises `NoEngine`."""
        if answers(self.host):
            return
        if os.geteuid() != 0:
            raise NoEngine("no Docker Engine answers, and only root can start a private one")
        self._install()
        self._data.mkdir(mode=0o700, exist_ok=True)
        self._run.mkdir(mode=0o700, exist_ok=True)
        self._open_network()
        try:
            self._start()
            self._provide_base()
        except NoEngine:
            self.down()
            raise

    def down(self) -> None:
        """Stops it with its containers; images and layers are kept for the next time."""
        if answers(self.host):
            left = _run("docker", "ps", "-aq", check=False, host=self.host).stdout.split()
            if left:
                _run("docker", "rm", "-f", "-v", *left, check=False, host=self.host)
            _run("docker", "network", "prune", "-f", check=False, host=self.host)
        with contextlib.suppress(OSError, ValueError):
            pid = int((self._run / "dockerd.pid").read_text())
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while self._runs(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
        for mounted in (self._run / "exec" / "netns").glob("*"):
            _run("umount", str(mounted), check=False)
        self._close_network()
        shutil.rmtree(self._run, ignore_errors=True)

    def _runs(self, pid: int) -> bool:
        """Whether dockerd still runs; when this process started it, its end is noted too."""
        if self._process is not None:
            return self._process.poll() is None
        return Path(f"/proc/{pid}").exists()

    def _install(self) -> None:
        missing = sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})
        if not missing:
            return
        if shutil.which("apt-get") is None:
            raise NoEngine(
                f"no Docker Engine answers, and without apt-get these are missing: {', '.join(missing)}"
            )
        _run("apt-get", "update", "-q", seconds=300)
        _run("apt-get", "install", "-q", "-y", "--no-install-recommends", *missing, seconds=600)

    def _rules(self) -> tuple[Sequence[str], ...]:
        inside = f"{NETWORK}.0.0/16"
        return (
            ("-t", "nat", "{}", "POSTROUTING", "-s", inside, "!", "-d", inside, "-j", "MASQUERADE"),
            ("{}", "FORWARD", "-s", inside, "-j", "ACCEPT"),
            ("{}", "FORWARD", "-d", inside, "-j", "ACCEPT"),
        )

    def _open_network(self) -> None:
        # Docker would empty the chains that another Docker has made; so it makes no rules, and we make these.
        self._close_network()
        _run("ip", "link", "add", "name", self._bridge, "type", "bridge")
        _run("ip", "addr", "add", f"{NETWORK}.0.1/24", "dev", self._bridge)
        _run("ip", "link", "set", self._bridge, "up")
        for rule in self._rules():
            _run("iptables", *(word.format("-I") for word in rule))

    def _close_network(self) -> None:
        for rule in self._rules():
            while _run("iptables", *(word.format("-D") for word in rule), check=False).returncode == 0:
                pass
        _run("ip", "link", "del", self._bridge, check=False)

    def _start(self) -> None:
        # Networks of a former run are of no use; and Docker (20.10) takes away another engine's docker0 when it finds
        # its own default network there and has address pools, so it gets neither.
        shutil.rmtree(self._data / "data" / "network", ignore_errors=True)
        runtime = self._run / "runtime"
        runtime.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{TREE}/tools/fitting_runtime.py" "$@"\n')
        runtime.chmod(stat.S_IRWXU)
        with (self._data / "dockerd.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "dockerd",
                    f"--host={self.host}",
                    f"--data-root={self._data / 'data'}",
                    f"--exec-root={self._run / 'exec'}",
                    f"--pidfile={self._run / 'dockerd.pid'}",
                    f"--bridge={self._bridge}",
                    "--iptables=false",
                    f"--add-runtime=fitting={runtime}",
                    "--default-runtime=fitting",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 40
        while not answers(self.host):
            if time.monotonic() > deadline or self._process.poll() is not None:
                end = (self._data / "dockerd.log").read_text(errors="replace")[-600:]
                raise NoEngine(f"dockerd did not start: {end}")
            time.sleep(0.1)

    def _provide_base(self) -> None:
        """Gets the base image from a registry; where none is reachable, makes one from Debian's packages."""
        if _run("docker", "image", "inspect", BASE, check=False, host=self.host).returncode == 0:
            return
        pulled = _run("docker", "pull", "-q", BASE, seconds=PULL_SECONDS, check=False, host=self.host)
        if pulled.returncode == 0:
            return
        archive = self._data / f"{SUITE}.tar"
        if not archive.exists():
            _make_base(archive)
        # The label tells such an image, and whatever is built on it: it may trust this machine's own authorities.
        _run("docker", "import", "-c", "LABEL stand-in=yes", str(archive), BASE, seconds=120, host=self.host)


def _make_base(archive: Path) -> None:
    """A root file system like the slim image's: Debian's required packages and apt, without documentation."""
    trimmed = [
        f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "info", "locale", "groff")
    ]
    # A machine behind a proxy that opens TLS trusts the proxy's authority; a build here must, too.
    trust = (
        'mkdir -p "$1/usr/local/share"; cp -rL /usr/local/share/ca-certificates "$1/usr/local/share/" || true'
    )
    part = archive.with_suffix(".part")
    words = ["mmdebstrap", "--quiet", "--format=tar", "--variant=minbase", *trimmed]
    _run(*words, f"--customize-hook={trust}", SUITE, str(part), seconds=300)
    part.rename(archive)


@contextlib.contextmanager
def engine() -> Iterator[str]:
    """The value for DOCKER_HOST of an engine to test with: the machine's own, else a private one that ends with the
    block. "" leaves the variable as it is. Raises `NoEngine`.
    """
    if answers():
        yield ""
        return
    private = PrivateEngine()
    ours = not answers(private.host)
    private.up()
    try:
        yield private.host
    finally:
        if ours:
            private.down()


def main(words: Sequence[str]) -> int:
    """The command line; returns the exit status."""
    if list(words) not in (["up"], ["down"]):
        print("usage: python -m tools.docker_engine up|down", file=sys.stderr)
        return 2
    private = PrivateEngine()
    try:
        if words[0] == "down":
            private.down()
            return 0
        private.up()
    except NoEngine as error:
        print(f"docker_engine: {error}", file=sys.stderr)
        return 1
    print(f"export DOCKER_HOST={private.host}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
