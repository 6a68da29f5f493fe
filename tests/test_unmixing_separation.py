"""SDR, SIR, SAR: against projections written out, and against cases whose answer is known."""

import itertools

import numpy as np
import pytest

from mcbook.unmixing.separation import sdr_sir

Rng = np.random.Generator


def delays(s: np.ndarray, taps: int) -> np.ndarray:
    """(n + taps - 1, taps): s and its delays as columns."""
    return np.array([np.pad(s, (d, taps - 1 - d)) for d in range(taps)]).T


def project(e: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return columns @ np.linalg.lstsq(columns, e)[0]


def literal(S: np.ndarray, e: np.ndarray, j: int, taps: int) -> np.ndarray:
    """SDR, SIR, SAR of estimate e for reference j, by dense least squares."""
    e = np.pad(e, (0, taps - 1))
    target = project(e, delays(S[:, j], taps))
    full = project(e, np.hstack([delays(s, taps) for s in S.T]))
    pairs = ((target, e - target), (target, full - target), (full, e - full))
    return np.array([10 * np.log10((a**2).sum() / max((b**2).sum(), 1e-300)) for a, b in pairs])


@pytest.mark.parametrize("taps", [1, 2, 9])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_equals_dense_least_squares(k: int, taps: int, rng: Rng) -> None:
    S = rng.standard_normal((200, k))
    E = S @ (np.eye(k)[::-1] + 0.3 * rng.standard_normal((k, k))) + 0.1 * rng.standard_normal((200, k))
    score = sdr_sir(S, E, filter_taps=taps)
    for j in range(k):
        expected = literal(S, E[:, score.permutation[j]], j, taps)
        got = [score.sdr_db[j], score.sir_db[j], score.sar_db[j]]
        assert np.allclose(got[:1] + got[2:], expected[[0, 2]], atol=1e-9)
        if k > 1:  # with one source there is no interference: SIR is inf up to rounding
            assert got[1] == pytest.approx(expected[1], abs=1e-9)
        else:
            assert got[1] > 200


def test_permutation_has_the_greatest_mean_sir(rng: Rng) -> None:
    S = rng.standard_normal((300, 4))
    E = S @ rng.standard_normal((4, 4))
    score = sdr_sir(S, E)
    sir = np.array([[literal(S, e, j, 1)[1] for j in range(4)] for e in E.T])
    best = max(itertools.permutations(range(4)), key=lambda p: sir[p, range(4)].mean())
    assert tuple(score.permutation) == best


@pytest.mark.parametrize("taps", [1, 16])
def test_order_sign_and_scale_do_not_matter(taps: int, rng: Rng) -> None:
    S = rng.standard_normal((500, 3))
    E = S + 0.2 * rng.standard_normal((500, 3))
    a, order = sdr_sir(S, E, filter_taps=taps), [2, 0, 1]
    b = sdr_sir(S, (E * [-1e-6, 1.0, 1e5])[:, order], filter_taps=taps)
    assert np.allclose(a.sdr_db, b.sdr_db, atol=1e-8)
    assert [order[p] for p in b.permutation] == list(a.permutation)


def test_known_answers() -> None:
    """Orthogonal tones: interference at a tenth of the amplitude is 20 dB, whatever else is there."""
    t = np.arange(1000) / 1000
    a, b, c = (np.sin(2 * np.pi * f * t) for f in (5, 7, 11))
    S, E = np.array([a, b]).T, np.array([a + 0.1 * b, b + 0.01 * a + 0.1 * c]).T
    score = sdr_sir(S, E)
    assert np.allclose(score.sir_db, [20, 40], atol=1e-9)
    assert score.sdr_db[1] == pytest.approx(-10 * np.log10(0.01**2 + 0.1**2), abs=1e-9)
    assert score.sdr_db[0] == pytest.approx(20, abs=1e-9)
    assert score.sar_db[0] > 250


def test_a_filter_is_forgiven_only_up_to_its_length(rng: Rng) -> None:
    S, h = rng.standard_normal((2000, 2)), np.array([1.0, 0.0, 0.0, 0.8])
    E = np.array([np.convolve(s, h)[:2000] for s in S.T]).T
    # what the filter pushes past the end is cut off: three samples of 2000, all that is left to count
    assert sdr_sir(S, E, filter_taps=4).sdr_db.min() > 20
    assert sdr_sir(S, E, filter_taps=3).sdr_db.max() < 5


def test_band_limited_references_are_survived(rng: Rng) -> None:
    """Delays of a slow signal are almost dependent: the filter is not unique, the projection is."""
    spectrum = np.fft.rfft(rng.standard_normal((4000, 2)), axis=0)
    spectrum[200:] = 0
    S = np.fft.irfft(spectrum, 4000, axis=0)
    score = sdr_sir(S, S + 0.1 * S[:, ::-1] + 0.01 * rng.standard_normal(S.shape) * S.std(), filter_taps=32)
    assert np.abs(score.sir_db - 20).max() < 1


@pytest.mark.parametrize(
    ("references", "estimates", "taps", "says"),
    [
        (np.ones((4, 10)), np.ones((4, 10)), 1, "transpose"),
        (np.eye(10)[:, :2], np.eye(10)[:, :3], 1, "one shape"),
        (np.eye(10)[:, :2] * [1, 0], np.eye(10)[:, :2], 1, "references .* silent"),
        (np.eye(10)[:, :2], np.eye(10)[:, :2] * [0, 1], 1, "estimates .* silent"),
        (np.full((10, 2), np.inf), np.eye(10)[:, :2], 1, "finite references"),
        (np.eye(10)[:, :2], np.full((10, 2), np.nan), 1, "finite estimates"),
        (np.eye(10)[:, [1, 1]], np.eye(10)[:, :2], 1, "independent"),
        (np.eye(10)[:, :2], np.eye(10)[:, :2], 6, "filter_taps"),
        (np.eye(10)[:, :2], np.eye(10)[:, :2], 0, "filter_taps"),
    ],
)
def test_bad_input(references: np.ndarray, estimates: np.ndarray, taps: int, says: str) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=says):
        sdr_sir(references, estimates, filter_taps=taps)
