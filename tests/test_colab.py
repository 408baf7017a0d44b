"""The lessons on Colab: its kernel and widgets, its folder, and what it has installed already.

A throw-away environment stands for the machine. The large packages that Colab brings are lent from
the environment that runs the tests, through a `.pth` file: pip sees them and, since they are not in
its own folder, cannot remove them. What Colab lacks is installed by the lessons themselves.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager
from lending import lend
from packaging.utils import canonicalize_name
from test_notebooks import NOTEBOOKS, REPOSITORY, code_cells, tags
from test_repository_address import ADDRESS

# Colab in June 2026, as github.com/googlecolab/backend-info lists it: what the kernel runs on …
KERNEL = """
    backcall==0.2.0 debugpy==1.8.15 decorator==4.4.2 entrypoints==0.4 ipykernel==6.17.1
    ipython==7.34.0 ipython-genutils==0.2.0 ipywidgets==7.7.1 jedi==0.19.2 jupyter_client==7.4.9
    jupyter_core==5.9.1 jupyterlab_widgets==3.0.16 matplotlib-inline==0.2.2 nest-asyncio==1.6.0
    parso==0.8.7 pexpect==4.9.0 pickleshare==0.7.5 pip==24.1.2 platformdirs==4.10.0
    prompt_toolkit==3.0.52 psutil==5.9.5 ptyprocess==0.7.0 Pygments==2.20.0
    python-dateutil==2.9.0.post0 pyzmq==26.2.1 six==1.17.0 tornado==6.5.1 traitlets==5.7.1
    wcwidth==0.7.0
"""
# … and of the rest what is large, in the versions of this environment. Colab has no OpenVINO; it is
# lent for its size. Albumentations, pooch and others are left for the lessons to install.
LENT = """
    accelerate fastapi httpx matplotlib numpy opencv-python-headless openvino pandas pillow
    prometheus-client pyarrow pydantic-settings pytest python-json-logger python-multipart requests
    safetensors scipy torch torchvision tqdm uvicorn[standard] werkzeug
"""
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info >= (3, 14),
    reason="Colab is a Linux machine with Python 3.12; its kernel does not run on Python 3.14.",
)
PATIENCE = 300  # seconds for a cell: the machine may be busy with other things


class CellFailed(Exception):
    """What a cell printed, and its traceback."""


class Notebook:
    """A notebook's kernel, which runs code and returns what was printed."""

    def __init__(self, kernels: Path, content: Path, **environment: str):
        specs = KernelSpecManager(kernel_dirs=[str(kernels)])
        self.manager = KernelManager(kernel_name="colab", kernel_spec_manager=specs)
        self.manager.start_kernel(cwd=content, env=os.environ | environment)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(PATIENCE)

    def run(self, source: str) -> str:
        printed = []

        def keep(message: dict) -> None:
            printed.append(message["content"].get("text", ""))

        # After an error, a kernel that stops would turn down what is sent in the next moment.
        options = {"timeout": PATIENCE, "stop_on_error": False}
        reply = self.client.execute_interactive(source, output_hook=keep, **options)["content"]
        if reply["status"] != "ok":
            raise CellFailed("\n".join([source, *printed, *reply.get("traceback", [])]))
        return "".join(printed)

    def folder(self) -> str:
        return self.run("import os; print(os.getcwd())").strip()

    def restart(self) -> None:
        self.manager.restart_kernel(now=True)
        self.client.wait_for_ready(PATIENCE)

    def move(self, control: str, value: float, picture: str) -> bytes:
        """Move a control, as the page would; return what the picture becomes, by their models."""
        data = {"method": "update", "state": {"value": value}, "buffer_paths": []}
        message = self.client.session.msg("comm_msg", {"comm_id": control, "data": data})
        self.client.shell_channel.send(message)
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == picture:
                return bytes(message["buffers"][0])

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


class Colab:
    """A machine: an environment, and a folder in which notebooks are opened."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.programs = folder / "environment" / "bin"
        subprocess.run([sys.executable, "-m", "venv", self.programs.parent], check=True)
        self.python("-m", "pip", "install", "--quiet", "--no-deps", *KERNEL.split())
        self.python("-m", "pip", "uninstall", "--quiet", "--yes", "setuptools")  # lent, too
        self.lend()
        command = [str(self.programs / "python"), "-m", "ipykernel_launcher"]
        spec = {"argv": [*command, "-f", "{connection_file}"], "display_name": "", "language": ""}
        kernel = folder / "kernels" / "colab"
        kernel.mkdir(parents=True)
        (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
        self.before = self.versions()

    def python(self, *arguments: str) -> str:
        return subprocess.check_output([self.programs / "python", *arguments], text=True)

    def lend(self) -> None:
        shelf = self.folder / "lent"
        shelf.mkdir()
        lend(LENT.split(), shelf)
        site = self.python("-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
        Path(site.strip(), "lent.pth").write_text(f"{shelf}\n", encoding="utf-8")

    def versions(self) -> dict[str, str]:
        listed = json.loads(self.python("-m", "pip", "list", "--format=json"))
        return {canonicalize_name(package["name"]): package["version"] for package in listed}

    @contextmanager
    def notebook(self, content: str = "content", network: bool = True) -> Iterator[Notebook]:
        """Open a notebook in a folder; git finds what is committed here at the course's address."""
        served = REPOSITORY if network else self.folder / "nothing"
        environment = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{served.as_uri()}.insteadOf",
            "GIT_CONFIG_VALUE_0": ADDRESS,
            "IPYTHONDIR": str(self.folder / "ipython"),
            "PATH": f"{self.programs}:{os.environ['PATH']}",
        }
        (self.folder / content).mkdir(exist_ok=True)
        opened = Notebook(self.folder / "kernels", self.folder / content, **environment)
        try:
            yield opened
        finally:
            opened.close()


