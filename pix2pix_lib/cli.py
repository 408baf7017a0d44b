"""Image-to-image translation with pix2pix: data, training, evaluation, translation."""

# Every module of the library is imported where it is first needed: `pix2pix --help` stays quick.
import argparse
import functools
import io
import json
import os
import platform
import sys
from pathlib import Path
from typing import get_args

from . import Pix2PixError, __version__
from .files.whole import whole_file
from .runtime.workers import warn_plainly

WEIGHTS = "a bundled name or a file (default: earth_sat2map)"


def data_list(arguments) -> None:
    from .files.sets import SETS

    width = max(map(len, SETS))
    for name, entry in SETS.items():
        print(f"{name:<{width}}  {entry.description}")


def data_get(arguments) -> None:
    from .files.sets import get

    print(get(arguments.name, root=arguments.root, photographs=arguments.photographs))


def data_check(arguments) -> int:
    from .files.doctor import check

    report = check(arguments.folder)
    print(report)
    return 0 if report.ok else 1


def train(arguments) -> None:
    from .runtime.config import TrainConfig, read_config
    from .training import fit

    config = arguments.config
    if arguments.resume and config is None and arguments.out:
        begun = Path(arguments.out) / "config.toml"
        config = begun if begun.exists() else None  # a run goes on as it began
    settings = read_config(config) if config else {}
    typed = {name: getattr(arguments, name) for name in TrainConfig.model_fields}
    settings |= {name: value for name, value in typed.items() if value is not None}
    folder = fit(TrainConfig(**settings), resume=arguments.resume)
    if os.environ.get("RANK", "0") == "0":  # one of several processes speaks for all
        print(f"{folder / 'generator.safetensors'} is ready for `pix2pix translate --weights`.")


def evaluate(arguments) -> None:
    from .evaluation import evaluate, write_card

    scores = evaluate(arguments.weights, arguments.data, arguments.split)
    for name, value in scores.items():
        print(f"{name:<28} {value}")
    if arguments.json:
        with whole_file(arguments.json) as partial:
            partial.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    if arguments.card:
        write_card(arguments.weights, scores)


def translate(arguments) -> None:
    from .files.translations import translate_files
    from .inference import Translator

    translator = Translator.load(arguments.weights, device=arguments.device)
    noise = {"stochastic": arguments.stochastic, "seed": arguments.seed}
    one = functools.partial(translator.translate, **noise)
    translate_files(one, arguments.inputs, arguments.output)


def export(arguments) -> None:
    from .generator import load_generator
    from .runtime.onnx_export import export_onnx

    generator, _ = load_generator(arguments.weights)
    levels = export_onnx(generator, arguments.onnx)
    print(f"{arguments.onnx} gives the same pictures: {levels:.4f} levels of 255 apart at most.")


def doctor(arguments) -> None:
    import torch

    from .files.weights import bundled_weights
    from .runtime.device import device_name, fast_precision, pick_device
    from .runtime.extras import extras, state, version_of

    device = pick_device()
    print(f"pix2pix_lib {__version__}, Python {platform.python_version()}, {platform.platform()}")
    rows = {package: version_of(package) for package in ("torch", "albumentations")}
    rows |= {f"extra {extra}": state(extra) for extra in extras() if extra != "dev"}
    rows["device"] = f"{device_name(device)} ({torch.get_num_threads()} CPU threads)"
    rows["training"] = f"in {fast_precision(device)} unless --precision says otherwise"
    rows["weights"] = ", ".join(bundled_weights()) or "none"
    for name, told in rows.items():
        print(f"{name:<18}{told}")


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """An option for each setting of `TrainConfig`: its kind, choices, help text and default."""
    from .runtime.config import TrainConfig

    typed_wins = "TOML file of settings; options typed here win"
    parser.add_argument("--config", metavar="FILE", help=typed_wins)
    carry_on = "carry on from the checkpoint in --out"
    parser.add_argument("--resume", action="store_true", help=carry_on)
    for name, entry in TrainConfig.model_fields.items():
        if entry.annotation is bool:
            kind = {"action": argparse.BooleanOptionalAction}
        elif choices := get_args(entry.annotation):
            kind = {"choices": choices}
        else:
            kind = {"type": entry.annotation}
        told = f"{entry.description} (default: {entry.default})"
        parser.add_argument(f"--{name.replace('_', '-')}", default=None, help=told, **kind)


