"""`pointsman-container start`: makes a container an instance, step by step, and becomes its launcher.

Invariant: a step that was interrupted is done again or finished by the next start, a step that is done is not
repeated; nothing listens before every step is done.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, assert_never

import click

from pointsman.provision.log import ProvisionLog, log_path
from pointsman.provision.order import ANNOUNCE, CLEARING, MEMBER, Order, OrderDamaged, read_order, write_order
from pointsman.provision.outcome import CannotProvision, Exit
from pointsman.provision.variable import BY_NAME, Variables, read_variables, without_secrets

Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT_ROOT = Path("/usr/local/zeus")
HOLD = "hold"
"""While this file is in the home the launcher keeps everything stopped."""
_PORT = click.IntRange(0, 65535)


@dataclass
class Start:
    """One start: where everything is, and what the steps have found out so far.

    `order` is None until the first start has begun to write into the home.
    """

    root: Path
    environment: Mapping[str, str]
    log: ProvisionLog
    variables: Variables = field(default_factory=Variables)
    order: Order | None = None
    lock: int | None = None
    name: str = ""
    """The name that a flag gives, "" without one."""

    @property
    def home(self) -> Path:
        """The instance's home."""
        return self.root / "var"

    @property
    def is_first(self) -> bool:
        """Whether the instance is yet to be provisioned, or to the end."""
        return self.order is None or self.order.state == "begun"

    @property
    def is_cleared(self) -> bool:
        """Whether the configure script cleared the configuration and nothing is to be provisioned."""
        return self.order is not None and self.order.state == "cleared"

    @property
    def joins(self) -> bool:
        """Whether this start makes a member of a cluster of it."""
        return self.is_first and bool(self.variables.cluster_name)

    def decide(self, **changes: object) -> None:
        """Writes a decision into the order. Raises `OSError`."""
        self.order = replace(self.order or Order(), **changes)  # type: ignore[arg-type] # names and types are the callers'
        write_order(self.home, self.order)


@dataclass(frozen=True)
class Step:
    """One step of the sequence; `act` raises `CannotProvision`, `OrderDamaged` or `OSError`.

    `when` says in which starts it is done: in each; in each "unless cleared" by the configure script; in the first one,
    and again when that was interrupted; or once, which the order remembers. What is only for an instance that stands
    `alone` is left out by one that joins a cluster.
    """

    name: str
    act: Callable[[Start], None]
    when: Literal["each", "unless cleared", "first", "once"] = "each"
    alone: bool = False


def accept_licence(start: Start) -> None:
    """R14: nothing happens before the licence was accepted."""
    if start.environment.get("ZEUS_EULA") != "accept":
        raise CannotProvision(
            Exit.EULA,
            f"ZEUS_EULA: the licence was not accepted; read {start.root / 'LICENSE'} and set ZEUS_EULA=accept",
        )


def check_variables(start: Start) -> None:
    """All variables are read; every one that is unusable is told at once."""
    start.order = read_order(start.home)
    reading = read_variables(start.environment)
    problems = list(reading.problems)
    for remark in reading.remarks:
        start.log.warn(remark)
    file = reading.variables.password_file
    if start.is_first and file and not (start.home / "identity" / "users.json").exists():
        from pointsman.provision.password import FileUnusable, read_password_file

        try:
            read_password_file(Path(file))
        except FileUnusable as unusable:
            problems.append(str(unusable))
    if problems:
        variables = "a variable is" if len(problems) == 1 else f"{len(problems)} variables are"
        raise CannotProvision(
            Exit.VARIABLE, f"{variables} unusable, see above; correct that and start again", problems
        )
    start.variables = reading.variables
    given = [name for name in BY_NAME if start.environment.get(name)]
    start.log.info(f"the licence is accepted; variables given: {', '.join(given)}")


