"""The grid of lesson 10, on two small cells of six real pairs."""

import json
import math

import pytest
import torch
from filelock import FileLock
from PIL import Image
from servers import REPOSITORY

from pix2pix_lib import Pix2PixError, ablation
from pix2pix_lib.ablation import (
    BASE,
    TABLES,
    ablate,
    cell_config,
    cell_name,
    cells,
    format_table,
    interval_of_mean,
    seed_scores,
)
from pix2pix_lib.from_config import build_discriminator, build_networks, open_pairs
from pix2pix_lib.training import Trainer, train_on


@pytest.fixture
def base(config):
    return config.replace(direction="BtoA", epochs=1)


@pytest.fixture
def small_tables(monkeypatch):
    rows = {"L1": {"gan_mode": "none"}, "L1+cGAN": {}}
    monkeypatch.setattr(ablation, "TABLES", {"losses": rows, "again": {"the same": {}}})


def test_every_cell_is_a_training_that_the_settings_allow():
    """Rows of two tables that are one training are trained once."""
    names = cells(TABLES, [0, 1, 2])
    assert len(names) == 75 and len(cells(TABLES, [0])) == 25
    for name, (changes, seed) in names.items():
        assert name == cell_name(changes, seed)
        BASE.replace(**changes, seed=seed)


def test_the_paper_s_rows_are_there():
    assert list(TABLES["losses"]) == ["L1", "GAN", "cGAN", "L1+GAN", "L1+cGAN"]
    assert list(TABLES["patch"]) == ["1", "16", "70", "286"]
    assert list(TABLES["lambda_l1"]) == ["1", "10", "100", "1000"]


def test_every_row_of_our_results_has_each_seed_once():
    """Or a row would be the best of what was tried; rows that are not run yet have none."""
    records = json.loads((REPOSITORY / "results" / "ablations.json").read_bytes())["cells"]
    seeds = {}
    for name, record in records.items():
        assert name == cell_name(record["changes"], record["seed"])
        assert record["steps"] == pytest.approx(1072, rel=0.03)
        seeds.setdefault(str(record["changes"]), []).append(record["seed"])
    assert len(seeds) >= 12 and all(sorted(each) == [0, 1, 2] for each in seeds.values())


def test_few_pairs_are_seen_as_often_as_many_are(earth, tmp_path):
    base = BASE.replace(data=str(earth))
    steps = base.epochs * (1074 // 4)
    for pairs in (30, 100, 300):
        config = cell_config(base, {"pairs": pairs}, 0, tmp_path)
        taken, _ = open_pairs(config.replace(cache=False))
        assert len(taken) == pairs
        assert config.epochs * (pairs // 4) == pytest.approx(steps, rel=0.03)


def test_a_discriminator_without_condition_does_not_see_the_source(config):
    blind = build_discriminator(config.replace(conditional=False))
    seeing = build_discriminator(config)
    pair = torch.rand(1, 6, 64, 64)
    other = pair.clone()
    other[:, :3] = 0
    assert torch.equal(blind(pair), blind(other)) and not torch.equal(seeing(pair), seeing(other))


def test_without_skips_there_is_an_encoder_decoder(config):
    generator, *_ = build_networks(config.replace(skip=False), torch.device("cpu"))
    assert generator.config["skip"] is False


def test_without_a_gan_loss_the_discriminator_stays_and_l1_alone_is_learnt(config):
    trainer = Trainer(config.replace(gan_mode="none"), total_steps=1)
    before = [weight.clone() for weight in trainer.discriminator.parameters()]
    source = open_pairs(config)[0][0]
    batch = {side: source[side][None] for side in ("source", "target")}
    losses = train_on(trainer, batch)
    after = trainer.discriminator.parameters()
    assert losses["g_gan"] == losses["d"] == 0 and losses["g_l1"] > 0
    assert all(map(lambda one, other: (one == other).all(), before, after))


def test_too_many_pairs_are_refused_in_one_sentence(config):
    with pytest.raises(Pix2PixError, match="no 7 pairs to learn from, only 6"):
        open_pairs(config.replace(pairs=7))


def test_a_grid_is_trained_scored_and_kept(base, tmp_path, small_tables):
    """Broken off in the middle of a cell, it carries on and runs nothing twice."""
    kept = tmp_path / "kept.json"
    places = {"out": tmp_path / "runs", "tables": ["losses", "again"], "seeds": [0], "base": base}
    held = tmp_path / "runs" / "BtoA,seed=0" / ".lock"
    held.parent.mkdir(parents=True)
    with FileLock(held):  # as another process would
        assert list(ablate(kept, **places)["cells"]) == ["BtoA,gan_mode=none,seed=0"]
    first = kept.read_bytes()
    results = ablate(kept, **places)
    assert list(results["cells"]) == ["BtoA,gan_mode=none,seed=0", "BtoA,seed=0"]
    record = results["cells"]["BtoA,seed=0"]
    assert record["steps"] == 6 and record["processor_seconds"] >= 0 and record["seed"] == 0
    assert {"device", "date", "torch", "precision"} <= set(record) and record["pairs"] == 6
    assert 0 < record["scores"]["l1"] < 2
    assert record["intervals"] == {}  # two places are too few for one
    with Image.open(tmp_path / "kept" / "BtoA,seed=0.jpg") as sheet:
        assert sheet.size == (6 * 64, 3 * 64)
    before = json.loads(first)["cells"]
    assert results["cells"]["BtoA,gan_mode=none,seed=0"] == before["BtoA,gan_mode=none,seed=0"]
    assert not list((tmp_path / "runs").rglob("checkpoint.pt"))
    assert ablate(kept, **places) == results
    assert "L1+cGAN" in format_table(results, "losses")
    assert seed_scores(results, "again", "l1") == {"the same": [record["scores"]["l1"]]}

    with pytest.raises(Pix2PixError, match="with ngf = 4, not 5, .*: choose another --results"):
        ablate(kept, **places | {"base": base.replace(ngf=5)})


def test_a_table_that_does_not_exist_is_named(pix2pix, tmp_path):
    done = pix2pix("ablate", "--tables", "losses", "loses", "--results", tmp_path / "r.json")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "There is no table 'loses'; there are losses, losses_to_map" in done.stderr


def test_the_interval_of_a_mean():
    """Student's t with two degrees of freedom, from a printed table: 4.303."""
    mean, reach = interval_of_mean([1.0, 2.0, 3.0])
    assert mean == 2 and reach == pytest.approx(4.303 / math.sqrt(3), abs=1e-3)
    assert interval_of_mean([0.5]) == (0.5, math.inf)
