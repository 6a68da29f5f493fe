"""The data that the book uses: what the loaders return, what the catalogue promises, what the voices are."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mcbook import data
from mcbook.data import __main__ as cli
from mcbook.data import store
from mcbook.data.make_voices import LENGTH, PEAK, RATE_HZ, resonate, synthesise
from mcbook.data.phones import SPEAKERS, VOWELS


@pytest.fixture(scope="module")
def voices() -> data.Recording:
    return data.voices()


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No MCBOOK_DATA, and an empty cache."""
    monkeypatch.delenv("MCBOOK_DATA", raising=False)
    monkeypatch.setenv("MCBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path


# ---- the catalogue --------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", data.DATASETS.values(), ids=lambda row: row.name)
def test_every_row_is_complete(row: data.Dataset) -> None:
    assert row.title
    assert row.licence
    assert row.home
    assert row.citation
    assert bool(row.files) != bool(row.packaged)
    assert row.name == re.sub(r"[^a-z0-9_]", "", row.name)
    for file in row.files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size_bytes > 0
        assert file.name == Path(file.name).name, "a plain name, or it could leave the cache"
        assert file.url.startswith("https://")
        assert re.search(r"/[0-9a-f]{40}/", file.url), "an address that cannot change: a pinned commit"


def test_an_unknown_set_is_named_with_its_near_matches() -> None:
    known = "voices, rooms, small_molecules, water, ammonia, ethanol, speech"
    said = rf"'speach': did you mean 'speech'\? Known sets: {known}"
    with pytest.raises(ValueError, match=said):
        data.available("speach")


def test_available_asks_no_network(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "download", lambda *args, **kwargs: pytest.fail("went to the network"))
    assert data.available("voices")
    assert not data.available("speech")
    assert not (nowhere / "cache").exists(), "looking must not create the cache"


@pytest.mark.parametrize("load", [data.speech, data.fetal_ecg, data.splice_junctions])
def test_missing_data_is_one_sentence_that_says_what_and_how(load, nowhere: Path) -> None:
    with pytest.raises(data.DataMissing) as caught:
        load(fetch=False)
    message = str(caught.value)
    name = load.__name__.removesuffix("_junctions")
    assert f"data set '{name}' is missing" in message
    assert f"`python -m mcbook.data fetch {name}`" in message
    assert "MCBOOK_DATA" in message
    assert message.count(". ") == 0
    assert "\n" not in message


def test_a_mistyped_folder_is_pointed_out(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCBOOK_DATA", str(nowhere / "typo"))
    with pytest.raises(data.DataMissing, match="typo, which is not a folder"):
        data.speech(fetch=False)


# ---- packaged files -------------------------------------------------------------------------------------


def test_embedded_says_what_a_broken_installation_lacks() -> None:
    assert data.embedded("voices/low.flac").is_file()
    with pytest.raises(data.DataMissing, match="reinstall"):
        data.embedded("no-such.npz")


def test_load_npz_never_unpickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "good.npz", a=np.arange(3.0))
    np.savez(tmp_path / "bad.npz", a=np.array([{"code": "runs"}], dtype=object))
    monkeypatch.setattr(store, "embedded", lambda name: tmp_path / name)
    assert data.load_npz("good.npz")["a"].tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="allow_pickle=False"):
        data.load_npz("bad.npz")


@pytest.mark.parametrize("module", ["soundfile", "pooch"])
def test_an_absent_dependency_is_named_with_its_remedy(module: str, nowhere: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'{module}.*pip install "mcbook\[chapters\]"'):
        data.voices() if module == "soundfile" else data.speech()


