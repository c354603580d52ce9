"""HAProxy's `show stat` as samples.

Invariant: a row is kept as HAProxy gave it (text by column name); only its kind and names are interpreted.
"""

from __future__ import annotations

import csv

from pointsman.schema.sample import Sample

_KINDS = {"0": "frontend", "1": "backend", "2": "server"}


def parse_samples(text: str, worker: str, *, current: bool) -> tuple[Sample, ...]:
    """The rows of `show stat` for proxies and servers; rows of single listening sockets are left out.

    Columns are those of HAProxy's management guide, section 9.1; empty columns are left out.
    """
    lines = [line for line in text.split("\n") if line]
    if not lines or not lines[0].startswith("# "):
        return ()
    names = lines[0][2:].split(",")
    kind_column = names.index("type")
    samples = []
    for line in lines[1:]:
        # Quotes appear only around check descriptions; plain splitting is several times faster than csv.
        values = next(csv.reader((line,))) if '"' in line else line.split(",")
        kind = _KINDS.get(values[kind_column]) if len(values) > kind_column else None
        if kind is None:
            continue
        figures = {name: value for name, value in zip(names, values, strict=False) if value}
        server = values[1] if kind == "server" else ""
        samples.append(Sample(worker, current, values[0], server, kind, figures))
    return tuple(samples)
