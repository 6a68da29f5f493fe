"""Heartbeats: trains whose rate is known, hidden, disturbed and turned upside down."""

import numpy as np
import pytest

from mcbook import data
from mcbook.unmixing.heart import coincidence, detect_beats, heart_rate_bpm, pick_heartbeats, qrs_energy

Rng = np.random.Generator
RATE = 250.0


def beat_times(
    bpm: float, rng: Rng, *, seconds: float = 10.0, jitter: float = 0.01, start: float = 0.2
) -> np.ndarray:
    rr = 60 / bpm * (1 + jitter * rng.standard_normal(int(seconds * bpm / 60) + 5))
    times = start + np.cumsum(rr)
    return times[times < seconds - 0.2]


def ecg(times: np.ndarray, *, seconds: float = 10.0, rate: float = RATE, t_wave: float = 0.25) -> np.ndarray:
    """A sharp QRS (Q, R, S) and a slow T wave for each beat."""
    t = np.arange(int(seconds * rate)) / rate
    waves = ((-0.15, -0.025, 0.010), (1.0, 0.0, 0.012), (-0.2, 0.025, 0.010), (t_wave, 0.25, 0.04))
    return sum((a * np.exp(-(((t[:, None] - times - d) / w) ** 2) / 2)).sum(axis=1) for a, d, w in waves)


@pytest.mark.parametrize("bpm", [48, 81, 110, 134, 178])
@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-4])
def test_every_beat_is_found(bpm: float, scale: float, rng: Rng) -> None:
    truth = beat_times(bpm, rng)
    drift = 0.5 * np.sin(2 * np.pi * 0.3 * np.arange(2500) / RATE)
    beats = detect_beats(scale * (ecg(truth) + drift + 0.03 * rng.standard_normal(2500)), RATE)
    assert len(beats.times_s) == len(truth)
    assert np.abs(beats.times_s - truth).max() < 0.02
    assert beats.rate_bpm == pytest.approx(60 / np.median(np.diff(truth)), rel=0.02)
    assert beats.spread < 0.05


def test_a_missed_beat_moves_neither_rate_nor_spread_much(rng: Rng) -> None:
    truth = beat_times(130, rng)
    beats = detect_beats(ecg(np.delete(truth, 9)), RATE)
    assert len(beats.times_s) == len(truth) - 1
    assert beats.rate_bpm == pytest.approx(130, rel=0.02)
    assert beats.spread < 0.05
    assert 60 / np.diff(beats.times_s).mean() < 128  # the mean does move: hence the median


@pytest.mark.parametrize("rate", [200.0, 500.0, 1000.0])
def test_the_sampling_rate_does_not_matter(rate: float, rng: Rng) -> None:
    truth = beat_times(90, rng)
    beats = detect_beats(ecg(truth, rate=rate), rate)
    assert len(beats.times_s) == len(truth)
    assert np.abs(beats.times_s - truth).max() < 0.02


def test_energy_is_blind_to_sign_and_offset(rng: Rng) -> None:
    s = ecg(beat_times(80, rng))
    assert np.allclose(qrs_energy(-3 * s + 7, RATE), 3 * qrs_energy(s, RATE), atol=1e-9)


def test_heart_rate_of_known_times() -> None:
    assert heart_rate_bpm([0.0, 0.5, 1.0, 2.0]) == 120.0
    assert np.isnan(heart_rate_bpm([1.0]))


def test_coincidence_counts() -> None:
    assert coincidence([1.0, 2.0, 3.0], [1.01, 2.99]) == pytest.approx(2 / 3)
    assert coincidence([], [1.0]) == coincidence([1.0], []) == 0.0


def hearts(rng: Rng, mother_bpm: float = 81, child_bpm: float = 134) -> np.ndarray:
    """Components in the order noise, child, mother, second mother, slow drift."""
    m, c = beat_times(mother_bpm, rng, jitter=0.03), beat_times(child_bpm, rng, start=0.05)
    n = 0.02 * rng.standard_normal((2500, 5))
    drift = np.cumsum(rng.standard_normal(2500)) / 50
    signals = [50 * n[:, 0], -ecg(c) + 4 * n[:, 1], ecg(m), -0.4 * ecg(m - 0.02) + n[:, 3], drift]
    return np.array(signals).T + n


