"""The PatchGAN explorer of lesson 4: trained judges, their maps of logits, any pair, any size."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from safetensors import safe_open
from safetensors.torch import save_file

from pix2pix_lib import Pix2PixError
from pix2pix_lib.augment import eval_transform
from pix2pix_lib.data import PairedImageFolder
from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.generator import bundled_weights, load_generator
from pix2pix_lib.receptive_field import theoretical
from pix2pix_lib.widgets import (
    draw_logits,
    encode,
    explore_logits,
    fit_triple,
    judge_scores,
    lay_map,
    load_judges,
    logit_maps,
    patch_geometry,
    translate_item,
)

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "results"
SCRIPT = REPOSITORY / "benchmarks" / "judges.py"
DEPTHS = range(6)
SMALLEST = {0: 2, 1: 6, 2: 12, 3: 24, 4: 48, 5: 96}


@pytest.fixture(scope="module")
def judges():
    return load_judges(RESULTS / "judges.safetensors")


@pytest.fixture(scope="module")
def generator():
    return load_generator("earth_sat2map")[0]


@pytest.fixture(scope="module")
def val(earth):
    return PairedImageFolder(earth, "val", transform=eval_transform(256, load_size=286))


@pytest.fixture(scope="module")
def triple(generator, val):
    return translate_item(generator, val[111])


@pytest.fixture
def explorer(judges, generator, earth):
    return explore_logits(judges, generator, earth, number=112)


def move(explorer, **values) -> None:
    for name, value in values.items():
        explorer.controls[name].value = value


class TestExplorer:
    def test_begins_as_the_static_figure(self, explorer, judges, triple):
        figure, text = draw_logits(judges[3], triple)
        assert explorer.picture.value == encode(figure)
        assert explorer.text.value == f"<pre>Pair 112 of 301 in val. {text}</pre>"

    @pytest.mark.parametrize(
        ("control", "value"),
        [("number", 7), ("n_layers", 5), ("size", 224), ("fit", "resize"), ("shift", 1)],
    )
    def test_every_control_redraws_picture_and_text(self, explorer, control, value):
        move(explorer, size=128)
        before = explorer.picture.value, explorer.text.value
        move(explorer, **{control: value})
        assert explorer.picture.value != before[0] and explorer.text.value != before[1]

    def test_opacity_changes_the_picture_alone(self, explorer):
        before = explorer.picture.value, explorer.text.value
        move(explorer, opacity=0.2)
        assert explorer.picture.value != before[0] and explorer.text.value == before[1]

    def test_offers_every_patch_by_its_size(self, explorer):
        labels = [label for label, _ in explorer.controls["n_layers"].options]
        sizes = (1, 16, 34, 70, 142, 286)
        assert labels == [f"{n}: patches of {size}×{size}" for n, size in enumerate(sizes)]

    def test_a_picture_too_small_is_refused_in_words_and_the_drawing_stays(self, explorer):
        move(explorer, n_layers=5, size=96)
        before = explorer.picture.value
        assert "1×1 verdicts" in explorer.text.value
        move(explorer, size=95)
        assert explorer.picture.value == before
        assert "the smallest picture that works has 96×96 pixels" in explorer.text.value
        move(explorer, size=128)
        assert explorer.picture.value != before and "2×2 verdicts" in explorer.text.value

    def test_a_cut_larger_than_the_picture_is_refused_and_resizing_does_it(self, explorer):
        before = explorer.picture.value
        move(explorer, size=286)
        assert explorer.picture.value == before and "cannot be cut" in explorer.text.value
        move(explorer, fit="resize")
        assert explorer.picture.value != before and "33×33 verdicts" in explorer.text.value

    def test_translates_each_pair_once(self, judges, generator, earth):
        calls = []
        hook = generator.register_forward_hook(lambda *call: calls.append(call))
        try:
            explorer = explore_logits(judges, generator, earth, number=1)
            move(explorer, n_layers=0, size=128, shift=3)
            assert len(calls) == 1
            move(explorer, number=2)
            move(explorer, number=1)
            assert len(calls) == 2
        finally:
            hook.remove()

    def test_there_is_no_pair_0(self, judges, generator, earth):
        with pytest.raises(Pix2PixError, match="no pair 0; the set has the pairs 1 to 301"):
            explore_logits(judges, generator, earth, number=0)


@pytest.mark.parametrize("n_layers", DEPTHS)
class TestGrid:
    @pytest.mark.parametrize("size", [96, 101, 256, 286, 511])
    def test_is_that_of_a_patchgan_at_any_size(self, judges, triple, n_layers, size):
        with torch.device("meta"):
            expected = PatchGAN(n_layers=n_layers)(torch.empty(1, 6, size, size)).shape[2:]
        resized = fit_triple(triple, size, "resize")
        assert {tuple(logits.shape) for logits in logit_maps(judges[n_layers], resized).values()} \
            == {tuple(expected)}
        text = draw_logits(judges[n_layers], resized)[1]
        rows, columns = expected
        assert f"on {size}×{size} pixels: {rows}×{columns} verdicts" in text

    def test_is_as_the_paper_has_it_at_256(self, judges, triple, n_layers):
        side = (256, 126, 62, 30, 14, 6)[n_layers]
        assert logit_maps(judges[n_layers], triple)["real"].shape == (side, side)

    def test_the_smallest_size_works_and_one_pixel_less_does_not(self, judges, triple, n_layers):
        judge, smallest = judges[n_layers], SMALLEST[n_layers]
        assert logit_maps(judge, fit_triple(triple, smallest))["fake"].isfinite().all()
        draw_logits(judge, fit_triple(triple, smallest))
        too_small = fit_triple(triple, smallest - 1)
        with pytest.raises((RuntimeError, ValueError)):  # from torch, in its own words
            logit_maps(judge, too_small)
        words = f"n_layers={n_layers}.*{smallest}×{smallest} pixels"
        with pytest.raises(Pix2PixError, match=words):
            draw_logits(judge, too_small)

    def test_patch_and_step_are_those_of_the_receptive_field(self, n_layers):
        field = theoretical(PatchGAN(ndf=1, n_layers=n_layers))
        patch, step, rim = patch_geometry(n_layers)
        top, _, bottom, _ = field.window((0, 0))
        assert (patch, step) == (field.size, field.stride)
        assert (top + bottom) / 2 == rim + step / 2  # the middle of the first patch

    def test_every_logit_is_drawn_over_the_middle_of_its_patch(self, judges, triple, n_layers):
        logits = logit_maps(judges[n_layers], triple)["fake"]
        axis = Figure().add_axes((0, 0, 1, 1))
        lay_map(axis, triple["fake"], logits, n_layers, opacity=1)
        drawn = axis.images[1]
        left, right, bottom, top = drawn.get_extent()
        assert np.array_equal(drawn.get_array(), logits.numpy())
        field = theoretical(judges[n_layers])
        for unit in ((0, 0), (len(logits) - 1, len(logits) - 1)):
            middle = sum(field.window(unit)[::2]) / 2 - 0.5
            place = (unit[0] + 0.5) / len(logits)
            assert top + place * (bottom - top) == pytest.approx(middle)
            assert left + place * (right - left) == pytest.approx(middle)
        assert (axis.get_xlim(), axis.get_ylim()) == ((-0.5, 255.5), (255.5, -0.5))


class TestMaps:
    @pytest.mark.parametrize("n_layers", DEPTHS)
    def test_are_what_the_judge_says_of_source_and_target(self, judges, triple, n_layers):
        for name, logits in logit_maps(judges[n_layers], triple).items():
            pair = torch.cat([triple["source"], triple[name]])[None]
            assert torch.allclose(judges[n_layers](pair)[0, 0], logits, atol=1e-4)

    def test_scores_are_counted_by_hand(self):
        maps = {"real": torch.tensor([[0.2, -1.0]]), "fake": torch.tensor([[-1.0, -1.0]])}
        scores = judge_scores(maps)
        assert (scores["real"], scores["fake"]) == (0.5, 0)
        on_real = (np.log1p(np.exp(-0.2)) + np.log1p(np.exp(1))) / 2
        assert scores["loss"] == pytest.approx((on_real + np.log1p(np.exp(-1))) / 2)

    def test_a_judge_that_says_zero_pays_what_guessing_costs(self, triple):
        judge = PatchGAN(ndf=1)
        torch.nn.init.zeros_(judge.blocks[-1].weight)
        assert "Loss 0.69; guessing costs 0.69" in draw_logits(judge, triple)[1]

    def test_the_fake_has_whole_levels_as_the_real_target(self, generator, val):
        triple = translate_item(generator, val[3])
        assert torch.equal(triple["source"], val[3]["source"])
        for side in triple.values():
            levels = (side + 1) * 127.5
            assert (levels - levels.round()).abs().max() < 1e-3
        with torch.no_grad():
            raw = generator(val[3]["source"][None])[0]
        assert 0 < (raw - triple["fake"]).abs().max() <= 0.5 / 127.5 + 1e-6


class TestFit:
    @pytest.mark.parametrize("size", [2, 64, 193, 255])
    def test_a_cut_keeps_pixels_and_stays_on_the_grid_of_every_judge(self, triple, size):
        cut = fit_triple(triple, size)
        offset = (256 - size) // 64 * 32
        for name, side in triple.items():
            assert torch.equal(cut[name], side[:, offset:, offset:][:, :size, :size])
        assert abs((256 - size) / 2 - offset) < 32

    @pytest.mark.parametrize("fit", ["cut", "resize"])
    def test_the_size_of_the_pictures_changes_nothing(self, triple, fit):
        for name, side in fit_triple(triple, 256, fit).items():
            assert torch.allclose(side, triple[name], atol=1e-6)

    @pytest.mark.parametrize("shift", [1, 32])
    def test_a_shift_moves_all_three_right_and_down(self, triple, shift):
        shifted = fit_triple(triple, 256, shift=shift)
        for name, side in triple.items():
            assert torch.equal(shifted[name][:, shift:, shift:], side[:, :-shift, :-shift])

    def test_resized_pictures_keep_their_range(self, triple):
        for size in (64, 500):
            pictures = torch.stack(list(fit_triple(triple, size, "resize").values()))
            assert pictures.shape == (3, 3, size, size) and pictures.abs().max() <= 1 + 1e-6


class TestJudges:
    def test_there_are_six_small_ones_from_1_to_286_pixels(self, judges):
        assert list(judges) == list(DEPTHS)
        assert [judge.config["n_layers"] for judge in judges.values()] == list(DEPTHS)
        assert (RESULTS / "judges.safetensors").stat().st_size < 1_000_000

    def test_say_how_when_and_on_what_they_were_trained(self):
        facts = json.loads((RESULTS / "judges.json").read_text())
        assert {"judges", "generator", "steps", "train_pairs", "val_pairs", "date"} <= facts.keys()
        with safe_open(RESULTS / "judges.safetensors", framework="pt") as file:
            assert json.loads(file.metadata()["card"]) == facts

    def test_do_better_than_chance_on_validation_pairs(self, judges, generator, val):
        """Fails, too, if the generator was replaced: run `python benchmarks/judges.py` then."""
        right = {n_layers: [] for n_layers in judges}
        for index in range(5, len(val), 30):
            triple = translate_item(generator, val[index])
            for n_layers, judge in judges.items():
                scores = judge_scores(logit_maps(judge, triple))
                right[n_layers].append((scores["real"] + 1 - scores["fake"]) / 2)
        shares = [float(np.mean(values)) for values in right.values()]
        assert min(shares[1:]) > 0.5, shares  # a single pixel tells next to nothing
        assert min(shares[3:]) > 0.8, shares


def spoil(path: Path, how: str) -> None:
    weights = PatchGAN(ndf=1).state_dict()
    named = {f"3.{name}": tensor for name, tensor in weights.items()}
    config = PatchGAN(ndf=1).config
    if how == "text":
        path.write_text("no weights")
    elif how == "half a file":
        path.write_bytes((RESULTS / "judges.safetensors").read_bytes()[:300_000])
    elif how == "a generator":
        path.write_bytes(bundled_weights()["earth_sat2map"].read_bytes())
    elif how == "no header":
        save_file(named, path)
    elif how == "no json":
        save_file(named, path, {"configs": "{"})
    elif how == "strange settings":
        save_file(named, path, {"configs": json.dumps([config | {"colour": 1}])})
    elif how == "an n_layers below 0":
        save_file(named, path, {"configs": json.dumps([config | {"n_layers": -1}])})
    elif how == "no settings":
        save_file(named, path, {"configs": json.dumps([{}])})
    elif how == "a number":
        save_file(named, path, {"configs": "3"})
    elif how == "other weights":
        save_file(named, path, {"configs": json.dumps([config | {"ndf": 2}])})
    elif how == "a weight missing":
        named.pop("3.blocks.0.0.weight")
        save_file(named, path, {"configs": json.dumps([config])})


class TestLoading:
    @pytest.mark.parametrize(
        "how",
        ["missing", "text", "half a file", "a generator", "no header", "no json", "a number",
         "strange settings", "an n_layers below 0", "no settings", "other weights",
         "a weight missing"],
    )
    def test_what_is_no_file_of_judges_is_refused_in_one_sentence(self, how, tmp_path):
        path = tmp_path / "judges.safetensors"
        spoil(path, how)
        with pytest.raises(Pix2PixError) as raised:
            load_judges(path)
        text = str(raised.value)
        assert text.startswith(str(path)) and "benchmarks/judges.py" in text and "\n" not in text

    def test_a_whole_file_of_one_judge_is_read(self, tmp_path):
        judge = PatchGAN(ndf=2, n_layers=1)
        weights = {f"1.{name}": tensor for name, tensor in judge.state_dict().items()}
        path = tmp_path / "one.safetensors"
        save_file(weights, path, {"configs": json.dumps([judge.config])})
        loaded = load_judges(path)
        assert list(loaded) == [1] and not loaded[1].training
        for name, tensor in loaded[1].state_dict().items():
            assert torch.equal(tensor, judge.state_dict()[name])


class TestScript:
    def test_writes_what_can_be_read_and_is_the_same_each_time(self, six_pairs, tmp_path):
        files = []
        for out in (tmp_path / "a", tmp_path / "b"):
            arguments = ["--data", six_pairs, "--steps", "2", "--out", out]
            run = subprocess.run(
                [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=300
            )
            assert run.returncode == 0, run.stderr
            facts = json.loads((out / "judges.json").read_text())
            assert [json.loads(line) for line in run.stdout.splitlines()] == facts["judges"]
            assert (facts["steps"], facts["train_pairs"], facts["val_pairs"]) == (2, 6, 2)
            assert len({score["loss"] for score in facts["judges"]}) == len(DEPTHS)
            files.append(load_judges(out / "judges.safetensors"))
            assert sorted(path.name for path in out.iterdir()) == [
                "judges.json", "judges.safetensors"
            ]
        for first, second in zip(files[0].values(), files[1].values(), strict=True):
            for name, tensor in first.state_dict().items():
                assert torch.equal(tensor, second.state_dict()[name])
                assert torch.equal(tensor, tensor.half().float())  # half precision loses nothing

    @pytest.mark.parametrize("option", ["--data", "--weights"])
    def test_says_in_one_line_what_is_missing(self, option, tmp_path):
        missing = tmp_path / "missing"
        run = subprocess.run(
            [sys.executable, SCRIPT, option, missing, "--out", tmp_path],
            capture_output=True, text=True, timeout=120,
        )
        assert run.returncode == 1 and run.stderr.count("\n") == 1 and str(missing) in run.stderr
