"""Typical wrong answers of lesson 2: name, what stands in the solution, what instead, the words."""

CUT = "cut[:, ::-1] if mirror else cut"
COINS = 'torch.rand(len(batch["source"]), generator=generator)'
EVAL = "eval_transform(256, load_size=286)"
WRONG = {
    "pair_transform": [
        ("target forgotten", 'normalise(pair["target"])', "normalise(target)", "is (3, 32, 32)"),
        (
            "source twice",
            'normalise(pair["target"])',
            'normalise(pair["image"])',
            "comes out as both",
        ),
        (
            "places exchanged",
            "image=source, target=target",
            "image=target, target=source",
            "`image`",
        ),
        ("no seed", "if seed is not None:", "if False:", "the seed 5 gives another"),
        ("seed 0 is none", "if seed is not None:", "if seed:", "the seed 0 gives another"),
        (
            "always seeded",
            "if seed is not None:",
            "if True:\n            seed = seed or 0",
            "draws anew",
        ),
        (
            "a state for each step",
            "step.set_random_state(*random_state)",
            "step.set_random_state(np.random.default_rng(seed), random.Random(seed))",
            "same state, not begin anew",
        ),
        ("no colour", 'self.colour(image=pair["image"])["image"]', 'pair["image"]', "the source"),
        (
            "colour for both",
            'normalise(pair["target"])',
            'normalise(self.colour(image=pair["target"])["image"])',
            "its colours have changed",
        ),
        ("colour not seeded", ", *self.colour.transforms]", "]", "steps of `colour`, too"),
    ],
    "cut_mix": [
        ("no copy", "batch[side].clone()", "batch[side]", "paste into a copy"),
        ("last row left out", "(height + 1,", "(height,", "the last row"),
        ("not sorted", ".sort().values", "", "smaller border comes first"),
        ("from itself", ".roll(1, 0)", "", "nothing was pasted"),
        ("from the pair after", ".roll(1, 0)", ".roll(-1, 0)", "from the pair before"),
        ("source alone", "in mixed.items():", "in [*mixed.items()][:1]:", "different rectangles"),
    ],
    "hand_jitter": [
        ("last place left out", "height - crop + 1", "height - crop", "rows begin at 0 to 8"),
        (
            "a coin for each picture",
            CUT,
            "cut[:, ::-1] if generator.random() < 0.5 else cut",
            "differ",
        ),
        ("upside down", CUT, "cut[::-1] if mirror else cut", "on their heads"),
        (
            "one number for both",
            "left = generator.integers(0, width - crop + 1)",
            "left = top",
            "always",
        ),
        ("never mirrored", CUT, "cut", "of your upper and lower crops 0%"),
    ],
    "pairs_or_mirrors": [
        (
            "target not mirrored",
            "side.flip(3)]",
            "(side.flip(3), side)[side is target]]",
            "both mirrored",
        ),
        ("nothing mirrored", "side.flip(3)]", "side]", "change nothing at all"),
        ("four again", 'load("train", 8)', 'load("train", 4)', "8 pairs leave"),
        ("wrong conclusion", 'conclusion = "pairs"', 'conclusion = "mirror images"', "by more"),
    ],
    "restless_targets": [
        ("the source alone", "in mirrored.values():", "in [mirrored['source']]:", "no longer fit"),
        ("upside down", ".flip(3)", ".flip(2)", "nor mirrored left to right"),
        ("in place", "batch[side].clone()", "batch[side]", "mirror a copy"),
        ("never", "generator=generator) < 0.5", "generator=generator) < 0", "yours are 0%"),
        (
            "one coin",
            COINS,
            "torch.rand(1, generator=generator).expand(len(batch['source']))",
            "share one coin",
        ),
        (
            "the same coins for every batch",
            COINS,
            "torch.rand(len(batch['source']), generator=torch.Generator().manual_seed(0))",
            "the same pairs are mirrored",
        ),
    ],
    "restless_score": [
        ("still a crop", EVAL, 'train_transform(mirror="none")', "cropped in different places"),
        ("another scale", EVAL, "eval_transform(256)", "smaller world"),
        ("a fixed seed", EVAL, "lambda *pair: train_transform()(*pair, 0)", "were mirrored"),
        ("the last error alone", "np.mean(errors)", "errors[-1]", "have the mean 1"),
    ],
}