@pytest.mark.parametrize(("mother_bpm", "child_bpm"), [(81, 134), (60, 160), (95, 125), (72, 149)])
def test_mother_and_child_are_told_apart(mother_bpm: float, child_bpm: float, rng: Rng) -> None:
    found = pick_heartbeats(hearts(rng, mother_bpm, child_bpm), RATE)
    assert (found.mother, found.child) == (2, 1)
    assert found.mother_beats is not None
    assert found.child_beats is not None
    assert found.mother_beats.rate_bpm == pytest.approx(mother_bpm, rel=0.05)
    assert found.child_beats.rate_bpm == pytest.approx(child_bpm, rel=0.03)
    assert "mother: component 2" in found.message


def test_the_mothers_second_wave_is_not_a_child(rng: Rng) -> None:
    """Her beat and a sharp wave half-way to the next: a perfect train at twice her rate, and still hers."""
    m = beat_times(75, rng, jitter=0.0)
    twice = np.sort(np.concatenate([m, m + 0.4]))[:-1]
    found = pick_heartbeats(np.array([3 * ecg(m), ecg(twice, t_wave=0.0)]).T, RATE)
    assert detect_beats(ecg(twice, t_wave=0.0), RATE).rate_bpm == pytest.approx(150, rel=0.02)
    assert (found.mother, found.child) == (0, None)
    assert "child" in found.message


def test_noise_has_no_heart(rng: Rng) -> None:
    found = pick_heartbeats(rng.standard_normal((2500, 8)), RATE)
    assert (found.mother, found.child, found.mother_beats, found.child_beats) == (None, None, None, None)
    assert found.message.count("no regular beat train") == 2


@pytest.mark.parametrize(
    ("signal", "rate", "says"),
    [
        (np.ones(2500), 250.0, "constant"),
        (np.full(2500, np.nan), 250.0, "finite"),
        (np.ones((2500, 2)), 250.0, "one column"),
        (np.ones(100), 250.0, "2 s"),
        (np.ones(2500), 50.0, "rate_hz"),
    ],
)
def test_bad_input(signal: np.ndarray, rate: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        detect_beats(signal, rate)


def test_columns_are_expected() -> None:
    with pytest.raises(ValueError, match="components"):
        pick_heartbeats(np.ones(2500), RATE)


@pytest.mark.data("fetal_ecg")
def test_the_real_child_is_found() -> None:
    """DaISy: the raw electrodes show the mother alone; the components also show the child."""
    from sklearn.decomposition import FastICA

    X = data.fetal_ecg(fetch=False).signals
    raw = pick_heartbeats(X, RATE)
    assert raw.child is None
    assert {len(b.times_s) for b in raw.beats} == {14}
    found = pick_heartbeats(
        FastICA(whiten="unit-variance", max_iter=2000, random_state=0).fit_transform(X), RATE
    )
    assert found.mother_beats is not None
    assert found.child_beats is not None
    assert len(found.mother_beats.times_s) == 14
    assert len(found.child_beats.times_s) == 22
    assert found.mother_beats.rate_bpm == pytest.approx(81, abs=1.5)
    assert found.child_beats.rate_bpm == pytest.approx(134, abs=1.5)
    assert found.child_beats.spread < 0.04


@pytest.mark.data("fetal_ecg")
@pytest.mark.parametrize("electrode", range(5))
def test_the_childs_rate_is_in_the_raw_electrodes(electrode: int) -> None:
    """Without any unmixing: blank the mother's beats; what is left repeats every 0.448 s, 134 a minute."""
    X = data.fetal_ecg(fetch=False).signals
    t = np.arange(len(X)) / RATE
    kept = np.abs(t[:, None] - detect_beats(X[:, 6], RATE).times_s).min(axis=1) > 0.08
    energy = qrs_energy(X[:, electrode], RATE)
    energy = energy - np.median(energy[kept])
    energy = np.where(kept, np.minimum(energy, 4 * np.median(np.abs(energy[kept]))), 0.0)
    lags = np.arange(60, 140)  # 0.24 to 0.56 s
    repeats = [(energy[:-k] * energy[k:]).sum() / (kept[:-k] & kept[k:]).sum() for k in lags]
    assert 60 * RATE / lags[np.argmax(repeats)] == pytest.approx(134, abs=1.5)
