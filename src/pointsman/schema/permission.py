"""What a user group may permit: the names of permissions and their levels, and which of them a resource type takes.

Pure. Invariant: this is the only list of permissions; a name's parent is what is left of its last "!", and what a group
does not say of a name it says of the nearest parent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, get_args

Level = Literal["none", "ro", "full"]
"""How far somebody may go: not see it, see it, change it."""

LEVELS: tuple[Level, ...] = get_args(Level)
"""From the least to the most."""

ALL = "all"
"""The name that stands above all others: what a group says of it holds for every name it does not mention."""

ADMIN_GROUP = "admin"
"""The group of the administrators."""

_LETTERS: Mapping[str, Level] = {"-": "none", "r": "ro", "f": "full"}
_NAMES_AND_GROUPS = """
AFM r-f
AFM!Admin --f
Access_Management rrr
Access_Management!AuthenticationMethods r-r
Access_Management!AuthenticationMethods!Edit r-r
Access_Management!Groups r-r
Access_Management!Groups!Edit r-r
Access_Management!LocalUsers rrr
Access_Management!LocalUsers!Edit rfr
Access_Management!LocalUsers!EditOtherUsers r-r
Access_Management!LocalUsers!PasswordPolicy r-r
Access_Management!Suspended_Users r-r
Alerting r-f
Alerting!Actions r-f
Alerting!Actions!Edit r-f
Alerting!Event_Types r-f
Alerting!Event_Types!Edit r-f
Analytics_Export r-f
Analytics_Export!Log_Files r-f
Analytics_Export!Log_Files!Edit r-f
Appliance_Console ---
Aptimizer r-f
Aptimizer!Aptimizer_Profiles r-f
Aptimizer!Aptimizer_Profiles!Edit r-f
Aptimizer!URL_Sets r-f
Aptimizer!URL_Sets!Edit r-f
Audit_Log --f
Audit_Log!Audit_Archive --f
Authenticators r-f
Authenticators!Edit r-f
Backup r-r
Backup!Config_Difference r-r
Backup!Edit r-r
Backup!Partial r-r
Bandwidth r-f
Bandwidth!Edit r-f
Bandwidth!Edit!CopyClass r-f
Catalog r-f
Cloud_Credentials r-f
Cloud_Credentials!Edit r-f
Config_Summary rff
Config_Summary!Export --f
Config_Summary!Export_Secrets ---
Configure r-f
Connections fff
Connections!Details fff
Custom r-f
DNS_Server r-f
DNS_Server!Zonefiles r-f
DNS_Server!Zones r-f
DNS_Server!Zones!Edit r-f
DateTime r-r
Diagnose rrf
Diagnose!Replicate --f
Draining rff
Event_Log fff
Event_Log!Clear ---
Event_Log!Event_Archive fff
Extra_Files r-f
Extra_Files!Action_Programs r-r
Extra_Files!ExternProgMonitors r-r
Extra_Files!Miscellaneous_Files r-f
Fault_Tolerance r-r
Fault_Tolerance!BGP_Neighbors r-r
Fault_Tolerance!BGP_Neighbors!Edit r-r
GLB_Services r-f
GLB_Services!Edit r-f
GLB_Services!Edit!DNSSEC r-f
GLB_Services!Edit!DNS_Settings r-f
GLB_Services!Edit!Load_Balancing r-f
GLB_Services!Edit!Locations r-f
GLB_Services!Edit!Request_Logging r-f
GLB_Services!Edit!Rules r-f
Global_Settings r-f
Global_Settings!Restore_Defaults --f
Hardware r-r
Help rff
Java r-f
Java!Edit r-f
Kerberos r-f
Kerberos!Kerberos_Keytabs r-f
Kerberos!Kerberos_Principals r-f
Kerberos!Kerberos_Principals!Edit r-f
Kerberos!krb5confs r-f
License_Keys r-r
License_Keys!InstallNew --r
License_Keys!Register --r
License_Keys!Remove --r
Locations r-f
Locations!Edit r-f
Log_Viewer fff
Log_Viewer!View fff
MainIndex rrf
Map rrf
Monitoring fff
Monitoring!Edit rff
Monitors r-f
Monitors!Edit r-f
Monitors!Edit!CopyMonitor --f
Networking r-r
Networking!NAT r-r
Persistence r-f
Persistence!Edit r-f
Persistence!Edit!CopyClass --f
Pools r-f
Pools!Edit r-f
Pools!Edit!Autoscaling r-f
Pools!Edit!Bandwidth r-f
Pools!Edit!DNSAutoscaling r-f
Pools!Edit!IP_Transparency r-f
Pools!Edit!Kerberos_Protocol_Transition r-f
Pools!Edit!Load_Balancing r-f
Pools!Edit!Monitors r-f
Pools!Edit!Persistence r-f
Pools!Edit!Protocol_Settings r-f
Pools!Edit!SSL r-f
Pools!Edit!Service_Discovery r-f
Rate r-f
Rate!Edit r-f
Reboot --r
Request_Logs r-f
Restart --r
Routing rrf
Rules r-f
Rules!Edit r-f
Rules!Edit!CheckSyntax r-f
Rules!Edit!SaveAs --f
Rules!GEdit r-f
Rules!GEdit!AddAction r-f
Rules!GEdit!AddCondition r-f
Rules!GEdit!Convert r-f
SAML r-f
SAML!Trusted_Identity_Providers r-f
SAML!Trusted_Identity_Providers!Edit r-f
SLM r-f
SLM!Edit r-f
SLM!Edit!CopyClass --f
SNMP r-r
SOAP_API ---
SSL r-f
SSL!AdminCAs r-r
SSL!AdminCAs!Edit r-r
SSL!AdminCAs!Import ---
SSL!CAs r-f
SSL!CAs!Edit r-f
SSL!CAs!Import --f
SSL!Client_Certs r-f
SSL!Client_Certs!Edit r-f
SSL!Client_Certs!Edit!Chain r-f
SSL!Client_Certs!Edit!CopyCert --f
SSL!Client_Certs!Edit!Sign r-f
SSL!Client_Certs!Import --f
SSL!Client_Certs!New --f
SSL!DNSSEC_Keys r-f
SSL!SSL_Certs r-f
SSL!SSL_Certs!Edit r-f
SSL!SSL_Certs!Edit!Chain r-f
SSL!SSL_Certs!Edit!CopyCert --f
SSL!SSL_Certs!Edit!Sign r-f
SSL!SSL_Certs!Import --f
SSL!SSL_Certs!New --f
SSL!Ticket_Keys --f
Security r-r
Service_Discovery r-f
Service_Discovery!Builtin_Plugins r-f
Service_Discovery!User_Plugins r-f
Service_Protection r-f
Service_Protection!Edit r-f
Service_Protection!Edit!CopyClass --f
Shutdown --r
Statd fff
Support r-f
Support!TSR r-f
Support_Files r-f
Sysctl r-r
Traffic_IP_Groups r-f
Traffic_IP_Groups!Edit r-f
Traffic_IP_Groups!Networking r-f
Traffic_Managers r-f
Traffic_Managers!AddRemove ---
Traffic_Managers!Rollback ---
Traffic_Managers!Upgrade ---
Virtual_Servers r-f
Virtual_Servers!Edit r-f
Virtual_Servers!Edit!Aptimizer_Settings r-f
Virtual_Servers!Edit!Authentication r-f
Virtual_Servers!Edit!Classes r-f
Virtual_Servers!Edit!Content_Caching r-f
Virtual_Servers!Edit!Content_Compression r-f
Virtual_Servers!Edit!DNS_Server r-f
Virtual_Servers!Edit!Error_Logging r-f
Virtual_Servers!Edit!GLB_Services r-f
Virtual_Servers!Edit!Kerberos_Protocol_Transition r-f
Virtual_Servers!Edit!Protocol_Settings r-f
Virtual_Servers!Edit!Request_Logging r-f
Virtual_Servers!Edit!Request_Tracing r-f
Virtual_Servers!Edit!Rules r-f
Virtual_Servers!Edit!Rules!EnableDisable --f
Virtual_Servers!Edit!Rules!Move --f
Virtual_Servers!Edit!Rules!OnceEvery --f
Virtual_Servers!Edit!Rules!Remove --f
Virtual_Servers!Edit!SSL_Decryption r-f
Web_Cache fff
Web_Cache!Clear ---
Wizard!AptimizeService --f
Wizard!AzureKeyVault --f
Wizard!Backup ---
Wizard!ClusterJoin ---
Wizard!DisableNode --f
Wizard!DrainNode --f
Wizard!EnableRule --f
Wizard!FreeDiskSpace ---
Wizard!NewService --f
Wizard!PulseConnectSecure --f
Wizard!ReactivateNode --f
Wizard!RemoveNode --f
Wizard!Restore ---
Wizard!SSLDecryptService --f
"""
"""Every name, with what the groups Guest, Monitoring and Demo have of it when they are new."""

_ROWS = tuple(line.split(" ") for line in _NAMES_AND_GROUPS.split("\n") if line)

PERMISSIONS: tuple[str, ...] = tuple(name for name, _ in _ROWS)
"""Every name, sorted."""

BUILT_IN: Mapping[str, Mapping[str, Level]] = {
    **{
        group: {name: _LETTERS[letters[column]] for name, letters in _ROWS}
        for column, group in enumerate(("Guest", "Monitoring", "Demo"))
    },
    ADMIN_GROUP: {ALL: "full"},
}
"""What the groups that every instance has permit when they are new."""

TYPE_PERMISSIONS: Mapping[str, tuple[str, str]] = {
    "bandwidth": ("Bandwidth", "Bandwidth!Edit"),
    "custom": ("Custom", "Custom"),
    "extra_files": ("Extra_Files!Miscellaneous_Files", "Extra_Files!Miscellaneous_Files"),
    "global_settings": ("Global_Settings", "Global_Settings"),
    "license_keys": ("License_Keys", "License_Keys!InstallNew"),
    "monitors": ("Monitors", "Monitors!Edit"),
    "persistence": ("Persistence", "Persistence!Edit"),
    "pools": ("Pools", "Pools!Edit"),
    "rules": ("Rules", "Rules!Edit"),
    "ssl/cas": ("SSL!CAs", "SSL!CAs!Edit"),
    "ssl/server_keys": ("SSL!SSL_Certs", "SSL!SSL_Certs!Edit"),
    "traffic_ip_groups": ("Traffic_IP_Groups", "Traffic_IP_Groups!Edit"),
    "traffic_managers": ("Traffic_Managers", "Traffic_Managers"),
    "user_groups": ("Access_Management!Groups", "Access_Management!Groups!Edit"),
    "virtual_servers": ("Virtual_Servers", "Virtual_Servers!Edit"),
}
"""Of each resource type: the name whose level "ro" lets its objects be read, and the one whose "full" lets them
change.
"""


def ancestry(name: str) -> Iterator[str]:
    """A name, its parents from the nearest on, and what stands above all."""
    while name:
        yield name
        name = name.rpartition("!")[0]
    yield ALL


def level_in(permitted: Mapping[str, Level], name: str) -> Level:
    """What a group that says this permits of a name."""
    return next((permitted[known] for known in ancestry(name) if known in permitted), "none")


def highest(levels: Iterator[Level]) -> Level:
    """The most that any of them permits; "none" for none."""
    return max(levels, key=LEVELS.index, default="none")
