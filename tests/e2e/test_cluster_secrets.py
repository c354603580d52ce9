"""What must stay secret in a cluster: keys and passwords on the disks of members, in what they say and log."""

from __future__ import annotations

import json
import stat
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tools.instance import Instance, wait_for

PASSWORD = "secret-for-tests"
BRANCHES = (
    "history",
    "events",
    "superseded",
    "conditions",
    "cluster",
    "state",
    "applies",
    "backups/full/b?verify",
)


def key_line(path: Path) -> bytes:
    """A line of the private key in a file, which stands for the key."""
    return path.read_bytes().split(b"-----BEGIN PRIVATE KEY-----\n")[1].splitlines()[0]


def absent(path: Path) -> bool:
    """Whether there is no such file."""
    return not path.exists()


def test_keys_stay_where_they_belong(tmp_path: Path) -> None:
    """The engine's user can read the key of its link and nothing that makes a member; no surface tells a secret."""
    with (
        Instance(tmp_path / "a", "--name", "pm1", "--listen", "127.0.0.2") as one,
        Instance(tmp_path / "b", "--name", "pm2", "--listen", "127.0.0.3") as two,
    ):
        where = urlsplit(one.ready["ui"])
        wish = {"host": where.hostname, "port": where.port, "user": "admin", "password": PASSWORD}
        assert two.rest("PUT", "status/local_tm/cluster/join", wish)[0] == 400, "without a fingerprint"
        wish["fingerprint"] = one.ready["sha256"]
        assert two.rest("PUT", "status/local_tm/cluster/join", wish)[0] == 200
        assert one.rest("PUT", "status/local_tm/backups/full/b", {"properties": {}})[0] == 201
        for instance in (one, two):
            home = instance.home
            linked = home / "engine" / "current" / "certs" / "cluster.pem"
            wait_for("the link of the engines", linked.exists)
            joining = home / "identity" / "joining.json"
            wait_for("the join is complete", partial(absent, joining))
            member, engine = (
                key_line(home / "identity" / "member.pem"),
                key_line(home / "identity" / "engine.pem"),
            )
            assert member != engine == key_line(linked)
            hashed = json.loads((home / "identity" / "users.json").read_text())["users"]["admin"]["password"]
            places = {
                member: ("identity/member.pem",),
                engine: ("identity/engine.pem", "engine/gen-*/certs/cluster.pem"),
                hashed.encode(): ("identity/users.json", "backups/b.tar"),
                PASSWORD.encode(): (),
            }
            for path in home.rglob("*"):
                status = path.lstat()
                closed = 0o007 if path.is_relative_to(home / "engine") else 0o077
                assert stat.S_ISLNK(status.st_mode) or not status.st_mode & closed, (
                    path,
                    oct(status.st_mode),
                )
                if not stat.S_ISREG(status.st_mode):
                    continue
                content = path.read_bytes()
                for secret, allowed in places.items():
                    assert secret not in content or any(map(path.match, allowed)), path
                # The authority's key is in the store, under the data key.
                keys = content.count(b"BEGIN PRIVATE KEY") + content.count(b"BEGIN RSA PRIVATE KEY")
                assert not keys or path.suffix in (".pem", ".private"), path
            told = [
                str(instance.get(f"status/pm{n}/{branch}")).encode()
                for n in (1, 2)
                for branch in BRANCHES[:-1]
            ]
            told.append(instance.output.read_bytes())
            for text in told:
                assert not [secret for secret in places if secret in text]
                assert b"argon2" not in text and b"PRIVATE KEY" not in text
        assert "argon2" not in str(one.get(f"status/local_tm/{BRANCHES[-1]}"))
