"""What keys and sections are called on pages.

Invariant: a label is made from the key's own name, so who knows the REST API finds every key, and the other way round;
it is in the language of the request, where that has it.
"""

from __future__ import annotations

import re

from pointsman.console.language.choice import say

_WORDS = {
    "acl": "ACL", "afm": "AFM", "ajp": "AJP", "api": "API", "arp": "ARP", "auditlog": "audit log",
    "autofailback": "auto-failback", "bgp": "BGP", "checktime": "check time", "ec2": "EC2", "fds": "file descriptors",
    "fips": "FIPS", "gce": "GCE", "hostsfirst": "hosts first", "igmp": "IGMP", "maxasynctries": "max async tries",
    "smtp": "SMTP", "soap": "SOAP", "tipv6": "traffic IPv6", "trafficscript": "TrafficScript",
    "ca": "CA", "cas": "CAs", "cpu": "CPU", "crl": "CRL", "crls": "CRLs", "csr": "CSR", "dns": "DNS",
    "ecmp": "ECMP", "ftp": "FTP", "glb": "GLB", "gzip": "gzip", "hsts": "HSTS", "html": "HTML", "http": "HTTP",
    "http2": "HTTP/2", "https": "HTTPS", "icmp": "ICMP", "id": "ID", "ip": "IP", "ipaddresses": "IP addresses",
    "ips": "IPs", "ipv4": "IPv4", "ipv6": "IPv6", "j2ee": "J2EE", "jsessionid": "JSESSIONID", "kb": "kB",
    "l4accel": "layer 4 acceleration",
    "lard": "LARD", "ldap": "LDAP", "mb": "MB", "mime": "MIME", "mss": "MSS", "mtu": "MTU",
    "nagle": "Nagle", "nat": "NAT", "ocsp": "OCSP", "ospfv2": "OSPFv2", "perpool": "per pool",
    "pernode": "per node", "rest": "REST", "rhi": "RHI", "rst": "RST", "rtsp": "RTSP", "sip": "SIP", "slm": "SLM",
    "sni": "SNI", "snmp": "SNMP", "sql": "SQL", "ssl": "SSL", "ssl3": "SSL 3", "syslog": "syslog", "tcp": "TCP",
    "tls": "TLS", "ttl": "TTL", "udp": "UDP", "ui": "UI", "uri": "URI", "url": "URL", "vip": "VIP",
    "vs": "virtual server", "waf": "WAF", "xff": "X-Forwarded-For", "xml": "XML", "xss": "XSS",
}  # fmt: skip
_SECTIONS = {"basic": "Basic settings"}


def label_of(name: str) -> str:
    """A key's name as words: "max_reply_time" -> "Max reply time"."""
    words = [_WORDS.get(word, word) for word in re.split("[_-]+", name) if word]
    text = " ".join(words)
    return say(text[:1].upper() + text[1:] if words and words[0][:2].islower() else text)


def section_label(name: str) -> str:
    """A section's name as words."""
    return say(_SECTIONS[name]) if name in _SECTIONS else label_of(name)
