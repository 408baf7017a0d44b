"""Typical wrong answers of lesson 4: name, what stands in the solution, what instead, the words."""

STRIDES = "[2, 2, 2, 1]"
SMALL = 'PatchGAN(ndf=4, n_layers=1, norm="none")'

WRONG = {
    "patch_block": [
        ("always padded", "1 if kernel > 1 else 0", "1", "needs no padding"),
        ("never padded", "1 if kernel > 1 else 0", "0", "wanted is (2, 5, 16, 12)"),
        ("always a bias", 'bias=norm == "none"', "bias=True", "bias is subtracted again"),
        ("never a bias", 'bias=norm == "none"', "bias=False", "needs its bias"),
        ("plain LeakyReLU", "LeakyReLU(0.2)", "LeakyReLU()", "multiplied by 0.2"),
        ("no norm", "norm_layer(norm, out_channels),", "", "convolution, norm, activation"),
    ],
    "patch_blocks": [
        ("stride 2 kept", "2 if layer < n_layers else 1", "2", "strides are 2, 2, 2, 1, 1"),
        ("a norm on the colours", 'norm="none"', "norm=norm", "reads the colours"),
        ("no limit", "min(2**layer, 8)", "2**layer", "n_layers=5 the channels are"),
        ("a sigmoid", "padding=1)]", "padding=1), nn.Sigmoid()]", "not a Sigmoid"),
        ("a block too few", "range(1, n_layers + 1)", "range(1, n_layers)", "1 + 3 blocks"),
    ],
    "patchgan": [
        ("no first weights", "self.apply(initialise)", "pass", "deviate by 0.02"),
        ("a fixed setting", '"in_channels": in_channels', '"in_channels": 6', "every setting by"),
        ("probabilities", "self.blocks(pair)", "self.blocks(pair).sigmoid()", "other logits"),
        ("another name", "self.blocks", "self.layers", "weights do not fit"),
    ],
    "influence": [
        ("all logits", "network(pair)[0, 0, row, column]", "network(pair).sum()", "one logit"),
        ("column first", "[0, 0, row, column]", "[0, 0, column, row]", "A row comes first"),
        ("a mask", ".abs().sum(0)", ".any(0)", "how *strongly*"),
        ("channels cancel", ".abs().sum(0)", ".sum(0).abs()", "before channels cancel"),
        ("one channel", ".abs().sum(0)", ".abs()[0]", "summed over channels"),
        ("all channels", "[0].abs().sum(0)", "[0].abs()", "wanted is (256, 256)"),
    ],
    "seam": [
        ("one place only", " & (on_halves != on_other)", "", "differs from *both*"),
        ("either", ") & (", ") | (", "differs from *both*"),
        ("a count", ".mean()", ".sum()", "not credible"),
        ("wrong conclusion", "conclusion = 5", "conclusion = 4", "not the smallest"),
    ],
    "other_place": [
        ("the target first", "[beside, target]", "[target, beside]", "source comes first"),
        ("from 0.5 on", "(logits > 0).float()", "logits", "no share"),
        ("another fake", "source.roll(1, dims=0), real)", "source, fake)", "only the source"),
        ("wrong conclusion", "conclusion = False", "conclusion = True", "does it mind?"),
    ],
    "thirty_by_thirty": [
        ("still late", STRIDES, "[2, 2, 1, 2]", "sees 58 pixels"),
        ("stride 2 everywhere", STRIDES, "[2, 2, 2, 2]", "sees 94 pixels"),
        ("a block forgotten", "4 * ndf, 8 * ndf]", "4 * ndf]", "parameters were right"),
    ],
    "stuck_loss": [
        ("tanh", f"return {SMALL}", f"return nn.Sequential({SMALL}, nn.Tanh())", "no such bounds"),
        ("no more grid", "n_layers=1", "n_layers=0", "wanted is (8, 1, 6, 6)"),
    ],
}
