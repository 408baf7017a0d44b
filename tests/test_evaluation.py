"""The scorecard: known pictures have known scores, and the baseline is what it says."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from pix2pix_lib import Pix2PixError
from pix2pix_lib.data import denormalise
from pix2pix_lib.evaluation import (
    Tally,
    evaluate,
    fit_table,
    intersection,
    lab_histograms,
    look_up,
    matching_pairs,
    mean_gradient,
    write_card,
)
from pix2pix_lib.files.pictures import join_pair
from pix2pix_lib.generator import UNetGenerator, load_generator, save_generator

METRICS = ["l1", "gradient_energy", "histogram_l", "histogram_a", "histogram_b"]


def from_levels(levels):
    """Pictures in [-1, 1] from levels of 8 bits."""
    return torch.from_numpy(np.asarray(levels)).float() / 127.5 - 1


def pictures(count=2, size=32, seed=0):
    """Random pictures (count, 3, size, size) in [-1, 1] whose values are exact levels of 8 bits."""
    return from_levels(np.random.default_rng(seed).integers(0, 256, (count, 3, size, size)))


def plain(red, green, blue, size=8):
    """One picture of one colour, channels in [-1, 1]."""
    return torch.tensor([red, green, blue]).reshape(1, 3, 1, 1).expand(1, 3, size, size)


def scores(fake_target, target):
    tally = Tally()
    tally.add(fake_target, target)
    return tally.scores()


# ---- the metrics on pictures with known answers


def test_identity_scores_perfectly():
    target = pictures()
    assert scores(target, target) == dict(zip(METRICS, [0, 1, 1, 1, 1], strict=True))


def test_black_against_white_is_two():
    result = scores(plain(-1.0, -1.0, -1.0), plain(1.0, 1.0, 1.0))
    assert result["l1"] == 2
    assert result["histogram_l"] == 0  # L is 0 and 100
    assert result["histogram_a"] == result["histogram_b"] == 1  # neither has any colour


def test_a_flat_target_leaves_no_infinity_in_the_file():
    json.dumps(scores(pictures(1, 8), plain(0.0, 0.0, 0.0)), allow_nan=False)


@pytest.mark.parametrize(("channel", "weight"), [(0, 0.299), (1, 0.587), (2, 0.114)])
def test_gradient_of_a_ramp_is_its_step_weighed_as_luminance(channel, weight):
    ramp = torch.zeros(1, 3, 21, 21)
    ramp[0, channel] = torch.linspace(-1, 1, 21)  # steps of 0.1 across, none down
    assert mean_gradient(ramp) == pytest.approx(weight * 0.05, abs=1e-6)
    assert mean_gradient(ramp.transpose(2, 3)) == pytest.approx(weight * 0.05, abs=1e-6)


def test_gradient_energy_grows_with_contrast_and_ignores_brightness():
    target = pictures() * 0.5
    assert scores(target * 0.5, target)["gradient_energy"] == pytest.approx(0.5, abs=1e-4)
    assert scores(target + 0.25, target)["gradient_energy"] == pytest.approx(1, abs=1e-4)


def test_histograms_do_not_know_where():
    target = pictures(1, 32)
    order = torch.randperm(1024, generator=torch.Generator().manual_seed(0))
    shuffled = target.flatten(2)[..., order]
    result = scores(shuffled.reshape(target.shape), target)
    assert [result[name] for name in METRICS[2:]] == [1, 1, 1]
    assert result["l1"] > 0.3


@pytest.mark.parametrize(
    "colour, lab",
    [  # the reference values of sRGB primaries under D65
        ((1.0, -1.0, -1.0), (53.24, 80.09, 67.20)),
        ((-1.0, 1.0, -1.0), (87.73, -86.18, 83.18)),
        ((-1.0, -1.0, 1.0), (32.30, 79.19, -107.86)),
        ((1.0, 1.0, 1.0), (100, 0, 0)),
    ],
)
def test_lab_of_known_colours(colour, lab):
    histograms = lab_histograms(plain(*colour))
    for (name, counts), value, low in zip(histograms.items(), lab, (0, -128, -128), strict=True):
        assert counts.sum() == 64, name
        assert abs(counts.argmax() + 0.5 + low - value) <= 1, name


def test_intersection_compares_shares_not_counts():
    counts = np.array([1, 3, 0, 0])
    assert intersection(counts, counts * 7) == 1
    assert intersection(counts, np.array([0, 0, 5, 5])) == 0
    assert intersection(counts, np.array([1, 1, 0, 0])) == pytest.approx(0.75)


def test_batches_add_up_to_the_whole():
    fake_target, target = pictures(5, seed=1), pictures(5, seed=2)
    tally = Tally()
    for begin, end in ((0, 2), (2, 3), (3, 5)):
        tally.add(fake_target[begin:end], target[begin:end])
    assert tally.scores() == pytest.approx(scores(fake_target, target), abs=1.01e-4)


# ---- the baseline


def fitted(source, target):
    """The baseline fitted on these pairs, as a function of sources."""
    pairs = [{"source": s, "target": t} for s, t in zip(source, target, strict=True)]
    table, quadratic = fit_table(pairs)
    return lambda source: look_up(table, quadratic, source)


def test_table_is_exact_for_a_function_of_the_pixel():
    # one colour to a bin, so that the mean of the bin is the answer itself
    source = from_levels(np.random.default_rng(3).integers(0, 32, (2, 3, 16, 16)) * 8 + 4)
    target = torch.sin(5 * source.flip(1))  # no polynomial
    answer = fitted(source, target)(source)
    assert torch.allclose(answer, target, atol=1e-5)
    assert answer.dtype == torch.float32


def test_a_bin_is_eight_levels_wide_and_answers_with_its_mean():
    source = from_levels([0, 7, 8, 15]).expand(1, 3, 1, 4)
    target = torch.tensor([-0.5, 0.1, 0.2, 0.8]).expand(1, 3, 1, 4)
    expected = torch.tensor([-0.2, -0.2, 0.5, 0.5]).expand(1, 3, 1, 4)
    assert torch.allclose(fitted(source, target)(source), expected, atol=1e-6)


def test_gaps_answer_with_the_quadratic():
    # Training sees even bins only; in between there is nothing but the polynomial.
    def law(source):
        red, green, blue = source.unbind(1)
        channels = [0.4 * red * green - 0.1, 0.5 * blue**2 - 0.2 * red, 0.3 * green - 0.2]
        return torch.stack(channels, 1)

    levels = np.random.default_rng(4).integers(0, 16, (4, 3, 32, 32)) * 16 + 4
    source, unseen = from_levels(levels), from_levels(levels + 8)
    assert torch.allclose(fitted(source, law(source))(unseen), law(unseen), atol=1e-5)


def test_the_quadratic_stays_in_range_however_few_the_colours():
    source = torch.tensor([0.0, 0.2]).expand(1, 3, 1, 2)  # two colours for ten unknowns
    baseline = fitted(source, 4 * source)
    assert torch.allclose(baseline(plain(1.0, 1.0, 1.0)), torch.ones(1), atol=1e-6)
    assert torch.isfinite(baseline(plain(-1.0, -1.0, -1.0))).all()


def test_table_looks_at_one_pixel_only():
    source, target = pictures(2, 16, seed=5), pictures(2, 16, seed=6)
    baseline = fitted(source, target)
    assert torch.equal(baseline(source.flip(3)).flip(3), baseline(source))


# ---- evaluate and write_card, on a small set and a tiny generator

CARD = {"direction": "AtoB", "config": {"size": 64, "load_size": 72}, "note": "kept"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A set whose B is the negative of A: a look-up table can know it, a fresh generator cannot."""
    root = tmp_path_factory.mktemp("negatives")
    generator = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 3)):
        (root / split).mkdir()
        for number in range(1, count + 1):
            small = generator.integers(0, 256, (9, 9, 3), dtype=np.uint8)
            a = Image.fromarray(small).resize((72, 72), Image.Resampling.NEAREST)
            b = Image.fromarray(255 - np.asarray(a))
            join_pair(a, b).save(root / split / f"{number}.png")
    return root


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    save_generator(UNetGenerator(ngf=4, size=64), tmp_path / "tiny.safetensors", CARD)
    return tmp_path / "tiny.safetensors"


