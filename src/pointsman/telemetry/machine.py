"""Figures of the machine, from Linux's /proc.

Invariant: a figure that cannot be read is left out, never guessed. Memory is in MB of 2^20 bytes.
"""

from __future__ import annotations

from pathlib import Path

_KB_PER_MB = 1024


class Machine:
    """Reads processor, memory, files and network interfaces; processor shares are those since the reading before."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._ticks = self._processor()

    def figures(self) -> dict[str, int]:
        """Figures under the names of `globals`."""
        return {**self._shares(), **self._memory(), **self._files()}

    def _processor(self) -> tuple[int, int, int, int]:
        """Ticks since boot: all, user, system, idle (guest time is within user; waiting for disks counts as idle)."""
        try:
            words = (self._proc / "stat").read_text().split("\n", 1)[0].split()[1:9]
            user, nice, system, idle, wait, irq, softirq, steal = map(int, words)
        except (OSError, ValueError):
            return (0, 0, 0, 0)
        return (
            user + nice + system + idle + wait + irq + softirq + steal,
            user + nice,
            system + irq + softirq,
            idle + wait,
        )

    def _shares(self) -> dict[str, int]:
        before, self._ticks = self._ticks, self._processor()
        every, user, system, idle = (a - b for a, b in zip(self._ticks, before, strict=True))
        if every <= 0:
            return {}
        return {
            "sys_cpu_busy_percent": round((every - idle) * 100 / every),
            "sys_cpu_idle_percent": round(idle * 100 / every),
            "sys_cpu_system_busy_percent": round(system * 100 / every),
            "sys_cpu_user_busy_percent": round(user * 100 / every),
        }

    def _memory(self) -> dict[str, int]:
        try:
            lines = (self._proc / "meminfo").read_text().splitlines()
            size = {line.partition(":")[0]: int(line.split()[1]) // _KB_PER_MB for line in lines}
            total, free = size["MemTotal"], size["MemFree"]
            buffered = size["Buffers"] + size["Cached"]
            swap, swap_free = size["SwapTotal"], size["SwapFree"]
        except (OSError, ValueError, IndexError, KeyError):
            return {}
        return {
            "sys_mem_buffered": buffered,
            "sys_mem_free": free,
            "sys_mem_in_use": max(0, total - free - buffered),
            "sys_mem_swap_total": swap,
            "sys_mem_swapped": swap - swap_free,
            "sys_mem_total": total,
        }

    def _files(self) -> dict[str, int]:
        try:
            used, _, limit = map(int, (self._proc / "sys/fs/file-nr").read_text().split())
        except (OSError, ValueError):
            return {}
        return {"sys_fds_free": max(0, limit - used)}

    def interfaces(self) -> dict[str, dict[str, int]]:
        """Figures of each network interface under the names of `network_interface`."""
        try:
            lines = (self._proc / "net/dev").read_text().splitlines()[2:]
            columns = {line.partition(":")[0].strip(): line.partition(":")[2].split() for line in lines}
            return {
                name: {
                    "collisions": int(words[13]),
                    "rx_bytes": int(words[0]),
                    "rx_errors": int(words[2]),
                    "rx_packets": int(words[1]),
                    "tx_bytes": int(words[8]),
                    "tx_errors": int(words[10]),
                    "tx_packets": int(words[9]),
                }
                for name, words in columns.items()
            }
        except (OSError, ValueError, IndexError):
            return {}
