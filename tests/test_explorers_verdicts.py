"""The explorer of lesson 4: trained discriminators, their maps of logits, any pair, any size."""

import html
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from pix2pix_lib import Pix2PixError
from pix2pix_lib.augment import eval_transform
from pix2pix_lib.data import PairedImageFolder
from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.explorers.frame import encode
from pix2pix_lib.explorers.verdicts import (
    discriminator_scores,
    draw_logits,
    explore_logits,
    fit_triple,
    load_discriminators,
    logit_maps,
    overlay_logits,
    patch_geometry,
    translate_item,
)
from pix2pix_lib.files.weights import bundled_weights, write_weights
from pix2pix_lib.generator import load_generator
from pix2pix_lib.receptive_field import theoretical

TRAINED = Path(__file__).parents[1] / "results" / "discriminators.safetensors"
DEPTHS = range(6)
SMALLEST = {0: 2, 1: 6, 2: 12, 3: 24, 4: 48, 5: 96}


@pytest.fixture(scope="module")
def discriminators():
    return load_discriminators(TRAINED)


@pytest.fixture(scope="module")
def generator():
    return load_generator("earth_sat2map")[0]


@pytest.fixture(scope="module")
def val(earth):
    return PairedImageFolder(earth, "val", transform=eval_transform(256, load_size=286))


@pytest.fixture(scope="module")
def triple(generator, val):
    return translate_item(generator, val[111])


def move(explorer, **values) -> None:
    for name, value in values.items():
        explorer.controls[name].value = value


class TestExplorer:
    @pytest.fixture
    def explorer(self, discriminators, generator, earth):
        return explore_logits(discriminators, generator, earth, number=112)

    def test_begins_as_the_static_figure(self, explorer, discriminators, triple):
        figure, text = draw_logits(discriminators[3], triple)
        assert explorer.picture.value == encode(figure)
        assert html.escape(f"Pair 112 of 301 in val. {text}") in explorer.text.value

    def test_offers_every_patch_by_its_size(self, explorer):
        labels = [label for label, _ in explorer.controls["n_layers"].options]
        assert [label.split("×")[-1] for label in labels] == ["1", "16", "34", "70", "142", "286"]

    def test_a_picture_too_small_is_refused_in_words_and_the_drawing_stays(self, explorer):
        move(explorer, n_layers=5, size=96)
        before = explorer.picture.value
        assert "1×1 verdicts" in explorer.text.value
        move(explorer, size=95)
        assert explorer.picture.value == before
        assert "the smallest picture that works has 96×96 pixels" in explorer.text.value

    def test_a_cut_larger_than_the_picture_is_refused_and_resizing_does_it(self, explorer):
        before = explorer.picture.value
        move(explorer, size=286)
        assert explorer.picture.value == before and "cannot be cut" in explorer.text.value
        move(explorer, fit="resize")
        assert explorer.picture.value != before and "33×33 verdicts" in explorer.text.value


@pytest.mark.parametrize("n_layers", DEPTHS)
class TestGrid:
    @pytest.mark.parametrize("size", [101, 256, 286])
    def test_is_that_of_a_patchgan_at_any_size(self, discriminators, triple, n_layers, size):
        with torch.device("meta"):
            rows, columns = PatchGAN(n_layers=n_layers)(torch.empty(1, 6, size, size)).shape[2:]
        resized = fit_triple(triple, size, "resize")
        maps = logit_maps(discriminators[n_layers], resized)
        assert {logits.shape for logits in maps.values()} == {(rows, columns)}
        text = draw_logits(discriminators[n_layers], resized)[1]
        assert f"on {size}×{size} pixels: {rows}×{columns} verdicts" in text

    def test_the_smallest_size_works_and_one_pixel_less_does_not(
        self, discriminators, triple, n_layers
    ):
        network, smallest = discriminators[n_layers], SMALLEST[n_layers]
        draw_logits(network, fit_triple(triple, smallest))
        too_small = fit_triple(triple, smallest - 1)
        with pytest.raises((RuntimeError, ValueError)):  # from torch, in its own words
            logit_maps(network, too_small)
        with pytest.raises(Pix2PixError, match=f"={n_layers}.*{smallest}×{smallest} pixels"):
            draw_logits(network, too_small)

    def test_every_logit_is_drawn_over_the_middle_of_its_patch(
        self, discriminators, triple, n_layers
    ):
        """By the receptive field: another calculation, in lesson 5."""
        field = theoretical(discriminators[n_layers])
        assert patch_geometry(n_layers)[:2] == (field.size, field.stride)
        logits = logit_maps(discriminators[n_layers], triple)["fake"]
        axis = Figure().add_axes((0, 0, 1, 1))
        overlay_logits(axis, triple["fake"], logits, n_layers, opacity=1)
        left, right, bottom, top = axis.images[1].get_extent()
        for unit in ((0, 0), (len(logits) - 1, len(logits) - 1)):
            middle = sum(field.window(unit)[::2]) / 2 - 0.5
            place = (unit[0] + 0.5) / len(logits)
            assert top + place * (bottom - top) == pytest.approx(middle)
            assert left + place * (right - left) == pytest.approx(middle)


