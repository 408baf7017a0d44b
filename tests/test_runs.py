"""The folder of a run: whose it is, what it is carried on from, and what is refused."""

import shutil
import threading
from pathlib import Path

import pytest
import tomli_w
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pix2pix_lib import Pix2PixError, training
from pix2pix_lib.cli import main
from pix2pix_lib.files.weights import read_weights
from pix2pix_lib.files.whole import whole_file
from pix2pix_lib.runtime import checkpoint
from pix2pix_lib.runtime.config import TrainConfig, read_config
from pix2pix_lib.runtime.run import LOSSES, rows_until
from pix2pix_lib.training import fit


@pytest.fixture(scope="module")
def finished(earth, tmp_path_factory) -> TrainConfig:
    """The settings of a run of six steps that has ended; tests work on copies of its folder."""
    folder = tmp_path_factory.mktemp("runs")
    for split, numbers in (("train", range(100, 700, 100)), ("val", (50,))):
        (folder / "six" / split).mkdir(parents=True)
        for number in numbers:
            shutil.copy(earth / split / f"{number}.jpg", folder / "six" / split)
    small = {"size": 64, "load_size": 64, "ngf": 4, "ndf": 4, "n_layers": 1, "workers": 0}
    here = {"data": str(folder / "six"), "out": str(folder / "run"), "device": "cpu"}
    config = TrainConfig(**here, **small, epochs=1, precision="fp32", log_every=1, cache=False)
    fit(config)
    return config


@pytest.fixture
def run(finished, tmp_path) -> TrainConfig:
    """A copy of that run, to be treated badly."""
    return finished.replace(out=str(shutil.copytree(finished.out, tmp_path / "run")))


