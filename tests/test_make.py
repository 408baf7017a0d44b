"""What `make` starts, in a container's worst case: nothing can be kept at home."""

import sys
from pathlib import Path

import httpx
import psutil
import pytest
from jupyter_client import BlockingKernelClient
from platforms import posix_only
from servers import PATIENCE, REPOSITORY, Program, answers, free_port, until

pytestmark = posix_only  # on Windows the course does without make

LOOPBACK = {"127.0.0.1", "::1"}


@pytest.fixture(autouse=True)
def no_home(tmp_path, monkeypatch) -> None:
    """A home that cannot be made, not even by root: it would lie below a file."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        monkeypatch.delenv(name, raising=False)


class Make(Program):
    """A target of the Makefile, with the environment that runs the tests in the place of .venv."""

    def __init__(self, target: str, venv: Path, ready: str, **variables: str):
        super().__init__(ready=ready, folder=REPOSITORY)
        (venv / ".ready").touch()  # no older than the lists it is made from
        variables |= {"VENV": str(venv), "BIN": str(Path(sys.executable).parent)}
        variables = {name: value.format(port=self.port) for name, value in variables.items()}
        self.command = ["make", target, *map("=".join, variables.items())]

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def __exit__(self, *_) -> None:
        family = self.family()
        super().__exit__()
        psutil.wait_procs(family, timeout=PATIENCE)
        assert not any(process.is_running() for process in family)

    def addresses(self) -> set[str]:
        """Those that its processes listen on."""
        connections = [c for process in self.family() for c in process.net_connections("inet")]
        return {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}


def test_lab_and_a_kernel(tmp_path):
    settings = {"JUPYTER_PORT": "{port}", "JUPYTER_TOKEN": "secret", "BROWSER": "true"}
    with Make("lab", tmp_path, "/api/status?token=secret", **settings) as lab:
        started = httpx.post(f"{lab.url}/api/kernels?token=secret", timeout=PATIENCE)
        assert started.status_code == 201, started.text
        runtime = tmp_path / "home" / "JUPYTER_DATA_DIR" / "runtime"
        connection = runtime / f"kernel-{started.json()['id']}.json"
        client = BlockingKernelClient(connection_file=str(connection))
        client.load_connection_file()
        client.start_channels(hb=False)  # it would call a kernel dead that is slow to start
        client.wait_for_ready(PATIENCE)
        program = "import matplotlib.pyplot; print(matplotlib.get_configdir())"
        told = []
        client.execute_interactive(program, timeout=PATIENCE, output_hook=told.append)
        client.stop_channels()
    texts = [message["content"].get("text") for message in told]
    assert f"{tmp_path}/home/MPLCONFIGDIR\n" in texts


def test_the_app_on_ports_of_one_s_own(tmp_path):
    api_port = free_port()
    ports = {"API_PORT": str(api_port), "PAGE_PORT": "{port}"}
    with Make("app", tmp_path, "/_stcore/health", **ports) as make:
        until(lambda: "Ctrl-C stops both" in make.log_text(), make.log_text)
        assert answers(f"http://127.0.0.1:{api_port}/ready", 200)
        assert make.addresses() and make.addresses() <= LOOPBACK


def test_the_command_line(pix2pix, six_pairs, tmp_path):
    out, run = tmp_path / "out", tmp_path / "run"
    translated = pix2pix("translate", six_pairs / "val", "-o", out)
    assert translated.returncode == 0, translated.stderr
    tiny = "--epochs", 1, "--size", 64, "--load-size", 70, "--ngf", 4, "--ndf", 4, "--tensorboard"
    trained = pix2pix("train", "--data", six_pairs, "--out", run, *tiny)
    assert trained.returncode == 0, trained.stderr
