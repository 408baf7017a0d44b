"""Threads that soon sleep when they wait, and no more of them than the process may run."""

import os
import subprocess
import sys

import pytest

from pix2pix_lib.runtime import threads

NAMES = ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", *threads.PATIENCE)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """`machine(8, quota="200000 100000")`: so many cores, and what a container's file says."""
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that it is put back after the test
        monkeypatch.delenv(name)

    def make(cores: int, quota: str | None = None, load: float = 0.0) -> None:
        monkeypatch.setattr(os, "cpu_count", lambda: cores)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(cores), raising=False)
        monkeypatch.setattr(os, "getloadavg", lambda: (load, 0, 0), raising=False)
        monkeypatch.setattr(threads, "QUOTA", tmp_path / "cpu.max")
        if quota is not None:
            (tmp_path / "cpu.max").write_text(quota, encoding="utf-8")

    return make


@pytest.mark.parametrize(
    ("quota", "cores"),
    [(None, 8), ("max 100000\n", 8), ("200000 100000", 2), ("150000 100000", 2), ("1 9", 1)]
    + [("9900000 100000", 8), ("", 8)],
)
def test_a_container_may_grant_fewer_cores(machine, quota, cores):
    machine(8, quota)
    assert threads.usable_cores() == cores
    threads.share_the_cores()
    assert {name: os.environ[name] for name in threads.PATIENCE} == threads.PATIENCE
    assert os.environ.get("OMP_NUM_THREADS") == (str(cores) if cores < 8 else None)


def test_beside_others_threads_sleep_at_once(machine):
    machine(8, load=2.5)
    threads.share_the_cores()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE" and not os.environ.keys() & threads.PATIENCE


def test_affinity_counts(machine, monkeypatch):
    machine(8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5}, raising=False)
    assert threads.usable_cores() == 2


def test_what_is_set_stays(machine, monkeypatch):
    machine(8, "200000 100000")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    threads.share_the_cores()
    assert [os.environ.get(name) for name in NAMES] == ["ACTIVE", "3", None, None]


def test_a_crowded_machine_is_said(machine, monkeypatch):
    machine(2, load=0.4)
    assert threads.crowd() is None
    machine(2, load=1.9)
    assert "1.9 programs at a time wanted one of this machine's 2 cores" in threads.crowd()
    monkeypatch.delattr(os, "getloadavg")
    assert threads.crowd() is None  # as on Windows


def test_the_command_line_shares_before_pytorch_is_loaded():
    program = (
        "import os, sys\nfrom pix2pix_lib.cli import main\ntry: main(['--version'])\n"
        "except SystemExit: print(*(os.environ.keys() & {'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'}),"
        "'torch' in sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    command = [sys.executable, "-c", program]
    told = subprocess.check_output(command, env=environment, text=True)
    assert told.splitlines()[-1] in ("GOMP_SPINCOUNT False", "OMP_WAIT_POLICY False")