def find_documents(start: Start) -> None:
    """The directories with documents are there before anything is begun."""
    for name, directory, below in (
        ("ZEUS_BASE_CONFIG", start.variables.base, "config"),
        ("ZEUS_WATCHED_CONFIG", start.variables.watched, ""),
    ):
        if not directory:
            continue
        for path in dict.fromkeys((Path(directory), Path(directory) / below)):
            try:
                with os.scandir(path) as entries:
                    next(entries, None)
            except OSError as error:
                raise CannotProvision(
                    Exit.DOCUMENTS,
                    f"{name}: the directory {path} cannot be read ({error.strerror}); mount or copy it there, "
                    "with the documents in its directory config",
                ) from None


def check_joining(start: Start) -> None:
    """R20: what an instance that is to join a cluster needs is told before anything is begun."""
    variables = start.variables
    if not start.joins:
        return
    if variables.password is None and not variables.password_file:
        raise CannotProvision(
            Exit.CLUSTER,
            "ZEUS_CLUSTER_NAME: joining needs the password of the cluster's administrator, and none can be generated "
            "for that; give it in ZEUS_PASS or ZEUS_PASS_FILE",
        )
    for name, directory in (("ZEUS_BASE_CONFIG", variables.base), ("ZEUS_WATCHED_CONFIG", variables.watched)):
        if directory:
            start.log.warn(
                f"{name}: is ignored, because this instance joins a cluster, whose configuration rules; change that "
                "at any member"
            )
    start.variables = replace(variables, base="", watched="")


def join_cluster(start: Start) -> None:
    """R20: an instance that should join a cluster becomes a member, or the start ends."""
    if not start.joins:
        return
    # Delayed: store and cluster are loaded only by an instance that joins.
    from pointsman.provision.cluster import become_member

    ordered = start.order.name if start.order is not None else ""
    become_member(
        start.home,
        start.variables,
        start.log,
        lambda address: start.decide(name=address),
        name=start.name or ordered,
        insist=bool(start.name),
    )


def report_capabilities(start: Start) -> None:
    """What the container may not do is said once; everything else works."""
    from pointsman.provision.surroundings import missing_capabilities, own_status

    if missing := missing_capabilities(own_status()):
        start.log.warn(
            f"this container lacks {' and '.join(missing)}: it cannot raise traffic IPs, everything else works; "
            "start it with --cap-add NET_ADMIN --cap-add NET_RAW to use them"
        )
    else:
        start.log.info("this container may raise traffic IPs")


def prepare_home(start: Start) -> None:
    """The home is this start's alone and can be written; the order says that provisioning has begun."""
    # Delayed: the launcher's modules are not needed by a start that is refused.
    from pointsman.launcher.process import claim

    run = start.home / "run"
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Held until this process becomes the launcher, which claims it again.
    start.lock = claim(run / "launcher.lock")
    if start.lock is None:
        raise CannotProvision(
            Exit.IN_USE, f"{start.home} is used by a running instance; stop it or mount another directory"
        )
    start.log.fall_back(start.home)
    start.order = read_order(start.home)
    match start.order.state if start.order else None:
        case "done":
            _start_again(start, start.order)
            _remark_changes(start)
        case "cleared":
            (start.home / HOLD).touch(mode=0o600)
            start.log.warn(
                "the configuration was cleared by the configure script, so nothing is provisioned and nothing runs; "
                f"configure anew with {start.root / 'zxtm' / 'configure'}"
            )
        case "begun":
            start.log.info(f"going on with the first start in {start.home}, which was interrupted")
        case None:
            start.decide()
            start.log.info(f"first start of an instance in {start.home}")


def _start_again(start: Start, order: Order | None) -> None:
    """A provisioned instance starts, unless the configure script was told that it shall not by itself."""
    if (start.home / CLEARING).exists():
        (start.home / HOLD).touch(mode=0o600)
        start.log.warn(
            "clearing the configuration was cut short, so nothing runs; "
            f"{start.root / 'zxtm' / 'configure'} finishes it"
        )
    elif order is not None and not order.start_at_boot:
        (start.home / HOLD).touch(mode=0o600)
        start.log.warn(
            f"this instance does not start by itself, as configured; start it with {start.root / 'start-zeus'}"
        )
    else:
        (start.home / HOLD).unlink(missing_ok=True)
        start.log.info("this instance is provisioned; starting it")


