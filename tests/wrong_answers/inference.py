"""Typical wrong answers of lesson 11: name, what stands in the solution, what else, the words."""

RISE = "(torch.arange(overlap) + 0.5) / max(overlap, 1)"
NORMALISED = "normalise(strip[:, left : left + size])"
BYTES = "torch.tensor(strip[:, left : left + size]).permute(2, 0, 1)"
LAST_ROWS = "    output[height - overlap :] = denormalise(torch.from_numpy(band[:, :overlap]))\n"
SHARED = "left[:, :, 64:] - right[:, :, :192]"
SERVICE = """network.eval()

    def translate(self, pictures: list[np.ndarray]) -> list[np.ndarray]:
        \"\"\"Pictures uint8 (H, W, 3), all of one size → their translations.\"\"\"
        batch = torch.stack([normalise(picture) for picture in pictures])
        with torch.no_grad():
            return [denormalise(translated) for translated in self.network(batch)]
"""
SEEDED = SERVICE.replace(".eval()", "").replace("with ", "torch.manual_seed(0)\n        with ")
ONE_BY_ONE = SEEDED.replace("self.network(batch)", "map(self.network, batch.split(1))")
ONE_BY_ONE = ONE_BY_ONE.replace("(translated)", "((torch.manual_seed(0), translated)[1][0])")
ONLY_DROPOUT = """network
        for layer in network.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.eval()"""
DRAWN = "network(normalise(pixels)[None])\n    return denormalise(translated[0])"
CONTRAST = """network(normalise(pixels)[None])[0]
    darkest, brightest = translated.min(), translated.max()
    return denormalise((translated - darkest) / (brightest - darkest) * 2 - 1)"""
CUT_OFF = """network(normalise(pixels)[None])
    return ((translated[0] + 1) * 127.5).to(torch.uint8).permute(1, 2, 0).numpy()"""
NO_CLAMP = CUT_OFF.replace("127.5)", "127.5).round().to(torch.int64)")
UNSTRETCHED = DRAWN.replace("[None]", "[None] * 2 - 1")

WRONG = {
    "padding": [
        ("whole tiles", "step = size - overlap", "step = size", "these end at"),
        ("rounded down", "-(-(length - size) // step)", "(length - size) // step", "needs 2 of"),
        (
            "less than a tile",
            "max(0, -(-(length - size) // step))",
            "-(-(length - size) // step)",
            "1 of",
        ),
        ("black", 'mode="symmetric"', 'mode="constant"', "is black"),
        ("smeared", 'mode="symmetric"', 'mode="edge"', "no mirror image"),
        ("above", "((0, below)", "((below, 0)", "has moved"),
    ],
    "blending": [
        ("first tile fades", "weights[1:, :overlap]", "weights[:, :overlap]", "a single tile"),
        ("no centres", "(torch.arange(overlap) + 0.5)", "torch.arange(overlap)", "pixel centres"),
        ("a cosine", RISE, f"torch.sin({RISE} * torch.pi / 2) ** 2", "grow evenly"),
        ("too little", RISE, f"0.4 + 0.2 * {RISE}", "from 0.5 / overlap up"),
        ("both rise", "= 1 - rise", "= rise", "must sum to 1"),
        ("the wrong way", RISE, f"1 - {RISE}", "fades *in*"),
        ("from the end", "size - overlap :]", "-overlap:]", "overlap of 0"),
    ],
    "tile_row": [
        ("written over", "+= tile", "= tile", "times that"),
        ("not weighted", " * column", "", "times that"),
        ("rows as columns", "row_weights[:, None] * column", "row_weights * column", "top row"),
        ("no rows", "row_weights[:, None] * column", "column", "top row"),
        ("no last tile", "width - size + 1", "width - size", "6 tiles"),
        ("side by side", "size - overlap)", "size)", "6 tiles"),
        ("bytes", NORMALISED, BYTES, "as `normalise` makes them"),
    ],
    "any_size": [
        ("not cut back", "[: pixels.shape[0], : pixels.shape[1]]", "", "wanted is (20, 8, 3)"),
        ("rows not blended", "row_weights, overlap)", "np.ones(size), overlap)", "from row 4"),
        ("the end forgotten", LAST_ROWS, "", "from row"),
    ],
    "noise": [
        ("dropout off", "stochastic=True", "stochastic=False", "dropout on?"),
        ("no seed", "seed=seed", "seed=0", "each its seed?"),
        ("not averaged", ".mean(axis=-1)\n\n", "\n\n", "(4, 6)"),
        (
            "exchanged",
            "<= np.quantile(steepness, 0.5)",
            ">= np.quantile(steepness, 0.5)",
            "the right ones",
        ),
        ("wrong conclusion", 'where = "steep"', 'where = "flat"', "conclude that"),
    ],
    "disagreement": [
        ("no shift", SHARED, "left[:, :, :192] - right[:, :, :192]", "same places"),
        ("signs", ".abs()", "", "without signs"),
        ("the middle twice", "[:, :, :8]", "[:, :, 80:112]", "differ more there"),
        ("wrong conclusion", 'remedy = "blend"', 'remedy = "crop"', "even in the middle"),
    ],
    "two_complaints": [
        ("nothing", "network.eval()", "network", "still comes back different"),
        ("a seed", SERVICE, SEEDED, "strangers in the batch"),
        ("only dropout", "network.eval()", ONLY_DROPOUT, "strangers in the batch"),
        ("one by one", SERVICE, ONE_BY_ONE, "still changes the network"),
    ],
    "pale": [
        ("contrast", DRAWN, CONTRAST, "must stay so"),
        ("cut off", DRAWN, CUT_OFF, "round instead of cutting off"),
        ("no clamp", DRAWN, NO_CLAMP, "on the other side"),
        ("another input", DRAWN, UNSTRETCHED, "what it was trained on"),
    ],
}
