"""Typical wrong answers of lesson 3: name, what stands in the solution, what instead, the words."""

WRONG = {
    "encoder_block": [
        ("plain ReLU", "nn.LeakyReLU(0.2)", "nn.LeakyReLU()", "multiplied by 0.2"),
        ("no padding", "padding=1, ", "", "wanted is (2, 5, 32, 24)"),
        ("always a bias", "bias=bias", "bias=True", "bias is subtracted again"),
    ],
    "decoder_block": [
        ("LeakyReLU", "nn.ReLU()", "nn.LeakyReLU(0.2)", "lets negative numbers through"),
        ("always a bias", 'bias=norm == "none"', "bias=True", "where no norm follows"),
    ],
    "skips": [
        ("the skip first", "[features, level]", "[level, features]", "own features come first"),
        ("the shallowest first", "skips.pop()", "skips.pop(0)", "the deepest skip joins in first"),
        ("always a skip", "if skip:", "if True:", "nothing is stacked"),
    ],
    "unet": [
        ("skips forgotten", "dropout, skip, up)", "dropout, True, up)", "39,075,459 parameters"),
        ("no config", '"norm": norm, ', "", "every setting by its name"),
    ],
    "count_first": [
        ("no norm", " + 2 * out_channels", "", "channels in"),
        ("a bias", "+ 2 *", "+ 3 *", "channels in"),
    ],
    "no_seams": [
        ("zeros around", ', padding_mode="reflect"', "", "border of a constant differs"),
        ("no activation", "nn.ReLU(),", "nn.Identity(),", "negative numbers get through"),
    ],
    "company": [
        ("another network", "(pictures[:size])[0]", "(pictures[:size])[-1]", "something else"),
        (
            "wrong conclusion",
            'conclusion = "instance"',
            'conclusion = "batch"',
            "keeps the pictures",
        ),
    ],
    "bottleneck_norm": [
        ("no norm at all", "if not first and not last", "if False", "keep their norms"),
        ("a norm on the colours", "not first and not last", "not last", "reads the colours"),
    ],
    "coast": [
        ("one network for both", "skip=skip)", "skip=True)", "both numbers are the same"),
        ("never forgotten", "adam.zero_grad()", "pass", "forget the old gradients"),
        (
            "on the training tiles",
            "network(unseen) - unseen",
            "network(training) - training",
            "too good",
        ),
        ("wrong conclusion", "conclusion = True", "conclusion = False", "the lower one"),
    ],
    "fading": [
        ("only the rows", "column::2", "column:", "columns of 1 and -1"),
        ("not divided", " / pictures.std((2, 3)).mean()", "", "divide by the spread"),
        ("pictures together", "corner.mean((2, 3))", "corner.mean()", "cancel out"),
        ("every pixel's own", "corner.mean((2, 3))", "corner", "noise has no period"),
        ("wrong conclusion", '"fades"  #', '"stays"  #', "at step 0 and at step 20"),
    ],
}