def _remark_changes(start: Start) -> None:
    """R25: variables act at the first start; what differs now is remarked upon."""
    assert start.order is not None
    for name, then, now in (
        ("ZEUS_BASE_CONFIG", start.order.base, start.variables.base),
        ("ZEUS_WATCHED_CONFIG", start.order.watched, start.variables.watched),
    ):
        if now and _absolute(now) != then:
            start.log.warn(
                f"{name}: is {now}, but was {then or 'not given'} when this instance was provisioned, which holds; "
                "provision a new home to change it"
            )
    if start.variables.cluster_name and not (start.home / MEMBER).exists():
        start.log.warn(
            "ZEUS_CLUSTER_NAME: acts at the first start only, and this instance is in no cluster; join with "
            "`pointsman cluster join`, or provision a new home"
        )


def add_packages(start: Start) -> None:
    """R19: packages are installed in every new container, also around an old home."""
    from pointsman.provision.packages import check_possible, install_packages, missing_packages

    if missing := missing_packages(start.variables.packages):
        check_possible(missing)
        install_packages(missing, start.log)


def add_licence(start: Start) -> None:
    """R16: the licence key is downloaded, verified and left to the control plane."""
    if start.variables.licence_url:
        # Delayed: the HTTP client is loaded only where it is used.
        from pointsman.provision.licence import install_licence

        install_licence(
            start.home, start.variables.licence_url, start.variables.licence_fingerprint, start.log
        )
    elif start.variables.community:
        start.log.info("no licence: Community Edition, as chosen")
    else:
        start.log.info(
            "no licence: limits of Community Edition until a key is added or the edition is chosen"
        )


def set_password(start: Start) -> None:
    """R18: admin has a password."""
    from pointsman.provision.password import set_first_password

    set_first_password(start.home, start.variables, start.log)


def choose_name(start: Start) -> None:
    """R5: an instance whose host name does not resolve is called by its address."""
    import socket

    from pointsman.provision.surroundings import outward_address, resolves

    host = socket.gethostname()
    address = outward_address()
    if resolves(host) or not address:
        start.log.info(f"this traffic manager is called {host}, by its host's name")
        return
    start.decide(name=address)
    start.log.warn(
        f"the host name {host} does not resolve, so this traffic manager is called {address}, by its address; "
        "the configure script can change that"
    )


def place_order(start: Start) -> None:
    """What is left to the control plane: documents and import options."""
    variables = start.variables
    start.decide(
        base=_absolute(variables.base),
        watched=_absolute(variables.watched),
        replicate=variables.replicate,
        restart=variables.restart,
        restart_seconds=variables.restart_seconds,
        community=variables.community,
    )


def _absolute(directory: str) -> str:
    return str(Path(directory).absolute()) if directory else ""


STEPS = (
    Step("eula", accept_licence),
    Step("variables", check_variables),
    Step("joining", check_joining),
    Step("documents", find_documents, "first", alone=True),
    Step("capabilities", report_capabilities),
    Step("home", prepare_home),
    Step("packages", add_packages, "unless cleared"),
    Step("licence", add_licence, "once"),
    Step("password", set_password, "once", alone=True),
    Step("name", choose_name, "once"),
    Step("cluster", join_cluster, "first"),
    Step("order", place_order, "first"),
)
"""What is done before anything runs, in this order. The control plane does the rest: base documents, snapshot, watched
documents, listening, and the end of the log."""


