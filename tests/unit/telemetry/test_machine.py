"""Figures of the machine from files like those of /proc."""

from __future__ import annotations

from pathlib import Path

from pointsman.schema.counter import STATISTICS_BY_PATH
from pointsman.telemetry.machine import Machine


def test_the_machine_is_read_from_proc(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 0 50 800 50 0 0 0 0 0\n")
    (tmp_path / "meminfo").write_text(
        "MemTotal: 2048000 kB\nMemFree: 1024000 kB\nBuffers: 102400 kB\nCached: 102400 kB\n"
        "SwapTotal: 102400 kB\nSwapFree: 51200 kB\n"
    )
    (tmp_path / "sys/fs").mkdir(parents=True)
    (tmp_path / "sys/fs/file-nr").write_text("10\t0\t100\n")
    machine = Machine(tmp_path)
    stat.write_text("cpu  120 0 60 860 60 0 0 0 0 0\n")
    assert machine.figures() == {
        "sys_cpu_busy_percent": 30,
        "sys_cpu_idle_percent": 70,
        "sys_cpu_system_busy_percent": 10,
        "sys_cpu_user_busy_percent": 20,
        "sys_mem_buffered": 200,
        "sys_mem_free": 1000,
        "sys_mem_in_use": 800,
        "sys_mem_swap_total": 100,
        "sys_mem_swapped": 50,
        "sys_mem_total": 2000,
        "sys_fds_free": 90,
    }
    assert "sys_cpu_busy_percent" not in machine.figures(), "no time has passed"


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: many kB\n")
    machine = Machine(tmp_path)
    assert machine.figures() == {}
    assert machine.interfaces() == {}


def test_the_names_are_declared() -> None:
    machine = Machine()
    declared = {counter.name for counter in STATISTICS_BY_PATH["globals"].counters}
    assert machine.figures().keys() <= declared
    interface = {counter.name for counter in STATISTICS_BY_PATH["network_interface"].counters}
    assert machine.interfaces()["lo"].keys() == interface
