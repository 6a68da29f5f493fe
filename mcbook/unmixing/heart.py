"""Beats in unmixed electrocardiograms: when, how fast, how regular, and whose.

Problem    ICA returns components without order, sign, scale. Which is the mother's heart, which the child's?
Method     QRS energy: band-pass 8-40 Hz, derivative, square, smooth over 60 ms (sign and scale drop out);
           beats are its peaks above half the typical beat, at least a refractory period apart.
           Rate = 60 / median RR; spread = interquartile range of RR / median RR (0: a metronome).
Rule       A component is a heart if its spread is small. The mother's is the strongest (highest kurtosis) at
           45-110 per minute; the child's the most regular at 110-180 that is not the mother's train again
           (beats that coincide with hers, or a rate twice hers).
References pan1985 (QRS energy, doi 10.1109/TBME.1985.325532)
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.signal import butter, find_peaks, sosfiltfilt

MOTHER_BPM = (45.0, 110.0)
CHILD_BPM = (110.0, 180.0)


class Beats(NamedTuple):
    """A train of heartbeats."""

    times_s: Float[np.ndarray, " beats"]
    rate_bpm: float  # 60 / median RR; nan with fewer than two beats
    spread: float  # interquartile range of RR / median RR; inf with fewer than four beats
    contrast: float  # median height of the beats / median height of the peaks left out (inf: none left out)


class Heartbeats(NamedTuple):
    """Which columns of Y beat for whom; None where no train was found, and `message` says why."""

    mother: int | None
    child: int | None
    mother_beats: Beats | None
    child_beats: Beats | None
    beats: tuple[Beats, ...]  # of every column
    message: str


def qrs_energy(signal: Any, rate_hz: float | int) -> Float[np.ndarray, " n"]:
    """Root of the smoothed squared slope of the 8-40 Hz band: high at a QRS complex, whatever its polarity.

    signal (n,) at rate_hz; in units of the signal's slope per sample. Raises ValueError as `detect_beats`.
    """
    s = _checked(signal, rate_hz)
    band = butter(3, (8.0, 40.0), "bandpass", fs=rate_hz, output="sos")
    slope = np.gradient(sosfiltfilt(band, s - s.mean()))
    bump = np.hanning(round(0.06 * rate_hz) + 2)
    return np.sqrt(np.maximum(np.convolve(slope**2, bump / bump.sum(), mode="same"), 0.0))


def detect_beats(signal: Any, rate_hz: float | int, *, refractory_s: float = 0.3) -> Beats:
    """The beats in one electrocardiogram or component (n,), sampled at rate_hz: times in s, rate per minute.

    Blind to sign and scale. A beat is a peak of `qrs_energy` above half the typical beat's height, at least
    `refractory_s` from a higher one (0.3 s: up to 200 a minute). Times are to the sample.
    Raises ValueError for a wrong shape, NaN or inf, a constant signal, less than 2 s, or rate_hz <= 80.
    """
    energy = qrs_energy(signal, rate_hz)
    peaks, _ = find_peaks(energy, distance=max(1, round(refractory_s * rate_hz)))
    if not peaks.size:
        return Beats(np.empty(0), float("nan"), float("inf"), 0.0)
    heights = energy[peaks]
    is_beat = heights > 0.5 * _typical_height(heights, len(energy) / rate_hz)
    times = peaks[is_beat] / rate_hz
    rest = heights[~is_beat]
    contrast = float(np.median(heights[is_beat]) / np.median(rest)) if rest.size else float("inf")
    return Beats(times, heart_rate_bpm(times), _spread(times), contrast)


def _typical_height(heights: np.ndarray, duration_s: float) -> float:
    """Median of the highest peaks, as many as the slowest heart (45 a minute) would beat."""
    slowest = max(1, int(duration_s * MOTHER_BPM[0] / 60))
    return float(np.median(np.sort(heights)[-slowest:]))


def heart_rate_bpm(times_s: Any) -> float:
    """60 / median RR interval: one missed or extra beat does not move it. nan with fewer than two beats."""
    return float(60 / np.median(np.diff(times_s))) if len(times_s) > 1 else float("nan")


def _spread(times_s: np.ndarray) -> float:
    if len(times_s) < 4:
        return float("inf")
    q1, median, q3 = np.percentile(np.diff(times_s), [25, 50, 75])
    return float((q3 - q1) / median)


def coincidence(a_s: Any, b_s: Any, *, within_s: float = 0.06) -> float:
    """The share of the beats at a_s (s) that have one of b_s within `within_s`; 0 if either has none."""
    a, b = np.asarray(a_s, dtype=float), np.asarray(b_s, dtype=float)
    if not (a.size and b.size):
        return 0.0
    return float((np.abs(a[:, None] - b).min(axis=1) <= within_s).mean())


def pick_heartbeats(Y: Any, rate_hz: float | int, *, max_spread: float = 0.15) -> Heartbeats:
    """Find the mother's and the child's column among the components Y (n, k), sampled at rate_hz.

    By the module's rule; a column with RR spread above `max_spread` is no heart. Nothing found is reported
    (None and a message), not guessed. Raises ValueError as `detect_beats`, or if Y is not (n, k).
    """
    Y = np.asarray(Y, dtype=float)
    if Y.ndim != 2:
        raise ValueError(f"pick_heartbeats expects components Y (n, k), got shape {Y.shape}.")
    beats = tuple(detect_beats(y, rate_hz) for y in Y.T)
    kurtosis = ((Y - Y.mean(0)) ** 4).mean(0) / Y.var(0) ** 2
    mothers = _hearts(beats, MOTHER_BPM, max_spread)
    mother = max(mothers, key=lambda k: kurtosis[k], default=None)
    children = _hearts(beats, CHILD_BPM, max_spread)
    if mother is not None:
        children = [k for k in children if not _same_heart(beats[k], beats[mother])]
    child = min(children, key=lambda k: (round(beats[k].spread, 3), -kurtosis[k]), default=None)
    return Heartbeats(
        mother, child, _at(beats, mother), _at(beats, child), beats, _message(beats, mother, child)
    )


def _hearts(beats: tuple[Beats, ...], bpm: tuple[float, float], max_spread: float) -> list[int]:
    return [k for k, b in enumerate(beats) if bpm[0] <= b.rate_bpm <= bpm[1] and b.spread <= max_spread]


def _same_heart(candidate: Beats, mother: Beats) -> bool:
    """Her beats and something between them (her T waves, say): a rate near twice hers, in step with hers."""
    twice = abs(candidate.rate_bpm / mother.rate_bpm - 2) < 0.1
    return twice and coincidence(mother.times_s, candidate.times_s) > 0.7


def _at(beats: tuple[Beats, ...], k: int | None) -> Beats | None:
    return None if k is None else beats[k]


def _message(beats: tuple[Beats, ...], mother: int | None, child: int | None) -> str:
    def say(who: str, k: int | None, bpm: tuple[float, float]) -> str:
        if k is None:
            return f"no regular beat train at {bpm[0]:.0f}-{bpm[1]:.0f} per minute for the {who}"
        b = beats[k]
        rate = f"{len(b.times_s)} beats, {b.rate_bpm:.0f} per minute"
        return f"{who}: component {k}, {rate}, RR spread {b.spread:.1%}"

    return say("mother", mother, MOTHER_BPM) + "; " + say("child", child, CHILD_BPM)


def _checked(signal: Any, rate_hz: float | int) -> np.ndarray:
    s = np.asarray(signal, dtype=float)
    if not (np.isfinite(rate_hz) and rate_hz > 80):
        raise ValueError(
            f"detect_beats expects rate_hz > 80 hertz (the QRS band ends at 40), got {rate_hz!r}."
        )
    if s.ndim != 1 or len(s) < 2 * rate_hz:
        raise ValueError(
            f"detect_beats expects one signal (n,) of at least 2 s = {int(2 * rate_hz)} samples, "
            f"got {s.shape}; "
            "pass one column at a time."
        )
    if not np.isfinite(s).all():
        raise ValueError("detect_beats expects finite samples, got NaN or inf; clean the recording first.")
    if np.ptp(s) <= 1e-12 * np.abs(s).max():
        raise ValueError(
            "detect_beats expects a signal that varies, got a constant; is the electrode connected?"
        )
    return s
