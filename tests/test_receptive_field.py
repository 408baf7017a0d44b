"""Receptive fields: theory against gradients, and against numbers that others published."""

import copy

import pytest
import torch
import torchvision
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn

from pix2pix_lib import Pix2PixError
from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.generator import UNetGenerator
from pix2pix_lib.receptive_field import measured, reads_of, theoretical
from pix2pix_lib.runtime import layers as fast

Conv = nn.Conv2d


class Calls(nn.Module):
    """A network that does what a function of its layers and the picture says."""

    def __init__(self, forward, **layers: nn.Module):
        super().__init__()
        self.does = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, picture):
        return self.does(self, picture)


def residual(left: nn.Module, right: nn.Module) -> nn.Module:
    return Calls(lambda net, x: net.left(x) + net.right(x), left=left, right=right)


def corners(grid: tuple[int, int]) -> list[tuple[int, int]]:
    """The corners, the middle and one more, each once."""
    (height, width), last = grid, (grid[0] - 1, grid[1] - 1)
    units = [(0, 0), last, (0, last[1]), (last[0], 0), (height // 2, width // 2)]
    return list(dict.fromkeys([*units, (height // 3, 2 * width // 3)]))


def agree(model: nn.Module, input_size=64, units=None):
    """Compare calculated with measured boxes; returns what was calculated."""
    field = theoretical(model, input_size)
    for unit in units or corners(field.grid):
        assert field.box(unit) == measured(model, unit, input_size), unit
    return field


# ---------------------------------------------------------------- the networks of the course

PATCHGANS = {  # n_layers: size, stride, offset; side of the output at 256
    0: (1, 1, 0, 256),
    1: (16, 2, 2.5, 126),
    2: (34, 4, 5.5, 62),
    3: (70, 8, 11.5, 30),
    4: (142, 16, 23.5, 14),
    5: (286, 32, 47.5, 6),
}


class TestPatchGAN:
    @pytest.mark.parametrize("n_layers", PATCHGANS)
    def test_numbers_are_those_of_the_paper(self, n_layers):
        field = theoretical(PatchGAN(ndf=2, n_layers=n_layers))
        *numbers, side = PATCHGANS[n_layers]
        assert [field.size, field.stride, field.offset] == numbers
        assert all(type(number) is int for number in (field.size, field.stride))
        assert field.grid == (side, side)
        net, large = PatchGAN(ndf=1, n_layers=n_layers), 64 + 2 * field.size
        middle = (theoretical(net, large).grid[0] // 2,) * 2
        top, left, bottom, right = measured(net, middle, large)
        assert bottom - top == right - left == field.size
        assert (top, left, bottom, right) == theoretical(net, large).window(middle)

    @pytest.mark.parametrize("n_layers", PATCHGANS)
    @pytest.mark.parametrize("norm", ["instance", "batch"])
    def test_boxes_agree_with_gradients(self, n_layers, norm):
        agree(PatchGAN(ndf=2, n_layers=n_layers, norm=norm), (224, 160))

    def test_every_layer_has_its_numbers_by_name_in_order_of_execution(self):
        layers = theoretical(PatchGAN(ndf=2)).layers
        blocks = [name for name in layers if name.count(".") == 1]
        assert blocks == [f"blocks.{number}" for number in range(5)]
        assert [layers[name].size for name in blocks] == [4, 10, 22, 46, 70]
        assert [layers[name].stride for name in blocks] == [2, 4, 8, 8, 8]
        assert [layers[name].offset for name in blocks] == [0.5, 1.5, 3.5, 7.5, 11.5]
        inner = [name for name in layers if name.startswith("blocks.1")]
        assert inner == ["blocks.1.0", "blocks.1.1", "blocks.1.2", "blocks.1"]

    def test_the_network_as_it_is_depends_on_all_pixels_of_the_box_and_on_no_other(self):
        torch.manual_seed(0)
        net = PatchGAN(ndf=8, norm="none")
        pair = torch.randn(1, 6, 128, 128).requires_grad_()
        logits, field = net(pair), theoretical(net, 128)
        for unit in corners(field.grid):
            (gradient,) = torch.autograd.grad(logits[0, 0, *unit], pair, retain_graph=True)
            top, left, bottom, right = field.box(unit)
            inside = gradient[0, :, top:bottom, left:right]
            assert inside.count_nonzero() > 0.99 * inside.numel()
            assert gradient.count_nonzero() == inside.count_nonzero()

    def test_a_box_is_cut_off_at_the_picture_and_a_window_is_not(self):
        field = theoretical(PatchGAN(ndf=2))
        assert field.box((14, 17)) == field.window((14, 17)) == (89, 113, 159, 183)
        assert field.box((0, 29)) == (0, 209, 47, 256)
        assert field.window((0, 29)) == (-23, 209, 47, 279)


@pytest.mark.parametrize("up", ["transpose", "resize"])
@pytest.mark.parametrize("skip", [True, False])
class TestUNet:
    def test_boxes_agree_with_gradients(self, skip, up):
        net = UNetGenerator(ngf=1, size=64, skip=skip, up=up)
        agree(net, (448, 64), units=[(0, 0), (224, 3), (447, 63)])  # they end inside the picture
        for level in range(1, 7):
            agree(nn.Sequential(*net.encoder[:level]), (256, 192), units=[(0, 0), (1, 2), (3, 0)])

    def test_of_256_pixels(self, skip, up):
        layers = theoretical(UNetGenerator(ngf=1, skip=skip, up=up)).layers
        down, above = ([layers[f"{half}.{n}"] for n in range(8)] for half in ("encoder", "decoder"))
        assert [field.size for field in down] == [4, 10, 22, 46, 94, 190, 382, 766]
        assert [field.size for field in above] == [1022, *[1278] * 7]
        assert [field.stride for field in down + above] == [
            *(2, 4, 8, 16, 32, 64, 128, 256), *(128, 64, 32, 16, 8, 4, 2, 1)
        ]  # fmt: skip
        assert above[-1].box((9, 200)) == (0, 0, 256, 256)


def test_layers_made_for_processors_are_treated_like_their_bases():
    torch.manual_seed(0)
    swaps = {
        Conv(3, 64, 4, 2, 1): fast.SmallPlaneConv2d(3, 64, 4, 2, 1),
        nn.ConvTranspose2d(3, 64, 4, 2, 1): fast.SmallPlaneConvTranspose2d(3, 64, 4, 2, 1),
        Conv(3, 64, 4, 1, 1): fast.KaratsubaConv2d(3, 64, 4, 1, 1),
        nn.InstanceNorm2d(3): fast.ChannelsLastInstanceNorm2d(3),
    }
    for base, subclass in swaps.items():
        for size in (8, 64):
            field, slow = agree(subclass, size), theoretical(base, size)
            assert (field.size, field.stride, field.offset) == (slow.size, slow.stride, slow.offset)
            assert list(field.layers) == list(slow.layers)


# ------------------------------------------------------------------------------ layer by layer

SINGLE = [
    Conv(1, 1, (2, 5), (3, 1), (0, 2), (2, 1)),
    Conv(1, 1, 3, 1, 2, dilation=2),  # unit 1 reads pixels -1, 1 and 3: its box begins at 1
    Conv(1, 1, 1, padding=(2, 0)),  # the first and last rows are padding alone
    nn.ConvTranspose2d(1, 1, (3, 5), (2, 3), (1, 2), (1, 0)),
    nn.MaxPool2d((3, 2), (2, 3), (1, 0), ceil_mode=True),
    nn.AvgPool2d(3, 2, 1),
    nn.Upsample((21, 5), mode="nearest"),
    nn.Upsample((21, 5), mode="bilinear"),
    nn.Upsample(scale_factor=(1.0, 2.0), mode="nearest"),
    nn.Upsample(scale_factor=(2.0, 0.5), mode="bilinear"),
    residual(nn.Identity(), Conv(1, 1, (3, 5), padding=(1, 2))),
    residual(nn.MaxPool2d(3, 1, 1), nn.Sequential(Conv(1, 1, 1), Conv(1, 1, 3, 1, 2, 2))),
]


@pytest.mark.parametrize("layer", SINGLE, ids=str)
def test_every_unit_of_a_layer_agrees_with_gradients(layer):
    height, width = theoretical(layer, (11, 14)).grid
    agree(layer, (11, 14), units=[(r, c) for r in range(height) for c in range(width)])


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_resizing_reads_what_pytorch_reads_for_any_pair_of_lengths(mode):
    """By values alone, without gradients. In float32, 23 · (14 / 46) is less than 7."""
    lengths = [1, 3, 14, 33, 46, 77]
    for before in lengths:
        impulses = torch.eye(before, dtype=torch.float64)[None, :, None]
        for after in lengths:
            layer = nn.Upsample((1, after), mode=mode)
            field = theoretical(layer, (1, before))
            for unit, weights in enumerate(layer(impulses)[0, :, 0].T):
                read = (weights.abs() > 1e-9).nonzero().flatten().tolist()
                assert field.box((0, unit)) == (0, read[0], 1, read[-1] + 1), (before, after, unit)


@st.composite
def layer(draw) -> nn.Module:
    """A layer of one channel, with other numbers for rows than for columns."""
    pair = lambda least, most: st.tuples(*[st.integers(least, most)] * 2)  # noqa: E731
    kernel, stride, dilation = draw(pair(1, 5)), draw(pair(1, 3)), draw(pair(1, 3))
    kind = draw(st.sampled_from(["conv", "conv", "transposed", "pool", "resize", "join", "norm"]))
    if kind == "conv":
        return Conv(1, 1, kernel, stride, draw(pair(0, 2)), dilation)
    if kind == "transposed":
        kernel = tuple(map(max, kernel, stride))
        return nn.ConvTranspose2d(1, 1, kernel, stride, draw(pair(0, 2)))
    if kind == "pool":
        pooling = draw(st.sampled_from([nn.MaxPool2d, nn.AvgPool2d]))
        return pooling(kernel, stride, tuple(k // 2 for k in kernel), ceil_mode=draw(st.booleans()))
    if kind == "resize":
        return nn.Upsample(draw(pair(1, 30)), mode=draw(st.sampled_from(["nearest", "bilinear"])))
    if kind == "join":
        reach = draw(st.integers(0, 2))
        wide = Conv(1, 1, 2 * reach + 1, padding=reach * dilation[0], dilation=dilation[0])
        return residual(draw(st.sampled_from([nn.Identity(), nn.AvgPool2d(3, 1, 1)])), wide)
    return draw(st.sampled_from([nn.BatchNorm2d(1), nn.InstanceNorm2d(1), nn.Tanh()]))


def runs(net: nn.Module, size: tuple[int, int]) -> bool:
    try:
        return max(net.eval()(torch.zeros(1, 1, *size)).shape[2:]) <= 80
    except (RuntimeError, ValueError):
        return False  # the picture is too small for the chain


@settings(max_examples=60, deadline=None, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(
    net=st.lists(layer(), min_size=1, max_size=6).map(lambda layers: nn.Sequential(*layers)),
    size=st.tuples(st.integers(5, 26), st.integers(5, 26)),
)
def test_any_chain_of_layers_agrees_with_gradients(net, size):
    assume(runs(net, size))
    field = agree(net, size)
    for unit in corners(field.grid):
        top, left, bottom, right = field.box(unit)
        first, begin, last, end = field.window(unit)
        if bottom > top:  # a picture with an end shows no more than one without
            assert first <= top and begin <= left and bottom <= last and right <= end


GROWING = [
    nn.Sequential(Conv(1, 1, 3), nn.MaxPool2d(2), Conv(1, 1, 5, padding=2), nn.AvgPool2d(3, 2, 1)),
    nn.Sequential(Conv(1, 1, 4, 2, 1), nn.ConvTranspose2d(1, 1, 3, 2), Conv(1, 1, (1, 7))),
    nn.Sequential(Conv(1, 1, 3, dilation=4), nn.Upsample(scale_factor=2, mode="bilinear")),
    nn.Sequential(nn.ConvTranspose2d(1, 1, 4, 4), Conv(1, 1, 3, 3)),
]


@pytest.mark.parametrize("net", GROWING, ids=range(len(GROWING)))
def test_in_the_middle_of_a_large_picture_the_endless_window_is_the_measured_box(net):
    field = theoretical(net, 96)
    units = [(field.grid[0] // 2 + down, field.grid[1] // 2 - down) for down in range(6)]
    boxes = [measured(net, unit, 96) for unit in units]
    assert [field.window(unit) for unit in units] == boxes
    heights, widths = zip(*((b - t, r - left) for t, left, b, r in boxes), strict=True)
    size = field.size if isinstance(field.size, tuple) else (field.size,) * 2
    assert size == (max(heights), max(widths))


# ---------------------------------------------------------- what is executed counts, and borders


def test_the_order_is_that_of_execution_and_unused_layers_do_not_count():
    layers = {"last": Conv(3, 1, 7, padding=3), "first": Conv(3, 3, 4, stride=4)}
    net = Calls(lambda net, x: net.last(net.first(x)), unused=Conv(3, 1, 99), **layers)
    field = agree(net, 64)
    assert list(field.layers) == ["first", "last"]
    assert (field.size, field.stride) == (28, 4)  # 4 + 6 · 4, not 7 + 3


def test_a_picture_need_not_be_square_and_rows_may_differ_from_columns():
    net = nn.Sequential(Conv(1, 1, (3, 5), (1, 2), (1, 0)), nn.MaxPool2d((1, 2)))
    field = agree(net, (9, 33))
    assert (field.size, field.stride, field.offset) == ((3, 7), (1, 4), (0, 3))
    assert (field.grid, field.box((0, 1))) == ((9, 7), (0, 4, 2, 11))
    assert field.window((0, 1)) == (-1, 4, 2, 11)


def test_what_is_read_through_padding_is_not_claimed():
    """The first layer looks at rows 0, 2, 4, 6: row 7 is never seen, cut off or not."""
    net = nn.Sequential(Conv(1, 1, 1, 2), Conv(1, 1, 3, padding=1))
    assert agree(net, 8).box((3, 3)) == (4, 4, 7, 7)


def test_skips_of_a_resnet_count_beside_the_path():
    net = nn.Sequential(*list(torchvision.models.resnet18(weights=None).children())[:6])
    assert agree(net, 96, units=[(0, 0), (6, 6)]).size == 99


# The table that belongs to Araujo, Norris, Sim: Computing Receptive Fields of Convolutional Neural
# Networks, Distill 2019 (github.com/google-research/receptive_field, RECEPTIVE_FIELD_TABLE.md), by
# another program on another library: size, stride, and the padding, which is how far before the
# picture unit 0 begins.
VGG_16 = {
    "0": (3, 1, 1), "4": (6, 2, 2), "5": (10, 2, 4), "9": (16, 4, 6), "10": (24, 4, 10),
    "12": (32, 4, 14), "16": (44, 8, 18), "17": (60, 8, 26), "19": (76, 8, 34),
    "23": (100, 16, 42), "24": (132, 16, 58), "26": (164, 16, 74), "30": (212, 32, 90),
}  # fmt: skip


def test_numbers_that_others_published():
    with torch.device("meta"):
        layers = theoretical(torchvision.models.vgg16(weights=None).features, 224).layers
    found = {name: (layers[name].size, layers[name].stride) for name in VGG_16}
    starts = {name: -layers[name].window((0, 0))[0] for name in VGG_16}
    assert {name: (*found[name], starts[name]) for name in VGG_16} == VGG_16


# -------------------------------------------------------------------------------------- refusals


def refused(call, *sentences: str) -> None:
    """It raises `Pix2PixError`, whose one line has all of these sentences."""
    with pytest.raises(Pix2PixError) as caught:
        call()
    said = str(caught.value)
    assert "\n" not in said
    for sentence in sentences:
        assert sentence in said


NO_RULE = {  # what the sentence names: a layer, or what is done with the output of one
    "pixel_unshuffle": nn.PixelUnshuffle(2),
    "reflect": Conv(3, 1, 3, padding=1, padding_mode="reflect"),
    "padding=same": Conv(3, 1, 3, padding="same"),
    "stride=(3, 3)": nn.ConvTranspose2d(3, 1, 2, 3),
    "bicubic": nn.Upsample(scale_factor=2, mode="bicubic"),
    "bilinear": nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
    "scale_factor=1.3": nn.Upsample(scale_factor=1.3),
    "softmax": nn.Softmax(dim=2),
    "permute": Calls(lambda net, x: x.permute(0, 1, 3, 2)),
    "get": Calls(lambda net, x: x.mT),
    "getitem": Calls(lambda net, x: x[:, :, 1:]),
    "setitem": Calls(lambda net, x: x.__setitem__(0, x)),
    "'cat'": Calls(lambda net, x: torch.cat([x, x], dim=3)),
    "'mul'": Calls(lambda net, x: x * net.row(x), row=Conv(3, 3, (16, 1))),
    "strides differ": residual(nn.Sequential(Conv(3, 1, 3, 2), nn.Upsample((16, 16))), nn.ReLU()),
}


class TestRefusals:
    @pytest.mark.parametrize("what", NO_RULE)
    def test_what_it_has_no_rule_for_is_named_with_its_layer_and_never_guessed(self, what):
        net = nn.Sequential(Conv(3, 3, 1), NO_RULE[what])
        refused(lambda: theoretical(net, 16), "no rule for", what, "in layer '1': ask measured")

    def test_measured_needs_no_rule_and_a_rule_can_be_added(self):
        class Shuffle(nn.PixelShuffle):
            pass

        net = nn.Sequential(Conv(3, 4, 3), Shuffle(2))
        assert measured(net, (5, 8), 16) == (2, 4, 5, 7)
        reads_of.register(Shuffle, lambda _, *axis: reads_of(nn.Upsample(scale_factor=2), *axis))
        agree(net, 16)

    @pytest.mark.parametrize("unit", [(8, 0), (0, 12), (-1, 0), (1,), (1, 2, 3), 3, None, (1.5, 0)])
    def test_a_unit_that_the_grid_does_not_have(self, unit):
        net = PatchGAN(ndf=2)
        field = theoretical(net, (80, 112))
        expected = f"unit is (row, column) in rows 0…7, columns 0…11, not {unit}"
        refused(lambda: field.box(unit), expected)
        refused(lambda: measured(net, unit, (80, 112)), expected)

    @pytest.mark.parametrize("size", [0, (0, 5), 256.0, "256", None, (3, 256, 256), True])
    def test_a_size_that_is_none(self, size):
        expected = f"input_size is a number of pixels from 1 up, or (height, width), not {size!r}."
        refused(lambda: theoretical(PatchGAN(ndf=2), size), expected)
        refused(lambda: measured(PatchGAN(ndf=2), (0, 0), size), expected)

    def test_a_picture_that_does_not_fit_is_told_with_the_layer_it_fails_in(self):
        net, unet = PatchGAN(ndf=2, norm="none"), UNetGenerator(ngf=1)
        # Nothing is left of the width after blocks.3; older PyTorch notices it one layer later.
        refused(lambda: theoretical(net, (96, 9)), "96×9", "layer 'blocks.")
        refused(lambda: measured(net, (0, 0), (96, 9)), "96×9", "layer 'blocks.")
        refused(lambda: theoretical(unet, 128), "multiples of 256, not 128×128")
        refused(lambda: measured(unet, (0, 0), 128), "multiples of 256, not 128×128")

    def test_an_output_without_a_plane(self):
        net = Calls(lambda net, x: {"out": net.layer(x)}, layer=Conv(3, 1, 3))
        refused(lambda: theoretical(net, 9), "returns no tensor")

    def test_max_pooling_with_a_dilation_is_calculated_alone(self):
        net = nn.MaxPool2d(3, 1, 1, dilation=2)
        assert theoretical(net, 9).box((3, 3)) == (2, 2, 7, 7)
        refused(lambda: measured(net, (3, 3), 9), "dilation")


# ------------------------------------------------------------------------ the model is as it was


class TestTheModel:
    def test_is_not_changed(self):
        torch.manual_seed(0)
        net = UNetGenerator(ngf=2, size=64, norm="batch").train()
        net.decoder[1].eval()
        net.encoder[0].requires_grad_(False)
        net(torch.randn(2, 3, 64, 64)).square().mean().backward()
        before = copy.deepcopy(net)
        theoretical(net, 64)
        measured(net, (3, 4), 64)
        for name, value in net.state_dict().items():
            assert torch.equal(value, before.state_dict()[name])
        for one, other in zip(net.parameters(), before.parameters(), strict=True):
            assert one.requires_grad == other.requires_grad
        for one, other in zip(net.modules(), before.modules(), strict=True):
            assert type(one) is type(other) and one.training == other.training
            assert not one._forward_hooks and not one._forward_pre_hooks

    @pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode])
    def test_is_measured_also_where_gradients_are_off(self, around):
        net = PatchGAN(ndf=2)
        with around():
            assert measured(net, (5, 6), 96) == theoretical(net, 96).box((5, 6)) == (17, 25, 87, 95)

    def test_may_have_weights_in_half_precision(self):
        assert agree(PatchGAN(ndf=2).half(), 64, units=[(2, 3)]).size == 70

    def test_dead_saturated_and_cancelling_weights_hide_nothing(self):
        """The gradient of the network as it is would be zero, or find one pixel of four."""
        dead = nn.Sequential(Conv(3, 2, 3), nn.ReLU(), Conv(2, 1, 3))
        nn.init.constant_(dead[0].bias, -1e3)
        cancelling = Conv(3, 1, 3)
        nn.init.zeros_(cancelling.weight)
        winner = nn.Sequential(nn.MaxPool2d(2), nn.Tanh())
        assert [agree(net, 12).size for net in (dead, cancelling, winner)] == [5, 3, 2]

    def test_a_deep_stack_does_not_fade(self):
        net = nn.Sequential(*[Conv(1, 1, 3, padding=1) for _ in range(60)])
        assert agree(net, 128, units=[(0, 0), (64, 60)]).size == 121
