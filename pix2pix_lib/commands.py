"""What each command of the command line does, given what was typed."""

# Every module of the library is imported where it is first needed: `pix2pix --help` stays quick.
import functools
import platform
import sys
from pathlib import Path

from . import Pix2PixError, __version__


def data_list(arguments) -> None:
    from .files.sets import SETS

    width = max(map(len, SETS))
    for name, entry in SETS.items():
        print(f"{name:<{width}}  {entry.direction}  {entry.description}")


def data_get(arguments) -> None:
    from .files.sets import folder_of_sets, get

    folder = get(arguments.name, root=arguments.root, photographs=arguments.photographs)
    print(folder)
    if folder.parent.resolve() != folder_of_sets().resolve():
        told = f"`train --data {arguments.name}` looks in {folder_of_sets()}: use --data {folder}"
        print(f"pix2pix: {told}, or set PIX2PIX_DATA_DIR={folder.parent}.", file=sys.stderr)


def data_check(arguments) -> int:
    from .files.doctor import check

    report = check(arguments.folder, arguments.white_level)
    print(report)
    return 0 if report.ok else 1


def weights_list(arguments) -> None:
    from .files.published import rows
    from .files.weights import models_folder

    table = list(rows())
    name_width = max(len(name) for name, *_ in table)
    for name, size, where, task in table:
        print(f"{name:<{name_width}}  {size:>6}  {where:<8}  {task}")
    print(f"\nFetched and imported weights are kept in {models_folder()}.")


def weights_get(arguments) -> None:
    from .files.published import get_weights

    tell_ready(get_weights(arguments.name, arguments.half))


def weights_import(arguments) -> None:
    from .files.published import Training, import_weights

    training = Training(arguments.data, arguments.direction, arguments.load_size)
    named = arguments.name, arguments.output
    tell_ready(import_weights(arguments.file, *named, training, arguments.half))


def tell_ready(file: Path) -> None:
    """Say of weights what they are, and what they are ready for."""
    from .files.weights import bundled_weights, named_weights, read_weights

    if file in bundled_weights().values():
        return print(f"{file.stem} comes with the library: {file}")
    _, config, _ = read_weights(file, header_only=True)
    name = file.stem if file in named_weights().values() else file
    print(f"{file}: a U-Net of {config['size']}×{config['size']} pixels, ngf {config['ngf']}")
    print(
        "Its norm takes mean and variance from each picture, as the authors' test script does; "
        "dropout, which that leaves on, is off without --stochastic."
    )
    print(f"Ready for `pix2pix translate IN -o OUT --weights {name}`, ", end="")
    print(f"and for the app: `PIX2PIX_MODELS_DIR={file.parent} make app`.")


def train(arguments) -> None:
    from .runtime.checkpoint import is_first, settings_of_run
    from .runtime.config import TrainConfig, read_config
    from .training import fit

    settings = read_config(arguments.config) if arguments.config else {}
    typed = {name: getattr(arguments, name) for name in TrainConfig.model_fields}
    settings |= {name: value for name, value in typed.items() if value is not None}
    if arguments.resume:
        folder = settings.get("out", TrainConfig.model_fields["out"].default)
        settings = settings_of_run(folder) | {"out": folder} | settings
    folder = fit(TrainConfig(**settings), resume=arguments.resume)
    if is_first():
        print(f"{folder / 'generator.safetensors'} is ready for `pix2pix translate --weights`.")


def evaluate(arguments) -> None:
    from .evaluation import evaluate, write_card
    from .scorecard.report import check_writable, write_json
    from .scorecard.table import as_table

    check_writable(arguments.report, arguments.json)
    check_colours(arguments.weights)
    names = ("weights", "data", "split", "device", "limit", "feature_weights", "report")
    scores = evaluate(**{name: getattr(arguments, name) for name in names})
    print(as_table(scores))
    if arguments.json:
        write_json(arguments.json, scores)
    if arguments.card:
        write_card(arguments.weights, scores)


def check_colours(weights: str) -> None:
    """Refuse a generator that does not turn RGB pictures into RGB pictures."""
    from .files.weights import read_weights

    _, config, _ = read_weights(weights, header_only=True)
    if others := {config.get(side, 3) for side in ("in_channels", "out_channels")} - {3}:
        raise Pix2PixError(
            f"The weights {weights} are for pictures with {min(others)} of the 3 channels of RGB."
        )


def ablate(arguments) -> None:
    from .ablation import BASE, TABLES, ablate, format_table
    from .runtime.config import read_config

    base = BASE.replace(**read_config(arguments.config)) if arguments.config else BASE
    typed = {name: getattr(arguments, name) for name in ("data", "device", "precision")}
    base = base.replace(**{name: value for name, value in typed.items() if value})
    tables = arguments.tables or list(TABLES)
    try:
        results = ablate(arguments.results, arguments.out, tables, arguments.seeds, base)
    except Pix2PixError as error:  # this command needs no option to carry on
        error.args = (str(error).replace("use --resume", "the same command carries on"),)
        raise
    for table in tables:
        print(format_table(results, table), end="\n\n")


def translate(arguments) -> None:
    from .files.translations import translate_files
    from .inference import Translator

    check_colours(arguments.weights)
    translator = Translator.load(arguments.weights, device=arguments.device)
    noise = {"stochastic": arguments.stochastic, "seed": arguments.seed}
    one = functools.partial(translator.translate, **noise)
    white_level = arguments.white_level
    if white_level is None:
        white_level = translator.card.get("config", {}).get("white_level", 0)
    translate_files(one, arguments.inputs, arguments.output, white_level)


def export(arguments) -> None:
    from .generator import load_generator
    from .runtime.onnx_export import export_onnx

    generator, _ = load_generator(arguments.weights)
    levels = export_onnx(generator, arguments.onnx)
    print(f"{arguments.onnx} gives the same pictures: {levels:.4f} levels of 255 apart at most.")


def doctor(arguments) -> None:
    if arguments.folder is None:
        return tell_what_is_installed()
    from .runtime.curves import read_curves

    for finding in read_curves(arguments.folder):
        print(f"{finding.name}: {finding.told}")


def tell_what_is_installed() -> None:
    from .files.weights import named_weights
    from .runtime.device import device_name, pick_device
    from .runtime.extras import extras, state, version_of
    from .runtime.threads import crowd

    device = pick_device()
    print(f"pix2pix_lib {__version__}, Python {platform.python_version()}, {platform.platform()}")
    rows = {package: version_of(package) for package in ("torch", "albumentations")}
    rows |= {f"extra {extra}": state(extra) for extra in extras() if extra != "dev"}
    rows["device"] = device_name(device)
    if crowded := crowd():
        rows["cores"] = crowded
    rows["training"] = f"unless --precision says otherwise in {tell_precision(device)}"
    rows["weights"] = ", ".join(named_weights()) or "none"
    for name, told in rows.items():
        print(f"{name:<18}{told}")


def tell_precision(device) -> str:
    """What a training at full width has for "auto", and why."""
    from .from_config import plain_networks
    from .runtime.config import TrainConfig
    from .runtime.device import gpu_precision
    from .runtime.fastest import best_of
    from .runtime.fitting import find_places, time_precisions

    if device.type != "cpu":
        return gpu_precision(device)
    networks = plain_networks(TrainConfig()).items()
    seconds = time_precisions([find_places(*network) for network in networks])
    if "bf16" not in seconds:
        return "fp32: PyTorch has no convolutions in bf16 for this processor"
    ratio = seconds["fp32"] / seconds["bf16"]
    return f"{best_of(seconds)}: bf16 is {ratio:.1f} times as fast as fp32 in the heaviest layers"
