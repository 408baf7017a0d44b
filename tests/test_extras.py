"""A plain install, without any extra: what it can do, and what it says where one is missing."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from lending import lend
from platforms import posix_only
from servers import PATIENCE, REPOSITORY

APP = REPOSITORY / "app"
OUTSIDE = Path("/")
pytestmark = posix_only


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Python where the library is installed without extras, and beside it what is named.

    A folder of links stands for its `site-packages`: nothing else can be imported, and nothing else
    is known to be installed.
    """

    @cache
    def site_packages(*names: str) -> Path:
        folder = tmp_path_factory.mktemp("site-packages")
        lend(["pix2pix-lib", *names], folder)
        return folder

    def run(*arguments, beside: tuple = (), cwd=OUTSIDE, **environment):
        path = os.pathsep.join(map(str, [site_packages(*beside), REPOSITORY]))
        return subprocess.run(
            [sys.executable, "-S", *map(str, arguments)],  # -S: no other site-packages
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": path} | environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    return run


def sentence(subject: str, extra: str) -> str:
    return f'{subject} needs the extra `{extra}`: pip install "pix2pix-lib[{extra}]"\n'


def test_the_doctor_says_which_extras_there_are(installed, pix2pix):
    told = installed("-m", "pix2pix_lib", "doctor")
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    for extra in ("course", "app", "openvino", "onnx", "tensorboard", "distributed", "metrics"):
        line = f'extra {extra:<12}not installed: pip install "pix2pix-lib[{extra}]"'
        assert line in lines
    told = installed("-m", "pix2pix_lib", "doctor", beside=("onnxruntime", "tensorboard"))
    lines = told.stdout.splitlines()
    assert 'extra onnx        only partly installed: pip install "pix2pix-lib[onnx]"' in lines
    assert "extra tensorboard installed" in lines
    complete = [line for line in pix2pix("doctor").stdout.splitlines() if "extra" in line]
    assert len(complete) == 7 and all(line.endswith(" installed") for line in complete)


def test_a_plain_install_translates(installed, tmp_path):
    done = installed("-m", "pix2pix_lib", "translate", REPOSITORY / "data/samples", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.iterdir())) == 8


@pytest.mark.parametrize(
    ("module", "subject", "extra"),
    [
        ("pix2pix_lib.explorers.unet", "pix2pix_lib.explorers", "course"),
        ("pix2pix_lib.runtime.openvino_engine", "The OpenVINO engine", "openvino"),
    ],
)
def test_an_import_names_the_extra(installed, module, subject, extra):
    done = installed("-c", f"import {module}")
    assert done.stderr.endswith(f"MissingExtra: {sentence(subject, extra)}")
    caught = f"try: import {module}\nexcept ImportError as error: print(error)"
    assert installed("-c", caught).stdout == sentence(subject, extra)


def test_a_package_that_is_broken_is_no_missing_extra(installed, tmp_path):
    (tmp_path / "matplotlib.py").write_text("import nonsense", encoding="utf-8")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import pix2pix_lib.explorers"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'nonsense'\n")


TINY = ["--epochs", "1", "--size", "64", "--load-size", "64", "--ngf", "4", "--ndf", "4"]


@pytest.mark.parametrize(
    ("arguments", "environment", "subject", "extra"),
    [
        (["export", "--onnx", "g.onnx"], {}, "Writing ONNX", "onnx"),
        (["train", *TINY, "--tensorboard"], {}, "--tensorboard", "tensorboard"),
        (
            ["train", *TINY, "--batch-size", "2"],
            {"RANK": "0", "WORLD_SIZE": "2"},
            "A training on several processes",
            "distributed",
        ),
    ],
    ids=["export", "tensorboard", "processes"],
)
def test_a_command_names_the_extra(installed, six_pairs, arguments, environment, subject, extra):
    if "train" in arguments:
        arguments = [*arguments, "--data", six_pairs]
    done = installed("-m", "pix2pix_lib", *arguments, cwd=six_pairs, **environment)
    assert done.returncode == 1
    progress, *said = done.stderr.rpartition("pix2pix: ")
    assert "".join(said) == f"pix2pix: {sentence(subject, extra)}" and "Trace" not in progress
    assert not (six_pairs / "g.onnx").exists()


def test_the_app_names_its_extra(installed):
    done = installed("start.py", cwd=APP)
    assert (done.returncode, done.stderr) == (1, sentence("The app", "app"))
    done = installed("-m", "uvicorn", "api_main:app", beside=("uvicorn",), cwd=APP)
    assert (done.returncode, done.stderr) == (1, sentence("The service", "app"))


def test_the_page_names_its_extra(installed):
    program = (
        "from streamlit.testing.v1 import AppTest\n"
        "page = AppTest.from_file('streamlit_deploy.py').run(timeout=60)\n"
        "print(*(error.value for error in page.error), *page.exception)"
    )
    done = installed("-c", program, beside=("streamlit",), cwd=APP)
    assert done.stdout == sentence("The page", "app"), done.stderr
