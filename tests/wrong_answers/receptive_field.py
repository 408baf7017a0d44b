"""Typical wrong answers of lesson 5: name, what stands in the solution, what instead, the words."""

SIZE, JUMP = "        size += (kernel - 1) * jump\n", "        jump *= stride\n"

WRONG = {
    "chain": [
        ("the jump first", SIZE + JUMP, JUMP + SIZE, "the jump is updated last"),
        ("kernel, not kernel - 1", "(kernel - 1)", "kernel", "size of 70"),
        ("jumps added", "jump *= stride", "jump += stride", "size of 70"),
        ("padding in pixels", "padding * jump", "padding", "counted in the jump"),
        ("padding inside", "first -= padding", "first += padding", "before the picture"),
    ],
    "follow_back": [
        ("overwritten", "join(reached[source], found) if source in reached else ", "", "branches"),
        ("its own grid", "source.grid[axis]", "step.grid[axis]", "grid of the *source*"),
        ("always rows", "step.reads[axis]", "step.reads[0]", "columns along axis 1"),
        (
            "the last step",
            "return reached[steps[0]]",
            "return reached[steps[-1]]",
            "one convolution",
        ),
        ("from the picture on", "reversed(steps)", "steps", "start at the end"),
        ("nothing", "return reached[steps[0]]", "pass", "returns nothing"),
    ],
    "equal_weights": [
        ("no hook", "layer.register_forward_hook(keep_gradient)", "pass", "fades"),
        ("all 1", "1 / weight[:1].numel()", "1.0", "makes a mean"),
        ("no children", "setattr(layer, name, equal_weights(child))", "pass", "the children"),
        ("max pooling", "graph.mean_pooling(layer)", "layer", "becomes a mean"),
        ("activations", "return nn.Identity()", "return layer", "is pointwise"),
    ],
    "widen": [
        ("the stride", "field.size, field.grid", "field.stride, field.grid", "is not 1"),
        ("the columns too", "field.grid[0]", "field.grid[0] * field.grid[1]", "rows that come out"),
        (
            "wrong conclusion",
            'conclusion = "dilation"',
            'conclusion = "stride 2"',
            "nearly all of 64",
        ),
    ],
    "bell": [
        (
            "all that is seen",
            "if share >= 0.9",
            "if share >= 1 - 1e-6 and n == depth",
            "all 13 rows",
        ),
        ("one side", "2 * reach + 1", "reach", "on both sides"),
        ("wrong conclusion", "conclusion = 2", "conclusion = 4", "a factor of 4 each time"),
    ],
    "rows_seen": [
        ("cut off at the end", "        seen &=", "    seen &=", "any level"),
        ("never cut off", "        seen &= set(range(length))\n", "", "any level"),
        ("padding forgotten", "rows + 2 * padding", "rows", "any level"),
    ],
}
