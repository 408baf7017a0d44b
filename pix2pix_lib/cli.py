"""Image-to-image translation with pix2pix: data, training, evaluation, translation."""

import argparse
import io
import json
import os
import signal
import sys
import tomllib
from typing import get_args

from . import Pix2PixError, __version__, commands
from .runtime.threads import share_the_cores
from .runtime.workers import warn_plainly

WHITE = "the level that is white in pictures of more than 8 bits, such as 4095"
# What the system and the content of files may raise, and a fault of ours hardly would.
FROM_OUTSIDE = (OSError, UnicodeError, json.JSONDecodeError, tomllib.TOMLDecodeError)
WEIGHTS, DEFAULT = "a name that `weights list` shows, or a file", " (default: earth_sat2map)"


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """An option for each setting of `TrainConfig`: its kind, choices, help text and default."""
    from .runtime.config import TrainConfig

    typed_wins = "TOML file of settings; options typed here win"
    parser.add_argument("--config", metavar="FILE", help=typed_wins)
    carry_on = "carry on from the checkpoint in --out, with the settings in its config.toml"
    parser.add_argument("--resume", action="store_true", help=carry_on)
    for name, entry in TrainConfig.model_fields.items():
        if bool in (entry.annotation, *get_args(entry.annotation)):
            kind = {"action": argparse.BooleanOptionalAction}
        elif choices := get_args(entry.annotation):
            kind = {"choices": choices}
        else:
            kind = {"type": entry.annotation}
        told = f"{entry.description} (default: {entry.default})"
        parser.add_argument(f"--{name.replace('_', '-')}", default=None, help=told, **kind)


def add_data(parsers) -> None:
    actions = parsers.add_parser("data", help="list, get or check data sets").add_subparsers(
        required=True, metavar="ACTION"
    )
    listing = actions.add_parser("list", help="the data sets that exist")
    listing.set_defaults(run=commands.data_list)
    getting = actions.add_parser("get", help="build or download a data set")
    getting.add_argument("name", metavar="NAME")
    all_sets = "folder of all sets (default: data, or what PIX2PIX_DATA_DIR names)"
    getting.add_argument("--root", metavar="DIR", help=all_sets)
    own = "your own pictures, for colorize and edges"
    getting.add_argument("--photographs", metavar="DIR", help=own)
    getting.set_defaults(run=commands.data_get)
    checking = actions.add_parser("check", help="inspect any folder of pairs")
    checking.add_argument("folder", metavar="DIR")
    checking.add_argument("--white-level", type=float, default=0, metavar="N", help=WHITE)
    checking.set_defaults(run=commands.data_check)


def add_weights(parsers) -> None:
    parser = parsers.add_parser("weights", help="list, get or import trained weights")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    kept = (
        "Fetched and imported weights are kept in this user's cache, or in the folder that "
        "PIX2PIX_MODELS_DIR names, and are found there by their names. The app serves the folder "
        "that the variable names."
    )
    listing = actions.add_parser("list", help="the weights that exist, and which are here")
    listing.set_defaults(run=commands.weights_list)
    told = "download and convert weights that the paper's authors published"
    getting = actions.add_parser("get", help=told, epilog=kept)
    getting.add_argument("name", metavar="NAME", help="one that `weights list` shows")
    getting.set_defaults(run=commands.weights_get)
    told = "convert a checkpoint that was trained with the authors' PyTorch code"
    importing = actions.add_parser("import", help=told, epilog=kept)
    file = "the U-Net of a pix2pix with --norm batch, such as checkpoints/mine/latest_net_G.pth"
    importing.add_argument("file", metavar="FILE", help=file)
    named = importing.add_mutually_exclusive_group()
    given = "what it is called here (default: as FILE; as its folder, if that is …_net_G.pth)"
    named.add_argument("--name", help=given)
    elsewhere = "write this file, anywhere, instead; it ends in .safetensors"
    named.add_argument("-o", "--output", metavar="OUT", help=elsewhere)
    importing.add_argument("--data", metavar="SET", help="for the card: what it was trained on")
    way = "for the card, as no checkpoint tells it: AtoB or BtoA"
    importing.add_argument("--direction", choices=("AtoB", "BtoA"), help=way)
    resized = "side that pictures were resized to before the crop (default: 286 for crops of 256)"
    importing.add_argument("--load-size", type=int, metavar="N", help=resized)
    importing.set_defaults(run=commands.weights_import)
    for action in (getting, importing):
        halved = "store half precision: half the size, numbers rounded to three digits"
        action.add_argument("--half", action="store_true", help=halved)


def add_train(parsers, with_options: bool) -> None:
    parser = parsers.add_parser("train", help="train a generator and a discriminator")
    if with_options:
        add_train_options(parser)
    parser.set_defaults(run=commands.train)