def _run_flags(function: Function) -> Function:
    """Adds the flags of `pointsman run` but --home and --password-file, which ZEUSHOME and ZEUS_PASS_FILE decide.

    They are told here, so that a wrong one is refused before anything is begun.
    """
    for option in reversed((
        click.option("--name", help="Name of this traffic manager; default is the host's name."),
        click.option("--listen", metavar="ADDRESS", default="0.0.0.0", show_default=True,  # noqa: S104 # its own network
            help="Address for management traffic."),
        click.option("--rest-port", type=_PORT, help="Port of the REST API; 0 takes a free one. Default 9070."),
        click.option("--ui-port", type=_PORT, help="Port of the web page; 0 takes a free one. Default 9090."),
        click.option("--control-port", type=_PORT, help="Port for cluster members; 0 takes a free one. Default 9080."),
        click.option("--ready-file", metavar="PATH", help="File to write when everything answers, as JSON."),
        click.option("--demo", is_flag=True, help="Begin with a small service that answers on port 8080."),
    )):  # fmt: skip
        function = option(function)
    return function


@click.command(
    short_help="Provision this container and run the traffic manager.",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@_run_flags
def start(words: tuple[str, ...], **flags: str | int | bool | None) -> int:
    """Provision this container as its variables say, then run the traffic manager in the foreground.

    Where a container is started, these flags stand behind the image's name.
    """
    if words:
        raise click.UsageError(
            f"{words[0]!r} is no flag of the start; for a command in a running container: docker exec -i -t CONTAINER "
            "COMMAND; for one without a traffic manager: docker run -i -t --entrypoint COMMAND IMAGE"
        )
    os.umask(0o077)
    root = Path(os.environ.get("ZEUSHOME") or DEFAULT_ROOT).absolute()
    begun = Start(root, dict(os.environ), ProvisionLog(log_path(os.environ)), name=str(flags["name"] or ""))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    status = provision(begun)
    return _become(begun, run_words(flags)) if status is None else status


class _Stopped(BaseException):
    """The container is being stopped."""


def _stop(_number: int, _frame: object) -> None:
    raise _Stopped


def provision(start: Start) -> Exit | None:
    """Does every step that is due; the exit status when one cannot be done or the container is stopped."""
    try:
        for step in STEPS:
            _do(step, start)
        (start.home / ANNOUNCE).touch(mode=0o600)
    except CannotProvision as failure:
        for detail in failure.details:
            start.log.error(detail)
        start.log.fatal(str(failure))
        return failure.status
    except OrderDamaged as damage:
        start.log.fatal(str(damage))
        return Exit.INSTANCE
    except OSError as error:
        # The home as a whole, when that is what this user may not enter.
        closed = start.home.exists() and not os.access(start.home, os.R_OK | os.W_OK | os.X_OK)
        where = start.home if closed else error.filename or start.home
        remedy = f"make it writable for user {os.geteuid()}, or mount a volume or another directory there,"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "free space"
        start.log.fatal(f"{where}: {error.strerror or error}; {remedy} and start again")
        return Exit.FILES
    except _Stopped:
        start.log.warn("stopped before the end; the next start goes on")
        return Exit.OK
    return None


def _do(step: Step, start: Start) -> None:
    done = start.order.steps if start.order else ()
    if step.alone and start.joins:
        return
    match step.when:
        case "each":
            step.act(start)
        case "unless cleared":
            if not start.is_cleared:
                step.act(start)
        case "first":
            if start.is_first:
                step.act(start)
        case "once":
            if start.is_first and step.name not in done:
                step.act(start)
                start.decide(steps=(*done, step.name))
        case _:
            assert_never(step.when)


def run_words(flags: Mapping[str, str | int | bool | None]) -> list[str]:
    """The words for `pointsman run` from flags by their names there, with underscores; None and False are left out."""
    words: list[str] = []
    for name, value in flags.items():
        if value is not None and value is not False:
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return words


def _become(start: Start, flags: Sequence[str]) -> NoReturn:
    # -P: the directory one happens to be in must not provide modules.
    words = [sys.executable, "-P", "-m", "pointsman", "run", "--home", str(start.home)]
    words += flags
    os.execve(words[0], words, without_secrets(start.environment))  # noqa: S606 # a list of words, no shell
