"""How well were the sources separated? Distortion, interference and artefacts in decibels.

Problem    An estimate e of the source s_j may carry s_j itself (filtered by the room: allowed), the other
           sources, and what no source explains. BSS-Eval splits it by least-squares projection.
Definition P_j projects on s_j and its delays by 0 … L-1 samples, P on those of all references:
             target = P_j e,  interference = P e - P_j e,  artefacts = e - P e
             SDR = ‖target‖²/‖interference + artefacts‖²,  SIR = ‖target‖²/‖interference‖²,
             SAR = ‖target + interference‖²/‖artefacts‖²     (as 10 log10)
           L = 1 is the scale-invariant ratio of instantaneous mixtures; L = 512 is the convention for rooms.
Solver     Normal equations: the Gram matrix of delayed signals is block Toeplitz, its entries correlations
           (one FFT each); projections are filtered references, and energies follow from Parseval.
References vincent2006 (doi 10.1109/TSA.2005.858005)
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.fft import irfft, next_fast_len, rfft
from scipy.linalg import toeplitz
from scipy.optimize import linear_sum_assignment


class SeparationScore(NamedTuple):
    """Decibels per reference (k,); estimate number `permutation[j]` is the one scored as reference j."""

    sdr_db: Float[np.ndarray, " k"]
    sir_db: Float[np.ndarray, " k"]
    sar_db: Float[np.ndarray, " k"]
    permutation: Int[np.ndarray, " k"]


def sdr_sir(references: Any, estimates: Any, *, filter_taps: int = 1) -> SeparationScore:
    """Score estimates (n, k) against references (n, k), whatever their order, scale and sign.

    filter_taps: how long a filter of a reference still counts as that reference (1: a gain only; 512: a
    room). The order is the one with the greatest mean SIR. A perfect estimate scores inf or, by rounding,
    some 150 dB and more. Source: BSS-Eval version 3 (vincent2006).
    Raises ValueError for unequal shapes, NaN or inf, silent or linearly dependent signals, filter_taps < 1.
    """
    S, E = _checked(references, "references"), _checked(estimates, "estimates")
    if S.shape != E.shape:
        raise ValueError(
            f"sdr_sir expects references and estimates of one shape (n, k), got {S.shape} and {E.shape}; "
            "cut both to the same samples."
        )
    n, k = S.shape
    if filter_taps < 1 or n < k * filter_taps:
        raise ValueError(
            f"sdr_sir expects 1 <= filter_taps and n >= k * filter_taps samples, got n={n}, k={k}, "
            f"filter_taps={filter_taps}; use a longer signal or a shorter filter."
        )
    S, E = _unit_scale(S), _unit_scale(E)
    if np.linalg.matrix_rank(S.T @ S) < k:
        raise ValueError("sdr_sir expects linearly independent references; drop the repeated one.")
    table = _all_pairs(S, E, filter_taps)
    finite_sir = np.nan_to_num(table[1], posinf=1e3, neginf=-1e3)
    reference, estimate = linear_sum_assignment(finite_sir.T, maximize=True)
    sdr, sir, sar = table[:, estimate, reference]
    return SeparationScore(sdr, sir, sar, estimate)


def _checked(signals: Any, name: str) -> np.ndarray:
    if np.iscomplexobj(signals):
        raise ValueError(f"sdr_sir expects real {name}, got complex numbers; score signals, not spectra.")
    A = np.asarray(signals, dtype=float)
    if A.ndim != 2 or len(A) <= A.shape[1]:
        raise ValueError(
            f"sdr_sir expects {name} (n, k), n > k, got {A.shape}; rows are samples (transpose?)."
        )
    if not np.isfinite(A).all():
        raise ValueError(f"sdr_sir expects finite {name}, got NaN or inf; clean them first.")
    silent = np.flatnonzero(~A.any(axis=0))
    if silent.size:
        raise ValueError(f"sdr_sir expects {name} that sound, but column {silent[0]} is silent; drop it.")
    return A


def _unit_scale(A: np.ndarray) -> np.ndarray:
    """Columns times powers of two, without rounding: the scores do not see the units, overflow would."""
    return np.ldexp(A, -np.frexp(np.abs(A).max(axis=0))[1])


def _all_pairs(S: np.ndarray, E: np.ndarray, taps: int) -> np.ndarray:
    """(3, k estimates, k references): SDR, SIR and SAR of every pair, in dB."""
    n, k = S.shape
    n_fft = next_fast_len(n + taps - 1, real=True)
    Sf, Ef = rfft(S, n_fft, axis=0), rfft(E, n_fft, axis=0)
    gram, cross = _gram(Sf, taps, n_fft), _cross(Sf, Ef, taps, n_fft)
    full = _filtered(Sf, _solve(gram, cross), taps, n_fft)
    out = np.empty((3, k, k))
    for j in range(k):
        block = slice(j * taps, (j + 1) * taps)
        target = _filtered(Sf[:, [j]], _solve(gram[block, block], cross[block]), taps, n_fft)
        out[0, :, j] = _db(_energy(target, n_fft), _energy(Ef - target, n_fft))
        out[1, :, j] = _db(_energy(target, n_fft), _energy(full - target, n_fft))
        out[2, :, j] = _db(_energy(full, n_fft), _energy(Ef - full, n_fft))
    return out


def _gram(Sf: np.ndarray, taps: int, n_fft: int) -> np.ndarray:
    """Inner products of all delayed references, (k·taps, k·taps): Toeplitz blocks of correlations."""
    k = Sf.shape[1]
    blocks = [[np.empty(0)] * k for _ in range(k)]
    for i in range(k):
        for j in range(i + 1):
            c = irfft(Sf[:, i] * Sf[:, j].conj(), n_fft)  # c[a] = Σ_t s_i(t + a) s_j(t)
            blocks[i][j] = toeplitz(c[-np.arange(taps)], c[:taps])
            blocks[j][i] = blocks[i][j].T
    return np.block(blocks)


def _cross(Sf: np.ndarray, Ef: np.ndarray, taps: int, n_fft: int) -> np.ndarray:
    """Inner products of the delayed references with the estimates, (k·taps, k)."""
    c = irfft(Sf[:, :, None].conj() * Ef[:, None, :], n_fft, axis=0)[:taps]  # (taps, reference, estimate)
    return c.transpose(1, 0, 2).reshape(-1, Ef.shape[1])


def _solve(gram: np.ndarray, cross: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.solve(gram, cross)
    except np.linalg.LinAlgError:  # a reference without high frequencies: any minimiser will do
        return np.linalg.lstsq(gram, cross, rcond=None)[0]


def _filtered(Sf: np.ndarray, filters: np.ndarray, taps: int, n_fft: int) -> np.ndarray:
    """Spectra of Σ_j filter_j * s_j, one column per estimate."""
    F = rfft(filters.reshape(Sf.shape[1], taps, -1), n_fft, axis=1)
    return np.einsum("fj,jfe->fe", Sf, F)


def _energy(spectra: np.ndarray, n_fft: int) -> np.ndarray:
    """Σ_t x² of each column from its one-sided spectrum (Parseval)."""
    power = np.abs(spectra) ** 2
    power[1 : (n_fft + 1) // 2] *= 2
    return power.sum(axis=0) / n_fft


def _db(signal: np.ndarray, rest: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return 10 * (np.log10(signal) - np.log10(rest))