class TestMaps:
    def test_are_what_the_discriminator_says_of_source_and_target(self, discriminators, triple):
        for name, logits in logit_maps(discriminators[2], triple).items():
            pair = torch.cat([triple["source"], triple[name]])[None]
            assert torch.allclose(discriminators[2](pair)[0, 0], logits, atol=1e-4)

    def test_scores_are_counted_by_hand(self):
        maps = {"real": torch.tensor([[0.2, -1.0]]), "fake": torch.tensor([[-1.0, -1.0]])}
        scores = discriminator_scores(maps)
        on_real = (np.log1p(np.exp(-0.2)) + np.log1p(np.exp(1))) / 2
        assert (scores["real"], scores["fake"]) == (0.5, 0)
        assert scores["loss"] == pytest.approx((on_real + np.log1p(np.exp(-1))) / 2)

    def test_the_fake_has_whole_levels_as_the_real_target(self, triple):
        for side in triple.values():
            levels = (side + 1) * 127.5
            assert (levels - levels.round()).abs().max() < 1e-3


class TestFit:
    @pytest.mark.parametrize("size", [2, 64, 193, 256])
    def test_a_cut_keeps_pixels_and_stays_on_the_grid_of_every_discriminator(self, triple, size):
        cut, offset = fit_triple(triple, size), (256 - size) // 64 * 32
        for name, side in triple.items():
            assert torch.equal(cut[name], side[:, offset:, offset:][:, :size, :size])

    def test_a_shift_moves_all_three_right_and_down(self, triple):
        for name, side in fit_triple(triple, 256, shift=5).items():
            assert torch.equal(side[:, 5:, 5:], triple[name][:, :-5, :-5])


class TestTrained:
    def test_do_better_than_chance_on_validation_pairs(self, discriminators, generator, val):
        """Fails, too, if the generator was replaced: run `benchmarks/discriminators.py` then."""
        right = {n_layers: [] for n_layers in discriminators}
        for index in range(5, len(val), 60):
            triple = translate_item(generator, val[index])
            for n_layers, network in discriminators.items():
                scores = discriminator_scores(logit_maps(network, triple))
                right[n_layers].append((scores["real"] + 1 - scores["fake"]) / 2)
        shares = [float(np.mean(values)) for values in right.values()]
        assert min(shares[1:]) > 0.5, shares  # a single pixel tells next to nothing
        assert min(shares[3:]) > 0.8, shares

    @pytest.mark.parametrize("how", ["missing", "half a file", "a generator", "a weight missing"])
    def test_what_is_no_file_of_them_is_refused_in_one_sentence(self, how, tmp_path):
        path, network = tmp_path / "wrong.safetensors", PatchGAN(ndf=1)
        if how == "half a file":
            path.write_bytes(TRAINED.read_bytes()[:300_000])
        elif how == "a generator":
            path.write_bytes(bundled_weights()["earth_sat2map"].read_bytes())
        elif how == "a weight missing":
            write_weights(path, {}, {"discriminators": [network.config]}, {})
        expected = rf"^{path} holds no trained .*benchmarks/discriminators\.py` writes them\.$"
        with pytest.raises(Pix2PixError, match=expected):
            load_discriminators(path)


@pytest.fixture
def run_script(monkeypatch):
    """Run a program of `benchmarks/` as if called with these arguments."""

    def run(name: str, *arguments) -> None:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        importlib.import_module(name).main()

    return run


def test_the_script_writes_what_can_be_read(run_script, six_pairs, tmp_path, capsys):
    run_script("discriminators", "--data", six_pairs, "--steps", 2, "--out", tmp_path)
    facts = json.loads((tmp_path / "discriminators.json").read_bytes())
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told == facts["discriminators"] and len(told) == len(DEPTHS)
    assert (facts["steps"], facts["train_pairs"], facts["val_pairs"]) == (2, 6, 2)
    assert [*load_discriminators(tmp_path / "discriminators.safetensors")] == [*DEPTHS]


@pytest.mark.parametrize("option", ["--data", "--weights"])
def test_the_script_says_in_one_line_what_is_missing(run_script, option, tmp_path, capsys):
    with pytest.raises(SystemExit, match="1"):
        run_script("discriminators", option, tmp_path / "missing", "--out", tmp_path)
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and str(tmp_path / "missing") in error
