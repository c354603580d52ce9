"""Why a request goes where it goes: the virtual server that takes it, TLS, rules, the pool, its nodes, and the limits.

Pure. Invariant: it decides from the same snapshot and plan that the engine serves, and from what is known of nodes now;
it never sends anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from pointsman.control.explaining_pool import explain_pools
from pointsman.control.explanation import Explanation, Fact, Known, Mark, Request, Step
from pointsman.schema.condition import Standing
from pointsman.schema.problem import ObjectId
from pointsman.schema.virtual_server import VirtualServer

_ANY = ("0.0.0.0", "::")  # noqa: S104 - compared with
_VS = "virtual_servers"
_HTTP = "http"


def explain(request: Request, known: Known) -> Explanation:
    """The way of a request."""
    if not known.serving:
        text = "the traffic engine does not run, so nothing listens"
        return _ended(request, [Step("The traffic engine", "error", text)], "The connection is refused.")
    found = _listening(request, known)
    if len(found) > 1:
        return _undecided(request, known, found)
    if not found:
        return _nobody(request, known)
    ((name, address),) = found.items()
    server = known.snapshot.get(_VS, name, VirtualServer)
    if server is None:
        text = f"{name} listens there, and is being deleted"
        return _ended(request, [Step("Where it arrives", "warn", text)], "The connection is refused soon.")
    subject = ObjectId(_VS, name)
    steps = [_arrival(request, known, name, server, address)]
    tls = _tls(request, server, subject)
    steps.append(tls)
    if tls.mark == "error":
        return _ended(request, steps, "The client sees a failed connection, and no answer.")
    steps.append(_limits(server, subject))
    steps.extend(_rules(server, subject, known))
    if server.basic.pool == "discard":
        text = "everything is discarded: the connection is closed without an answer"
        steps.append(Step("Where it goes", "warn", text, subject, ("basic", "pool")))
        return _ended(request, steps, "The connection is closed without an answer.", "warn")
    pools = explain_pools(request, known, name, server)
    steps.extend(pools.steps)
    return Explanation(request, pools.mark, pools.outcome, tuple(steps))


def _ended(request: Request, steps: list[Step], outcome: str, mark: Mark = "error") -> Explanation:
    return Explanation(request, mark, outcome, tuple(steps))


def _listening(request: Request, known: Known) -> dict[str, str]:
    """The virtual servers that take connections to the port, each with one address; one where the address is known."""
    found: dict[str, str] = {}
    for listener in known.plan.listeners:
        if listener.subject is None or listener.subject.type != _VS or listener.port != request.port:
            continue
        if not request.to:
            found.setdefault(listener.subject.name, listener.address)
            continue
        same_family = (":" in listener.address) == (":" in request.to)
        if listener.address == request.to or (listener.address in _ANY and same_family):
            found[listener.subject.name] = listener.address
    return found


def _arrival(request: Request, known: Known, name: str, server: VirtualServer, address: str) -> Step:
    subject = ObjectId(_VS, name)
    facts = [Fact(f"It listens on port {request.port}.", subject, ("basic", "port"))]
    mark: Mark = "ok"
    if address in _ANY:
        facts.append(Fact("It listens on every address.", subject, ("basic", "listen_on_any")))
    else:
        group = next((ip.group for ip in known.plan.failover.addresses if ip.address == address), "")
        if group:
            holder = known.holders.get(address, "")
            text = f"{address} is a traffic IP of the group {group}"
            if not holder:
                mark = "error"
                text += ", and nobody has it now: nothing arrives"
            elif holder == known.own:
                text += ", and this traffic manager has it"
            else:
                text += f", and {holder} has it now: that one takes the request, and decides in the same way"
            facts.append(Fact(f"{text}.", ObjectId("traffic_ip_groups", group), ("basic", "ipaddresses")))
        else:
            facts.append(Fact(f"It listens on {address}.", subject, ("basic", "listen_on_hosts")))
    text = f"the virtual server {name} takes connections to {_at(request)}"
    return Step("Where it arrives", mark, text, subject, ("basic", "port"), tuple(facts))


def _at(request: Request) -> str:
    host = request.to or request.host
    return f"[{host}]:{request.port}" if ":" in host else f"{host}:{request.port}"


def _undecided(request: Request, known: Known, found: dict[str, str]) -> Explanation:
    facts = tuple(
        Fact(f"{address}: the virtual server {name}", ObjectId(_VS, name), ("basic", "listen_on_any"))
        for name, address in sorted(found.items())
    )
    text = (
        f"several virtual servers listen on port {request.port}, each on addresses of its own; which one takes the "
        f"request depends on the address that {request.host} resolves to"
    )
    step = Step("Where it arrives", "warn", text, facts=facts)
    outcome = "Say at which address it arrives; each of them leads elsewhere."
    choices = tuple((address, name) for name, address in sorted(found.items()))
    return Explanation(request, "warn", outcome, (step,), choices)


def _nobody(request: Request, known: Known) -> Explanation:
    """Nothing listens: why those do not that might be meant."""
    facts: list[Fact] = []
    ports: dict[int, str] = {}
    listening = known.plan.serving
    for name, server in known.snapshot.all(_VS, VirtualServer):
        subject = ObjectId(_VS, name)
        if server.basic.port != request.port:
            if name in listening:
                ports.setdefault(server.basic.port, name)
            continue
        if not server.basic.enabled:
            facts.append(Fact(f"{name} has the port, and is disabled.", subject, ("basic", "enabled")))
            continue
        rejected = [c for c in known.conditions.get(subject, ()) if c.standing is Standing.REJECTED]
        if rejected:
            facts.append(Fact(f"{name} is left out: {rejected[0].message}.", subject, rejected[0].path))
        elif name in listening:
            at = sorted(listener.address for listener in known.plan.listeners if listener.subject == subject)
            text = f"{name} has the port, on other addresses: {', '.join(at[:5])}."
            facts.append(Fact(text, subject, ("basic", "listen_on_any")))
        else:
            facts.append(Fact(f"{name} has the port, and does not listen on this traffic manager.", subject))
    if not facts and ports:
        shown = ", ".join(f"{port} ({name})" for port, name in sorted(ports.items())[:5])
        facts.append(Fact(f"Ports that are listened on: {shown}."))
    text = f"no virtual server takes connections to {_at(request)}"
    step = Step("Where it arrives", "error", text, facts=tuple(facts))
    return _ended(request, [step], "The connection is refused.")


def _tls(request: Request, server: VirtualServer, subject: ObjectId) -> Step:
    path = ("basic", "ssl_decrypt")
    wants = request.scheme == "https"
    title = "TLS"
    if not server.basic.ssl_decrypt:
        if wants and server.basic.protocol == _HTTP:
            text = (
                "the client begins with TLS, which is not decrypted here, so it is no HTTP that could be read"
            )
            return Step(title, "error", text, subject, path)
        text = "TLS passes through as it is; the node decrypts it" if wants else "there is none"
        return Step(title, "off", text, subject, path)
    if not wants:
        text = "TLS is decrypted here, and the client speaks plain HTTP: the handshake fails"
        return Step(title, "error", text, subject, path)
    ssl = server.ssl
    named = request.host if not request.to or request.host != request.to else ""
    certificate, row = certificate_for(server, named)
    facts = []
    if row:
        facts.append(
            Fact(
                f"The client asks for {named}, for which the mapping names it.",
                subject,
                ("ssl", "server_cert_host_mapping", row),
            )
        )
    else:
        why = f"No row of the mapping is for {named}" if named else "The client names no host"
        facts.append(Fact(f"{why}, so it gets the default.", subject, ("ssl", "server_cert_default")))
    facts.append(Fact("The certificate.", ObjectId("ssl/server_keys", certificate)))
    if server.basic.protocol == _HTTP:
        versions = "HTTP/2 and HTTP/1.1 are offered" if server.http2.enabled else "HTTP/1.1 is offered"
        facts.append(Fact(f"{versions}.", subject, ("http2", "enabled")))
    text = f"it is decrypted here with the certificate {certificate}"
    where = ("ssl", "server_cert_host_mapping") if row else ("ssl", "server_cert_default")
    return Step(title, "ok" if ssl.server_cert_default else "error", text, subject, where, tuple(facts))


def certificate_for(server: VirtualServer, host: str) -> tuple[str, str]:
    """The certificate that a client gets which names a host, and the row of the mapping that says so ("": default)."""
    rows = {row.host.lower(): row for row in server.ssl.server_cert_host_mapping}
    wanted = host.lower().rstrip(".")
    for candidate in (wanted, f"*.{wanted.partition('.')[2]}"):
        if wanted and candidate in rows:
            return rows[candidate].certificate, rows[candidate].host
    return server.ssl.server_cert_default, ""


def _limits(server: VirtualServer, subject: ObjectId) -> Step:
    basic, connection = server.basic, server.connection
    facts = []
    if basic.max_concurrent_connections:
        text = f"At most {basic.max_concurrent_connections} connections at once; further ones wait."
        facts.append(Fact(text, subject, ("basic", "max_concurrent_connections")))
    if basic.connect_timeout:
        text = f"The client has {basic.connect_timeout} s to send its request."
        facts.append(Fact(text, subject, ("basic", "connect_timeout")))
    idle = f"{connection.timeout} s" if connection.timeout else "any time"
    facts.append(Fact(f"A connection may be silent for {idle}.", subject, ("connection", "timeout")))
    if basic.protocol == _HTTP:
        if connection.keepalive:
            text = f"It stays open for {connection.keepalive_timeout} s for the next request."
            facts.append(Fact(text, subject, ("connection", "keepalive_timeout")))
        else:
            facts.append(Fact("It is closed after the answer.", subject, ("connection", "keepalive")))
    if basic.bandwidth_class:
        text = f"What is sent to clients is limited by the bandwidth class {basic.bandwidth_class}."
        facts.append(Fact(text, ObjectId("bandwidth", basic.bandwidth_class), ("basic", "maximum")))
    if basic.proxy_protocol:
        text = "A PROXY protocol header is expected first."
        facts.append(Fact(text, subject, ("basic", "proxy_protocol")))
    if basic.protocol == _HTTP:
        facts.extend(_headers(server, subject))
    read = "its method, path and headers are read" if basic.protocol == _HTTP else "its bytes pass unread"
    text = f"it speaks {basic.protocol}: {read}"
    return Step("What holds for it", "ok", text, subject, ("basic", "protocol"), tuple(facts))


def _headers(server: VirtualServer, subject: ObjectId) -> Iterator[Fact]:
    http = server.http
    for on, name, key in (
        (http.add_cluster_ip, "X-Cluster-Client-Ip", "add_cluster_ip"),
        (http.add_x_forwarded_for, "X-Forwarded-For", "add_x_forwarded_for"),
        (http.add_x_forwarded_proto, "X-Forwarded-Proto", "add_x_forwarded_proto"),
    ):
        if on:
            yield Fact(f"The node gets the header {name}.", subject, ("http", key))


def _rules(server: VirtualServer, subject: ObjectId, known: Known) -> Iterator[Step]:
    idle = {
        condition.path[1]: condition.message
        for condition in known.conditions.get(subject, ())
        if condition.code == "not_acted_on" and len(condition.path) > 1
    }
    for key, title in (("request_rules", "Request rules"), ("response_rules", "Response rules")):
        names: tuple[str, ...] = getattr(server.basic, key)
        if not names:
            continue
        facts = tuple(
            Fact(
                f"{name.removeprefix('/')}{', switched off' if name.startswith('/') else ''}",
                ObjectId("rules", name.removeprefix("/")),
            )
            for name in names
        )
        text = idle.get(key, "they run in this order, and may send the request elsewhere than is told here")
        yield Step(title, "warn" if key in idle else "off", text, subject, ("basic", key), facts)
