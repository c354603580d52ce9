"""Which passwords are taken, and which are taken but guessed first.

Pure. Invariant: nothing here asks for kinds of characters unless an administrator's settings do; a refusal says what to
do, and never repeats the password.
"""

from __future__ import annotations

import itertools
import unicodedata
from dataclasses import dataclass
from functools import cache

SHORTEST = 8
LONGEST = 1024
"""Characters; longer ones are not looked at, because hashing is costly."""
DAY_SECONDS = 86_400

_WORDS = [
    "password",
    "passwort",
    "passw0rd",
    "p4ssword",
    "pa55word",
    "pass",
    "passphrase",
    "secret",
    "geheim",
    "letmein",
    "welcome",
    "welcome1",
    "willkommen",
    "login",
    "logon",
    "access",
    "hello",
    "hallo",
    "admin",
    "administrator",
    "adminadmin",
    "root",
    "toor",
    "guest",
    "gast",
    "user",
    "test",
    "testing",
    "tester",
    "demo",
    "default",
    "changeme",
    "changeit",
    "change1t",
    "temp",
    "temporary",
    "master",
    "manager",
    "monitor",
    "operator",
    "support",
    "service",
    "server",
    "network",
    "system",
    "oracle",
    "cisco",
    "pointsman",
    "zeus",
    "pulse",
    "traffic",
    "trafficmanager",
    "vtm",
    "haproxy",
    "nginx",
    "balancer",
    "loadbalancer",
    "gateway",
    "router",
    "firewall",
    "switch",
    "qwerty",
    "qwertz",
    "azerty",
    "qwertyuiop",
    "qwertzuiop",
    "asdfgh",
    "asdfghjkl",
    "yxcvbnm",
    "zxcvbnm",
    "qazwsx",
    "qazwsxedc",
    "wsxedc",
    "zaqwsx",
    "zaq1xsw2",
    "1q2w3e",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "q1w2e3",
    "q1w2e3r4",
    "1qaz2wsx",
    "qweasd",
    "qweasdzxc",
    "asdqwe",
    "asdzxc",
    "qweqwe",
    "asdasd",
    "zxczxc",
    "abc",
    "abcd",
    "abcde",
    "abcdef",
    "abcdefg",
    "abcdefgh",
    "abc123",
    "abcd1234",
    "abcdef123",
    "a1b2c3",
    "a1b2c3d4",
    "aa123456",
    "test123",
    "pass123",
    "iloveyou",
    "loveyou",
    "lovely",
    "love",
    "loveme",
    "sunshine",
    "princess",
    "prinzessin",
    "dragon",
    "monkey",
    "shadow",
    "superman",
    "batman",
    "spiderman",
    "football",
    "fussball",
    "baseball",
    "basketball",
    "soccer",
    "hockey",
    "tennis",
    "liverpool",
    "chelsea",
    "arsenal",
    "barcelona",
    "juventus",
    "bayern",
    "michael",
    "michelle",
    "jennifer",
    "jessica",
    "jordan",
    "daniel",
    "thomas",
    "andrew",
    "joshua",
    "matthew",
    "robert",
    "charlie",
    "george",
    "harley",
    "hunter",
    "ashley",
    "amanda",
    "nicole",
    "andrea",
    "sabrina",
    "claudia",
    "martin",
    "stefan",
    "alexander",
    "maximilian",
    "christian",
    "florian",
    "sebastian",
    "summer",
    "sommer",
    "winter",
    "spring",
    "autumn",
    "herbst",
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "montag",
    "freitag",
    "samstag",
    "sonntag",
    "flower",
    "cheese",
    "coffee",
    "banana",
    "orange",
    "apple",
    "cookie",
    "chocolate",
    "pepper",
    "ginger",
    "silver",
    "golden",
    "diamond",
    "purple",
    "yellow",
    "mustang",
    "corvette",
    "ferrari",
    "porsche",
    "mercedes",
    "yamaha",
    "honda",
    "toyota",
    "computer",
    "internet",
    "windows",
    "microsoft",
    "google",
    "facebook",
    "samsung",
    "android",
    "iphone",
    "linux",
    "ubuntu",
    "debian",
    "redhat",
    "docker",
    "kubernetes",
    "database",
    "mysql",
    "postgres",
    "mongodb",
    "redis",
    "trustno1",
    "whatever",
    "nothing",
    "freedom",
    "killer",
    "ninja",
    "pirate",
    "wizard",
    "merlin",
    "phoenix",
    "matrix",
    "starwars",
    "pokemon",
    "pikachu",
    "naruto",
    "cowboy",
    "eagle",
    "falcon",
    "tiger",
    "buster",
    "bailey",
    "maggie",
    "cooper",
    "ranger",
    "rocket",
    "thunder",
    "lightning",
    "hammer",
    "london",
    "berlin",
    "paris",
    "vienna",
    "madrid",
    "zurich",
    "sydney",
    "newyork",
    "california",
    "texas",
    "germany",
    "england",
    "france",
    "company",
    "office",
    "business",
    "finance",
    "sales",
    "marketing",
    "security",
    "private",
    "personal",
    "public",
    "production",
    "staging",
    "development",
]

