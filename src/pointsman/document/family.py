"""The resource types of the product family, so that a document written for another member of it gets an answer that
helps.

Invariant: a name in `FAMILY` is a REST path below `config/active`; whether this version has it is the registry's
word alone.
"""

from __future__ import annotations

FAMILY = frozenset({
    "action_programs", "actions", "appliance/nat", "application_firewall", "aptimizer/profiles", "aptimizer/scopes",
    "bandwidth", "bgpneighbors", "cloud_api_credentials", "custom", "dns_server/zone_files", "dns_server/zones",
    "event_types", "extra_files", "glb_services", "global_settings", "kerberos/keytabs", "kerberos/krb5confs",
    "kerberos/principals", "license_keys", "locations", "log_export", "monitor_scripts", "monitors", "persistence",
    "pools", "protection", "rate", "rule_authenticators", "rules", "saml/trustedidps", "security",
    "service_level_monitors", "servicediscovery", "ssl/admin_cas", "ssl/cas", "ssl/client_keys", "ssl/server_keys",
    "ssl/ticket_keys", "traffic_ip_groups", "traffic_managers", "user_authenticators", "user_groups",
    "virtual_servers",
})  # fmt: skip
"""Every resource type that REST 8.3 describes."""
