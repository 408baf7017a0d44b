"""LPIPS, FID and KID: distances in the features of large networks that others have trained."""

import hashlib
import warnings
from pathlib import Path

import requests
import torch
from torch import nn

from .. import Pix2PixError
from ..files.download import fetch
from ..runtime.extras import needs

# What the networks are called where they are published, and where PyTorch keeps what it fetches.
# The digits at the end are the beginning of the file's SHA-256.
ALEXNET = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
INCEPTION = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
FEWEST = 50  # pictures that FID and KID need: both compare distributions, not pairs
KEPT = 1000  # pictures whose features KID keeps, spread over the set: memory does not grow with it
SECONDS = 5  # to wait for a server's answer


def weights_file(url: str, folder: Path | None) -> Path:
    """The file in `folder`; without a folder where PyTorch keeps such files, fetched if needed."""
    name = url.rpartition("/")[-1]
    if folder is not None:
        if not (folder / name).is_file():
            raise Pix2PixError(f"{folder} has no {name}, which is published at {url}")
        return folder / name
    path = Path(torch.hub.get_dir(), "checkpoints", name)
    if not path.exists():
        try:
            requests.head(url, timeout=SECONDS, allow_redirects=True).raise_for_status()
            path.parent.mkdir(parents=True, exist_ok=True)
            fetch(url, path)
        except (requests.RequestException, OSError, Pix2PixError):
            raise Pix2PixError(
                f"{url} cannot be fetched (put the file into a folder, and name that with "
                "--feature-weights)"
            ) from None
        if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem[-8:]):
            path.unlink()
            raise Pix2PixError(f"what came from {url} is not what was published; it is deleted")
    return path


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file; nothing else is unpacked, whoever wrote it."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise Pix2PixError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None


def load_lpips(folder: Path | None) -> nn.Module:
    """Pictures (N, 3, H, W) in [-1, 1], twice → LPIPS, (N, 1, 1, 1), with AlexNet's features."""
    with needs("metrics", "LPIPS"):
        from torchmetrics.functional.image.lpips import _NoTrainLpips
        from torchvision.models import alexnet  # noqa: F401  (torchmetrics is silent without it)
    path = weights_file(ALEXNET, folder)
    weights = read_weights(path)
    network = _NoTrainLpips(net="alex", pnet_rand=True)
    names = {name: f"features.{name.split('.', 1)[1]}" for name in network.net.state_dict()}
    try:
        network.net.load_state_dict({name: weights[names[name]] for name in names})
    except (KeyError, RuntimeError, TypeError):
        raise Pix2PixError(f"{path} does not hold the weights of AlexNet") from None
    return network


def load_inception(folder: Path | None) -> nn.Module:
    """Pictures (N, 3, H, W), uint8 → features (N, 2048) of the Inception network of FID."""
    with needs("metrics", "FID"):
        import torch_fidelity  # noqa: F401
        from torchmetrics.image.fid import NoTrainInceptionV3
    path = weights_file(INCEPTION, folder)
    read_weights(path)  # says so if it holds anything but tensors: what comes next would run it
    try:
        return NoTrainInceptionV3("inception-v3-compat", ["2048"], str(path))
    except (RuntimeError, TypeError, KeyError):
        raise Pix2PixError(f"{path} does not hold the weights of Inception") from None


class Features(nn.Module):
    """Stands for the network where features are known already."""

    def __init__(self, count: int):
        super().__init__()
        self.num_features = count

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features


