"""The explorer of lesson 3: what passes, what a switched level takes away, and dropout."""

import html

import pytest
import torch

from pix2pix_lib import Pix2PixError
from pix2pix_lib.augment import eval_transform
from pix2pix_lib.data import PairedImageFolder
from pix2pix_lib.explorers.frame import encode
from pix2pix_lib.explorers.unet import Walk, draw_unet, explore_unet, walk_unet
from pix2pix_lib.generator import UNetGenerator

DEPTH = 6  # levels of a U-Net of size 64


@pytest.fixture
def unet() -> UNetGenerator:
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
    @pytest.mark.parametrize("off", [set(), {1}, {5}, {6}, {1, 4}, {1, 2, 3, 4, 5}, {2, 6}])
    def test_levels_that_are_off_are_zeros_in_a_pass_by_hand(self, unet, pair, off):
        walk, whole = walk_unet(unet, pair[0], off), walk_unet(unet, pair[0])
        with torch.no_grad():
            assert torch.equal(walk.pictures, translate_by_hand(unet, pair[0], off))
        assert walk.off == tuple(sorted(off)) and same(walk, whole) == (not off)
        assert all(map(torch.equal, whole.down, walk.down))

    def test_it_keeps_what_every_block_gives(self, unet, pair):
        gave = []
        for block in [*unet.encoder, *unet.decoder]:
            block.register_forward_hook(lambda block, reads, gives: gave.append(gives))
        walk = walk_unet(unet, pair[0])
        kept = [*walk.down[1:], *reversed(walk.up)]
        assert walk.down[0] is pair[0] and len(kept) == len(gave) == 2 * DEPTH
        assert all(map(torch.equal, kept, gave))

    def test_levels_and_sizes_that_are_not_there_are_refused(self, unet, pair):
        with pytest.raises(Pix2PixError, match=r"^This U-Net has the levels 1 to 6, not 7\.$"):
            walk_unet(unet, pair[0], off=(1, 7))
        with pytest.raises(Pix2PixError, match="multiples of 64, not 65×64"):
            walk_unet(unet, torch.zeros(1, 3, 65, 64))


class TestDropout:
    def test_a_seed_gives_three_draws_that_differ_and_can_be_repeated(self, unet, pair):
        walk = walk_unet(unet, pair[0], seed=3)
        first, second, third = walk.pictures
        assert not (first.equal(second) or second.equal(third) or first.equal(third))
        assert same(walk, walk_unet(unet, pair[0], seed=3))
        assert not same(walk, walk_unet(unet, pair[0], seed=0))

    def test_switches_work_with_dropout_on(self, unet, pair):
        walk, cut = (walk_unet(unet, pair[0], off, seed=3) for off in ((), (1,)))
        assert torch.equal(walk.up[1], cut.up[1])  # the same draw, below the cut
        assert not same(walk, cut)

    def test_generator_and_random_state_are_left_as_they_were_also_after_a_failure(self, pair):
        torch.manual_seed(77)
        unet, before = UNetGenerator(ngf=4, size=64, norm="batch"), torch.get_rng_state()
        weights = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
        walk_unet(unet, pair[0], seed=0)
        with pytest.raises(RuntimeError):
            walk_unet(unet, torch.zeros(1, 1, 64, 64), seed=0)
        assert torch.equal(torch.get_rng_state(), before)
        assert not any(module.training or module._forward_hooks for module in unet.modules())
        assert all(map(torch.equal, unet.state_dict().values(), weights.values()))


class TestDrawing:
    def test_the_text_says_what_is_read_what_changed_and_what_it_costs(self, unet, pair):
        whole, cut = walk_unet(unet, pair[0]), walk_unet(unet, pair[0], (2, 1))
        text = draw_unet(whole, cut, pair[1], level=2)[1]
        assert "decoder 5 reads zeros and what decoder 4 gives" in text and "off: 1, 2." in text
        change, error, undisturbed = (
            (a - b).abs().mean()
            for a, b in (
                (cut.pictures, whole.pictures), (cut.pictures, pair[1]), (whole.pictures, pair[1])
            )
        )  # fmt: skip
        assert f"change {change:.2g}," in text and f"target {error:.2g};" in text
        assert f"everything on {undisturbed:.2g}." in text
        noisy = walk_unet(unet, pair[0], seed=8)
        text = draw_unet(whole, noisy, pair[1], level=DEPTH)[1]
        assert "decoder 1 reads what encoder 6 gives." in text and "Levels off: none" in text
        assert f"seed 8: the draws deviate by {noisy.pictures.std(0).mean():.2g}" in text


class TestExplorer:
    @pytest.fixture
    def explorer(self, unet, pair):
        return explore_unet(unet, *pair, level=3, off=(3,))

    def test_begins_as_the_static_figure(self, explorer, unet, pair):
        whole, cut = walk_unet(unet, pair[0]), walk_unet(unet, pair[0], off=(3,))
        figure, text = draw_unet(whole, cut, pair[1], level=3)
        assert explorer.picture.value == encode(figure)
        assert text in html.unescape(explorer.text.value)

    @pytest.mark.parametrize("number", range(1, DEPTH + 1))
    def test_each_box_switches_its_own_level(self, explorer, unet, pair, number):
        explorer.controls["skip 3"].value = True
        explorer.controls["bottleneck" if number == DEPTH else f"skip {number}"].value = False
        whole, cut = walk_unet(unet, pair[0]), walk_unet(unet, pair[0], off=(number,))
        assert explorer.picture.value == encode(draw_unet(whole, cut, pair[1], level=3)[0])

    def test_the_seed_counts_when_dropout_is_on(self, explorer):
        seed, dropout = explorer.controls["seed"], explorer.controls["dropout"]
        assert seed.disabled
        dropout.value = True
        first, seed.value = explorer.picture.value, 1
        assert not seed.disabled and explorer.picture.value != first
        seed.value = 0
        assert explorer.picture.value == first

    def test_levels_and_pictures_that_do_not_fit_are_refused(self, unet, pair):
        for wrong in ({"level": 7}, {"level": 0}, {"off": (7,)}, {"off": (0,)}):
            with pytest.raises(Pix2PixError, match=r"^This U-Net has the levels 1 to 6, not [07]"):
                explore_unet(unet, *pair, **wrong)
        with pytest.raises(Pix2PixError, match="multiples of 64, not 32×32"):
            explore_unet(unet, *(side[..., :32, :32] for side in pair))