def test_scorecard(weights, folder):
    result = evaluate(weights, folder, device="cpu", batch_size=2)
    assert result == json.loads(json.dumps(result))
    assert set(METRICS) | {f"lut_{name}" for name in METRICS} < set(result)
    assert (result["pairs"], result["split"], result["direction"]) == (3, "val", "AtoB")
    assert (result["weights"], result["data"]) == (str(weights), folder.name)
    assert 0 < result["lut_l1"] < result["l1"] < 2
    assert result == evaluate(weights, folder, device="cpu", batch_size=3)


def test_scorecard_is_that_of_the_pairs_one_by_one(weights, folder):
    generator, card = load_generator(weights)
    pairs = matching_pairs(card, folder, "val")
    with torch.inference_mode():
        fakes = [generator(pair["source"][None])[0] for pair in pairs]
    errors = [(fake - pair["target"]).abs().mean() for fake, pair in zip(fakes, pairs, strict=True)]
    expected = float(torch.stack(errors).mean())
    assert evaluate(weights, folder, device="cpu")["l1"] == pytest.approx(expected, abs=1e-4)


def test_baseline_is_fitted_on_the_training_split(weights, folder):
    seen = evaluate(weights, folder, "train", device="cpu")
    unseen = evaluate(weights, folder, "val", device="cpu")
    assert seen["pairs"] == 4 and seen["split"] == "train"
    assert seen["lut_l1"] < 0.01  # few colours: each bin holds one, and has seen it
    assert seen["lut_l1"] < unseen["lut_l1"]


