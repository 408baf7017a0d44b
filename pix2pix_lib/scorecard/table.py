"""A scorecard as a table for people."""

LABELS = {  # key: what people call it, and what is good
    "l1": "L1 (lower is better)",
    "psnr": "PSNR in dB (higher)",
    "ssim": "SSIM (higher)",
    "lpips": "LPIPS (lower)",
    "fid": "FID (lower)",
    "kid": "KID (lower)",
    "histogram_l": "colours, L (higher)",
    "histogram_a": "colours, a (higher)",
    "histogram_b": "colours, b (higher)",
    "gradient_energy": "gradient energy (near 1)",
    "map_pixel_accuracy": "map reading: pixels (higher)",
    "map_class_accuracy": "map reading: classes (higher)",
    "map_iou": "map reading: IoU (higher)",
    "picture_pixel_accuracy": "picture reading: pixels (higher)",
    "picture_class_accuracy": "picture reading: classes (higher)",
    "picture_iou": "picture reading: IoU (higher)",
    "reading": "map or picture reading",
}
BASELINES = {"input_": "input", "mean_": "mean", "lut_": "table"}


def as_table(scores: dict) -> str:
    """Rows of metrics; columns of the network, its interval, the baselines, and real pictures."""
    real = {"real_": "real"} if any(name.startswith("real_") for name in scores) else {}
    columns = {prefix: head for prefix, head in (BASELINES | real).items()}
    columns = {p: head for p, head in columns.items() if any(p + m in scores for m in LABELS)}
    heads = f"{'network':>10}  {'95 % interval':<17}" + "".join(f"{h:>9}" for h in columns.values())
    lines = [
        f"{scores['weights']} on {scores['data']}/{scores['split']}, {scores['direction']}: "
        f"{scores['pairs']} pictures from {scores['places']} places, {scores['device']}",
        f"{'':<34}{heads}",
    ]
    for metric, label in LABELS.items():
        if metric in scores:
            lines.append(f"{label:<34}" + row(scores, metric, columns))
    missing = scores["missing"]
    for why in dict.fromkeys(missing.values()):  # FID and KID lack the same
        names = [LABELS[name].split(" (")[0] for name in missing if missing[name] == why]
        lines.append(f"Not scored: {' and '.join(names)}, because {why}.")
    if not scores["intervals"]:
        lines.append("There are too few places for an interval.")
    elif "lut_l1" in scores:
        lines.append(
            "* better or worse than the table by more than chance: the 95 % interval of the "
            "difference does not hold 0."
        )
    return "\n".join(lines)


def row(scores: dict, metric: str, columns: dict) -> str:
    low, high = scores["intervals"].get(f"minus_lut_{metric}", (0, 0))
    star = "*" if low > 0 or high < 0 else " "
    interval = scores["intervals"].get(metric)
    text = "{:.3f} to {:.3f}".format(*interval) if interval else ""
    numbers = "".join(
        f"{scores[prefix + metric]:9.3f}" if prefix + metric in scores else f"{'':9}"
        for prefix in columns
    )
    return f"{scores[metric]:10.3f}{star} {text:<17}{numbers}".rstrip()