@pytest.fixture(scope="module")
def colab(tmp_path_factory) -> Iterator[Colab]:
    folder = tmp_path_factory.mktemp("colab")
    yield Colab(folder)
    shutil.rmtree(folder)  # half a gigabyte


@pytest.fixture(scope="module")
def first(colab) -> Iterator[Notebook]:
    """The first notebook that is opened on the machine, set up."""
    with colab.notebook() as notebook:
        notebook.printed = notebook.run(SETUP)
        yield notebook


def cells(path: Path) -> dict[str, str]:
    return {cell["id"]: "".join(cell["source"]) for cell in code_cells(path)}


SETUP = cells(NOTEBOOKS[0])["setup"]  # all lessons have the same, says tests/test_notebooks.py
PIP_RAN = "you may need to restart the kernel"  # what `%pip` always says in the end
VERSIONS = r"Python \S+, torch \S+, pix2pix_lib \S+\n"


def test_the_first_run_fetches_the_course_enters_it_and_installs_it(colab, first):
    assert first.folder() == str(colab.folder / "content" / "pix2pix-course" / "notebooks")
    assert re.search(VERSIONS, first.printed) and PIP_RAN in first.printed
    assert "ERROR" not in first.printed


def test_what_colab_has_installed_stays_as_it_is(colab, first):
    after = colab.versions()
    assert {name: after.get(name) for name in colab.before} == colab.before
    assert {"pix2pix-lib", "albumentations", "basemap-data"} <= after.keys() - colab.before.keys()
    assert "jupyterlab" not in after
    paths = [first.run(f"import {name}; print({name}.__file__)") for name in ("torch", "numpy")]
    assert all(path.startswith(str(colab.folder / "lent")) for path in paths)


def test_a_second_run_changes_nothing(first):
    folder = first.folder()
    assert re.fullmatch(VERSIONS, first.run(SETUP))
    assert first.folder() == folder


@pytest.mark.parametrize("restarted", [False, True], ids=["opened second", "restarted"])
def test_another_kernel_enters_the_course_that_is_there(colab, first, restarted):
    with colab.notebook() as notebook:
        if restarted:
            notebook.run(SETUP)
            notebook.restart()
        assert notebook.folder() == str(colab.folder / "content")
        printed = notebook.run(SETUP)
        assert PIP_RAN not in printed and "fatal" not in printed
        assert notebook.folder() == first.folder()


def test_a_course_that_cannot_be_fetched_is_said_in_words(colab):
    with colab.notebook("empty", network=False) as notebook:
        for _ in range(2):  # it stays where it is, and a second try is possible
            with pytest.raises(CellFailed, match="The course could not be fetched") as failed:
                notebook.run(SETUP)
            assert "fatal: " in str(failed.value)
            assert notebook.folder() == str(colab.folder / "empty")


def test_a_clone_that_is_set_up_needs_neither_git_nor_pip(colab, first):
    """As in JupyterLab: the notebook is in its folder, and the library is installed."""
    with colab.notebook("content/pix2pix-course/notebooks", network=False) as notebook:
        folder = notebook.folder()
        assert re.fullmatch(VERSIONS, notebook.run(SETUP))
        assert notebook.folder() == folder


def test_a_lesson_runs_from_top_to_bottom(colab):
    """The first one: it builds data sets, loads networks, and has an explorer."""
    with colab.notebook() as notebook:
        for cell in code_cells(NOTEBOOKS[0]):
            try:
                notebook.run("".join(cell["source"]))
            except CellFailed:
                if "raises-exception" not in tags(cell):
                    raise


def test_the_app_s_lesson_installs_its_packages_once(colab):
    app = cells(REPOSITORY / "notebooks" / "12_app.ipynb")
    with colab.notebook() as notebook:
        notebook.run(SETUP)
        assert PIP_RAN in notebook.run(app["app-packages"])
        assert {"streamlit", "fastapi-offline"} <= colab.versions().keys() - colab.before.keys()
        notebook.restart()
        notebook.run(SETUP)
        assert notebook.run(app["app-packages"]) == ""
        for cell in ("imports", "notebook-imports"):
            notebook.run(app[cell])


WIPE = """
from PIL import Image
from pix2pix_lib.explorers.frame import explore_wipe
explorer = explore_wipe(*(Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")))
print(explorer.controls["position"].model_id, explorer.picture.model_id)
"""


def test_a_moved_slider_redraws_the_picture(first):
    position, picture = first.run(WIPE).split()
    drawn = [first.move(position, value, picture) for value in (0.1, 0.9, 0.1)]
    assert drawn[0] == drawn[2] != drawn[1]
    assert all(picture.startswith(b"\xff\xd8") for picture in drawn)  # JPEG
