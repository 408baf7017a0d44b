"""Typical wrong answers of lesson 8: name, what stands in the solution, what instead, the words."""

WRONG = {
    "in_bfloat16": [
        ("not back to float32", "(pictures).float()", "(pictures)", "bfloat16, not float32"),
        ("weights, too", "self.network(pictures)", "self.network.bfloat16()(pictures)", "stay in"),
        (
            "float32 inside",
            "type, torch.bfloat16)",
            "type, enabled=False)",
            "computes in torch.float32",
        ),
        ("no gradient", "(pictures).float()", "(pictures).detach().float()", "no gradient"),
        ("not returned", "return self", "self", "returns None"),
    ],
    "share": [
        ("the rest, too", "len(order) - batch + 1", "len(order)", "read by nobody"),
        (
            "every second one",
            "[start + rank * each :][:each]",
            "[start + rank :][:batch:count]",
            "one piece",
        ),
        ("ranks from 1", "rank * each", "(rank - 1) * each", "rank 0 of"),
    ],
    "accumulation": [
        ("not divided", " * size / 4", "", "divide each loss by 4"),
        ("never forgotten", "network.zero_grad()", "pass", "counted twice"),
        (
            "only the last",
            "loss.backward()",
            "network.zero_grad(), loss.backward()",
            "until the end",
        ),
        ("wrong conclusion", 'conclusion = "instance"', 'conclusion = "batch"', "gradients agree"),
    ],
    "way_back": [
        ("with the weights", "if tensor.data_ptr() not in weights", "if True", "leave them out"),
        ("counted twice", "kept[tensor.data_ptr()]", "kept[len(kept)]", "two layers keep"),
        ("numbers, not bytes", "tensor.nbytes", "tensor.numel()", "4 bytes"),
        ("weights alone", "16 * count", "4 * count", "gradients and two means"),
    ],
    "stopwatch": [
        ("no warm-up", "    float(step())", "    #", "compiling is still in it"),
        ("warm, but not waited", "    float(loss)", "    #", "before the work is done"),
        ("counted in thousands", "start) / steps", "start) / steps * 1000", "seconds are wanted"),
    ],
}