def contents(folder: str | Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def refused(config: TrainConfig, sentence: str, resume: bool = True) -> None:
    """`fit` refuses with this sentence, and nothing in the folder is touched."""
    before = contents(config.out)
    with pytest.raises(Pix2PixError, match=sentence):
        fit(config, resume=resume)
    assert contents(config.out) == before


def change(run: TrainConfig, **changes) -> None:
    """Change the checkpoint of a run; a part that becomes None is removed."""
    path = Path(run.out) / "checkpoint.pt"
    state = torch.load(path, weights_only=True) | changes
    torch.save({name: part for name, part in state.items() if part is not None}, path)


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("name", ["config.toml", "results.csv", "generator.safetensors", "me.txt"])
def test_files_of_others_are_never_overwritten(run, tmp_path, name, resume):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_bytes(b"epochs = 3\n")  # a config.toml may come from a reader
    here = run.replace(out=str(tmp_path / "mine"))
    refused(here, rf"mine holds other files \({name}\) and no run", resume)


def test_a_run_that_has_saved_nothing_may_begin_anew(run):
    folder = Path(run.out)
    for file in (folder / "checkpoint.pt", folder / "generator.safetensors"):
        file.unlink()
    refused(run, "holds other files", resume=False)  # there are pictures of it
    shutil.rmtree(folder / "samples")
    fit(run)
    assert (folder / "generator.safetensors").exists()


def test_one_training_at_a_time(run):
    with checkpoint.alone_in(Path(run.out)):
        refused(run, "Another training runs in .*run: wait for its end")
    assert not list(Path(run.out).glob(".*"))


def test_a_folder_that_stays_empty_is_not_left_behind(run, tmp_path):
    out = tmp_path / "new" / "run"
    with pytest.raises(Pix2PixError, match="There is no folder"):
        fit(run.replace(out=str(out), data=str(tmp_path / "none")))
    assert not out.parent.exists()


BROKEN = {
    "truncated": (lambda whole: whole[: len(whole) // 2], r"no whole checkpoint \(Pytorch"),
    "empty": (lambda whole: b"", r"no whole checkpoint \(it ends too early\)"),
    "spoilt": (lambda whole: whole[:9000] + b"spoilt" + whole[9006:], "no whole checkpoint"),
    "no checkpoint": (lambda whole: b"PK, but nothing else", "no whole checkpoint"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_checkpoint_is_told_as_what_it_is(run, name):
    spoil, sentence = BROKEN[name]
    path = Path(run.out) / "checkpoint.pt"
    path.write_bytes(spoil(path.read_bytes()))
    refused(run, f"{sentence}.*begin another, with --init")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"optimizer_g": None}, "it lacks 'optimizer_g'"),
        ({"step": "six"}, "it lacks 'step'"),
        ({"version": 2}, "written by a newer version"),
    ],
)
def test_a_checkpoint_is_checked_before_anything_else(run, changes, sentence):
    change(run, **changes)
    refused(run, sentence)


def test_the_checkpoint_before_stays_until_the_next_is_proven(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    torch.save({}, path)
    before, save = path.read_bytes(), torch.save

    def lose_the_end(state: dict, path: Path) -> None:
        save(state, path)
        path.write_bytes(path.read_bytes()[:-20])

    monkeypatch.setattr(torch, "save", lose_the_end)
    with pytest.raises(Pix2PixError, match="came out broken"), whole_file(path) as partial:
        checkpoint.write_checkpoint({"step": 1}, partial)
    assert contents(tmp_path) == {str(path): before}


def test_lines_of_a_log_that_are_none_are_dropped(tmp_path):
    log, row = tmp_path / "results.csv", b"1,0.7,0.8,0.4,0.5\n"
    log.write_bytes(f"step,{','.join(LOSSES)}\n".encode() + row + b"\n , \n\0\0\0\0\n\xff\n3,0.7")
    assert rows_until(9, log) == [row.decode().strip().split(",")]


@pytest.mark.parametrize("keep", [0, 1000])
def test_weights_that_are_lost_or_broken_come_back_from_the_checkpoint(run, finished, keep):
    weights = Path(run.out) / "generator.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    if not keep:
        weights.unlink()
    fit(run, resume=True)
    (tensors, _, card), (others, *_) = map(
        read_weights, (weights, Path(finished.out, weights.name))
    )
    assert card["steps"] == 6 and all(torch.equal(tensors[name], others[name]) for name in others)


def test_other_pairs_are_no_resume_and_another_path_is(run, tmp_path):
    elsewhere = shutil.copytree(run.data, tmp_path / "elsewhere")  # with new dates
    moved = run.replace(data=str(elsewhere))
    assert fit(moved, resume=True) == Path(run.out)
    picture = elsewhere / "train" / "100.jpg"
    picture.write_bytes(picture.read_bytes() + b"\0")
    refused(moved, "elsewhere has changed since the run .* began: it has other files now")
    picture.unlink()
    refused(moved, "it has 5 training pairs now, not 6. Give it its pairs back, or")


def test_a_run_of_an_older_version_goes_on(run, capfd):
    """Whose files know less than today's, and nothing of the pairs."""
    settings = run.model_dump(exclude={"zoom", "noise"})
    change(run, config=settings, pairs=None, version=None, device=None)
    (Path(run.out) / "config.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
    assert main(["train", "--resume", "--out", run.out]) == 0
    assert "is ready for" in capfd.readouterr().out


def test_resume_needs_a_run(tmp_path, capfd):
    assert main(["train", "--resume", "--out", str(tmp_path / "tpyo")]) == 1
    assert "There is no run in" in capfd.readouterr().err and not (tmp_path / "tpyo").exists()


def test_the_default_folder_resumes_as_it_began_and_for_more_epochs(
    run, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    shutil.move(run.out, tmp_path / "runs" / "latest")
    assert main(["train", "--resume"]) == 0
    more = ["--epochs", "2", "--log-every", "2", "--broken", "skip", "--tensorboard"]
    with pytest.warns(UserWarning, match="learning rate now falls over the second half of all 2"):
        assert main(["train", "--resume", *more]) == 0
    capfd.readouterr()
    assert read_config("runs/latest/config.toml")["epochs"] == 2
    assert [row[0] for row in rows_until(99, Path("runs/latest/results.csv"))][5:] == [
        "6",
        "8",
        "10",
        "12",
    ]
    state = torch.load("runs/latest/checkpoint.pt", weights_only=True)
    assert state["step"] == 12 and state["schedule_g"]["_last_lr"] == [0.0]
    for option, value in (("--epochs", "1"), ("--ngf", "8")):
        assert main(["train", "--resume", option, value]) == 1
        assert "a run goes on as it began, or for more epochs" in capfd.readouterr().err


def test_what_was_logged_for_tensorboard_is_there_whatever_ends_the_run(run, tmp_path, monkeypatch):
    def broken_in_the_fourth_step(trainer, batch):
        if trainer.step == 3:
            raise RuntimeError("something broke")
        return step(trainer, batch)

    step = training.train_on
    monkeypatch.setattr(training, "train_on", broken_in_the_fourth_step)
    config = run.replace(out=str(tmp_path / "logged"), tensorboard=True)
    with pytest.raises(RuntimeError, match="something broke"):
        fit(config)
    board = EventAccumulator(str(tmp_path / "logged" / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("loss/d")] == [1, 2, 3]
    assert not [thread for thread in threading.enumerate() if "Writer" in type(thread).__name__]
