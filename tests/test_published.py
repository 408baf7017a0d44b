"""Weights by name: fetched from a server on loopback, imported by the command line, then used."""

from pathlib import Path

import numpy as np
import pytest
import torch
from authors_unet import trained
from PIL import Image
from servers import FileServer
from small_generators import levels_apart, noise

from pix2pix_lib import Pix2PixError
from pix2pix_lib.cli import main
from pix2pix_lib.data import denormalise, normalise
from pix2pix_lib.evaluation import write_card
from pix2pix_lib.files import published
from pix2pix_lib.files.weights import bundled_weights, read_weights
from pix2pix_lib.generator import load_generator


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where weights are kept while a test lasts."""
    monkeypatch.setenv("PIX2PIX_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    """A trained network, saved where and as the authors' code saves it."""
    file = tmp_path / "checkpoints/stripes/latest_net_G.pth"
    file.parent.mkdir(parents=True)
    torch.save(trained().state_dict(), file)
    return file


@pytest.fixture
def server(monkeypatch, checkpoint):
    with FileServer() as server:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("PIX2PIX_WEIGHTS_URL", f"{server.url}/models")
        server.files["/models/sat2map.pth"] = checkpoint.read_bytes()
        yield server


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


# fetched


def test_get_converts_once_and_the_name_is_known_everywhere(folder, server, capsys):
    assert main(["weights", "get", "sat2map"]) == 0
    told = capsys.readouterr().out
    assert "64×64 pixels, ngf 4" in told and "--weights sat2map`" in told
    assert names_in(folder) == {"sat2map.safetensors"}, "the checkpoint is not needed any more"
    weights, config, card = read_weights("sat2map")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert (card["data"], card["direction"]) == ("maps", "AtoB")
    assert card["source"] == f"{server.url}/models/sat2map.pth" and "BSD" in card["licence"]
    assert card["config"] == {"size": 64, "load_size": 72}
    load_generator("sat2map")
    assert published.get_weights("sat2map") == folder / "sat2map.safetensors"
    assert published.get_weights("earth_edges") == bundled_weights()["earth_edges"]
    assert len(server.log) == 1, "what is here is not fetched again"


def test_get_carries_on_where_a_download_broke_off(folder, server, capsys):
    whole = len(server.files["/models/sat2map.pth"])
    server.stop_after = whole // 2
    assert main(["weights", "get", "sat2map"]) == 1
    assert "broke off" in capsys.readouterr().err
    kept = (folder / "sat2map.pth.part").stat().st_size
    server.stop_after = None
    assert main(["weights", "get", "sat2map", "--half"]) == 0
    assert server.log[-1] == (206, kept, whole - kept), "only the rest is to be transferred"
    assert {tensor.dtype for tensor in read_weights("sat2map")[0].values()} == {torch.float16}


def test_get_keeps_aside_what_is_no_checkpoint_and_works_when_that_is_mended(folder, server):
    good = server.files["/models/sat2map.pth"]
    server.files["/models/sat2map.pth"] = b"<html>Please log in.</html>" * 50
    with pytest.raises(Pix2PixError, match="/models/sat2map.pth is not usable: it is a web page"):
        published.get_weights("sat2map")
    assert names_in(folder) == {"sat2map.pth.broken"}
    (folder / "sat2map.pth").write_bytes(good)  # by hand
    published.get_weights("sat2map")
    assert names_in(folder) == {"sat2map.pth.broken", "sat2map.pth", "sat2map.safetensors"}
    assert len(server.log) == 1


def test_get_says_what_there_is_and_what_is_not(folder, server):
    with pytest.raises(Pix2PixError, match="no published weights 'map2map'; there are sat2map"):
        published.get_weights("map2map")
    with pytest.raises(Pix2PixError, match="404 Not Found: try later, or put the file at .*pth"):
        published.get_weights("map2sat")
    assert names_in(folder) == set()


# imported


