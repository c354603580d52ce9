"""The variables of a container's start: one table of all that are known, and how they are read.

Pure. Invariant: every problem is told at once, each with the variable's name and the remedy; the value of a secret
variable is in no text; no value is ever executed.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

PREFIX = "ZEUS_"
PASSWORD_LIMIT = 1024
_SHOWN = 40
_FINGERPRINTS = MappingProxyType({20: "SHA-1", 32: "SHA-256"})
_RESTART_SECONDS = (1, 86_400)
# A name as Debian's policy has it, perhaps with architecture and version. A final "-" would have apt remove a package.
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](:[a-z0-9-]+)?(=[A-Za-z0-9.+:~-]+)?")


@dataclass(frozen=True)
class Variable:
    """One known variable: what it is for, most characters, and how careful one must be with it.

    `secret` values are never shown and not passed on to the traffic manager; `words` may be separated by line breaks;
    `ours` are additions to the variables that are usual for this kind of product; `registers` belong to registering
    with a Services Director.
    """

    name: str
    purpose: str
    limit: int = 4096
    secret: bool = False
    words: bool = False
    ours: bool = False
    registers: bool = False
    may_be_empty: bool = True


VARIABLES = (
    Variable("ZEUS_EULA", "Must be `accept`: you accept the licence."),
    Variable(
        "ZEUS_LIC", "Address (http or https) to download a licence key from at the first start.", secret=True
    ),
    Variable("ZEUS_LIC_FP", "SHA-256 fingerprint of the issuer that the licence must come from.", ours=True),
    Variable("ZEUS_COMMUNITY_EDITION", "`yes` chooses Community Edition: no page asks for a licence."),
    Variable(
        "ZEUS_PASS",
        "Password of `admin`; unset, `RANDOM` or `SIMPLE`: 12 characters are generated, `STRONG`: 20 of more kinds.",
        secret=True,
        limit=PASSWORD_LIMIT,
    ),
    Variable("ZEUS_PASS_FILE", "File whose first line is the password of `admin`.", ours=True),
    Variable(
        "ZEUS_PACKAGES",
        "Debian packages to install at the first start, separated by spaces.",
        words=True,
        limit=65_536,
    ),
    Variable(
        "ZEUS_CLUSTER_NAME",
        "Member of the cluster to join at the first start, by DNS name or IP address; `ZEUS_PASS` is then the "
        "password of its `admin`.",
        may_be_empty=False,
    ),
    Variable("ZEUS_CLUSTER_PORT", "Port of that member, if not 9090."),
    Variable(
        "ZEUS_CLUSTER_FP",
        "SHA-1 or SHA-256 fingerprint of that member's certificate; without it, whoever answers is trusted.",
    ),
    Variable("ZEUS_BASE_CONFIG", "Directory whose `config` holds documents to apply at the first start."),
    Variable(
        "ZEUS_WATCHED_CONFIG",
        "Directory whose `config` holds documents to apply at the start and after every change.",
    ),
    Variable(
        "ZEUS_CONFIG_IMPORT_ARGS",
        "Options of both imports: `--no-replicate`, `--no-restart`, `--restart-timeout=SECONDS`.",
        words=True,
    ),
    Variable("ZEUS_REGISTER_HOST", "Services Director to register with: host and port.", registers=True),
    Variable("ZEUS_REGISTER_FP", "SHA-1 fingerprint of its certificate.", registers=True),
    Variable("ZEUS_REGISTER_EMAIL", "Whom its administrator may write to.", registers=True),
    Variable("ZEUS_REGISTER_MSG", "Short text for its administrator.", registers=True),
    Variable("ZEUS_REGISTER_POLICY", "Policy by which it may accept by itself.", registers=True),
    Variable("ZEUS_REGISTER_OWNER", "Owner to register for.", registers=True),
    Variable("ZEUS_REGISTER_SECRET", "Secret of that owner.", registers=True, secret=True),
)
"""Every known variable, in the order in which the manual tells of them."""
BY_NAME: Mapping[str, Variable] = MappingProxyType({variable.name: variable for variable in VARIABLES})


@dataclass(frozen=True)
class Variables:
    """What the variables ask for. Texts are "" where nothing is given.

    `password` is None when one is to be generated, of more kinds of characters when `strong`. `registration` are the
    names of variables for a Services Director. Fingerprints are upper-case hexadecimal without colons.
    """

    licence_url: str = field(default="", repr=False)
    licence_fingerprint: str = ""
    community: bool = False
    password: str | None = field(default=None, repr=False)
    password_file: str = ""
    strong: bool = False
    packages: tuple[str, ...] = ()
    cluster_name: str = ""
    cluster_port: int = 9090
    cluster_fingerprint: str = ""
    base: str = ""
    watched: str = ""
    replicate: bool = True
    restart: bool = True
    restart_seconds: float = 60.0
    registration: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What was read: the variables as far as they are usable, problems that end the start, and remarks."""

    variables: Variables
    problems: tuple[str, ...]
    remarks: tuple[str, ...]


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for the traffic manager, which needs none of the secret variables; of a name that is not known
    somebody may have meant one of them.
    """
    return {
        name: value
        for name, value in environment.items()
        if not (BY_NAME[name].secret if name in BY_NAME else name.upper().startswith(PREFIX))
    }


def read_variables(environment: Mapping[str, str]) -> Reading:
    """Reads every variable that begins with `ZEUS_`."""
    reader = _Reader(environment)
    variables = reader.read()
    return Reading(variables, tuple(reader.problems), tuple(reader.remarks))


class _Reader:
    """One reading: collects problems and remarks while it goes through the table."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []
        self.remarks: list[str] = []

    def read(self) -> Variables:
        self.remarks += _unknown(self._environment)
        given = {variable.name: self._text(variable) for variable in VARIABLES if not variable.registers}
        replicate, restart, seconds = self._import_options(given["ZEUS_CONFIG_IMPORT_ARGS"])
        password, strong = self._password(given["ZEUS_PASS"], given["ZEUS_PASS_FILE"])
        variables = Variables(
            licence_url=self._url("ZEUS_LIC", given["ZEUS_LIC"]),
            licence_fingerprint=self._fingerprint("ZEUS_LIC_FP", given["ZEUS_LIC_FP"], (32,)),
            community=self._yes("ZEUS_COMMUNITY_EDITION", given["ZEUS_COMMUNITY_EDITION"]),
            password=password,
            password_file=given["ZEUS_PASS_FILE"],
            strong=strong,
            packages=self._packages(given["ZEUS_PACKAGES"]),
            cluster_name=given["ZEUS_CLUSTER_NAME"].strip(),
            cluster_port=self._port("ZEUS_CLUSTER_PORT", given["ZEUS_CLUSTER_PORT"]),
            cluster_fingerprint=self._fingerprint("ZEUS_CLUSTER_FP", given["ZEUS_CLUSTER_FP"], (20, 32)),
            base=given["ZEUS_BASE_CONFIG"],
            watched=given["ZEUS_WATCHED_CONFIG"],
            replicate=replicate,
            restart=restart,
            restart_seconds=seconds,
            registration=tuple(v.name for v in VARIABLES if v.registers and self._environment.get(v.name)),
        )
        self._in_vain(given, variables)
        return variables

    def _text(self, variable: Variable) -> str:
        """The variable's value, "" when it is not given or not usable at all."""
        name = variable.name
        value = self._environment.get(name)
        if value is None:
            return ""
        if not value or (not variable.secret and not value.strip()):
            if variable.may_be_empty:
                self.remarks.append(f"{name}: is empty and taken as not given")
            else:
                self.problems.append(f"{name}: is empty; give a value or leave the variable out")
            return ""
        if len(value) > variable.limit:
            self.problems.append(f"{name}: has more than {variable.limit} characters; give a shorter value")
        elif any("\ud800" <= character <= "\udfff" for character in value):
            self.problems.append(f"{name}: is not UTF-8; give it in that encoding")
        elif any(_is_control(character, variable) for character in value):
            self.problems.append(f"{name}: holds a line break or control character; give it without")
        else:
            return value
        return ""

    def _import_options(self, given: str) -> tuple[bool, bool, float]:
        name = "ZEUS_CONFIG_IMPORT_ARGS"
        replicate, restart, seconds = True, True, 60.0
        try:
            words = iter(shlex.split(given))
        except ValueError:
            self.problems.append(f"{name}: a quotation mark is not closed; close or remove it")
            words = iter(())
        for word in words:
            option, equals, value = word.partition("=")
            if word == "--no-replicate":
                replicate = False
            elif word == "--no-restart":
                restart = False
            elif option == "--restart-timeout":
                seconds = self._seconds(value if equals else next(words, ""), seconds)
            else:
                self.problems.append(
                    f"{name}: {_shown(word)} is no option of an import; there are --no-replicate, --no-restart and "
                    "--restart-timeout=SECONDS"
                )
        return replicate, restart, seconds

    def _seconds(self, given: str, usual: float) -> float:
        least, most = _RESTART_SECONDS
        if re.fullmatch(r"[0-9]{1,6}", given) and least <= int(given) <= most:
            return float(given)
        self.problems.append(
            f"ZEUS_CONFIG_IMPORT_ARGS: --restart-timeout needs {least} to {most} seconds; "
            "give it as --restart-timeout=60"
        )
        return usual

    def _password(self, given: str, file: str) -> tuple[str | None, bool]:
        if given and file:
            self.problems.append(
                "ZEUS_PASS_FILE: ZEUS_PASS is given as well; leave one of the two variables out"
            )
        if given in ("", "RANDOM", "SIMPLE", "STRONG"):
            return None, given == "STRONG"
        return given, False

    def _url(self, name: str, given: str) -> str:
        if not given:
            return ""
        try:
            parts = urlsplit(given)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if usable and given.isascii() and " " not in given:
            return given
        self.problems.append(
            f"{name}: is not an address that begins with http:// or https://; give such a one, "
            "or leave it out and add the key's file in the configure script or on the page"
        )
        return ""

    def _fingerprint(self, name: str, given: str, lengths: tuple[int, ...]) -> str:
        plain = given.strip().replace(":", "").upper()
        if not given or (
            re.fullmatch(r"[0-9A-F]+", plain) and len(plain) % 2 == 0 and len(plain) // 2 in lengths
        ):
            return plain
        kinds = " or ".join(f"{_FINGERPRINTS[length]} ({length} bytes)" for length in lengths)
        self.problems.append(
            f"{name}: {_shown(given)} is no fingerprint; give {kinds} as hexadecimal, with or without colons"
        )
        return ""

    def _yes(self, name: str, given: str) -> bool:
        word = given.strip().lower()
        if word not in ("", "yes", "no"):
            self.problems.append(f"{name}: {_shown(given)} is neither yes nor no; give one of them")
        return word == "yes"

    def _port(self, name: str, given: str) -> int:
        if not given:
            return 9090
        plain = given.strip()
        if re.fullmatch(r"[0-9]{1,5}", plain) and 0 < int(plain) < 65_536:
            return int(plain)
        self.problems.append(f"{name}: {_shown(given)} is no port; give a number from 1 to 65535")
        return 9090

    def _packages(self, given: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(given.split()))
        for name in names:
            if not _PACKAGE.fullmatch(name):
                self.problems.append(
                    f"ZEUS_PACKAGES: {_shown(name)} is no name of a Debian package; "
                    "correct it, and separate names by spaces"
                )
        return tuple(name for name in names if _PACKAGE.fullmatch(name))

    def _in_vain(self, given: Mapping[str, str], variables: Variables) -> None:
        for name, needed, why in (
            ("ZEUS_CLUSTER_PORT", variables.cluster_name, "ZEUS_CLUSTER_NAME"),
            ("ZEUS_CLUSTER_FP", variables.cluster_name, "ZEUS_CLUSTER_NAME"),
            ("ZEUS_LIC_FP", given["ZEUS_LIC"], "ZEUS_LIC"),
            (
                "ZEUS_CONFIG_IMPORT_ARGS",
                variables.base or variables.watched,
                "ZEUS_BASE_CONFIG or ZEUS_WATCHED_CONFIG",
            ),
        ):
            if given[name] and not needed:
                self.remarks.append(f"{name}: does nothing without {why}")
        if variables.registration:
            self.remarks.append(
                f"{', '.join(variables.registration)}: registering with a Services Director is not built yet, so this "
                "instance is not registered"
            )


def _unknown(environment: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(environment):
        if not name.upper().startswith(PREFIX) or name in BY_NAME:
            continue
        cut = name[:60]
        near = difflib.get_close_matches(cut.upper(), BY_NAME, 1)
        hint = f"did you mean {near[0]}?" if near else "check its name in the manual"
        yield f"{cut}: is no variable of this product and does nothing; {hint}"


def _is_control(character: str, variable: Variable) -> bool:
    if variable.words and character in "\t\n\r":
        return False
    return character < " " or "\x7f" <= character < "\xa0"


def _shown(value: str) -> str:
    return f'"{value}"' if len(value) <= _SHOWN else f'"{value[:_SHOWN]}..."'