def test_importing_pulls_in_no_optional_dependency() -> None:
    code = (
        "import sys, json, mcbook.data as d; from mcbook.data import __main__;"
        "d.available('voices'); d.available('speech');"
        "optional = ('pooch', 'requests', 'tqdm', 'soundfile', 'scipy', 'jax');"
        "print(json.dumps([m for m in optional if m in sys.modules]))"
    )
    root = str(Path(data.__file__).parents[2])
    env = {**os.environ, "MCBOOK_CACHE": "/nonexistent", "PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_without_pooch_the_readers_folder_still_serves(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("MCBOOK_CACHE", raising=False)
    monkeypatch.delenv("MCBOOK_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert data.cache_dir() is None
    assert not data.available("speech")
    assert "needs pooch" in cli.listing()


# ---- the synthesised voices -----------------------------------------------------------------------------


def test_voices_are_what_the_docstring_says(voices: data.Recording) -> None:
    assert voices.signals.shape == (LENGTH, 3)
    assert voices.signals.dtype == np.float64
    assert voices.rate_hz == 16_000.0
    assert voices.names == tuple(speaker.name for speaker in SPEAKERS)
    np.testing.assert_allclose(np.abs(voices.signals).max(axis=0), PEAK, atol=2e-3)


@pytest.mark.parametrize("i", range(3))
def test_the_script_makes_the_committed_clip(i: int, voices: data.Recording) -> None:
    """To 16-bit rounding here; a library whose sine differs in the last bit may not move it audibly."""
    error = synthesise(SPEAKERS[i]) - voices.signals[:, i]
    assert np.abs(error).max() < 1e-3
    assert np.sqrt(np.mean(error**2)) < 5e-5


def test_voices_are_super_gaussian_and_decorrelated(voices: data.Recording) -> None:
    """What ICA needs of them: heavy tails (excess kurtosis well above 0), and nothing in common."""
    S = voices.signals
    excess = np.mean(S**4, axis=0) / np.mean(S**2, axis=0) ** 2 - 3
    assert (excess > 2).all()
    off_diagonal = ~np.eye(3, dtype=bool)
    assert np.abs(np.corrcoef(S.T)[off_diagonal]).max() < 0.01
    assert np.abs(np.corrcoef(np.abs(S.T))[off_diagonal]).max() < 0.06


def test_voices_start_and_end_in_silence_and_never_click(voices: data.Recording) -> None:
    S = voices.signals
    assert np.abs(S[[0, -1]]).max() < 1e-3
    # A click is a jump: it would stand out of the second difference of its own neighbourhood.
    jumps = np.abs(np.diff(S, 2, axis=0))
    for jump in jumps.T:
        local = np.sqrt(np.convolve(jump**2, np.ones(321) / 321, mode="same")) + 1e-3
        assert (jump / local).max() < 8


@pytest.mark.parametrize("i", range(3))
def test_pitch_is_the_speakers(i: int, voices: data.Recording) -> None:
    """The strongest lag of the autocorrelation, over the loud frames, is the speaker's period on average."""
    x, frame = voices.signals[:, i], 800
    pitches = []
    for start in range(0, LENGTH - frame, frame):
        piece = x[start : start + frame] - x[start : start + frame].mean()
        if np.abs(piece).max() < 0.2:
            continue
        r = np.correlate(piece, piece, "full")[frame - 1 :]
        lags = np.arange(RATE_HZ // 400, RATE_HZ // 80)
        pitches.append(RATE_HZ / lags[np.argmax((r / (frame - np.arange(frame)))[lags])])
    assert abs(np.median(pitches) / SPEAKERS[i].pitch_hz - 1) < 0.12


def test_resonator_has_its_gain_where_it_says() -> None:
    """Impulse response → spectrum: a peak of the stated frequency and half-power width, unit gain at 0 Hz."""
    n, f_hz, width_hz = 16_000, 1000.0, 80.0
    impulse = np.zeros(n)
    impulse[0] = 1.0
    H = np.abs(np.fft.rfft(resonate(impulse, np.full(n, f_hz), np.full(n, width_hz))))  # bins of 1 Hz
    assert H[0] == pytest.approx(1.0, abs=1e-9)
    assert abs(int(np.argmax(H)) - f_hz) <= 3
    above = np.flatnonzero(np.max(H) / np.sqrt(2) < H)
    assert len(above) == pytest.approx(width_hz, rel=0.05)
    H = np.abs(np.fft.rfft(resonate(impulse, np.full(n, f_hz), np.full(n, width_hz), unit_peak=True)))
    assert H.max() == pytest.approx(1.0, rel=1e-2)


def test_formants_rise_from_men_to_women_to_children() -> None:
    """A slip of the pen in the table would most likely break the order of the tracts, or of F1 < F2 < F3."""
    for groups in VOWELS.values():
        table = np.array([groups[tract] for tract in "mwc"])
        assert (np.diff(table, axis=0) > 0).all()
        assert (np.diff(table, axis=1) > 0).all()


def test_making_the_voices_writes_into_the_folder_asked_for(tmp_path: Path, capsys) -> None:
    importlib.import_module("mcbook.data.make_voices").main(tmp_path / "made")
    assert sorted(p.name for p in (tmp_path / "made").iterdir()) == ["high.flac", "low.flac", "middle.flac"]
    assert capsys.readouterr().out.count("kB") == 3
    assert sum(p.stat().st_size for p in (tmp_path / "made").iterdir()) < 400_000


# ---- the sets of others ---------------------------------------------------------------------------------


@pytest.mark.data("speech")
def test_speech() -> None:
    recording = data.speech(fetch=False)
    S = recording.signals
    assert S.shape == (180_480, 3)
    assert S.dtype == np.float64
    assert recording.rate_hz == 16_000.0
    assert recording.names == ("speaker 1688", "speaker 1998", "speaker 367")
    assert np.isfinite(S).all()
    assert 0.1 < np.abs(S).max() <= 1.0
    assert (np.mean(S**4, axis=0) / np.mean(S**2, axis=0) ** 2 > 5).all(), "speech is super-Gaussian"


@pytest.mark.data("fetal_ecg")
def test_fetal_ecg() -> None:
    recording = data.fetal_ecg(fetch=False)
    X = recording.signals
    assert X.shape == (2500, 8)
    assert recording.rate_hz == 250.0
    assert recording.names[0] == "abdominal 1"
    assert recording.names[5:] == ("thoracic 1", "thoracic 2", "thoracic 3")
    assert recording.units == "not documented"
    assert np.isfinite(X).all()
    assert X[0, 0] == 0.1446, "the column of times is not a channel"
    # The thorax is close to the mother's heart: its potentials are the larger by far.
    assert X[:, 5:].std(axis=0).min() > X[:, :5].std(axis=0).max()


@pytest.mark.data("fetal_ecg")
def test_the_files_own_times_say_250_hz() -> None:
    (path,) = store.paths("fetal_ecg", fetch=False)
    np.testing.assert_allclose(np.loadtxt(path)[:, 0], np.arange(2500) / 250.0, atol=1e-9)


@pytest.mark.data("splice")
def test_splice_junctions() -> None:
    sequences, labels, names = data.splice_junctions(fetch=False)
    assert len(sequences) == len(labels) == len(names) == 3190
    assert {label: labels.count(label) for label in set(labels)} == {"EI": 767, "IE": 768, "N": 1655}
    assert {len(sequence) for sequence in sequences} == {60}
    assert len(set(sequences)) == 3005
    # A donor is GT behind the junction, an acceptor AG in front of it: the classes are not swapped.
    for label, at, pair, share in (("EI", 30, "GT", 0.9896), ("IE", 28, "AG", 0.9948)):
        of_label = [s for s, c in zip(sequences, labels, strict=True) if c == label]
        assert np.mean([s[at : at + 2] == pair for s in of_label]) == pytest.approx(share, abs=5e-5)
    assert all(("DONOR" in name) == (label == "EI") for name, label in zip(names, labels, strict=True))
    assert sum(bool(set(s) - set("ACGT")) for s in sequences) == 15
    both = [
        s for s in set(sequences) if len({c for t, c in zip(sequences, labels, strict=True) if t == s}) > 1
    ]
    assert len(both) == 1, "one sequence has two labels"