def test_pairs_match_the_card(folder):
    item = matching_pairs(CARD, folder, "val")[0]
    with Image.open(folder / "val" / "1.png") as pair:
        middle = np.asarray(pair.crop((4, 4, 68, 68)))  # 64 of 72 pixels, at the scale of the file
    assert np.array_equal(denormalise(item["source"]), middle)
    assert torch.allclose(item["target"], -item["source"], atol=1e-6)
    turned = matching_pairs(CARD | {"direction": "BtoA"}, folder, "val")[0]
    assert torch.equal(turned["source"], item["target"])
    assert torch.equal(turned["target"], item["source"])


def test_card_without_config_is_judged_as_the_paper_trains(folder):
    assert matching_pairs({}, folder, "val")[0]["source"].shape == (3, 256, 256)


@pytest.mark.parametrize(
    "data, split, word", [("", "test", "test"), ("no-such-set", "val", "no-such-set")]
)
def test_missing_data_is_named(weights, folder, data, split, word):
    with pytest.raises(Pix2PixError, match=word):
        evaluate(weights, data or folder, split, device="cpu")


def test_unknown_weights_are_named(folder):
    with pytest.raises(Pix2PixError, match="no-such-weights"):
        evaluate("no-such-weights", folder)


def test_write_card_keeps_the_bits_and_the_rest_of_the_card(weights):
    before = weights.read_bytes()
    generator, _ = load_generator(weights)
    tensors = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    write_card(weights, {"l1": 0.25, "data": "negatives"})
    generator, card = load_generator(weights)
    assert card == CARD | {"metrics": {"l1": 0.25, "data": "negatives"}}
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensors[name], tensor), name

    def payload(content):  # safetensors: eight bytes of header length, the header, the tensors
        return content[8 + int.from_bytes(content[:8], "little") :]

    assert payload(weights.read_bytes()) == payload(before)
    write_card(weights, {"l1": 0.5})  # a second scorecard replaces the first
    assert load_generator(weights)[1]["metrics"] == {"l1": 0.5}


def test_write_card_leaves_a_stranger_alone(tmp_path):
    stranger = tmp_path / "stranger.safetensors"
    stranger.write_bytes(b"not weights")
    with pytest.raises(Pix2PixError, match="stranger"):
        write_card(stranger, {})
    assert stranger.read_bytes() == b"not weights"
