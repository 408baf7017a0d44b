"""Receptive fields: theory against gradients, and against numbers that others published."""

import copy
import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from pix2pix_lib import Pix2PixError
from pix2pix_lib.discriminator import PatchGAN
from pix2pix_lib.generator import UNetGenerator
from pix2pix_lib.receptive_field import RULES, arithmetic, measured, theoretical

NOTHING = (0, 0, 0, 0)
Conv = nn.Conv2d


class Calls(nn.Module):
    """A network that does what a function of itself and the picture says."""

    def __init__(self, forward, **layers: nn.Module):
        super().__init__()
        self.does = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, picture):
        return self.does(self, picture)


def corners(grid: tuple[int, int]) -> list[tuple[int, int]]:
    """The corners, the middle and one more, each once."""
    (height, width), last = grid, (grid[0] - 1, grid[1] - 1)
    units = [(0, 0), last, (0, last[1]), (last[0], 0), (height // 2, width // 2)]
    return list(dict.fromkeys([*units, (height // 3, 2 * width // 3)]))


def agree(model, input_size=64, layer: str = "", units=None, **options):
    """Compare calculated with measured boxes; returns what was calculated."""
    calculated = theoretical(model, input_size, **options)
    field = calculated.layers[layer] if layer else calculated
    for unit in units or corners(field.grid):
        found = measured(model, unit, input_size, layer=layer, **options)
        assert field.box(unit) == found, (layer, unit)
    return field


# ---------------------------------------------------------------- the networks of the course

PATCHGANS = {  # n_layers: size, stride, offset; outputs at 256, as in the table of lesson 4
    0: (1, 1, 0, 256),
    1: (16, 2, 2.5, 126),
    2: (34, 4, 5.5, 62),
    3: (70, 8, 11.5, 30),
    4: (142, 16, 23.5, 14),
    5: (286, 32, 47.5, 6),
}


class TestPatchGAN:
    @pytest.mark.parametrize("n_layers", PATCHGANS)
    def test_size_stride_and_offset_are_those_of_the_paper(self, n_layers):
        field = theoretical(PatchGAN(ndf=2, n_layers=n_layers))
        *numbers, grid = PATCHGANS[n_layers]
        assert [field.size, field.stride, field.offset] == numbers
        assert all(type(n) is int for n in (field.size, field.stride))
        assert field.grid == (grid, grid)

    @pytest.mark.parametrize("n_layers", PATCHGANS)
    @pytest.mark.parametrize("norm", ["instance", "batch", "none"])
    def test_boxes_agree_with_gradients(self, n_layers, norm):
        agree(PatchGAN(ndf=2, n_layers=n_layers, norm=norm), (224, 160))

    @pytest.mark.parametrize("n_layers", PATCHGANS)
    def test_on_a_large_picture_the_measured_box_has_the_size_of_the_paper(self, n_layers):
        side = 64 + 2 * PATCHGANS[n_layers][0]
        net = PatchGAN(ndf=1, n_layers=n_layers)
        middle = (theoretical(net, side).grid[0] // 2,) * 2
        top, left, bottom, right = measured(net, middle, side)
        assert bottom - top == right - left == PATCHGANS[n_layers][0]
        assert (top, left, bottom, right) == theoretical(net, side).window(middle)

    def test_every_layer_has_its_numbers_by_name_in_order_of_execution(self):
        layers = theoretical(PatchGAN(ndf=2)).layers
        blocks = [name for name in layers if name.count(".") == 1]
        assert blocks == [f"blocks.{number}" for number in range(5)]
        assert [layers[name].size for name in blocks] == [4, 10, 22, 46, 70]
        assert [layers[name].stride for name in blocks] == [2, 4, 8, 8, 8]
        assert [layers[name].offset for name in blocks] == [0.5, 1.5, 3.5, 7.5, 11.5]
        assert [layers[name].grid[0] for name in blocks] == [128, 64, 32, 31, 30]
        inner = [name for name in layers if name.startswith("blocks.1")]
        assert inner == ["blocks.1.0", "blocks.1.1", "blocks.1.2", "blocks.1"]
        assert list(layers)[-1] == "blocks"

    def test_the_real_network_depends_on_no_pixel_outside_of_the_box_and_on_all_inside(self):
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


ENCODER = [4, 10, 22, 46, 94, 190]  # 4×4 kernels, stride 2: s ← 2 s + 2
LEVELS = [f"{half}.{level}" for half in ("encoder", "decoder") for level in range(6)]


class TestUNet:
    @pytest.mark.parametrize("up", ["transpose", "resize"])
    @pytest.mark.parametrize("skip", [True, False])
    def test_every_level_agrees_with_gradients(self, skip, up):
        net = UNetGenerator(ngf=1, size=64, skip=skip, up=up)
        fields = theoretical(net, (128, 64)).layers
        for level in LEVELS:
            height, width = fields[level].grid
            for unit in {(0, 0), (height // 2, width // 3), (height - 1, width - 1)}:
                found = measured(net, unit, (128, 64), level)
                assert fields[level].box(unit) == found, (level, unit)

    @pytest.mark.parametrize("up", ["transpose", "resize"])
    @pytest.mark.parametrize("skip", [True, False])
    def test_strides_halve_down_and_double_up(self, skip, up):
        layers = theoretical(UNetGenerator(ngf=1, size=64, skip=skip, up=up), 64).layers
        assert [layers[level].size for level in LEVELS[:6]] == ENCODER
        assert [layers[level].stride for level in LEVELS] == [
            2,
            4,
            8,
            16,
            32,
            64,
            32,
            16,
            8,
            4,
            2,
            1,
        ]

    def test_of_256_pixels(self):
        layers = theoretical(UNetGenerator(ngf=1)).layers
        assert [layers[f"encoder.{level}"].size for level in range(8)] == [*ENCODER, 382, 766]
        assert (
            layers["encoder.7"].box((0, 0)) == layers["decoder.7"].box((9, 200)) == (0, 0, 256, 256)
        )

    def test_a_transposed_convolution_has_a_size_for_each_phase(self):
        # kernel 3 on a stride of 2: every other unit reads one stamp, the others two
        net = nn.Sequential(Conv(1, 1, 4, 2, 1), nn.ConvTranspose2d(1, 1, 3, 2))
        field = agree(net, 32)
        rows = [field.window((row, 0))[::2] for row in range(8, 12)]
        assert [bottom - top for top, bottom in rows] == [6, 4, 6, 4]
        assert field.size == 6


# ------------------------------------------------------------------ numbers that others published

# The table that belongs to Araujo, Norris, Sim: Computing Receptive Fields of Convolutional Neural
# Networks, Distill 2019 (github.com/google-research/receptive_field, RECEPTIVE_FIELD_TABLE.md), by
# another program on another library: size, stride, and the padding, which is how far before the
# picture unit 0 begins.
VGG_16 = {
    "0": (3, 1, 1), "4": (6, 2, 2), "5": (10, 2, 4), "9": (16, 4, 6), "10": (24, 4, 10),
    "12": (32, 4, 14), "16": (44, 8, 18), "17": (60, 8, 26), "19": (76, 8, 34),
    "23": (100, 16, 42), "24": (132, 16, 58), "26": (164, 16, 74), "30": (212, 32, 90),
}  # fmt: skip
VGG_A = {
    "0": (3, 1, 1), "2": (4, 2, 1), "3": (8, 2, 3), "5": (10, 4, 3), "6": (18, 4, 7),
    "8": (26, 4, 11), "10": (30, 8, 11), "11": (46, 8, 19), "13": (62, 8, 27),
    "15": (70, 16, 27), "16": (102, 16, 43), "18": (134, 16, 59), "20": (150, 32, 59),
}  # fmt: skip
INCEPTION_V3 = {
    "Conv2d_1a_3x3": (3, 2, 0), "Conv2d_2a_3x3": (7, 2, 0), "Conv2d_2b_3x3": (11, 2, 2),
    "maxpool1": (15, 4, 2), "Conv2d_3b_1x1": (15, 4, 2), "Conv2d_4a_3x3": (23, 4, 2),
    "maxpool2": (31, 8, 2), "Mixed_5b": (63, 8, 18), "Mixed_5c": (95, 8, 34),
    "Mixed_5d": (127, 8, 50), "Mixed_6a": (159, 16, 58), "Mixed_6b": (351, 16, 154),
    "Mixed_6c": (543, 16, 250), "Mixed_6d": (735, 16, 346), "Mixed_6e": (927, 16, 442),
    "Mixed_7a": (1055, 32, 490), "Mixed_7b": (1183, 32, 554), "Mixed_7c": (1311, 32, 618),
}  # fmt: skip
ALEXNET = {  # without the padding: torchvision pads the first layer, theirs did not
    "0": (11, 4), "2": (19, 8), "3": (51, 8), "6": (99, 16), "8": (131, 16), "10": (163, 16),
    "12": (195, 32),
}  # fmt: skip
RESNETS = {  # for pictures of 321 pixels, where their "SAME" pads both sides alike
    "resnet50": [(35, 8, 17), (99, 16, 49), (291, 32, 145), (483, 32, 241)],
    "resnet101": [(35, 8, 17), (99, 16, 49), (835, 32, 417), (1027, 32, 513)],
    "resnet152": [(35, 8, 17), (163, 16, 81), (1315, 32, 657), (1507, 32, 753)],
}
MOBILENET_V1 = [
    (3, 2, 1), (7, 2, 3), (11, 4, 5), (19, 4, 9), (27, 8, 13), (43, 8, 21), (59, 16, 29),
    (91, 16, 45), (123, 16, 61), (155, 16, 77), (187, 16, 93), (219, 16, 109), (251, 32, 125),
    (315, 32, 157),
]  # fmt: skip


def numbers(field) -> tuple[int, int, float]:
    return field.size, field.stride, -field.window((0, 0))[0]


def make(name: str, **options) -> nn.Module:
    """A network of torchvision, whose weights take no time and no memory."""
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return getattr(torchvision.models, name)(weights=None, **options)


def stride_at_the_end(net: nn.Module) -> nn.Module:
    """A ResNet with its strides where the published one has them.

    There, the last unit of a block halves, in its 3×3 convolution; in torchvision the first does.
    """
    for block in (net.layer1, net.layer2, net.layer3, net.layer4):
        block[0].conv2.stride = block[0].downsample[0].stride = (1, 1)
    for block in (net.layer1, net.layer2, net.layer3):
        block[-1].conv2.stride, block[-1].downsample = (2, 2), nn.MaxPool2d(1, stride=2)
    return net


class TestPublished:
    @pytest.mark.parametrize(("name", "table"), [("vgg16", VGG_16), ("vgg11", VGG_A)])
    def test_vgg(self, name, table):
        layers = theoretical(make(name).features, 224).layers
        assert {key: numbers(layers[key]) for key in table} == table

    def test_alexnet(self):
        layers = theoretical(make("alexnet").features, 224).layers
        assert {key: numbers(layers[key])[:2] for key in ALEXNET} == ALEXNET

    def test_inception_v3(self):
        net = make("inception_v3", init_weights=False, aux_logits=False)
        layers = theoretical(net, 299).layers
        assert {key: numbers(layers[key]) for key in INCEPTION_V3} == INCEPTION_V3

    @pytest.mark.parametrize("name", RESNETS)
    def test_resnets(self, name):
        layers = theoretical(stride_at_the_end(make(name)), 321).layers
        assert [numbers(layers[f"layer{block}"]) for block in (1, 2, 3, 4)] == RESNETS[name]

    def test_mobilenet_v1(self):
        steps = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
        blocks = [
            nn.Sequential(
                Conv(2, 2, 3, step, 1, groups=2), nn.BatchNorm2d(2), nn.ReLU6(), Conv(2, 2, 1)
            )
            for step in steps
        ]
        layers = theoretical(nn.Sequential(Conv(3, 2, 3, 2, 1), *blocks), 321).layers
        assert [numbers(layers[str(number)]) for number in range(14)] == MOBILENET_V1


BACKBONES = {  # network: layer, (height, width)
    "vgg11": ("features", (64, 96)),
    "resnet18": ("layer4", (96, 64)),
    "mobilenet_v2": ("features", (64, 96)),
    "mobilenet_v3_small": ("features", (64, 80)),  # squeeze and excitation: sees all
    "densenet121": ("features", (64, 96)),
    "squeezenet1_1": ("features", (96, 64)),
    "shufflenet_v2_x0_5": ("conv5", (64, 96)),
    "googlenet": ("inception4b", (96, 64)),
}


@pytest.mark.parametrize("name", BACKBONES)
def test_backbones_of_torchvision_agree_with_gradients(name):
    layer, size = BACKBONES[name]
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    net = getattr(torchvision.models, name)(weights=None, **options)
    height, width = theoretical(net, size).layers[layer].grid
    agree(net, size, layer, units=[(0, 0), (height // 2, width - 1)])


def test_a_classifier_sees_everything_and_has_one_unit():
    net = torchvision.models.resnet18(weights=None)
    field = agree(net, (64, 96))
    assert field.grid == (1, 1) and field.size == math.inf and field.box((0, 0)) == (0, 0, 64, 96)


# ----------------------------------------------------------------------------------- random stacks


class Meet(nn.Module):
    """Two branches that read the same and meet again: added, multiplied or concatenated."""

    def __init__(self, left: nn.Module, right: nn.Module, how: str, mode: str):
        super().__init__()
        self.left, self.right, self.how, self.mode = left, right, how, mode

    def extra_repr(self) -> str:
        return f"{self.how}, {self.mode}"

    def forward(self, features):
        left, right = self.left(features), self.right(features)
        spread = self.how != "cat" and right.shape[2:] == (1, 1)
        if right.shape[2:] != left.shape[2:] and not spread:
            right = F.interpolate(right, left.shape[2:], mode=self.mode)
        if self.how == "cat":
            return torch.cat([left, right], dim=1)
        return left + right if self.how == "add" else left * right


def pairs(least: int, most: int):
    return st.tuples(st.integers(least, most), st.integers(least, most))


@st.composite
def windows(draw, halved: bool = False) -> tuple:
    """Kernel, stride, padding and dilation, (rows, columns) each.

    Seldom, the padding is so wide that a unit sees nothing else.
    """
    kernel, stride, dilation = draw(pairs(1, 5)), draw(pairs(1, 3)), draw(pairs(1, 3))
    wide = draw(st.sampled_from([0] * 9 + [1]))
    most = [d * (k - 1) + wide for k, d in zip(kernel, dilation, strict=True)]
    if halved:  # as pooling wants it
        most = [k // 2 for k in kernel]
    return kernel, stride, tuple(draw(st.integers(0, m)) for m in most), dilation


@st.composite
def convolutions(draw, channels: int) -> nn.Module:
    groups = draw(st.sampled_from([1, channels]))
    if draw(st.integers(0, 4)) == 0:
        padding, dilation = draw(st.sampled_from(["same", "valid"])), draw(pairs(1, 3))
        return Conv(channels, channels, draw(pairs(1, 5)), 1, padding, dilation, groups)
    return Conv(channels, groups * draw(st.integers(1, 2)), *draw(windows()), groups=groups)


@st.composite
def transposed(draw, channels: int) -> nn.Module:
    kernel, stride, dilation = draw(pairs(1, 5)), draw(pairs(1, 4)), draw(pairs(1, 3))
    longest = [max(both) - 1 for both in zip(stride, dilation, strict=True)]
    extra = tuple(draw(st.integers(0, most)) for most in longest)
    padding = draw(pairs(0, 3))
    return nn.ConvTranspose2d(channels, 2, kernel, stride, padding, extra, dilation=dilation)


@st.composite
def pooling(draw, channels: int) -> nn.Module:
    kernel, stride, padding, dilation = draw(windows(halved=True))
    kind = draw(st.sampled_from(["max", "dilated", "average", "adaptive"]))
    if kind == "adaptive":
        adaptive = draw(st.sampled_from([nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d]))
        return adaptive(draw(pairs(1, 6)))
    if kind == "dilated":
        return nn.MaxPool2d(kernel, stride, padding, dilation)
    stride, ceil_mode = draw(st.sampled_from([stride, None])), draw(st.booleans())
    if kind == "max":
        return nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode)
    return nn.AvgPool2d(kernel, stride, padding, ceil_mode, draw(st.booleans()))


@st.composite
def resizing(draw, channels: int) -> nn.Module:
    mode = draw(st.sampled_from(["nearest", "bilinear"]))
    if draw(st.booleans()):
        return nn.Upsample(draw(pairs(1, 30)), mode=mode)
    factors = st.sampled_from([0.5, 0.7, 1.0, 1.1, 1.3, 1.5, 2.0, 2.1, 3.0])
    return nn.Upsample(scale_factor=(draw(factors), draw(factors)), mode=mode)


def alone(channels: int):
    """Norms and activations."""
    kinds = [
        nn.BatchNorm2d(channels), nn.InstanceNorm2d(channels, affine=True),
        nn.GroupNorm(1, channels), nn.ReLU(), nn.LeakyReLU(0.2, inplace=True), nn.SiLU(),
        nn.PReLU(channels), nn.Tanh(), nn.Dropout(),
    ]  # fmt: skip
    return st.sampled_from(range(len(kinds))).map(kinds.__getitem__)


@st.composite
def meetings(draw, channels: int, depth: int) -> nn.Module:
    left, right = (draw(stacks(channels, depth - 1, most=3)) for _ in range(2))
    how = draw(st.sampled_from(["add", "multiply", "cat"]))
    if how != "cat":
        right.append(Conv(right.channels, left.channels, 1))
    return Meet(left, right, how, draw(st.sampled_from(["nearest", "bilinear"])))


@st.composite
def stacks(draw, channels: int = 1, depth: int = 2, most: int = 7) -> nn.Sequential:
    """Layers at random; what does not fit what comes before it is left out."""
    net, features = nn.Sequential(), torch.zeros(1, channels, 14, 17)
    kinds = [convolutions, convolutions, transposed, pooling, resizing, alone]
    for _ in range(draw(st.integers(most // 2, most))):
        kind = draw(st.sampled_from(kinds + [meetings] * 2 * (depth > 0)))
        layer = draw(kind(features.shape[1], *[depth] * (kind is meetings))).eval()
        try:
            with torch.no_grad():
                after = layer(features.clone())
        except (RuntimeError, ValueError):
            continue
        if after.numel() and after.shape[1] <= 6 and max(after.shape[2:]) <= 60:
            net.append(layer)
            features = after
    net.channels = features.shape[1]
    return net


def of_sums(layer: nn.Module, norms: bool) -> nn.Module:
    """The same network of sums alone, so that a plain gradient shows all that it reads."""
    for name, child in layer.named_children():
        setattr(layer, name, of_sums(child, norms))
    if isinstance(layer, nn.AdaptiveMaxPool2d):
        return nn.AdaptiveAvgPool2d(layer.output_size)
    if isinstance(layer, nn.MaxPool2d) and layer.dilation == 1:
        return nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode)
    if isinstance(layer, nn.MaxPool2d):
        kernel, window = layer.kernel_size, (layer.stride, layer.padding, layer.dilation)
        return Calls(
            lambda _, x: F.conv2d(x, x.new_ones(x.shape[1], 1, *kernel), None, *window, x.shape[1])
        )
    if isinstance(layer, (nn.InstanceNorm2d, nn.GroupNorm)) and norms:
        return Calls(lambda _, x: x + x.sum((1, 2, 3), keepdim=True))
    if isinstance(layer, Meet) and layer.how == "multiply":
        layer.how = "add"
    summing = (nn.Conv2d, nn.ConvTranspose2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Upsample)
    return layer if isinstance(layer, (*summing, Meet, nn.Sequential)) else nn.Identity()


def plain_gradients(net: nn.Module, units, size, norms: bool) -> list[tuple]:
    """Boxes from gradients of a network of sums, in float64, with nothing of the library."""
    twin = of_sums(copy.deepcopy(net), norms).double()
    for weight in twin.parameters():
        nn.init.ones_(weight)
    picture = torch.ones(1, 1, *size, dtype=torch.float64, requires_grad=True)
    output, boxes = twin(picture), []
    for row, column in units:
        (gradient,) = torch.autograd.grad(
            output[0, :, row, column].sum(), picture, retain_graph=True
        )
        seen = gradient[0, 0] > 1e-13 * gradient.max()  # linear resizing rounds
        rows, columns = (seen.any(side).nonzero().flatten().tolist() for side in (1, 0))
        edges = (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1) if rows else NOTHING
        boxes.append(edges)
    return boxes


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(net=stacks(), size=pairs(3, 26), norms=st.booleans())
def test_on_any_stack_of_layers_theory_gradients_and_the_library_agree(net, size, norms):
    try:
        with torch.no_grad():
            grid = tuple(net(torch.zeros(1, 1, *size)).shape[2:])
    except (RuntimeError, ValueError):
        grid = (100, 100)
    assume(max(grid) <= 80)  # else the picture is too small for the stack, or the stack too large
    try:
        field = theoretical(net, size, norms)
    except Pix2PixError as error:  # boxes cannot tell what such a unit sees after branches meet
        assert "of units some of which see nothing" in str(error)
        assume(False)
    assert field.grid == grid
    units = corners(grid)
    truths = plain_gradients(net, units, size, norms)
    assert [field.box(unit) for unit in units] == truths
    assert [measured(net, unit, size, norms=norms) for unit in units] == truths
    for unit, truth in zip(units, truths, strict=True):
        if truth != NOTHING:  # a picture with an end shows no more than one without
            top, left, bottom, right = field.window(unit)
            assert top <= truth[0] and left <= truth[1]
            assert truth[2] <= bottom and truth[3] <= right


SINGLE = [
    Conv(1, 1, (2, 5), (3, 1), (0, 2), (2, 1)),
    Conv(1, 1, (4, 3), padding="same", dilation=(3, 2)),
    Conv(1, 1, (4, 3), padding="valid"),
    nn.ConvTranspose2d(1, 1, (3, 5), (2, 3), (1, 2), (1, 0)),
    nn.ConvTranspose2d(1, 1, 2, 4),  # every other pair of units reads nothing
    nn.MaxPool2d((3, 2), (2, 3), (1, 0), ceil_mode=True),
    nn.MaxPool2d(3, 1, 1, dilation=(2, 3)),
    nn.AvgPool2d(3, 2, 1, ceil_mode=True),
    nn.AvgPool2d((2, 4)),
    nn.AdaptiveAvgPool2d((5, 4)),
    nn.AdaptiveMaxPool2d((3, 7)),
    nn.AdaptiveAvgPool2d((1, None)),
    nn.AdaptiveAvgPool2d(1),
    nn.Upsample((31, 5), mode="nearest"),
    nn.Upsample((31, 5), mode="bilinear"),
    nn.Upsample(scale_factor=(1.5, 0.6), mode="nearest"),
    nn.Upsample(scale_factor=(1.5, 0.6), mode="bilinear"),
]


@pytest.mark.parametrize("layer", SINGLE, ids=str)
def test_every_unit_of_a_single_layer_agrees_with_gradients(layer):
    height, width = theoretical(layer, (11, 14)).grid
    agree(layer, (11, 14), units=[(r, c) for r in range(height) for c in range(width)])


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_resizing_reads_what_pytorch_reads_for_any_pair_of_lengths(mode):
    """By values alone, without gradients. In float32, 23 · (14 / 46) is less than 7."""
    lengths = [1, 2, 3, 13, 14, 22, 26, 44, 46, 64]
    factors = [0.1, 0.3, 2 / 3, 1.01, 1.1, 4 / 3, 1.5, 2, 2.03, 3.3, 2**0.5]
    ways = [nn.Upsample((1, length), mode=mode) for length in lengths]
    ways += [nn.Upsample(scale_factor=(1.0, float(factor)), mode=mode) for factor in factors]
    for before in lengths:
        impulses = torch.eye(before, dtype=torch.float64)[None, :, None]
        for way in ways:
            if way.scale_factor and before * way.scale_factor[1] < 1:
                continue  # nothing would be left
            weights = way(impulses)[0, :, 0].numpy()
            read = [np.nonzero(abs(column) > 1e-9)[0][[0, -1]] for column in weights.T]
            ends = theoretical(way, (1, before)).axes[1].here
            assert (ends == np.transpose(read)).all(), (before, way)


def test_a_unit_exactly_on_top_of_another_reads_that_one_alone():
    """Unit 13 of 33 lies on unit 31 of 77: (13 + ½) · 7 / 3 - ½. In float32 it lies beside it."""
    field = agree(nn.Upsample((1, 33), mode="bilinear"), (1, 77), units=[(0, 13), (0, 14)])
    assert field.box((0, 13)) == (0, 31, 1, 32) and field.box((0, 14)) == (0, 33, 1, 35)


GROWING = [
    nn.Sequential(Conv(1, 1, 3), nn.MaxPool2d(2), Conv(1, 1, 5, padding=2), nn.AvgPool2d(3, 2, 1)),
    nn.Sequential(Conv(1, 1, 4, 2, 1), nn.ConvTranspose2d(1, 1, 3, 2), Conv(1, 1, (1, 7))),
    nn.Sequential(Conv(1, 1, 3, dilation=4), nn.Upsample(scale_factor=2, mode="bilinear")),
    nn.Sequential(
        nn.Upsample(scale_factor=3.0), Conv(1, 1, 3, 2, 1), nn.Upsample(scale_factor=1.5)
    ),
    nn.Sequential(nn.ConvTranspose2d(1, 1, 4, 4), Conv(1, 1, 3, 3)),
]


@pytest.mark.parametrize("net", GROWING, ids=range(len(GROWING)))
def test_in_the_middle_of_a_large_picture_the_endless_window_is_the_measured_box(net):
    field = theoretical(net, 96)
    middle = [length // 2 for length in field.grid]
    boxes = []
    for down in range(6):
        unit = (middle[0] + down, middle[1] - down)
        boxes.append(measured(net, unit, 96))
        assert field.window(unit) == boxes[-1]
    heights = [bottom - top for top, _, bottom, _ in boxes]
    widths = [right - left for _, left, _, right in boxes]
    size = field.size if isinstance(field.size, tuple) else (field.size,) * 2
    assert size == (max(heights), max(widths))


# ------------------------------------------------------------------------- what is executed counts


def other_order() -> nn.Module:
    """The layers are written down in another order than they are executed in."""
    layers = {"last": Conv(4, 1, 7, padding=3), "first": Conv(3, 4, 4, stride=4)}
    return Calls(lambda net, x: net.last(net.first(x)), **layers)


class TestExecution:
    def test_the_order_is_that_of_execution(self):
        field = agree(other_order(), 64)
        assert list(field.layers) == ["first", "last"]
        assert (field.size, field.stride) == (28, 4)  # 4 + 6 · 4, not 7 + 3
        assert (field.layers["first"].size, field.layers["last"].size) == (4, 28)

    def test_a_layer_that_is_never_executed_does_not_count(self):
        field = agree(
            Calls(lambda net, x: net.used(x), used=Conv(3, 1, 3), unused=Conv(3, 1, 99)), 16
        )
        assert list(field.layers) == ["used"] and field.size == 3

    def test_a_layer_used_twice_has_a_name_for_each_time(self):
        net = Calls(lambda net, x: net.down(net.down(net.down(x))), down=Conv(3, 3, 4, 2, 1))
        field = agree(net, 64)
        assert list(field.layers) == ["down", "down (2)", "down (3)"]
        assert [layer.size for layer in field.layers.values()] == [4, 10, 22]
        assert measured(net, (3, 5), 64, layer="down (2)") == field.layers["down (2)"].box((3, 5))

    def test_one_weight_under_two_names_stays_one(self):
        net = nn.Sequential(Conv(2, 2, 3), nn.ReLU(), Conv(2, 2, 3))
        net[2].weight = net[0].weight
        assert agree(net, 16).size == 5

    def test_skips_with_strides_of_their_own_count_beside_the_path_and_not_on_top(self):
        net = nn.Sequential(*list(torchvision.models.resnet18(weights=None).children())[:6])
        assert agree(net, 96, units=[(0, 0), (6, 6)]).size == 99

    @pytest.mark.parametrize("operator", ["+", "-", "*", "/"])
    def test_operators_read_both_sides_also_in_place(self, operator):
        layers = {"near": Conv(3, 2, 1), "far": Conv(3, 2, 5, padding=2)}
        for line in (
            f"y = y {operator} z",
            f"y {operator}= z",
            f"y = 2 {operator} (1 {operator} z)",
        ):
            scope = {}
            exec(
                f"def forward(net, x):\n y, z = net.near(x), net.far(x)\n {line}\n return y", scope
            )
            assert agree(Calls(scope["forward"], **layers), 16).size == 5, line

    def test_operands_may_be_named(self):
        layers = {"near": Conv(3, 2, 1), "far": Conv(3, 2, 5, padding=2)}
        net = Calls(lambda net, x: torch.add(input=net.near(x), other=net.far(x)), **layers)
        assert agree(net, 16).size == 5
        net = Calls(lambda net, x: torch.cat(tensors=[net.near(x), net.far(x)], dim=1), **layers)
        assert agree(net, 16).size == 5

    def test_functions_take_their_usual_strides(self):
        net = Calls(
            lambda net, x: F.avg_pool2d(net.layer(F.max_pool2d(x, 2)), 3), layer=Conv(3, 1, 1)
        )
        field = agree(net, 18)
        assert (field.size, field.stride) == (6, 6)

    def test_a_branch_that_sees_the_plane_makes_all_see_it(self):
        """Squeeze and excitation, through a vector and back."""
        net = Calls(
            lambda net, x: x * torch.sigmoid(net.mix(x.mean((2, 3))).view(1, 3, 1, 1)),
            mix=nn.Linear(3, 3),
        )
        net = nn.Sequential(Conv(3, 3, 1), net)
        field = agree(net, (12, 18))
        assert (field.size, field.box((3, 4))) == (math.inf, (0, 0, 12, 18))
        assert field.stride == 1  # the units still lie where they lay

    def test_branches_with_different_strides_drift_apart_for_ever(self):
        net = Calls(
            lambda net, x: net.narrow(x) + F.interpolate(net.wide(x), (7, 7)),
            narrow=Conv(3, 1, 4, 2, 0), wide=Conv(3, 1, 4, 3, 0),
        )  # fmt: skip
        field = agree(net, 17)
        assert field.size == math.inf and field.box((0, 0)) == (0, 0, 4, 4)

    @pytest.mark.parametrize("channels", [1, 3, 4, 6])
    def test_the_first_layer_says_how_many_channels_the_picture_has(self, channels):
        convolution = Conv(channels, 2, 3)
        doubled = Calls(
            lambda net, x: net.mix(torch.cat([x, 1 - x], 1)), mix=Conv(2 * channels, 1, 3)
        )
        grouped = Conv(channels, channels, 3, groups=channels)
        normed = [
            nn.Sequential(norm(channels), convolution) for norm in (nn.BatchNorm2d, group_norm)
        ]
        upwards = nn.ConvTranspose2d(channels, 2, 3)
        for net in (convolution, doubled, grouped, *normed, upwards):
            assert agree(net, 12, units=[(4, 5)]).size == 3

    def test_the_plane_may_be_flattened_and_channels_regrouped(self):
        def shuffled(net, x):
            x = net.mix(x)
            count, channels, height, width = x.shape
            x = x.view(count, 2, channels // 2, height, width).transpose(1, 2).contiguous()
            return x.view(count, channels, height, width).chunk(2, dim=1)[1]

        assert agree(Calls(shuffled, mix=Conv(3, 4, 3)), 12).size == 3
        flat = nn.Sequential(Conv(3, 1, 3), nn.Flatten(), nn.Linear(100, 5))
        assert agree(flat, 12).box((0, 0)) == (0, 0, 12, 12)


def group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(channels, channels)


# --------------------------------------------------------------------------- rows are not columns


class TestRowsAndColumns:
    def test_where_they_differ_each_number_is_a_pair(self):
        net = nn.Sequential(Conv(1, 1, (3, 5), (1, 2), (1, 0)), nn.MaxPool2d((1, 2)))
        field = agree(net, (9, 33))
        assert (field.size, field.stride, field.offset) == ((3, 7), (1, 4), (0, 3))
        assert (field.grid, field.box((0, 1))) == ((9, 7), (0, 4, 2, 11))
        assert field.window((0, 1)) == (-1, 4, 2, 11)

    def test_the_picture_need_not_be_square(self):
        net = PatchGAN(ndf=2)
        wide, square = theoretical(net, (96, 256)), theoretical(net, 256)
        assert wide.grid == (10, 30) and wide.size == square.size == 70
        assert wide.box((4, 29)) == measured(net, (4, 29), (96, 256)) == (9, 209, 79, 256)

    def test_a_box_is_cut_off_at_the_picture_and_a_window_is_not(self):
        field = theoretical(PatchGAN(ndf=2))
        assert field.box((14, 17)) == field.window((14, 17)) == (89, 113, 159, 183)
        assert field.box((0, 29)) == (0, 209, 47, 256)
        assert field.window((0, 29)) == (-23, 209, 47, 279)

    def test_the_offset_is_the_middle_of_what_unit_0_sees(self):
        for net in (PatchGAN(ndf=2), Conv(3, 1, 5), nn.ConvTranspose2d(3, 1, 4, 2, 1)):
            field = theoretical(net, 64)
            top, left, bottom, right = field.window((0, 0))
            assert field.offset == (top + bottom - 1) / 2 == (left + right - 1) / 2

    def test_what_is_read_through_padding_is_not_claimed(self):
        """Its first layer looks at rows 0, 2, 4, 6: row 7 is never seen, cut off or not."""
        net = nn.Sequential(Conv(1, 1, 1, 2), Conv(1, 1, 3, padding=1))
        assert agree(net, 8).box((3, 3)) == (4, 4, 7, 7)

    def test_a_unit_of_padding_alone_sees_nothing(self):
        net = Conv(1, 1, 1, padding=2)
        field = agree(net, 6)
        assert field.box((0, 0)) == field.box((4, 1)) == NOTHING and field.box((2, 2)) == (
            0,
            0,
            1,
            1,
        )

    def test_a_network_of_no_layers_sees_pixel_by_pixel(self):
        field = agree(nn.Identity(), (5, 7))
        assert (field.size, field.stride, field.offset) == (1, 1, 0)

    def test_fractions_of_pixels_stay_exact(self):
        ways = (nn.ConvTranspose2d, Conv)
        net = nn.Sequential(*(way(1, 1, 3, 3) for way in ways for _ in range(3)))
        field = theoretical(net, 8)
        assert field.layers["2"].axes[0].stride == Fraction(1, 27)
        assert field.stride == 1 and field.size == 1


# ------------------------------------------------------------------------------------------- norms


class TestNorms:
    @pytest.mark.parametrize("norms", [False, True])
    def test_instance_norm_lets_the_whole_plane_through_or_is_passed_over(self, norms):
        field = agree(PatchGAN(ndf=2), 96, units=[(0, 0), (4, 5)], norms=norms)
        assert field.size == (math.inf if norms else 70)
        assert field.box((9, 9)) == ((0, 0, 96, 96) if norms else (49, 49, 96, 96))
        assert field.stride == 8 and field.grid == (10, 10)

    def test_only_layers_after_a_norm_see_the_plane(self):
        layers = theoretical(UNetGenerator(ngf=1, size=64), 64, norms=True).layers
        assert [layers[f"encoder.{n}"].size for n in range(3)] == [4, math.inf, math.inf]
        assert layers["encoder.1.1"].size == 10

    @pytest.mark.parametrize("norm", [nn.InstanceNorm2d(2), nn.GroupNorm(2, 2), nn.GroupNorm(1, 2)])
    def test_norms_over_the_plane(self, norm):
        net = nn.Sequential(Conv(3, 2, 3), norm, Conv(2, 1, 3))
        assert agree(net, 12, norms=False).size == 5
        assert agree(net, 12, norms=True).size == math.inf

    @pytest.mark.parametrize("norm", [
        nn.BatchNorm2d(2), nn.InstanceNorm2d(2, track_running_stats=True), nn.Identity()
    ])  # fmt: skip
    def test_stored_numbers_let_nothing_through(self, norm):
        net = nn.Sequential(Conv(3, 2, 3), norm, Conv(2, 1, 3)).train()
        assert agree(net, 12, norms=True).size == 5

    def test_batch_norm_without_stored_numbers_takes_those_of_the_picture(self):
        net = nn.Sequential(Conv(3, 2, 3), nn.BatchNorm2d(2, track_running_stats=False))
        assert agree(net, 12, norms=True).size == math.inf

    def test_a_function_that_asks_for_the_numbers_of_the_picture_gets_them(self):
        net = Calls(
            lambda net, x: F.batch_norm(net.layer(x), *net.stored, training=net.asks),
            layer=Conv(3, 2, 3),
        )
        net.stored = [torch.zeros(2), torch.ones(2)]
        for net.asks, size in ((False, 3), (True, math.inf)):
            assert agree(net, 12, norms=True).size == size

    def test_one_pixel_of_a_million_does_not_fade(self):
        net = nn.Sequential(Conv(1, 1, 3), nn.InstanceNorm2d(1))
        assert measured(net, (5, 5), 1100, norms=True) == (0, 0, 1100, 1100)

    def test_the_real_network_confirms_both(self):
        """Gradients of untouched weights: all pixels count with norms, the box alone without."""
        torch.manual_seed(0)
        pair = torch.randn(1, 6, 96, 96).requires_grad_()
        for norm, norms in (("none", False), ("instance", True)):
            net = PatchGAN(ndf=8, norm=norm)
            (gradient,) = torch.autograd.grad(net(pair)[0, 0, 4, 5], pair)
            seen = gradient[0].abs().sum(0) > 0
            rows, columns = (seen.any(side).nonzero().flatten() for side in (1, 0))
            box = (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
            assert box == theoretical(net, 96, norms=norms).box((4, 5))


# -------------------------------------------------------------------------------------- refusals


def refused(call, *sentences: str) -> str:
    """What `Pix2PixError` says; it is one line and has all of these sentences."""
    with pytest.raises(Pix2PixError) as caught:
        call()
    said = str(caught.value)
    assert "\n" not in said
    for sentence in sentences:
        assert sentence in said
    return said


def written_into(net, x):
    features = net.layer(x)
    features[:, :1] = x[:, :1] if x.shape[1] > 9 else net.other(x)
    return features


UNKNOWN = {  # operation: a network with it
    "pixel_shuffle": nn.Sequential(Conv(3, 4, 3), nn.PixelShuffle(2)),
    "pad": nn.Sequential(Conv(3, 4, 3), Conv(4, 1, 3, padding=1, padding_mode="reflect")),
    "softmax": nn.Sequential(Conv(3, 4, 3), nn.Softmax(dim=1)),
    "permute": Calls(lambda net, x: net.layer(x).permute(0, 1, 3, 2), layer=Conv(3, 4, 3)),
    "transpose": Calls(lambda net, x: net.layer(x).transpose(2, 3), layer=Conv(3, 4, 3)),
    "mT": Calls(lambda net, x: net.layer(x).mT, layer=Conv(3, 4, 3)),
    "getitem": Calls(lambda net, x: net.layer(x)[:, :, 1:], layer=Conv(3, 4, 3)),
    "setitem": Calls(written_into, layer=Conv(3, 4, 1), other=Conv(3, 1, 3, padding=1)),
    "chunk": Calls(lambda net, x: net.layer(x).chunk(2, dim=2)[0], layer=Conv(3, 4, 3)),
    "cat": Calls(lambda net, x: torch.cat([net.layer(x)] * 2, dim=3), layer=Conv(3, 4, 3)),
    "mean": Calls(lambda net, x: net.layer(x).mean(1), layer=Conv(3, 4, (3, 16))),
    "interpolate": nn.Sequential(Conv(3, 4, 3), nn.Upsample(scale_factor=2, mode="bicubic")),
    "max_pool2d_with_indices": nn.Sequential(Conv(3, 4, 3), nn.MaxPool2d(2, return_indices=True)),
    "conv2d": Calls(
        lambda net, x: F.conv2d(x, net.layer(x).mean((2, 3)).view(4, 1, 1, 1), groups=1),
        layer=Conv(1, 4, 3),
    ),
    "clamp": Calls(
        lambda net, x: torch.clamp(net.layer(x), min=net.other(x)),
        layer=Conv(3, 4, 1), other=Conv(3, 4, 3, padding=1),
    ),
}  # fmt: skip


class TestRefusals:
    @pytest.mark.parametrize("operation", UNKNOWN)
    def test_what_it_has_no_rule_for_is_named_with_its_layer_and_never_guessed(self, operation):
        net = UNKNOWN[operation]
        layer = "1" if isinstance(net, nn.Sequential) else "Calls"
        refused(
            lambda: theoretical(net, 16),
            f"no rule for {operation!r}", f"in layer {layer!r}", "add one to RULES, or ask",
        )  # fmt: skip

    @pytest.mark.parametrize("mode", ["bicubic", "area", "nearest-exact"])
    def test_another_way_of_resizing_is_named(self, mode):
        refused(lambda: theoretical(nn.Upsample(scale_factor=2, mode=mode), 8), mode)

    def test_aligned_corners_are_another_way_of_resizing(self):
        layer = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        refused(lambda: theoretical(layer, 8), "align_corners")

    def test_a_rule_can_be_added(self, monkeypatch):
        layers = {"near": Conv(3, 2, 1), "far": Conv(3, 2, 5, padding=2)}
        net = Calls(lambda net, x: torch.maximum(net.near(x), net.far(x)), **layers)
        refused(lambda: theoretical(net, 16), "'maximum'")
        monkeypatch.setitem(RULES, "maximum", arithmetic)
        assert agree(net, 16).size == 5

    def test_measured_needs_no_rule(self):
        net = nn.Sequential(Conv(3, 4, 3), nn.PixelShuffle(2))
        assert measured(net, (5, 8), 16) == (2, 4, 5, 7)

    def test_what_meets_after_seeing_nothing_is_refused(self):
        layers = {"near": Conv(3, 2, 1, padding=1), "far": Conv(3, 2, 3, padding=2)}
        net = Calls(lambda net, x: net.near(x) + net.far(x), **layers)
        refused(lambda: theoretical(net, 16), "'add'", "units some of which see nothing")

    @pytest.mark.parametrize(
        "unit",
        [(8, 0), (0, 12), (-1, 0), (0, -1), (1,), (1, 2, 3), 3, "ab", None, (1.5, 0), ("a", 0)],
    )
    def test_a_unit_that_the_grid_does_not_have(self, unit):
        net = PatchGAN(ndf=2)
        field = theoretical(net, (80, 112))
        assert field.grid == (8, 12)
        expected = f"unit is (row, column) in rows 0…7, columns 0…11, not {unit}"
        refused(lambda: field.box(unit), expected)
        refused(lambda: measured(net, unit, (80, 112)), expected)

    def test_a_unit_of_an_inner_layer_is_held_against_the_grid_of_that_layer(self):
        net, size = PatchGAN(ndf=2), (80, 112)
        assert measured(net, (39, 55), size, layer="blocks.0") == (77, 109, 80, 112)
        refused(lambda: measured(net, (40, 0), size, layer="blocks.0"), "rows 0…39, columns 0…55")

    @pytest.mark.parametrize(
        "size",
        [0, -3, (0, 5), (256, -1), 256.0, (16, 16.0), "256", None, (3, 256, 256), (), [], {}, True,
         math.nan],
    )  # fmt: skip
    def test_a_size_that_is_none(self, size):
        expected = f"input_size is a number of pixels from 1 up, or (height, width), not {size!r}."
        refused(lambda: theoretical(PatchGAN(ndf=2), size), expected)
        refused(lambda: measured(PatchGAN(ndf=2), (0, 0), size), expected)

    @pytest.mark.parametrize("model", [None, 5, "net", PatchGAN, lambda x: x, [Conv(3, 1, 3)]])
    def test_a_model_that_is_none(self, model):
        expected = f"model is a torch.nn.Module, not of type {type(model).__name__}."
        refused(lambda: theoretical(model), expected)
        refused(lambda: measured(model, (0, 0)), expected)

    def test_a_picture_that_is_too_small_is_told_with_the_layer_it_fails_in(self):
        net = PatchGAN(ndf=2, norm="none")
        said = [
            refused(lambda: theoretical(net, (96, 9))),
            refused(lambda: measured(net, (0, 0), (96, 9))),
        ]
        assert said[0] == said[1]
        for part in ("A picture of 96×9", "'blocks.3.0'", "Kernel size", "Another input_size"):
            assert part in said[0]

    def test_a_picture_that_the_network_itself_refuses_is_told_in_its_words(self):
        net = UNetGenerator(ngf=1)
        for call in (lambda: theoretical(net, 128), lambda: measured(net, (0, 0), 128)):
            refused(call, "multiples of 256, not 128×128")

    def failing(self, error):
        def forward(net, x):
            raise error

        return Calls(forward)

    @pytest.mark.parametrize(
        "error",
        [AssertionError(), RuntimeError("odd"), KeyError("size"), AttributeError("no size")],
    )
    def test_whatever_a_network_raises_comes_with_its_layer(self, error):
        net = nn.Sequential(Conv(3, 3, 3), self.failing(error))
        reason = str(error) or type(error).__name__
        for call in (lambda: theoretical(net, 9), lambda: measured(net, (0, 0), 9)):
            refused(call, "9×9", "layer '1'", reason)

    def test_a_network_for_two_pictures_and_a_list_of_layers_are_no_network_for_one(self):
        class Two(nn.Module):
            def forward(self, source, target):
                return source + target

        refused(lambda: theoretical(Two()), "'Two'", "missing 1 required positional argument")
        refused(lambda: theoretical(nn.ModuleList([Conv(3, 1, 3)])), "'ModuleList'", "forward")

    @pytest.mark.filterwarnings("ignore:.*torch.jit")
    def test_what_cannot_be_looked_into_is_named(self):
        net = nn.Sequential(Conv(3, 3, 3), torch.jit.trace(Conv(3, 3, 3), torch.zeros(1, 3, 9, 9)))
        for call in (lambda: theoretical(net, 16), lambda: measured(net, (0, 0), 16)):
            refused(call, "layer '1'", "ScriptModules")

    def test_an_output_that_is_no_tensor(self):
        net = Calls(lambda net, x: {"out": net.layer(x)}, layer=Conv(3, 1, 3))
        refused(lambda: theoretical(net, 9), "Calls returns no tensor")
        refused(lambda: measured(net, (0, 0), 9), "'Calls' is no layer that returns a tensor")
        assert measured(net, (0, 0), 9, layer="layer") == (0, 0, 3, 3)
        whole = Calls(lambda net, x: net.after(net.part(x)["out"]), part=net, after=Conv(1, 1, 3))
        assert list(agree(whole, 9).layers) == ["part.layer", "after"]

    def test_a_layer_that_is_none(self):
        refused(lambda: measured(PatchGAN(ndf=2), (0, 0), layer="block.1"), "'block.1' is no layer")


# ------------------------------------------------------------------------ the model is as it was


def state(net: nn.Module) -> dict:
    """All that can be seen of a network: numbers, gradients, modes, hooks, attributes."""
    hooks = [name for name in vars(net) if name.endswith("hooks")]
    return {
        "weights": {
            name: (id(w), w.clone(), w.requires_grad) for name, w in net.named_parameters()
        },
        "gradients": {name: w.grad for name, w in net.named_parameters()},
        "buffers": {name: (id(b), b.clone()) for name, b in net.named_buffers()},
        "modes": [module.training for module in net.modules()],
        "hooks": [dict(vars(module)[name]) for module in net.modules() for name in hooks],
        "attributes": [sorted(vars(module)) for module in net.modules()],
    }


def same(before, after) -> bool:
    if isinstance(before, torch.Tensor):
        return torch.equal(before, after)
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(same(before[k], after[k]) for k in before)
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(same, before, after))
    return before == after


class TestTheModel:
    def test_is_not_changed(self):
        torch.manual_seed(0)
        net = UNetGenerator(ngf=2, size=64, norm="batch").train()
        net.decoder[1].eval()
        net.encoder[0].requires_grad_(False)
        net.encoder[2].register_forward_hook(lambda *_: None)
        net(torch.randn(2, 3, 64, 64)).square().mean().backward()
        before = state(net)
        theoretical(net, 64)
        theoretical(net, 64, norms=True)
        for norms in (False, True):
            measured(net, (3, 4), 64, norms=norms)
        with pytest.raises(Pix2PixError):
            theoretical(net, 65)
        with pytest.raises(Pix2PixError):
            measured(net, (3, 4), 65)
        assert same(before, state(net))
        assert before["weights"].keys() and any(g is not None for g in before["gradients"].values())

    def test_gives_the_same_answers_in_both_modes(self):
        net = nn.Sequential(Conv(3, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), Conv(2, 1, 3))
        answers = [
            (
                theoretical(net.train(mode), 16, True).box((3, 4)),
                measured(net, (3, 4), 16, norms=True),
            )
            for mode in (True, False)
        ]
        assert answers[0] == answers[1] == ((3, 4, 8, 9),) * 2

    @pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode])
    def test_is_measured_also_where_gradients_are_off(self, around):
        net = PatchGAN(ndf=2)
        with around():
            assert measured(net, (5, 6), 96) == theoretical(net, 96).box((5, 6)) == (17, 25, 87, 95)

    @pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
    def test_may_have_weights_of_any_precision(self, kind):
        assert agree(PatchGAN(ndf=2).to(kind), 64, units=[(2, 3)]).size == 70

    def test_may_lie_on_the_meta_device(self):
        with torch.device("meta"):
            net = PatchGAN(ndf=2)
        assert agree(net, 64, units=[(2, 3)]).size == 70

    @pytest.mark.filterwarnings("ignore::FutureWarning")
    def test_may_keep_tensors_that_are_neither_weights_nor_buffers(self):
        """As the older spectral norm does: after a run, `weight` is such a tensor."""
        net = nn.utils.spectral_norm(Conv(3, 1, 3))
        net(torch.zeros(1, 3, 9, 9))
        assert agree(net, 9).size == 3
        shifted = Calls(lambda net, x: net.layer(x - net.means[0]), layer=Conv(3, 1, 3))
        shifted.means = [torch.rand(3, 1, 1)]
        assert agree(shifted, 9).size == 3

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
