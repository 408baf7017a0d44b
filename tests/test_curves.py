"""What the reader of curves finds in stored runs, in planted ones and in broken logs."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pix2pix_lib import Pix2PixError
from pix2pix_lib.cli import main
from pix2pix_lib.explorers.curves import draw_curves, explore_curves
from pix2pix_lib.runtime.config import TrainConfig, read_config
from pix2pix_lib.runtime.curves import (
    LOSSES,
    discriminator_accuracy,
    longest,
    read_curves,
    read_log,
    smooth,
)
from pix2pix_lib.runtime.run import rows_until

RESULTS = Path(__file__).parents[1] / "results"
SICK = RESULTS / "sick_runs"
FOUND = {
    "healthy": ["healthy"],
    "without_l1": ["D near chance", "without L1"],
    "strong_discriminator": ["D has won"],
    "exchanged_targets": ["L1 stalls"],
}


def names(run) -> list[str]:
    return [finding.name for finding in read_curves(run)]


def plant(folder: Path, rows: int = 60, settings: str = "", **columns) -> Path:
    """A run whose log is sound but for some columns: numbers, or functions of the share of it."""
    share = np.linspace(0, 1, rows)
    sound = {"d": 0.5, "g_gan": 1.2, "g_l1": lambda x: 0.1 + 0.3 * (1 - x) ** 2, "d_accuracy": 0.8}
    table = {"step": np.arange(1, rows + 1) * 10}
    for name, values in (sound | columns).items():
        if values is not None:
            table[name] = values(share) if callable(values) else np.full(rows, float(values))
    folder.mkdir(exist_ok=True)
    lines = [
        ",".join(table),
        *(",".join(map(str, row)) for row in zip(*table.values(), strict=True)),
    ]
    (folder / "results.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "config.toml").write_text(settings, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("mode", "real", "fake", "expected"),
    [
        ("vanilla", [2.0, 1.0, -1.0, 3.0], [-2.0, 1.0, -1.0, -3.0], 0.75),
        ("hinge", [0.1, -0.1], [-0.1, -5.0], 0.75),
        ("lsgan", [0.9, 0.4], [0.1, 0.4], 0.75),  # labels are 1 and 0: 0.4 is taken for fake
        ("vanilla", [0.0] * 4, [0.0] * 4, 0.5),  # one answer to everything is a coin's
        ("lsgan", [0.7] * 4, [0.7] * 4, 0.5),
    ],
)
def test_accuracy_is_the_mean_of_the_shares_of_real_and_fake(mode, real, fake, expected):
    right = discriminator_accuracy(torch.tensor(real), torch.tensor(fake), mode)
    assert right.item() == expected and not right.requires_grad


class TestStoredRuns:
    @pytest.mark.parametrize("name", FOUND)
    def test_of_lesson_7(self, name):
        assert names(SICK / name) == FOUND[name]
        assert names(SICK / name / "results.csv") == FOUND[name]
        config = TrainConfig(**read_config(SICK / name / "config.toml"))
        assert read_log(SICK / name).config == config
        assert read_log(SICK / name).step[-1] == config.epochs * (1074 // config.batch_size)

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("watched_training", "healthy"),
            ("recipe_processor", "healthy"),
            ("earth_map2sat", "healthy"),
            ("earth_sat2map_wide", "healthy"),
            ("earth_colorize", "D has won"),
            ("earth_sat2map_first", "D has won"),  # λ is 1000: the generator hardly listens to it
        ],
    )
    def test_of_older_versions_without_accuracy(self, name, expected):
        (finding,) = read_curves(RESULTS / name)
        assert finding.name == expected and "rightly" not in finding.told
        assert np.isnan(read_log(RESULTS / name).d_accuracy).all()


PLANTED = [  # settings, columns, findings
    ("", {}, ["healthy"]),
    ("", {"d": 0.693, "d_accuracy": 0.5}, ["D near chance"]),
    ("", {"d": 2 * math.log(2), "d_accuracy": 0.5}, ["D worse than a coin"]),
    ("", {"d": lambda x: np.where(x > 0.5, 0.02, 0.5)}, ["D has won"]),
    ("", {"d": lambda x: np.where(x > 0.9, 0.02, 0.5)}, ["healthy"]),  # not for long
    ("", {"g_l1": 0.4}, ["L1 stays up"]),
    ("", {"g_l1": lambda x: 0.4 - 0.1 * x}, ["healthy"]),  # slowly, but it falls
    ("", {"g_l1": lambda x: 0.2 + 0.2 * np.exp(-20 * x)}, ["L1 stalls"]),
    ('init = "earth_sat2map"', {"g_l1": lambda x: 0.1 - 0.012 * x}, ["healthy"]),
    ("lambda_l1 = 0.0", {"d": 0.01, "g_l1": 0.4}, ["D has won", "without L1"]),
    ('gan_mode = "none"', {"d": 0, "g_gan": 0, "d_accuracy": 0.5}, ["healthy"]),
    ('gan_mode = "lsgan"', {"d": 0.25, "d_accuracy": 0.5}, ["D near chance"]),
    ('gan_mode = "lsgan"', {"d": 0.18}, ["healthy"]),
    ('gan_mode = "hinge"', {"d": 0.7}, ["healthy"]),
    ('gan_mode = "hinge"', {"d": 1}, ["D near chance"]),
    ("", {"d_accuracy": None}, ["healthy"]),
]


@pytest.mark.parametrize(("settings", "columns", "expected"), PLANTED)
def test_what_is_planted_is_found(tmp_path, settings, columns, expected):
    run = plant(tmp_path, settings=settings, **columns)
    assert names(run) == expected
    draw_curves({"planted": run})


def test_a_finding_says_where_and_in_numbers(tmp_path):
    run = plant(tmp_path, d=lambda x: np.where(x > 0.5, 0.02, 0.5), d_accuracy=0.98)
    (finding,) = read_curves(run)
    first, last = finding.steps
    assert 310 <= first <= 360 and last == 600 and finding.curve == "d"
    assert f"From step {first} to 600" in finding.told and "98 %" in finding.told
    assert "chance is 0.69" in finding.told and "--learning-rate-d" in finding.told
    silent = read_curves(plant(tmp_path, settings='gan_mode = "none"', d=0, g_gan=0))
    assert "no adversarial loss" in silent[0].told and "rightly" not in silent[0].told


class TestBrokenLogs:
    @pytest.fixture
    def run(self, tmp_path):
        return plant(tmp_path / "run")

    def change(self, run: Path, change) -> Path:
        log = run / "results.csv"
        log.write_text(change(log.read_text(encoding="utf-8")), encoding="utf-8")
        return run

    @pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
    def test_not_a_number(self, run, value):
        lines = (run / "results.csv").read_text(encoding="utf-8").splitlines()
        lines[41] = f"410,0.5,{value},0.2,0.8"
        self.change(run, lambda text: "\n".join(lines))
        first, *rest = read_curves(run)
        assert first.name == "not a number" and first.steps == (410, 410)
        assert "The loss g_gan is no number at step 410" in first.told and not rest
        assert len(read_log(run).step) == 40
        draw_curves({"run": run})

    def test_no_number_from_the_beginning(self, run):
        self.change(run, lambda text: text.splitlines()[0] + "\n10,nan,nan,nan,nan\n")
        assert names(run) == ["not a number", "too short"]
        draw_curves({"run": run})

    def test_a_last_line_that_was_cut_is_left_out(self, run):
        self.change(run, lambda text: text.rstrip()[:-12])
        assert names(run) == ["healthy"] and len(read_log(run).step) == 59

    def test_a_header_alone_is_too_short(self, run):
        self.change(run, lambda text: text.splitlines()[0])
        (finding,) = read_curves(run)
        assert finding.name == "too short" and "0 rows" in finding.told
        draw_curves({"run": run})

    @pytest.mark.parametrize(("rows", "expected"), [(19, "too short"), (20, "healthy")])
    def test_few_rows_are_too_short(self, tmp_path, rows, expected):
        assert names(plant(tmp_path, rows)) == [expected]

    @pytest.mark.parametrize("content", [b"", b"\n", b"epoch,loss\n1,2\n", b"\xff\xfe\x00\n"])
    def test_what_is_no_log_is_refused(self, run, content):
        (run / "results.csv").write_bytes(content)
        with pytest.raises(Pix2PixError, match="is no log of a run|is no run"):
            read_curves(run)


class TestDoctor:
    def test_tells_the_findings_of_a_run(self, capsys):
        assert main(["doctor", str(SICK / "without_l1")]) == 0
        told = capsys.readouterr().out.splitlines()
        assert [line.partition(":")[0] for line in told] == FOUND["without_l1"]

    def test_says_in_one_sentence_what_is_no_run(self, tmp_path, capsys):
        for folder in (tmp_path, tmp_path / "nowhere"):
            assert main(["doctor", str(folder)]) == 1
            captured = capsys.readouterr()
            told = f"pix2pix: {folder} is no run: it has no results.csv that can be read.\n"
            assert (captured.out, captured.err) == ("", told)


def test_a_resumed_run_keeps_the_rows_of_an_older_version(tmp_path):
    log = tmp_path / "results.csv"
    older = "step,d,g_gan,g_l1\n1,0.7,0.8,0.4\n2,0.6,0.9,0.3\n3,0.6,0.9,0.3\n4,0.6,"
    log.write_text(older, encoding="utf-8")
    kept = [["1", "0.7", "0.8", "0.4", "nan"], ["2", "0.6", "0.9", "0.3", "nan"]]
    assert rows_until(2, log) == kept
    assert len(rows_until(9, log)) == 3  # without the one that was cut short
    log.write_text("step,d,g_gan,g_l1,d_accuracy\n1,0.7,0.8,0.4,0.5\n", encoding="utf-8")
    assert rows_until(2, log) == [["1", "0.7", "0.8", "0.4", "0.5"]]


def test_smooth_is_the_mean_of_the_rows_so_far():
    assert np.allclose(smooth(np.array([4.0, 2, 0, 2]), 2), [4, 3, 1, 1])
    assert np.allclose(smooth(np.array([4.0, 2, 0]), 1), [4, 2, 0])
    assert len(smooth(np.array([]), 5)) == 0


@pytest.mark.parametrize(
    ("holds", "expected"),
    [
        ("1110", slice(0, 3)),
        ("0110", slice(1, 3)),
        ("0100", None),
        ("0000", None),
        ("1", slice(0, 1)),
    ],
)
def test_the_longest_stretch(holds, expected):
    assert longest(np.array([digit == "1" for digit in holds])) == expected


class TestFigure:
    def test_chance_is_where_the_loss_has_it(self, tmp_path):
        for mode, expected in (("vanilla", {0.693}), ("hinge", {0, 1}), ("none", set())):
            run = plant(tmp_path, settings=f'gan_mode = "{mode}"')
            panel = draw_curves({"run": run}).axes[0]
            dashed = [line for line in panel.lines if line.get_linestyle() == "--"]
            assert {round(float(line.get_ydata()[0]), 3) for line in dashed} == expected

    def test_findings_are_marked_where_they_are_seen(self):
        runs = {"A": SICK / "healthy", "B": SICK / "without_l1"}
        marked, plain = (draw_curves(runs, marked=marked).axes for marked in (True, False))
        told = [[text.get_text() for text in axis.texts] for axis in marked]
        assert told == [[], [], ["healthy"], ["D near chance"], [], ["without L1"]]
        assert not any(axis.texts for axis in plain)
        assert [axis.get_ylabel() for axis in plain[::3]] == ["A", "B"]

    def test_the_explorer_shows_each_run_with_its_words(self, tmp_path):
        explorer = explore_curves(SICK)
        run, window = explorer.controls["folder"], explorer.controls["window"]
        assert sorted(name for name, _ in run.options) == sorted(FOUND)
        run.value = SICK / "without_l1"
        before = explorer.picture.value
        assert "λ is 0" in explorer.text.value
        window.value = 1
        assert explorer.picture.value != before
        with pytest.raises(Pix2PixError, match="no folders of runs"):
            explore_curves(tmp_path)


def test_every_loss_that_is_read_is_logged():
    header = (SICK / "healthy" / "results.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == ",".join(["step", *LOSSES, "d_accuracy"])


def test_a_log_that_excel_has_saved_is_read(tmp_path):
    """It puts a mark before the first name of a column."""
    log = (SICK / "healthy" / "results.csv").read_text(encoding="utf-8")
    (tmp_path / "results.csv").write_text(log, encoding="utf-8-sig")
    assert rows_until(10**9, tmp_path / "results.csv") == rows_until(
        10**9, SICK / "healthy" / "results.csv"
    )
    assert main(["doctor", str(tmp_path)]) == main(["doctor", str(SICK / "healthy")]) == 0