def add_data(commands) -> None:
    actions = commands.add_parser("data", help="list, get or check data sets").add_subparsers(
        required=True, metavar="ACTION"
    )
    listing = actions.add_parser("list", help="the data sets that exist")
    listing.set_defaults(run=data_list)
    getting = actions.add_parser("get", help="build or download a data set")
    getting.add_argument("name", metavar="NAME")
    getting.add_argument("--root", default="data", help="folder of all sets (default: data)")
    own = "your own pictures, for colorize and edges"
    getting.add_argument("--photographs", metavar="DIR", help=own)
    getting.set_defaults(run=data_get)
    checking = actions.add_parser("check", help="inspect any folder of pairs")
    checking.add_argument("folder", metavar="DIR")
    checking.set_defaults(run=data_check)


def add_train(commands, with_options: bool) -> None:
    parser = commands.add_parser("train", help="train a generator and a discriminator")
    if with_options:
        add_train_options(parser)
    parser.set_defaults(run=train)


def add_evaluate(commands) -> None:
    parser = commands.add_parser("evaluate", help="score a generator against the look-up baseline")
    parser.add_argument("--weights", required=True, help="a bundled name or a file")
    parser.add_argument("--data", default="earth", help="a set's name or a folder (default: earth)")
    parser.add_argument("--split", default="val", help="train, val or test (default: val)")
    parser.add_argument("--json", metavar="FILE", help="write the scores to FILE, too")
    kept = "keep the scores in the weights' model card, too"
    parser.add_argument("--card", action="store_true", help=kept)
    parser.set_defaults(run=evaluate)


def add_translate(commands) -> None:
    parser = commands.add_parser("translate", help="translate pictures of any size")
    parser.add_argument("inputs", nargs="+", metavar="IN", help="picture files or folders of them")
    where = "folder, or a file for one picture"
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help=where)
    parser.add_argument("--weights", default="earth_sat2map", help=WEIGHTS)
    parser.add_argument("--device", help="cpu, cuda or mps (default: the best there is)")
    noise = "keep dropout on, the paper's only noise"
    parser.add_argument("--stochastic", action="store_true", help=noise)
    parser.add_argument("--seed", type=int, help="of the dropout")
    parser.set_defaults(run=translate)


def add_export(commands) -> None:
    parser = commands.add_parser("export", help="write a generator for other programs")
    parser.add_argument("--weights", default="earth_sat2map", help=WEIGHTS)
    parser.add_argument("--onnx", required=True, metavar="FILE", help="the ONNX file to write")
    parser.set_defaults(run=export)


def build_parser(for_training: bool) -> argparse.ArgumentParser:
    """The whole grammar; the options of `train` come from a module that is slow to import."""
    parser = argparse.ArgumentParser(prog="pix2pix", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_data(commands)
    add_train(commands, with_options=for_training)
    add_evaluate(commands)
    add_translate(commands)
    add_export(commands)
    told = "what is installed, what device is used, what is missing"
    checkup = commands.add_parser("doctor", help=told)
    checkup.set_defaults(run=doctor)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns 0, or 1 with one line of plain words on stderr."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parsed = build_parser(for_training="train" in arguments).parse_args(arguments)
    warn_plainly()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # Windows' code pages lack the arrow, for example
    try:
        return parsed.run(parsed) or 0
    except BrokenPipeError:  # whoever reads our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Pix2PixError as error:
        if parsed.debug:
            raise
        print(f"pix2pix: {error}", file=sys.stderr)
        return 1
