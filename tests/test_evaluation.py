"""The scorecard: known pictures have known scores, and the baseline is what it says."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from pix2pix_lib import Pix2PixError
from pix2pix_lib.cli import main
from pix2pix_lib.data import denormalise
from pix2pix_lib.evaluation import (
    Tally,
    confusion,
    evaluate,
    fit_table,
    intersection,
    lab_histograms,
    look_up,
    matching_pairs,
    mean_gradient,
    measure,
    place_weights,
    psnr,
    reading_scores,
    score_batch,
    ssim,
    write_card,
)
from pix2pix_lib.files.pictures import join_pair
from pix2pix_lib.from_config import open_pairs
from pix2pix_lib.generator import UNetGenerator, load_generator, save_generator
from pix2pix_lib.runtime.config import TrainConfig
from pix2pix_lib.scorecard import features
from pix2pix_lib.scorecard.palettes import PALETTES
from pix2pix_lib.scorecard.places import places_of
from pix2pix_lib.scorecard.report import Report, check_writable

METRICS = ["l1", "psnr", "ssim", "gradient_energy", "histogram_l", "histogram_a", "histogram_b"]


def from_levels(levels):
    """Pictures in [-1, 1] from levels of 8 bits."""
    return torch.from_numpy(np.asarray(levels)).float() / 127.5 - 1


def pictures(count=2, size=32, seed=0):
    """Random pictures (count, 3, size, size) in [-1, 1] whose values are exact levels of 8 bits."""
    return from_levels(np.random.default_rng(seed).integers(0, 256, (count, 3, size, size)))


def plain(red, green, blue, size=8):
    """One picture of one colour, channels in [-1, 1]."""
    return torch.tensor([red, green, blue]).reshape(1, 3, 1, 1).expand(1, 3, size, size)


# ---- the metrics on pictures with known answers


def test_identity_scores_perfectly():
    target = pictures()
    found = score_batch(target, target)
    assert found == pytest.approx(dict(zip(METRICS, [0, 100, 1, 1, 1, 1, 1], strict=True)))


def test_black_against_white_is_two():
    result = score_batch(plain(-1.0, -1.0, -1.0, 16), plain(1.0, 1.0, 1.0, 16))
    assert result["l1"] == 2 and result["psnr"] == 0
    assert result["histogram_l"] == 0  # L is 0 and 100
    assert result["histogram_a"] == result["histogram_b"] == 1  # neither has any colour


def test_a_flat_target_leaves_no_infinity_in_the_file():
    json.dumps(score_batch(pictures(1, 16), plain(0.0, 0.0, 0.0, 16)), allow_nan=False)


@pytest.mark.parametrize(("channel", "weight"), [(0, 0.299), (1, 0.587), (2, 0.114)])
def test_gradient_of_a_ramp_is_its_step_weighed_as_luminance(channel, weight):
    ramp = torch.zeros(1, 3, 21, 21)
    ramp[0, channel] = torch.linspace(-1, 1, 21)  # steps of 0.1 across, none down
    assert mean_gradient(ramp) == pytest.approx(weight * 0.05, abs=1e-6)
    assert mean_gradient(ramp.transpose(2, 3)) == pytest.approx(weight * 0.05, abs=1e-6)


def test_gradient_energy_grows_with_contrast_and_ignores_brightness():
    target = pictures() * 0.5
    assert score_batch(target * 0.5, target)["gradient_energy"] == pytest.approx(0.5, abs=1e-4)
    assert score_batch(target + 0.25, target)["gradient_energy"] == pytest.approx(1, abs=1e-4)


def test_histograms_do_not_know_where():
    target = pictures(1, 32)
    order = torch.randperm(1024, generator=torch.Generator().manual_seed(0))
    shuffled = target.flatten(2)[..., order]
    result = score_batch(shuffled.reshape(target.shape), target)
    assert [result[name] for name in METRICS[4:]] == [1, 1, 1]
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


def test_psnr_and_ssim_are_those_of_others():
    target = torch.rand(1, 3, 40, 30, generator=torch.Generator().manual_seed(0)) * 2 - 1
    fake_target = 0.7 * target + 0.2
    ours = psnr(fake_target[0], target[0]), ssim(fake_target[0], target[0])
    levels = [(picture.double() + 1) / 2 for picture in (fake_target, target)]
    _, windows = structural_similarity_index_measure(
        *levels, data_range=1.0, return_full_image=True
    )
    inside = windows[..., 5:-5, 5:-5]  # theirs go beyond the edge, into a mirrored picture
    theirs = peak_signal_noise_ratio(*levels, data_range=1.0), inside.mean()
    assert ours == pytest.approx(tuple(map(float, theirs)), abs=1e-5)


def test_reading_scores_of_a_case_by_hand():
    truth = torch.tensor([[0, 0, 0, 0], [1, 1, 1, 2]])
    read = torch.tensor([[0, 0, 0, 1], [1, 1, 2, 2]])
    counts = confusion(truth, read, 4)  # class 3 is nowhere
    assert counts.tolist() == [[3, 1, 0, 0], [0, 2, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    expected = {
        "pixel_accuracy": 6 / 8,
        "class_accuracy": (3 / 4 + 2 / 3 + 1) / 3,
        "iou": (3 / 4 + 2 / 4 + 1 / 2) / 3,
    }
    assert reading_scores(counts) == pytest.approx(expected)


# ---- how sure they are


def spread(values, places) -> tuple:
    """The score, and both ends of its interval."""
    tally = Tally()
    for value, place in zip(values, places, strict=True):
        tally.add({"pictures": 1.0, "l1": value}, place)
    score, *replicates = tally.scores()["l1"]
    return score, *np.percentile(replicates, [2.5, 97.5])


def test_the_interval_is_as_wide_as_statistics_expects():
    values = np.random.default_rng(0).normal(5, 1, 200)
    score, low, high = spread(values, map(str, range(200)))
    assert score == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(
        (score - 1.96 / 200**0.5, score + 1.96 / 200**0.5), abs=0.03
    )
    assert spread(values[::-1], map(str, range(199, -1, -1))) == pytest.approx((score, low, high))


def test_ten_copies_of_a_place_make_nothing_surer():
    values = np.random.default_rng(0).normal(5, 1, 20)
    once = spread(values, map(str, range(20)))
    copies = spread(np.repeat(values, 10), np.repeat([*map(str, range(20))], 10))
    assert copies == pytest.approx(once)
    assert place_weights("a")[1:].mean() == pytest.approx(1, abs=0.1)


def test_a_sum_of_sums_is_scored_like_its_pictures():
    fakes, targets = pictures(3, seed=1), pictures(3, seed=2)
    tally = Tally()
    for number, pair in enumerate(zip(fakes, targets, strict=True)):
        tally.add(measure(*pair), str(number))
    whole = {name: rows[0] for name, rows in tally.scores().items()}
    assert whole == pytest.approx(score_batch(fakes, targets))


def test_tiles_of_a_block_are_a_place(earth, tmp_path):
    with open(earth / "tiles.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "val"]
    place_of = places_of(earth, "val")
    for row, other in zip(rows[:-1], rows[1:], strict=True):
        corners = [(int(r["left"]) // 286, int(r["top"]) // 286) for r in (row, other)]
        assert (place_of(row["number"]) == place_of(other["number"])) == (corners[0] == corners[1])
    assert places_of(tmp_path, "val")("7") != places_of(tmp_path, "val")("8")


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


def scored(weights, data, *arguments, **options):
    """The scorecard without what large networks say."""
    return evaluate(weights, data, *arguments, device="cpu", perceptual=False, **options)


def test_scorecard(weights, folder):
    result = scored(weights, folder)
    assert result == json.loads(json.dumps(result)) == scored(weights, folder)
    baselines = {before + name for before in ("input_", "mean_", "lut_") for name in METRICS}
    assert set(METRICS) | baselines < set(result)
    assert (result["pairs"], result["split"], result["direction"]) == (3, "val", "AtoB")
    assert (result["weights"], result["data"]) == (str(weights), folder.name)
    assert 0 < result["lut_l1"] < result["l1"] < 2
    assert result["minus_lut_l1"] == pytest.approx(result["l1"] - result["lut_l1"], abs=1.01e-4)
    assert result["places"] == 3 and result["intervals"] == {}  # too few
    assert "negatives" in result["missing"]["reading"]


def test_scorecard_is_that_of_the_pairs_one_by_one(weights, folder):
    generator, card = load_generator(weights)
    pairs = [*matching_pairs(card, folder, "val")]
    source, target = (torch.stack([pair[side] for pair in pairs]) for side in ("source", "target"))
    with torch.inference_mode():
        expected = score_batch(generator(source), target)
    result = scored(weights, folder, baselines=False)
    assert {name: result[name] for name in METRICS} == pytest.approx(expected, abs=1e-4)
    assert not any(name.startswith("lut_") for name in result)
    mean = sum(pair["target"] for pair in matching_pairs(card, folder, "train")) / 4
    found = scored(weights, folder)
    assert found["mean_l1"] == pytest.approx(float((mean - target).abs().mean()), abs=1e-4)
    assert found["input_l1"] == pytest.approx(float((source - target).abs().mean()), abs=1e-4)


def test_baseline_is_fitted_on_the_training_split(weights, folder):
    seen, unseen = scored(weights, folder, "train"), scored(weights, folder, "val")
    assert seen["pairs"] == 4 and seen["split"] == "train"
    assert seen["lut_l1"] < 0.01  # few colours: each bin holds one, and has seen it
    assert seen["lut_l1"] < unseen["lut_l1"]


@pytest.fixture
def maps(tmp_path):
    """Twelve maps of the known colours of `earth`, A beside their negatives."""
    random, colours = np.random.default_rng(0), PALETTES["earth"].colours
    for split in ("train", "val"):
        (tmp_path / "earth" / split).mkdir(parents=True)
        for number in range(12):
            b = colours[random.integers(0, 8, (9, 9))].repeat(8, 0).repeat(8, 1)
            a = Image.fromarray(255 - b)
            path = tmp_path / "earth" / split / f"{number}.png"
            join_pair(a, Image.fromarray(b)).save(path)
    return tmp_path / "earth"


def test_maps_are_read_and_intervals_hold_the_scores(weights, maps, tmp_path, capsys):
    report, card = tmp_path / "report", load_generator(weights)[1]
    options = ["--json", tmp_path / "s.json", "--report", report, "--feature-weights", tmp_path]
    (tmp_path / "alexnet-owt-7be5be79.pth").write_bytes(b"no weights")
    command = ["evaluate", "--weights", weights, "--data", maps, "--device", "cpu", *options]
    assert main([*map(str, command)]) == 0
    told, result = capsys.readouterr().out, json.loads((tmp_path / "s.json").read_bytes())
    assert result["lut_map_pixel_accuracy"] > 0.99 > 0.3 > result["map_pixel_accuracy"]
    low, high = result["intervals"]["l1"]
    assert low < result["l1"] < high and "map reading: IoU" in told
    assert (
        f"{low:.3f} to {high:.3f}" in told and "FID and KID, because it takes at least 50" in told
    )
    assert "alexnet-owt-7be5be79.pth cannot be read" in result["missing"]["lpips"]
    assert json.loads((report / "scores.json").read_bytes()) == result
    with open(report / "pictures.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert np.mean([float(row["l1"]) for row in rows]) == pytest.approx(result["l1"], abs=1e-4)
    with Image.open(report / "worst.jpg") as sheet, Image.open(report / "best.jpg"):
        assert sheet.size == (3 * 64, 6 * (64 + 18))
    limited = scored(weights, maps, limit=5, baselines=False)
    assert limited["pairs"] == 5
    save_generator(load_generator(weights)[0], weights, card | {"direction": "BtoA"})
    back = scored(weights, maps, baselines=False)
    assert "map_iou" not in back  # a network reads photographs, where there is one
    assert "picture_iou" in back or "reading" in back["missing"]


def test_pictures_are_scored_as_training_reads_them(tmp_path):
    """A large JPEG is decoded at half its size, then shrunk: by one way for all."""
    random = np.random.default_rng(0)
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
    noise = random.integers(0, 256, (300, 600, 3), dtype=np.uint8)
    large = Image.fromarray(noise).resize((1200, 600), Image.Resampling.BICUBIC)
    for split in ("train", "val"):
        large.save(tmp_path / split / "1.jpg", quality=95)
    config = TrainConfig(
        data=str(tmp_path), size=256, load_size=256, mirror="none", batch_size=1, cache=False
    )
    training, samples = open_pairs(config)
    scored = matching_pairs({"config": {"size": 256, "load_size": 256}}, tmp_path, "val")
    for side in ("source", "target"):
        assert torch.equal(training[0][side], samples[0][side])
        assert torch.equal(training[0][side], scored[0][side])


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
        scored(weights, data or folder, split)


def test_unknown_weights_are_named(folder):
    with pytest.raises(Pix2PixError, match="no-such-weights"):
        scored("no-such-weights", folder)


def test_bad_wishes_are_told(weights, folder, tmp_path):
    with pytest.raises(Pix2PixError, match="at least 1, not 0"):
        scored(weights, folder, limit=0)
    for where in (tmp_path / "nowhere", folder):
        with pytest.raises(Pix2PixError, match="no weights of a feature network"):
            evaluate(weights, folder, device="cpu", feature_weights=where)


def test_where_nothing_can_be_written_is_told_before_the_work(tmp_path, capsys):
    (tmp_path / "file").touch()
    for asked in (["--json", tmp_path / "no" / "s.json"], ["--report", tmp_path / "file" / "r"]):
        assert main(["evaluate", "--weights", "no-such-weights", *map(str, asked)]) == 1
        assert "cannot be written" in capsys.readouterr().err


def test_an_evaluation_that_is_stopped_leaves_no_half_report(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "pictures.csv").write_bytes(b"yesterday's")
    with pytest.raises(Pix2PixError, match="holds other files, such as pictures.csv"):
        check_writable(tmp_path / "old", None)
    for name in ("old", "new"):
        with pytest.raises(KeyboardInterrupt), Report(tmp_path / name):
            raise KeyboardInterrupt
    assert list(tmp_path.rglob("*")) == [tmp_path / "old", tmp_path / "old" / "pictures.csv"]
    assert (tmp_path / "old" / "pictures.csv").read_bytes() == b"yesterday's"


def test_the_lesson_says_what_the_results_say():
    root = Path(__file__).parents[1]
    lesson = json.loads((root / "notebooks/09_evaluation.ipynb").read_text(encoding="utf-8"))
    (prose,) = ("".join(cell["source"]) for cell in lesson["cells"] if cell["id"] == "paper")
    to_map, to_photograph = (
        json.loads((root / f"results/{name}_val.json").read_bytes())
        for name in ("earth_sat2map", "earth_map2sat")
    )
    for scores in (to_map, to_photograph):
        assert "{:.3f} to {:.3f}".format(*scores["intervals"]["minus_lut_l1"]) in prose
    for name in ("l1", "map_iou"):
        assert f"{to_map[name]:.3f} against {to_map['lut_' + name]:.3f}" in prose
    assert f"{to_photograph['picture_iou']:.3f} against" in prose
    assert f"{to_photograph['real_picture_iou']:.3f} on real" in prose
    for scores in (to_map, to_photograph):
        assert scores["mean_ssim"] == max(scores[f"{who}ssim"] for who in ("", "mean_", "lut_"))


# ---- features of large networks, here with random weights


def test_lpips_is_its_formula(tmp_path):
    """Of unit vectors of features, squared differences, weighed by channel and averaged."""
    from torchmetrics.functional.image import lpips as theirs
    from torchvision.models import alexnet

    torch.manual_seed(0)
    layers = alexnet(weights=None).features
    weights = {f"features.{name}": weight for name, weight in layers.state_dict().items()}
    torch.save(weights, tmp_path / "alexnet-owt-7be5be79.pth")
    one, other = (torch.rand(1, 3, 64, 64) * 2 - 1 for _ in range(2))
    path = Path(theirs.__file__).with_name("lpips_models") / "alex.pth"
    lins = torch.load(path, map_location="cpu")
    shift, scale = (
        torch.tensor(numbers).view(3, 1, 1)
        for numbers in ([-0.03, -0.088, -0.188], [0.458, 0.448, 0.45])
    )
    expected, pair = 0, torch.cat([(one - shift) / scale, (other - shift) / scale])
    with torch.no_grad():
        for number, layer in enumerate(layers[:12]):
            pair = layer(pair)
            if number in (1, 4, 7, 9, 11):
                place = (1, 4, 7, 9, 11).index(number)
                first, second = nn.functional.normalize(pair, dim=1)
                squares = (first - second).square()[None]
                expected += nn.functional.conv2d(squares, lins[f"lin{place}.model.1.weight"]).mean()
    found = features.FeatureScores(True, tmp_path, 2, torch.device("cpu"))
    assert found.measure("", one[0], other[0])["lpips"] == pytest.approx(float(expected), rel=1e-3)
    assert found.measure("", one[0], one[0])["lpips"] == 0


class Means(nn.Module):
    """Stands for Inception: five numbers of a picture, scaled to [0, 1]."""

    def forward(self, levels):
        means = levels.float().mean((2, 3)) / 255
        return torch.cat([means, means[:, :2].square()], dim=1)


def test_fid_and_kid_are_their_formulas():
    random = torch.Generator().manual_seed(0)
    real, fake = (torch.rand(60, 3, 4, 4, generator=random) * 2 - 1 for _ in range(2))
    fake *= 0.8
    distances = features.Distances(Means(), 60, torch.device("cpu"))
    for name, picture in [("real", p) for p in real] + [("", p) for p in fake]:
        distances.see(name, picture)
    x, y = (torch.cat([distances.features(p) for p in batch]).double() for batch in (real, fake))
    covariances = torch.cov(x.T), torch.cov(y.T)
    root = torch.linalg.eigvals(covariances[0] @ covariances[1]).sqrt().real.sum()
    traces = sum(covariance.trace() for covariance in covariances)
    expected = (x.mean(0) - y.mean(0)).square().sum() + traces - 2 * root
    kernel = [(a @ b.T / 5 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
    within = sum((k.sum() - k.trace()) / (60 * 59) for k in kernel[:2])
    found = distances.scores()
    assert found["fid"] == pytest.approx(float(expected), rel=1e-3)
    assert found["kid"] == pytest.approx(float(within - 2 * kernel[2].mean()), rel=1e-2, abs=1e-6)
    assert found == distances.scores()


def test_what_cannot_be_fetched_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody answers there
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    found = features.FeatureScores(True, None, 60, torch.device("cpu"))
    assert found.missing.keys() == {"lpips", "fid", "kid"} and found.scores() == {}
    assert all("cannot be fetched" in why for why in found.missing.values())


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