def add_evaluate(parsers) -> None:
    parser = parsers.add_parser("evaluate", help="score a generator against simple baselines")
    parser.add_argument("--weights", required=True, help=WEIGHTS)
    parser.add_argument("--data", default="earth", help="a set's name or a folder (default: earth)")
    parser.add_argument("--split", default="val", help="train, val or test (default: val)")
    parser.add_argument("--json", metavar="FILE", help="write the scores to FILE, too")
    folder = "write scores by picture, best and worst cases into DIR"
    parser.add_argument("--report", metavar="DIR", help=folder)
    kept = "keep the scores in the weights' model card, too"
    parser.add_argument("--card", action="store_true", help=kept)
    where = "cpu, cuda or mps (default: the best there is)"
    parser.add_argument("--device", default="auto", help=where)
    few = "score only N pictures, spread over the split"
    parser.add_argument("--limit", type=int, metavar="N", help=few)
    networks = "folder with the weights of the networks that LPIPS, FID and KID need"
    parser.add_argument("--feature-weights", metavar="DIR", help=networks)
    parser.set_defaults(run=commands.evaluate)


def add_ablate(parsers) -> None:
    parser = parsers.add_parser("ablate", help="train and score the grid of lesson 10")
    one = "tables of the grid (default: all)"
    parser.add_argument("--tables", nargs="+", metavar="TABLE", help=one)
    repeats = "each cell is trained once for each of these (default: 0 1 2)"
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help=repeats)
    base = "TOML file of settings for all cells, such as size = 256 (default: lesson 10's)"
    parser.add_argument("--config", metavar="FILE", help=base)
    parser.add_argument("--data", help="a set's name or a folder (default: earth)")
    parser.add_argument("--device", help="cpu, cuda, mps or auto (default: auto)")
    parser.add_argument("--precision", help="fp32, bf16 or auto (default: auto)")
    folder = "folder for the cells' runs (default: %(default)s)"
    parser.add_argument("--out", default="runs/ablations", help=folder)
    kept = "file of finished cells, which are not run again (default: %(default)s)"
    parser.add_argument("--results", default="results/ablations.json", metavar="FILE", help=kept)
    parser.set_defaults(run=commands.ablate)


def add_translate(parsers) -> None:
    parser = parsers.add_parser("translate", help="translate pictures of any size")
    parser.add_argument("inputs", nargs="+", metavar="IN", help="picture files or folders of them")
    where = "folder, or a file for one picture"
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help=where)
    parser.add_argument("--weights", default="earth_sat2map", help=WEIGHTS + DEFAULT)
    parser.add_argument("--device", help="cpu, cuda or mps (default: the best there is)")
    noise = "keep dropout on, the paper's only noise"
    parser.add_argument("--stochastic", action="store_true", help=noise)
    parser.add_argument("--seed", type=int, help="of the dropout")
    as_trained = f"{WHITE} (default: as in training)"
    parser.add_argument("--white-level", type=float, metavar="N", help=as_trained)
    parser.set_defaults(run=commands.translate)


def add_export(parsers) -> None:
    parser = parsers.add_parser("export", help="write a generator for other programs")
    parser.add_argument("--weights", default="earth_sat2map", help=WEIGHTS + DEFAULT)
    parser.add_argument("--onnx", required=True, metavar="FILE", help="the ONNX file to write")
    parser.set_defaults(run=commands.export)


def build_parser(for_training: bool) -> argparse.ArgumentParser:
    """The whole grammar; the options of `train` come from a module that is slow to import."""
    parser = argparse.ArgumentParser(prog="pix2pix", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parsers = parser.add_subparsers(required=True, metavar="COMMAND")
    add_data(parsers)
    add_weights(parsers)
    add_train(parsers, with_options=for_training)
    add_evaluate(parsers)
    add_ablate(parsers)
    add_translate(parsers)
    add_export(parsers)
    told = "what is installed, used and missing; or of a run, what its curves say"
    checkup = parsers.add_parser("doctor", help=told)
    of_run = "folder of a run, or its results.csv: say in words what the curves show"
    checkup.add_argument("folder", nargs="?", metavar="RUN", help=of_run)
    checkup.set_defaults(run=commands.doctor)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns its status, with one line of plain words on stderr if not 0."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for name in ("stdout", "stderr"):  # closed, as by some schedulers
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (to the end)
    try:
        share_the_cores()
        parsed = build_parser(for_training="train" in arguments).parse_args(arguments)
        warn_plainly()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # Windows' code pages lack the arrow
        from .files.pictures import of_any_size  # not above: `--help` is quick

        with of_any_size():
            return parsed.run(parsed) or 0
    except BrokenPipeError:  # whoever reads our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return tell("Stopped.", 128 + signal.SIGINT)
    except (Pix2PixError, *FROM_OUTSIDE) as error:  # anything else is our fault, and told in full
        if "--debug" in arguments:
            raise
        return tell(in_words(error), getattr(error, "status", 1))


def tell(sentence: str, status: int) -> int:
    """Print the one line that a command ends with where it does not succeed."""
    if status > 128:  # it is on its way out, and asked again it goes no faster
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(f"pix2pix: {sentence}", file=sys.stderr)
    return status


def in_words(error: Exception) -> str:
    """What an error says to whoever typed the command; of a file, which one it is."""
    if isinstance(error, Pix2PixError):
        return str(error)
    where = f"{error.filename}: " if getattr(error, "filename", None) else ""
    what = getattr(error, "strerror", None) or " ".join(str(error).split())
    return f"{where}{what}. (--debug shows where it happened.)"
