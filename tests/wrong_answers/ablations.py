"""Typical wrong answers of lesson 10: name, what stands there, what instead, the words."""

WRONG = {
    "cells": [
        (
            "the table's own row",
            'changes = {"direction": BASE.direction} | changes',
            'changes.setdefault("direction", BASE.direction)',
            "from a copy",
        ),
        ("not sorted", "in sorted(changes.items())", "in changes.items()", "another order"),
        (
            "always the base's direction",
            '{"direction": BASE.direction} | changes',
            'changes | {"direction": BASE.direction}',
            "is called 'AtoB,conditional",
        ),
        ("a space", '",".join', '", ".join', "not 'AtoB, conditional"),
        ("no such table", "set(tables) - set(TABLES)", "set()", "ends in a KeyError"),
        (
            "left out in silence",
            "raise Pix2PixError(",
            "tables = [table for table in tables if table in TABLES] or str(",
            "nothing is raised",
        ),
        ("one seed", "for seed in seeds", "for seed in [0]", "24 trainings, in yours 12"),
        ("seed first", "(changes, seed)\n", "(seed, changes)\n", "(changes, seed) as in the table"),
    ],
    "cell_config": [
        ("always all epochs", 'if "pairs" not in changes:', "if True:", "11 epochs, not 3"),
        (
            "by pairs",
            'len(find_pairs(find(config.data), "train")) // config.batch_size\n'
            "    shorter = max(config.pairs // config.batch_size, 1)",
            'len(find_pairs(find(config.data), "train"))\n    shorter = config.pairs',
            "3 full batches an epoch, that takes 11 epochs, not 10",
        ),
        ("cut off", "round(config", "int(config", "7 epochs, not 6"),
        ("no seed", ", seed=seed", "", "`seed` should be 7"),
        ("the lesson's base", "base.replace(**changes", "BASE.replace(**changes", "`data` should"),
    ],
    "interval_of_mean": [
        ("as for many", "student_t.ppf(0.975, count - 1)", "1.96", "1.96 is for many"),
        ("of all", ", ddof=1", "", "divides by n - 1"),
        ("of scores", " / count**0.5", "", "divide by the root of their number"),
        ("one end", "0.975", "0.95", "leave 2.5 % above"),
        ("degrees", "count - 1)", "count)", "two degrees of freedom"),
        ("one score", "if count < 2:", "if count < 1:", "reaches to infinity"),
        ("the reach alone", "float(np.mean(scores)), float(reach)", "float(reach)", "two numbers"),
    ],
    "two_rows": [
        (
            "by position",
            "[scores[row][seed] - base[seed] for seed in base]",
            "np.subtract(list(scores[row].values()), list(base.values()))",
            "They stand in another order",
        ),
        ("with the sign", "abs(mean) - reach", "mean - reach", "A, by seed"),
        ("one reach", " - reach_of_base", "", "less both reaches"),
        ("both", 'conclusion = "A"', 'conclusion = "both"', "come out positive"),
    ],
    "how_many_seeds": [
        ("the change alone", "change - base)", "change)", "subtract it, line by line"),
        (
            "two intervals",
            "map(interval_of_mean, change - base)",
            "[(high - low, reach + other) for (low, other), (high, reach) in "
            "zip(*(map(interval_of_mean, row) for row in (base, change)))]",
            "that is too little",
        ),
        ("ten", "conclusion = 20", "conclusion = 10", "four of five"),
    ],
    "batches": [
        ("as before", "round(steps / (PAIRS // config.batch_size))", "base.epochs", "and this row"),
        (
            "for this base only",
            "round(steps / (PAIRS // config.batch_size))",
            "config.batch_size",
            "base of 8 epochs",
        ),
        (
            "a third thing",
            "config.replace(",
            "config.replace(learning_rate=config.learning_rate * config.batch_size / 4, ",
            "`learning_rate` should be",
        ),
        ("the seed forgotten", ", seed=seed", "", "`seed` should be 5"),
    ],
}
