"""An object in the words of other tools: calls of the REST API by curl, documents, Terraform.

Pure. Invariant: no secret is in any of them; what is given can be pasted as it is, whatever characters a name holds.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pointsman.document.difference import value_in
from pointsman.document.export import export
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import Key, Kind, ResourceType, ValueKind
from pointsman.web.ui.changes.rest_calls import body_of, expert_query, rest_path

TERRAFORM = {
    "bandwidth": "vtm_bandwidth",
    "custom": "vtm_custom",
    "extra_files": "vtm_extra_file",
    "global_settings": "vtm_global_settings",
    "license_keys": "vtm_license_key",
    "monitors": "vtm_monitor",
    "persistence": "vtm_persistence",
    "pools": "vtm_pool",
    "rules": "vtm_rule",
    "ssl/cas": "vtm_ssl_ca",
    "ssl/server_keys": "vtm_ssl_server_key",
    "traffic_ip_groups": "vtm_traffic_ip_group",
    "traffic_managers": "vtm_traffic_manager",
    "user_groups": "vtm_user_group",
    "virtual_servers": "vtm_virtual_server",
}
"""Resources of the public provider terraform-provider-vtm for version 8.3 of the REST API."""

_ALWAYS = {"ssl/server_keys": frozenset({"note", "request"})}
"""Keys that the provider wants to be named though they have a default."""

_OURS = {
    "traffic_managers": frozenset({"engine_health.port"}),
    "user_groups": frozenset({"second_factor.required_for"}),
}
"""Keys that are additions of this product: the provider refuses a block that names one."""


@dataclass(frozen=True)
class Copy:
    """One way to say it; `note` is for people."""

    slug: str
    title: str
    text: str
    note: str = ""


def copies(identity: ObjectId, settings: Mapping[str, Any], address: str, user: str) -> tuple[Copy, ...]:
    """Every way to say an object with these sparse settings; `address` is where REST is, as https://host:port."""
    kind = BY_PATH[identity.type]
    url = shlex.quote(address + rest_path(identity))
    login = f"curl --insecure --user {shlex.quote(user)}"
    what = "Asks for the password. Leave --insecure out where the certificate is trusted."
    found = [Copy("get", "REST: read it", f"{login} {url}", what)]
    if kind.kind is Kind.FILE:
        found.append(
            Copy(
                "put",
                "REST: write it",
                f"{login} --request PUT --header 'Content-Type: application/octet-stream' "
                f"--data-binary @{shlex.quote(identity.name)} {url}",
                "Sends the file of that name in the present directory.",
            )
        )
    else:
        told = _told(kind, settings)
        body, query = body_of(kind, told, settings), expert_query(told)
        found.append(
            Copy(
                "put",
                "REST: write it",
                f"{login} --request PUT --header 'Content-Type: application/json' --data {shlex.quote(body)} "
                f"{shlex.quote(address + rest_path(identity) + query)}",
                "Keys that are not named stay as they are where the object exists. Secrets are left out.",
            )
        )
    for form, title in (("yaml", "Document, YAML"), ("json", "Document, JSON")):
        text = export({identity: settings}, BY_PATH, form, secrets="exclude").text  # type: ignore[arg-type]  # of two
        found.append(
            Copy(form, title, text, "For pointsman apply, or the import of Services > Config Summary.")
        )
    if (resource := TERRAFORM.get(identity.type)) is not None:
        note = "For the public provider terraform-provider-vtm, version 8.3 of the REST API. Secrets are left out."
        found.append(Copy("terraform", "Terraform", terraform(kind, resource, identity, settings), note))
    return tuple(found)


def _told(kind: ResourceType, settings: Mapping[str, Any]) -> list[Key]:
    """The keys to name: those that are set and no secrets."""
    return [key for key in kind.keys if key.name in settings.get(key.section, ()) and key.secret is None]


def terraform(kind: ResourceType, resource: str, identity: ObjectId, settings: Mapping[str, Any]) -> str:
    """A resource block in HCL: keys of the section basic by their names, others with the section's before them.

    The provider knows no hidden keys and none of our own; a secret that it cannot do without comes from a variable.
    """
    label = re.sub(r"[^A-Za-z0-9_-]", "_", identity.name) or "settings"
    label = label if re.match(r"[A-Za-z_]", label) else f"_{label}"
    lines = [f"name = {_literal(identity.name)}"] if identity.name else []
    variables: list[str] = []
    if kind.kind is Kind.FILE:
        lines.append(f"content = file({_literal(identity.name)})")
    told = {key.path for key in _told(kind, settings) if not key.hidden} - _OURS.get(kind.path, frozenset())
    for key in kind.keys:
        name = (key.name if key.section == "basic" else f"{key.section}_{key.name}").lower()
        if key.secret is not None and key.required:
            variables.append(f"{label}_{name}")
            lines.append(f"{name} = var.{label}_{name}")
        elif key.path in told or key.name in _ALWAYS.get(kind.path, ()):
            lines.extend(_argument(name, key, value_in(key, settings)))
    declared = [f'variable "{name}" {{\n  type = string\n  sensitive = true\n}}\n\n' for name in variables]
    block = [f"resource {_literal(resource)} {_literal(label)} {{", *(f"  {line}" for line in lines), "}\n"]
    return "".join(declared) + "\n".join(block)


def _argument(name: str, key: Key, value: Any) -> Iterator[str]:
    if key.kind is not ValueKind.TABLE:
        yield f"{name} = {_literal(value)}"
        return
    for row in value:
        yield from _block(name, key, row)


def _block(name: str, key: Key, row: Mapping[str, Any]) -> Iterator[str]:
    yield f"{name} {{"
    for column in key.columns:
        value = row.get(column.name, column.default)
        if column.secret is None and (column.required or value != column.default):
            yield f"  {column.name} = {_literal(value)}"
    yield "}"


_ESCAPES = {"b": "\\u0008", "f": "\\u000c"}


def _literal(value: Any) -> str:
    """A value in HCL, whose templates a text must not begin, and which knows neither halves of characters nor the
    escapes of backspace and form feed (as JSON does).
    """
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, str):
        quoted = json.dumps(value, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")
        return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[0]), quoted)
    return json.dumps(value)
