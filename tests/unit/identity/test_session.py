"""Sessions and form tokens."""

from pointsman.identity.session import PER_USER_LIMIT, SESSION_LIMIT, Sessions, same_token


class Clock:
    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


def test_a_token_finds_its_session_and_is_not_stored() -> None:
    sessions = Sessions(clock=Clock())
    token, session = sessions.begin("admin", "10.0.0.1")
    assert len(token) >= 43
    assert sessions.find(token) is session
    assert sessions.find(token + "x") is None
    assert sessions.find("") is None
    assert token not in repr(vars(sessions))


def test_each_login_makes_a_new_token_and_csrf_token() -> None:
    sessions = Sessions(clock=Clock())
    first, one = sessions.begin("admin", "10.0.0.1")
    second, two = sessions.begin("admin", "10.0.0.1")
    assert first != second
    assert one.csrf != two.csrf
    assert same_token(one.csrf, one.csrf)
    assert not same_token(one.csrf, two.csrf)
    assert not same_token(one.csrf, "\udcff")


def test_a_session_ends_when_idle_and_polling_does_not_keep_it() -> None:
    clock = Clock()
    sessions = Sessions(idle_seconds=10, clock=clock)
    token, _ = sessions.begin("admin", "a")
    clock.now += 9
    assert sessions.find(token) is not None
    clock.now += 9
    assert sessions.find(token, touch=False) is not None
    clock.now += 2
    assert sessions.find(token) is None
    assert len(sessions) == 0


def test_a_session_ends_at_its_absolute_age() -> None:
    clock = Clock()
    sessions = Sessions(idle_seconds=10, absolute_seconds=25, clock=clock)
    token, _ = sessions.begin("admin", "a")
    for _ in range(3):
        clock.now += 8
        assert sessions.find(token) is not None
    clock.now += 8
    assert sessions.find(token) is None


def test_logout_ends_one_and_a_new_password_all_of_a_user() -> None:
    sessions = Sessions(clock=Clock())
    one, _ = sessions.begin("admin", "a")
    two, _ = sessions.begin("admin", "b")
    other, _ = sessions.begin("other", "b")
    sessions.end(one)
    assert sessions.find(one) is None
    assert sessions.find(two) is not None
    sessions.end_user("admin")
    assert sessions.find(two) is None
    assert sessions.find(other) is not None


def test_sessions_are_bounded_per_user_and_altogether() -> None:
    sessions = Sessions(clock=Clock())
    tokens = [sessions.begin("admin", "a")[0] for _ in range(PER_USER_LIMIT + 1)]
    assert len(sessions) == PER_USER_LIMIT
    assert sessions.find(tokens[0]) is None
    assert sessions.find(tokens[-1]) is not None
    for number in range(SESSION_LIMIT):
        sessions.begin(f"user{number}", "a")
    assert len(sessions) == SESSION_LIMIT


def test_form_tokens_are_ours_and_expire() -> None:
    clock = Clock()
    sessions = Sessions(clock=clock)
    token = sessions.form_token()
    assert sessions.accepts_form(token)
    assert not sessions.accepts_form(token[:-1])
    assert not sessions.accepts_form("")
    assert not sessions.accepts_form("9999999999.x.y")
    assert not sessions.accepts_form("\udcff.\udcff")
    assert not Sessions(clock=clock).accepts_form(token)
    clock.now += 3700
    assert not sessions.accepts_form(token)