_KEYBOARD = (
    "1234567890",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "abcdefghijklmnopqrstuvwxyz",
)
_ENDS = "0123456789!?.,;:#*+-_@$%&/ "
_LONGEST_GUESSED = 32
"""Characters beyond which no pattern is looked for."""
_LEET = str.maketrans("013457@$!", "oieastasi")


@dataclass(frozen=True)
class Rules:
    """What an administrator asks of new passwords besides (section `security` of the global settings).

    `reuse_after` is how many others must come before a password comes back, `changes_per_day` how often users may
    change theirs within 24 hours; 0 sets no limit.
    """

    min_length: int = 0
    min_alpha: int = 0
    min_upper: int = 0
    min_numeric: int = 0
    min_special: int = 0
    consecutive: bool = True
    reuse_after: int = 0
    changes_per_day: int = 0

    @property
    def shortest(self) -> int:
        """Characters that a password needs."""
        return max(SHORTEST, self.min_length)


NO_MORE = Rules()
"""Nothing besides."""


@cache
def _common() -> frozenset[str]:
    return frozenset(_WORDS)


def why_refused(user: str, password: str, rules: Rules = NO_MORE) -> str:
    """Why a new password is not taken, with the remedy; "" when it is."""
    if len(password) < rules.shortest:
        return f"a password needs {rules.shortest} to {LONGEST} characters; choose a longer one"
    if len(password) > LONGEST:
        return f"a password has {LONGEST} characters at most; choose a shorter one"
    if user.casefold() in password.casefold() and len(password) < len(user) + SHORTEST:
        return "a password must not be built from the user name; choose another"
    if is_guessed_first(password):
        return "this password is among those that are guessed first; choose another, such as four unrelated words"
    for least, kind, test in (
        (rules.min_alpha, "letters", str.isalpha),
        (rules.min_upper, "capital letters", str.isupper),
        (rules.min_numeric, "digits", str.isdigit),
        (rules.min_special, "other characters than letters and digits", lambda c: not c.isalnum()),
    ):
        if sum(map(test, password)) < least:
            return f"a password needs {least} {kind} or more, as the global settings ask; add some"
    if not rules.consecutive and any(a == b for a, b in itertools.pairwise(password)):
        return "a password must not have the same character twice in a row, as the global settings ask"
    return ""


def reused(rules: Rules) -> str:
    """What is said of a password that comes back too early."""
    most = f"the last {rules.reuse_after}" if rules.reuse_after > 1 else "the present one"
    return (
        f"this password was used before, and security.password_reuse_after of the global settings keeps {most} out; "
        "choose one that is new"
    )


def too_often(rules: Rules, seconds: int) -> str:
    """What is said to who changed the password too often; `seconds` is how long to wait."""
    hours, minutes = divmod(-(-seconds // 60), 60)
    wait = f"{hours} h {minutes} min" if hours else f"{minutes} min"
    return (
        f"the password was changed {rules.changes_per_day} times within 24 hours, which is all that "
        f"security.password_changes_per_day of the global settings permits; wait {wait}, or ask an "
        "administrator to set it"
    )


def is_weak(user: str, password: str) -> bool:
    """Whether a password that is in use would be refused today, whatever an administrator asks besides."""
    return bool(why_refused(user, password)) and len(password) <= LONGEST


def is_guessed_first(password: str) -> bool:
    """Whether it is one of the words and patterns that everybody who guesses begins with."""
    plain = unicodedata.normalize("NFKC", password).casefold().strip()
    if len(set(plain)) <= 2:
        return True
    if len(plain) > _LONGEST_GUESSED:
        return False
    if _is_run(plain) or _repeats(plain):
        return True
    # A known word with what people put at its ends (figures, a year, a mark), also in the letters of show-offs.
    core = plain.strip(_ENDS)
    if not core:
        return len(plain) < 12
    for form in (plain, core, core.translate(_LEET), plain.translate(_LEET).strip(_ENDS)):
        half = form[: len(form) // 2]
        if form in _common() or (half * 2 == form and half in _common()):
            return True
        # Two of them with nothing else: "adminpassword1".
        if any(
            form[:cut] in _common() and form[cut:].strip(_ENDS) in _common()
            for cut in range(3, len(form) - 2)
        ):
            return True
    return False


def _is_run(text: str) -> bool:
    """Whether it is put together of keys that lie side by side, forwards or backwards, of four or more each."""
    rows = [row for one in _KEYBOARD for row in (one * 2, one[::-1] * 2)]
    at = 0
    while at < len(text):
        length = next(
            (
                size
                for size in range(len(text) - at, 2, -1)
                if any(text[at : at + size] in row for row in rows)
            ),
            0,
        )
        if length < 3:
            return False
        at += length
    return True


def _repeats(text: str) -> bool:
    """Whether it is a short piece again and again."""
    return any(
        len(text) % size == 0 and text[:size] * (len(text) // size) == text
        for size in range(1, min(4, len(text) // 2) + 1)
    )