def test_import_and_translate_as_people_type_it(pix2pix, folder, checkpoint, tmp_path):
    """Their network and ours draw the same picture."""
    done = pix2pix("weights", "import", checkpoint, "--direction", "BtoA", "--data", "my/stripes")
    assert done.returncode == 0 and "--weights stripes`" in done.stdout
    picture, drawn = noise(64, 64), tmp_path / "drawn.png"
    picture.save(tmp_path / "picture.png")
    asked = "translate", str(tmp_path / "picture.png"), "-o", str(drawn), "--weights", "stripes"
    assert main([*asked]) == 0
    theirs = trained()(normalise(np.asarray(picture))[None])[0]
    assert levels_apart(Image.open(drawn), denormalise(theirs)) <= 1  # halves go either way
    card = load_generator("stripes")[1]
    assert (card["direction"], card["data"]) == ("BtoA", "stripes")
    assert card["source"] == "latest_net_G.pth" and len(card["source_sha256"]) == 64


def test_the_app_serves_what_was_imported(folder, checkpoint):
    from service.models import find_models, load_model

    published.import_weights(checkpoint, "tiny", training=published.Training("cats", "AtoB"))
    model = load_model("tiny", dict(find_models(folder))["tiny"])
    assert model.translator.translate(noise(70, 30)).size == (70, 30)
    assert (model.description.direction, model.description.training_data) == ("AtoB", "cats")


def test_list_says_what_is_here_and_what_for(folder, checkpoint, capsys):
    published.import_weights(checkpoint, "tiny")
    (folder / "broken.safetensors").write_bytes(b"no weights")
    assert main(["weights", "list"]) == 0
    text = capsys.readouterr().out
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    assert "bundled" in lines["earth_map2sat"] and "map → satellite" in lines["earth_map2sat"]
    assert "to fetch" in lines["day2night"] and "day → night" in lines["day2night"]
    assert "218 MB" in lines["sat2map"] and "labels → house front" in lines["facades_label2photo"]
    assert "here" in lines["tiny"] and "not known" in lines["tiny"]
    assert "no weights of this library" in lines["broken"]
    assert str(folder) in text


def test_scores_are_put_on_the_card_and_no_number_is_rounded(folder, checkpoint):
    file = published.import_weights(checkpoint, "tiny")
    before = read_weights(file)[0]
    write_card("tiny", {"l1": 0.5})
    after, _, card = read_weights(file)
    assert card["metrics"] == {"l1": 0.5}
    assert all(torch.equal(before[name], after[name]) for name in before)


# refused


def told_by(*arguments, capsys) -> str:
    """What a failing command says."""
    assert main(["weights", "import", *map(str, arguments)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("pix2pix: ") and said.count("\n") == 1
    return said


def test_names_that_are_none_or_taken_are_refused(folder, checkpoint, capsys):
    plain = checkpoint.rename(checkpoint.with_name("mine.pth"))
    assert main(["weights", "import", str(plain)]) == 0  # under the name of the file
    assert "'mine' is taken, by" in told_by(plain, capsys=capsys)
    assert "'a b' is no name" in told_by(plain, "--name", "a b", capsys=capsys)
    for name in bundled_weights():
        assert "bundled weights: choose another" in told_by(plain, "--name", name, capsys=capsys)
    for name in published.PUBLISHED:
        assert f"`pix2pix weights get {name}`" in told_by(plain, "--name", name, capsys=capsys)
    assert names_in(folder) == {"mine.safetensors"}


def test_files_that_cannot_be_imported_leave_nothing_behind(folder, checkpoint, tmp_path, capsys):
    grey = tmp_path / "grey.pth"
    torch.save(trained(channels=(1, 1)).state_dict(), grey)
    assert f"{grey} cannot be imported: its channels are 1 in and 1 out" in told_by(
        grey, capsys=capsys
    )
    assert "is not there: name a checkpoint" in told_by(tmp_path / "none.pth", capsys=capsys)
    assert "is a folder: name a checkpoint" in told_by(tmp_path, capsys=capsys)
    assert "end in .safetensors" in told_by(checkpoint, "-o", tmp_path / "x.pth", capsys=capsys)
    nowhere = tmp_path / "none" / "x.safetensors"
    assert "cannot be written" in told_by(checkpoint, "-o", nowhere, capsys=capsys)
    assert "--load-size 60" in told_by(checkpoint, "--load-size", 60, capsys=capsys)
    assert not folder.exists()
    folder.write_bytes(b"in the way")
    assert "cannot be made" in told_by(checkpoint, capsys=capsys)
