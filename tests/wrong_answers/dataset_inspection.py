"""Typical wrong answers of lesson 1: name, what stands in the solution, what instead, the words."""

SWAP = "cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)"
TO_NUMBERS = """((tensor.detach().float() + 1) * 127.5).round().clamp(0, 255)
    return levels.to(torch.uint8)"""
WRONG = {
    "split_pair": [
        ("height for width", "(0, 0, width // 2, height)", "(0, 0, width, height // 2)", "5 wide"),
        ("odd widths are cut", "if width % 2:", "if False:", "has no middle"),
        ("an error of Python", "raise Pix2PixError(", "raise ValueError(", "not `ValueError`"),
        ("right half twice", "(0, 0, width // 2,", "(width // 2, 0, width,", "is the right one"),
        ("no size", 'so its width is even; this picture is {width}×{height}."', '"', "the size"),
    ],
    "levels": [
        ("from 0 to 1", "div_(127.5).sub_(1)", "div_(255)", "yours 0.00 and 1.00"),
        ("width first", "permute(2, 0, 1)", "permute(2, 1, 0)", "have changed places"),
        ("colours last", ".permute(2, 0, 1)", "", "wanted is (3, 4, 6)"),
        ("blue first", "div_(127.5).sub_(1)", "div_(127.5).sub_(1).flip(0)", "begins with blue"),
        ("double precision", "1).float().div", "1).double().div", "float32 is wanted"),
        ("truncated", ".round()", "", "round before"),
        ("not clamped", ".clamp(0, 255)", "", "clamp before"),
        (
            "gradient",
            TO_NUMBERS,
            "(tensor + 1) * 127.5\n    return levels",
            "with a gradient comes in",
        ),
        ("in place", "(tensor.detach().float() + 1)", "tensor.detach().add_(1)", "has changed the"),
    ],
    "dataset_item": [
        (
            "no direction",
            "in_direction(self.pair(index), self.direction)",
            "self.pair(index)",
            "BtoA",
        ),
        ("no transform", "if self.transform is not None:", "if False:", "not called it"),
        (
            "result unused",
            "source, target = self.transform(",
            "self.transform(",
            "what the transform returns",
        ),
        ("no seed", ", item_seed(self.seed, self.epoch, index))", ")", "the item's seed"),
        ("no epoch", "self.seed, self.epoch, index", "self.seed, 0, index", "same seed"),
        ("the index alone", "item_seed(self.seed, self.epoch, index)", "index", "from `item_seed`"),
        ("ending in the name", ".stem", ".name", "without its ending"),
    ],
    "tiles_overlap": [
        ("touching counts", "< size and", "<= size and", "side by side share no pixel"),
        (
            "columns alone",
            " and abs(first[1] - second[1]) < size",
            "",
            "one above the other share no",
        ),
        ("one or the other", "size and abs", "size or abs", "share no pixel"),
    ],
    "direction": [
        ("always A and B", '"val", direction, size', '"val", "AtoB", size', "gave the same"),
        (
            "target first",
            '(item["source"], item["target"])',
            '(item["target"], item["source"])',
            "first",
        ),
        ("wrong conclusion", 'conclusion = "AtoB"', 'conclusion = "BtoA"', "the larger one"),
    ],
    "honest_border": [
        ("half a tile", "top + size <= row", "top + size // 2 <= row", "rows in common"),
        ("too much left out", "top >= row", "top >= row + 2 * size", "are left out, where"),
        ("nothing for validation", "if top >= row", "if False", "both lists must be there"),
    ],
    "brown_sea": [
        ("nothing done", SWAP, "cv2.imread(str(file))", "still brown"),
        ("columns exchanged", SWAP, "cv2.imread(str(file))[:, ::-1]", "other pixels"),
        ("no copy", SWAP, "cv2.imread(str(file))[..., ::-1]", "PyTorch cannot read"),
        ("another order", "COLOR_BGR2RGB", "COLOR_BGR2HSV", "other pixels"),
    ],
}