class Distances:
    """FID and KID of one translator after another, from features (2048,) that come one by one."""

    def __init__(self, inception: nn.Module, pairs: int, device: torch.device):
        self.inception, self.device = inception.to(device), device
        self.every, self.seen, self.kept, self.fid = -(-pairs // KEPT), {}, {}, {}
        self.last = {}  # of each translator: its picture and the features

    def features(self, picture: torch.Tensor) -> torch.Tensor:
        """(3, H, W) in [-1, 1] → (1, 2048): of the levels that a file would hold."""
        levels = ((picture + 1) * 127.5).round().clamp(0, 255).byte()
        return self.inception(levels[None].to(self.device)).cpu()

    def see(self, name: str, picture: torch.Tensor) -> None:
        """Count a translator's picture, or a "real" one; the mean target is the same each time."""
        if name not in self.last or not torch.equal(self.last[name][0], picture):
            self.last[name] = picture, self.features(picture)
        self.add(name, self.last[name][1])

    def add(self, name: str, features: torch.Tensor) -> None:
        """Count a picture's features (1, 2048) to those of a translator, or to the "real" ones."""
        from torchmetrics.image.fid import FrechetInceptionDistance

        if name not in self.fid:
            self.seen[name], self.kept[name] = 0, []
            self.fid[name] = FrechetInceptionDistance(Features(features.shape[1]))
        self.fid[name].update(features, real=name == "real")
        if self.seen[name] % self.every == 0:
            self.kept[name].append(features)
        self.seen[name] += 1

    def scores(self) -> dict[str, float]:
        """`fid` and `kid`, with each translator's name before them."""
        found = {}
        for name in [name for name in self.fid if name != "real"]:
            found[f"{name}fid"] = self.fid_of(name)
            found[f"{name}kid"] = self.kid_of(name)
        return found

    def fid_of(self, name: str) -> float:
        both = self.fid[name]
        for part in ("features_sum", "features_cov_sum", "features_num_samples"):
            setattr(both, f"real_{part}", getattr(self.fid["real"], f"real_{part}"))
        return float(both.compute())

    def kid_of(self, name: str) -> float:
        """The mean over 100 draws of at most 100 pictures, always the same ones."""
        from torchmetrics.image.kid import KernelInceptionDistance

        real, fake = (torch.cat(self.kept[which]) for which in ("real", name))
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")  # it keeps features: no more than ours
            torch.manual_seed(0)
            metric = KernelInceptionDistance(
                Features(real.shape[1]), subset_size=min(100, len(real))
            )
            metric.update(real, real=True)
            metric.update(fake, real=False)
            return float(metric.compute()[0])


class FeatureScores:
    """What large networks say of translations, as far as they are here; `missing` says what not."""

    def __init__(self, wanted: bool, folder: str | Path | None, pairs: int, device: torch.device):
        self.missing, self.lpips, self.distances = {}, None, None
        if not wanted:
            return
        folder = None if folder is None else Path(folder)
        if folder is not None and not any(
            (folder / url.rpartition("/")[-1]).is_file() for url in (ALEXNET, INCEPTION)
        ):
            names = " nor ".join(url.rpartition("/")[-1] for url in (ALEXNET, INCEPTION))
            raise Pix2PixError(f"{folder} holds no weights of a feature network: neither {names}.")
        try:
            self.lpips = load_lpips(folder).to(device)
        except Pix2PixError as error:
            self.missing["lpips"] = str(error)
        try:
            if pairs < FEWEST:
                raise Pix2PixError(f"it takes at least {FEWEST} pictures, and here are {pairs}")
            self.distances = Distances(load_inception(folder), pairs, device)
        except Pix2PixError as error:
            self.missing |= {"fid": str(error), "kid": str(error)}

    def see_target(self, target: torch.Tensor) -> None:
        """Count a real target (3, H, W), once for all translators."""
        if self.distances:
            self.distances.see("real", target)

    def measure(self, name: str, fake_target: torch.Tensor, target: torch.Tensor) -> dict:
        """LPIPS of one translation (3, H, W), where it is known; FID and KID only count it."""
        if self.distances:
            self.distances.see(name, fake_target)
        if not self.lpips:
            return {}
        device = next(self.lpips.parameters()).device
        pictures = (picture[None].clamp(-1, 1).to(device) for picture in (fake_target, target))
        return {"lpips": float(self.lpips(*pictures))}

    def scores(self) -> dict[str, float]:
        """FID and KID of each translator, where there are enough pictures, to four digits."""
        found = self.distances.scores() if self.distances else {}
        return {name: round(score, 4) for name, score in found.items()}
