"""The U-Net explorer of lesson 3: what passes, what a switched level takes away, and dropout."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from pix2pix_lib import Pix2PixError
from pix2pix_lib.augment import eval_transform
from pix2pix_lib.data import PairedImageFolder
from pix2pix_lib.generator import UNetGenerator, load_generator
from pix2pix_lib.widgets import (
    Walk,
    draw_channels,
    draw_map,
    draw_unet,
    encode,
    explore_unet,
    walk_unet,
)

DEPTH = 6  # levels of a U-Net of size 64


@pytest.fixture
def small() -> UNetGenerator:
    """A fresh one, whose weights are large enough for every level to count."""
    torch.manual_seed(0)
    unet = UNetGenerator(ngf=4, size=64)
    for parameter in unet.parameters():
        parameter.data *= 5
    return unet.eval()


@pytest.fixture(scope="module")
def pair(earth) -> tuple[torch.Tensor, torch.Tensor]:
    item = PairedImageFolder(earth, "val", transform=eval_transform(64))[111]
    return item["source"][None], item["target"][None]


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    return load_generator("earth_sat2map")[0]


@pytest.fixture(scope="module")
def tile(earth) -> tuple[torch.Tensor, torch.Tensor]:
    item = PairedImageFolder(earth, "val", transform=eval_transform(256, load_size=286))[111]
    return item["source"][None], item["target"][None]


def translate_by_hand(unet: UNetGenerator, source: torch.Tensor, off: set[int]) -> torch.Tensor:
    """The forward pass written out once more, with zeros for the levels in `off`."""
    levels, features = {}, source
    for number, block in enumerate(unet.encoder, 1):
        levels[number] = features = block(features)
    blank = {n: torch.zeros_like(level) if n in off else level for n, level in levels.items()}
    features = blank[DEPTH]
    for number in range(DEPTH - 1, 0, -1):
        block = unet.decoder[DEPTH - 1 - number]
        features = torch.cat([block(features), blank[number]], dim=1)
    return torch.tanh(unet.decoder[-1](features))


def same(first: Walk, second: Walk) -> bool:
    return torch.equal(first.pictures, second.pictures)


class TestWalk:
    def test_undisturbed_it_translates_as_the_generator_does(self, small, pair):
        with torch.no_grad():
            assert torch.equal(walk_unet(small, pair[0]).pictures, small(pair[0]))

    def test_it_keeps_what_every_block_gives(self, small, pair):
        gave = {}
        for name in ("encoder", "decoder"):
            for number, block in enumerate(getattr(small, name), 1):
                key = name, number
                block.register_forward_hook(lambda _, reads, out, key=key: gave.update({key: out}))
        walk = walk_unet(small, pair[0])
        assert (len(walk.down), len(walk.up)) == (DEPTH + 1, DEPTH)
        assert walk.down[0] is pair[0]
        for level in range(1, DEPTH + 1):
            assert torch.equal(walk.down[level], gave["encoder", level])
        for level in range(DEPTH):
            assert torch.equal(walk.up[level], gave["decoder", DEPTH - level])
            assert walk.up[level].shape == (1, walk.up[level].shape[1], 64 >> level, 64 >> level)
        assert torch.equal(torch.tanh(walk.up[0]), walk.pictures)

    @pytest.mark.parametrize("off", [{1}, {2}, {5}, {6}, {1, 4}, {1, 2, 3, 4, 5}, {2, 6}])
    def test_levels_that_are_off_are_zeros_in_a_pass_by_hand(self, small, pair, off):
        walk = walk_unet(small, pair[0], off)
        with torch.no_grad():
            assert torch.equal(walk.pictures, translate_by_hand(small, pair[0], off))
        assert walk.off == tuple(sorted(off))
        assert (walk.pictures - walk_unet(small, pair[0]).pictures).abs().max() > 1e-4

    @pytest.mark.parametrize("level", range(1, DEPTH))
    def test_a_skip_that_is_off_blanks_its_half_of_what_the_decoder_reads(self, small, pair, level):
        read = {}
        for number, block in enumerate(small.decoder, 1):
            block.register_forward_pre_hook(lambda _, reads, n=number: read.update({n: reads[0]}))
        walk = walk_unet(small, pair[0], off=(level,))
        for n in range(1, DEPTH):
            below, skip = read[DEPTH - n + 1].chunk(2, dim=1)
            assert torch.equal(below, walk.up[n])
            assert torch.equal(skip, walk.down[n] * (n != level)) and skip.any() == (n != level)
        assert torch.equal(read[1], walk.down[DEPTH])

    def test_the_way_down_does_not_depend_on_the_switches(self, small, pair):
        whole, cut = walk_unet(small, pair[0]), walk_unet(small, pair[0], range(1, DEPTH + 1), 0)
        assert all(map(torch.equal, whole.down, cut.down))

    def test_larger_pictures_and_batches_pass_too(self, small):
        walk = walk_unet(small, torch.zeros(2, 3, 64, 128), off=(1,), seed=1)
        assert walk.pictures.shape == (6, 3, 64, 128)
        assert walk.down[DEPTH].shape[2:] == (1, 2)

    @pytest.mark.parametrize("level", [0, DEPTH + 1, -1])
    def test_a_level_that_is_not_there_is_refused(self, small, pair, level):
        with pytest.raises(Pix2PixError, match=rf"^This .* levels 1 to 6, not {level}\.$"):
            walk_unet(small, pair[0], off=(1, level))

    def test_a_picture_of_the_wrong_size_is_refused(self, small):
        with pytest.raises(Pix2PixError, match="multiples of 64, not 65×64"):
            walk_unet(small, torch.zeros(1, 3, 65, 64))


class TestDropout:
    def test_a_seed_gives_three_draws_that_differ_and_can_be_repeated(self, small, pair):
        walk = walk_unet(small, pair[0], seed=3)
        first, second, third = walk.pictures
        assert not (first.equal(second) or second.equal(third) or first.equal(third))
        assert same(walk, walk_unet(small, pair[0], seed=3))
        assert not same(walk, walk_unet(small, pair[0], seed=4))
        assert not same(walk, walk_unet(small, pair[0], seed=0))

    def test_half_is_dropped_in_the_first_three_decoder_blocks_and_nothing_above(self, pair):
        torch.manual_seed(0)
        walk = walk_unet(UNetGenerator(ngf=16, size=64), pair[0], seed=0)
        zeros = [(features == 0).float().mean().item() for features in walk.up]
        assert zeros[DEPTH - 3 :] == pytest.approx([0.5] * 3, abs=0.05)
        assert zeros[: DEPTH - 3] == [0] * (DEPTH - 3)

    def test_without_a_seed_nothing_is_drawn(self, small, pair):
        assert same(walk_unet(small, pair[0]), walk_unet(small, pair[0]))
        assert len(walk_unet(small, pair[0]).pictures) == 1

    def test_switches_work_with_dropout_on(self, small, pair):
        walk, cut = (walk_unet(small, pair[0], off, seed=3) for off in ((), (1,)))
        assert torch.equal(walk.up[1], cut.up[1])  # the same draw, below the cut
        assert not same(walk, cut)

    @pytest.mark.parametrize("seed", [None, 5])
    def test_the_random_state_is_left_alone(self, small, pair, seed):
        torch.manual_seed(77)
        before = torch.get_rng_state()
        walk_unet(small, pair[0], seed=seed)
        assert torch.equal(torch.get_rng_state(), before)

    def test_the_generator_is_left_in_evaluation_mode_without_hooks(self, small, pair):
        walk_unet(small.train(), pair[0], seed=0)
        assert not any(module.training for module in small.modules())
        assert not any(module._forward_hooks for module in small.modules())

    def test_also_after_a_failure(self, small):
        with pytest.raises(RuntimeError):
            walk_unet(small, torch.zeros(1, 1, 64, 64), seed=0)
        assert not any(module.training or module._forward_hooks for module in small.modules())

    def test_dropout_alone_trains_and_norms_keep_their_statistics(self, pair):
        torch.manual_seed(0)
        unet = UNetGenerator(ngf=4, size=64, norm="batch")
        before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
        walk_unet(unet, pair[0], seed=0)
        assert all(torch.equal(tensor, before[name]) for name, tensor in unet.state_dict().items())


class TestDrawing:
    def test_channels_come_in_the_order_of_their_strength(self):
        whole = torch.stack([torch.full((4, 4), float(n)) for n in (1, -3, 2)])
        features = whole * torch.tensor([1, 0.5, 0])[:, None, None]
        axis = Figure().add_axes((0, 0, 1, 1))
        draw_channels(axis, "encoder 9 gives", features, whole)
        sheet = np.ma.filled(axis.images[0].get_array(), np.nan)
        assert sheet.shape == (3 * 76, 5 * 76)
        tiles = [sheet[38, 38 + 76 * column] for column in range(4)]
        assert tiles[:3] == pytest.approx([-0.5, 0, 1]) and np.isnan(tiles[3])
        assert np.isnan(sheet[76:]).all() and np.isnan(sheet[0]).all()
        assert axis.get_title() == "encoder 9 gives: 3 × 4 × 4"

    def test_the_map_crosses_out_what_is_off_and_reddens_dropout(self, small, pair):
        for off, seed, red in (((2, 5), None, set()), ((), 0, {3, 4, 5})):
            axis = Figure().add_axes((0, 0, 1, 1))
            draw_map(axis, walk_unet(small, pair[0], off, seed), level=2)
            assert [*axis.lines[-1].get_ydata()] == [-n for n in off]
            decoder = [dots.get_facecolors()[0] for dots in axis.collections]
            assert {n for n, colour in enumerate(decoder, 1) if colour[1] < 0.3} == red
            assert np.argmax([dots.get_sizes()[0] for dots in axis.collections]) + 1 == 2

    def test_the_text_says_what_is_read_what_changed_and_what_it_costs(self, small, pair):
        whole, cut = walk_unet(small, pair[0]), walk_unet(small, pair[0], (2, 1))
        text = draw_unet(whole, cut, pair[1], level=2)[1]
        change = (cut.pictures - whole.pictures).abs().mean()
        errors = [(walk.pictures - pair[1]).abs().mean() for walk in (cut, whole)]
        assert text.splitlines() == [
            "Level 2: decoder 5 reads zeros and what decoder 4 gives.",
            "Levels off: 1, 2. Dropout off.",
            f"Mean change {change:.2g}, on the scale from -1 to 1. "
            f"L1 to the target {errors[0]:.2g}; with everything on {errors[1]:.2g}.",
        ]
        text = draw_unet(whole, whole, pair[1], level=DEPTH)[1]
        assert text.startswith("Level 6: decoder 1 reads what encoder 6 gives.\nLevels off: none.")
        assert "Mean change 0," in text

    def test_the_text_says_how_far_the_draws_are_apart(self, small, pair):
        whole, noisy = walk_unet(small, pair[0]), walk_unet(small, pair[0], seed=8)
        figure, text = draw_unet(whole, noisy, pair[1], level=1)
        deviation = noisy.pictures.std(0)
        assert f"Dropout on, seed 8: the draws deviate by {deviation.mean():.2g}." in text
        assert np.allclose(figure.axes[4].images[0].get_array(), deviation.mean(0))

    def test_the_last_picture_is_the_change(self, small, pair):
        whole, cut = walk_unet(small, pair[0]), walk_unet(small, pair[0], (1,))
        figure = draw_unet(whole, cut, pair[1], level=1)[0]
        change = (cut.pictures - whole.pictures)[0].abs().mean(0)
        assert change.any() and np.allclose(figure.axes[4].images[0].get_array(), change)

    def test_there_is_no_way_up_at_the_bottleneck(self, small, pair):
        walk = walk_unet(small, pair[0])
        axes = [len(draw_unet(walk, walk, pair[1], level)[0].axes) for level in (DEPTH - 1, DEPTH)]
        assert axes == [8, 7]

    @pytest.mark.parametrize("level", [0, DEPTH + 1])
    def test_a_level_that_is_not_there_is_refused(self, small, pair, level):
        walk = walk_unet(small, pair[0])
        with pytest.raises(Pix2PixError, match=f"levels 1 to 6, not {level}"):
            draw_unet(walk, walk, pair[1], level)


class TestExplorer:
    @pytest.fixture
    def explorer(self, trained, tile):
        return explore_unet(trained, *tile, level=3, off=(3,))

    def test_begins_as_the_static_figure(self, explorer, trained, tile):
        whole, cut = walk_unet(trained, tile[0]), walk_unet(trained, tile[0], off=(3,))
        figure, text = draw_unet(whole, cut, tile[1], level=3)
        assert explorer.picture.value == encode(figure)
        assert text in explorer.text.value

    def test_has_a_box_for_every_level_and_begins_at_the_top_with_all_on(self, trained, tile):
        explorer = explore_unet(trained, *tile)
        names = [*(f"skip {n}" for n in range(1, 8)), "bottleneck"]
        assert [*explorer.controls] == ["level", *names, "dropout", "seed"]
        assert all(explorer.controls[name].value for name in names)
        assert explorer.controls["level"].value == 1
        assert "Levels off: none. Dropout off." in explorer.text.value

    @pytest.mark.parametrize(
        ("control", "value"),
        [("level", 4), *((f"skip {n}", n == 3) for n in range(1, 8)), ("bottleneck", False),
         ("dropout", True)],
    )  # fmt: skip
    def test_every_control_redraws(self, explorer, control, value):
        picture, text = explorer.picture.value, explorer.text.value
        explorer.controls[control].value = value
        assert explorer.picture.value != picture and explorer.text.value != text

    @pytest.mark.parametrize("number", range(1, 9))
    def test_each_box_switches_its_own_level(self, explorer, trained, tile, number):
        explorer.controls["skip 3"].value = True
        explorer.controls["bottleneck" if number == 8 else f"skip {number}"].value = False
        whole, cut = walk_unet(trained, tile[0]), walk_unet(trained, tile[0], off=(number,))
        assert explorer.picture.value == encode(draw_unet(whole, cut, tile[1], level=3)[0])

    def test_walks_down_and_up_the_same_way(self, explorer):
        seen = []
        for level in (*range(1, 9), *range(8, 0, -1)):
            explorer.controls["level"].value = level
            seen.append(explorer.picture.value)
        assert seen[:8] == seen[:7:-1] and len(set(seen)) == 8

    def test_the_seed_counts_when_dropout_is_on(self, explorer):
        seed, dropout = explorer.controls["seed"], explorer.controls["dropout"]
        assert seed.disabled
        dropout.value = True
        assert not seed.disabled
        first = explorer.picture.value
        seed.value = 1
        assert explorer.picture.value != first
        seed.value = 0
        assert explorer.picture.value == first
        dropout.value = False
        assert seed.disabled

    def test_all_of_it_leaves_the_random_state_alone(self, trained, tile):
        before = torch.get_rng_state()
        explore_unet(trained, *tile).controls["dropout"].value = True
        assert torch.equal(torch.get_rng_state(), before)

    def test_a_smaller_network_has_fewer_levels(self, small, pair):
        explorer = explore_unet(small, *pair)
        assert explorer.controls["level"].max == DEPTH
        assert "skip 5" in explorer.controls and "skip 6" not in explorer.controls

    @pytest.mark.parametrize("wrong", [{"level": 9}, {"level": 0}, {"off": (9,)}, {"off": (0,)}])
    def test_a_level_that_is_not_there_is_refused(self, trained, tile, wrong):
        with pytest.raises(Pix2PixError, match=r"^This U-Net has the levels 1 to 8, not [09]\.$"):
            explore_unet(trained, *tile, **wrong)

    def test_pictures_that_are_no_pair_or_of_the_wrong_size_are_refused(self, trained, tile):
        with pytest.raises(Pix2PixError, match="multiples of 256, not 128×128"):
            explore_unet(trained, *(side[..., :128, :128] for side in tile))
        for no_pair in (
            (tile[0], tile[1][..., :128]),
            (tile[0][:, :1], tile[1][:, :1]),
            (tile[0].repeat(2, 1, 1, 1), tile[1].repeat(2, 1, 1, 1)),
            (tile[0][0], tile[1][0]),
        ):
            with pytest.raises(Pix2PixError, match=r"one pair, both \(1, 3, H, W\), not"):
                explore_unet(trained, *no_pair)
