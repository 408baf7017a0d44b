"""Typical wrong answers of lesson 9: name, what stands in the solution, what instead, the words."""

WRONG = {
    "mean_gradient": [
        ("only across", "float(across + down) / 2", "float(across)", "yours says 0.500"),
        ("squared", ".abs()", ".square()", "not squared"),
        ("with a sign", ".abs()", "", "the absolute difference"),
        (
            "plain mean",
            "0.299 * red + 0.587 * green + 0.114 * blue",
            "(red + green + blue) / 3",
            "red counts",
        ),
        ("blue first", "red, green, blue", "blue, green, red", "red counts 0.299"),
        ("single precision", ".double()", ".float()", "double precision"),
    ],
    "fit_table": [
        ("gaps of 0", "(sums / counts).float()", "(sums / counts.clamp(min=1)).float()", "are NaN"),
        ("other pixels", "flatten(1).T", "reshape(-1, 3)", "not the mean of its pixels"),
        ("the last pair's", "gram +=", "gram =", "not the one of least squares"),
        (
            "one pixel a bin",
            "sums.index_add_(0, bins, target)",
            "sums[bins] += target",
            "into one bin",
        ),
        ("double", "quadratic.float()", "quadratic", "is float32"),
    ],
    "joint_intersection": [
        (
            "one after the other",
            "np.histogram2d(*pixels.T, 32, limits)[0]",
            "np.histogram(pixels, 32, limits[0])[0]",
            "never together",
        ),
        ("own ranges", ", limits)[0]", ")[0]", "one of two colours"),
        (
            "not scaled",
            "intersection(counts, other)",
            "np.minimum(counts, other).sum()",
            "a fifth as many",
        ),
        ("too fine", "32, limits", "256, limits", "hardly different"),
    ],
    "interval": [
        (
            "without replacement",
            "integers(len(names), size=(resamples, len(names)))",
            "permuted(np.tile(np.arange(len(names)), (resamples, 1)), axis=1)",
            "with replacement",
        ),
        ("of pictures", "np.unique(places", "np.unique(np.arange(len(scores))", "draw places"),
        (
            "of means of places",
            "sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)",
            "(sums / counts)[drawn].mean(axis=1)",
            "each score counts the same",
        ),
        (
            "of single places",
            "sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)",
            "sums[drawn] / counts[drawn]",
            "not of single scores",
        ),
        (
            "of fewer places",
            "size=(resamples, len(names))",
            "size=(resamples, len(names) // 2)",
            "as many places",
        ),
        ("90 %", "[2.5, 97.5]", "[5, 95]", "2.5 % lie below"),
        ("no seed", "default_rng(seed)", "default_rng()", "the same seed"),
        ("one seed", "default_rng(seed)", "default_rng(7)", "use `seed`"),
        ("upper end first", "float(low), float(high)", "float(high), float(low)", "comes second"),
    ],
    "how_many": [
        ("linear", "conclusion = 1000", "conclusion = 100", "How often do you need that"),
        (
            "always all",
            "scores, count, replace",
            "scores, 160, replace",
            "make an interval narrower",
        ),
        (
            "spread of scores",
            "bootstrap_interval(",
            "np.percentile(scores, [2.5, 97.5]) + 0 * len(",
            "narrower",
        ),
    ],
    "who_likes_blur": [
        ("the wrong one", 'conclusion = "l1"', 'conclusion = "histogram_l"', "Is that better?"),
        ("the same twice", '("blurred", blurred)', '("blurred", translated)', "what they say"),
        (
            "beside the photographs",
            "score_batch(pictures, target)",
            "score_batch(pictures, source)",
            "real maps",
        ),
    ],
    "batch_size_matters": [
        ("by batches", "pictures += len(target)", "pictures += 1", "has not changed"),
        ("without the last", "in batches:", "in list(batches)[:-1]:", "left out"),
        ("a tensor", "float(total / pictures)", "total / pictures", "not a float"),
    ],
    "too_good": [
        ("touching the line", "left + 286 <= line", "left < line", "share pixels"),
        ("half a tile", "left + 286 <= line", "left + 143 <= line", "share pixels"),
        ("masks", "np.flatnonzero(left >= line)", "left >= line", "numbers of tiles"),
        ("hardly any", "0.8", "0.99", "gives up too much"),
    ],
}
