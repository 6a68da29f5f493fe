"""`python -m mcbook.data`: the list, fetching by name, exit statuses."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from data_server import CONTENT

from mcbook import data
from mcbook.data import __main__ as cli
from mcbook.data import store

pytest_plugins = ["data_server"]


def test_the_list_fits_80_columns_and_names_what_matters(offer, capsys: pytest.CaptureFixture[str]) -> None:
    offer("good")
    assert cli.main([]) == 0
    brief = capsys.readouterr().out
    assert cli.main(["-v"]) == 0
    full = capsys.readouterr().out
    for text in (brief, full):
        table = text.split("MCBOOK_DATA  ")[0]
        assert max(map(len, table.splitlines())) <= 80
        assert all(line == line.rstrip() for line in table.splitlines())
        for row in data.DATASETS.values():
            assert row.name in table
            assert row.licence in table
    assert "712 kB" in brief
    assert "Panayotov" not in brief
    assert "doi:10.1109/ICASSP.2015.7178964" in full
    assert cli.main([]) == 0
    assert capsys.readouterr().out == brief, "the same list each time"


def test_the_list_says_where_each_set_is(offer, cache_folder: Path, tmp_path: Path, monkeypatch) -> None:
    row = offer("good", "missing")
    assert cli.where(data.DATASETS["voices"]) == "in mcbook"
    assert cli.where(row) == "not here"
    with pytest.raises(data.DataMissing):
        store.paths("toy")
    assert cli.where(row) == "partly here"
    (cache_folder / "toy" / "missing.bin").write_bytes(CONTENT)
    assert cli.where(row) == "cache"
    (cache_folder / "toy").rename(tmp_path / "toy")
    monkeypatch.setenv("MCBOOK_DATA", str(tmp_path))
    assert cli.where(row) == "MCBOOK_DATA"
    (tmp_path / "toy" / "good.bin").write_bytes(b"")
    assert cli.where(row) == "DAMAGED in MCBOOK_DATA"
    assert "DAMAGED" in cli.listing()


def test_the_list_survives_a_broken_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    row = data.DATASETS["voices"]._replace(name="gone", packaged=("gone.npz",))
    monkeypatch.setitem(data.DATASETS, "gone", row)
    assert re.search(r"^gone +0 kB .* MISSING from mcbook$", cli.listing(), re.MULTILINE)


def test_fetch_by_name(offer, capsys: pytest.CaptureFixture[str]) -> None:
    offer("good")
    assert cli.main(["fetch", "toy", "voices"]) == 0
    assert capsys.readouterr().out == "toy: cache\nvoices: in mcbook\n"


def test_fetch_all_goes_on_after_a_failure_and_says_so_in_the_exit_status(offer, capsys, monkeypatch) -> None:
    bad, good = offer("missing")._replace(name="bad"), offer("good")
    monkeypatch.setitem(data.DATASETS, "bad", bad)
    monkeypatch.setattr(cli, "DATASETS", {"bad": bad, "toy": good})
    assert cli.main(["fetch", "--all"]) == 1
    done = capsys.readouterr()
    assert done.out == "toy: cache\n"
    assert "bad: the data set 'bad' is missing" in done.err


def test_progress_is_shown_on_a_terminal(offer, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    offer("good", "flaky")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert cli.main(["fetch", "toy"]) == 0
    bars = capsys.readouterr().err.replace("\r", "\n").splitlines()
    for name in ("good.bin", "flaky.bin"):
        assert any(line.startswith(f"{name}: 100%") for line in bars)
    assert max(map(len, bars)) <= 78


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["fetch", "voicse"], "did you mean 'voices'?"),
        (["fetch"], "expects names of sets, or --all"),
        (["fetch", "voices", "--all"], "expects names of sets, or --all"),
        (["fly"], "invalid choice: 'fly'"),
    ],
)
def test_a_wrong_command_line_exits_with_2(argv: list[str], message: str, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(argv)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_the_module_runs(cache_folder: Path) -> None:
    root = str(Path(data.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "mcbook.data", "--help"],
        env={**os.environ, "PYTHONPATH": root, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "fetch" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
