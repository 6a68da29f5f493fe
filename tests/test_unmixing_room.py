"""The room: independent vector analysis, its gradient, its two solvers, the embedded impulse responses."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mcbook.calculus import check_grad
from mcbook.data import embedded, images_in_room, rooms
from mcbook.unmixing import convolutive as iva
from mcbook.unmixing.separation import sdr_sir

Rng = np.random.Generator


def complex_normal(rng: Rng, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def spherical_sources(rng: Rng, n: int, f: int, k: int) -> np.ndarray:
    """(n, f, k): all frequencies of a source share one gain per frame, as in speech."""
    return complex_normal(rng, n, f, k) * rng.gamma(1.5, size=(n, 1, k))


def mixture(rng: Rng, n: int = 60, f: int = 5, k: int = 2) -> tuple[np.ndarray, np.ndarray]:
    A = complex_normal(rng, f, k, k)
    return np.einsum("fmk,nfk->nfm", A, spherical_sources(rng, n, f, k)), A


# ------------------------------------------------------------------ the transform


@pytest.mark.parametrize(("n", "window", "hop"), [(1000, 64, None), (1001, 64, 16), (517, 128, 50)])
def test_istft_undoes_stft(n: int, window: int, hop: int | None, rng: Rng) -> None:
    x = rng.standard_normal((n, 3))
    X = iva.stft(x, window=window, hop=hop)
    assert X.shape[1:] == (window // 2 + 1, 3)
    assert np.abs(iva.istft(X, n, window=window, hop=hop) - x).max() < 1e-13


def test_stft_frame_is_the_windowed_dft(rng: Rng) -> None:
    x, window, hop = rng.standard_normal((400, 1)), 64, 32
    X = iva.stft(x, window=window, hop=hop)
    hann = np.sin(np.pi * np.arange(window) / window) ** 2
    direct = np.fft.rfft(hann * x[96 : 96 + window, 0])
    assert np.abs(np.abs(X[:, :, 0]) - np.abs(direct)).max(axis=1).min() < 1e-12


# ------------------------------------------------------------------ the gradient


def jax_gradient(W: np.ndarray, X: np.ndarray) -> np.ndarray:
    """∂L/∂Re W + i ∂L/∂Im W, by differentiating a function of two real arrays."""

    def f(re: jax.Array, im: jax.Array) -> jax.Array:
        return iva.iva_loss(re + 1j * im, jnp.asarray(X))

    re, im = jax.jit(jax.grad(f, argnums=(0, 1)))(jnp.asarray(W.real), jnp.asarray(W.imag))
    return np.asarray(re) + 1j * np.asarray(im)


@pytest.mark.parametrize(("n", "f", "k"), [(7, 3, 2), (20, 2, 3), (4, 1, 1)])
def test_gradient_equals_jax(n: int, f: int, k: int, rng: Rng) -> None:
    X, W = complex_normal(rng, n, f, k), complex_normal(rng, f, k, k)
    G, reference = iva.grad_iva_loss_W(W, X), jax_gradient(W, X)
    assert G.shape == W.shape
    assert np.abs(G - reference).max() < 1e-11 * np.linalg.norm(reference)


def stacked(Z: np.ndarray) -> np.ndarray:
    """(Re, Im) as one real array: the inner product Re⟨A, B⟩ becomes the plain one."""
    return np.stack([Z.real, Z.imag])


@pytest.mark.parametrize(("n", "f", "k"), [(40, 3, 2), (25, 2, 3)])
def test_gradient_agrees_with_differences_and_planted_errors_do_not(n: int, f: int, k: int, rng: Rng) -> None:
    X, W = complex_normal(rng, n, f, k), complex_normal(rng, f, k, k)
    G = iva.grad_iva_loss_W(W, X)

    def loss(parts: np.ndarray) -> float:
        return float(iva.iva_loss(parts[0] + 1j * parts[1], X))

    check_grad(loss, stacked(G), stacked(W), rng=rng)
    no_logdet = G + 2 * np.linalg.inv(W).conj().swapaxes(1, 2)
    for wrong in (G.conj(), G.swapaxes(1, 2), -G, G / 2, 1.001 * G, no_logdet):
        with pytest.raises(AssertionError, match="gradient is wrong"):
            check_grad(loss, stacked(wrong), stacked(W), rng=rng)


def test_relative_gradient_is_the_score_correlation(rng: Rng) -> None:
    """∇L Wᴴ = 2 R with R = E[φ yᴴ] - I, and the solvers' table of covariances gives the same R."""
    X, W = complex_normal(rng, 50, 4, 3), complex_normal(rng, 4, 3, 3)
    Y = np.einsum("fkm,nfm->nfk", W, X)
    r = np.linalg.norm(Y, axis=1)
    phi = Y / (2 * r[:, None, :])
    R = np.einsum("nfk,nfl->fkl", phi, Y.conj()) / 50 - np.eye(3)
    assert np.allclose(iva.grad_iva_loss_W(W, X) @ W.conj().swapaxes(1, 2), 2 * R, atol=1e-12)
    at = iva._Statistics(X)
    loss, radii = at.at(W)
    assert np.allclose(radii.T, r, rtol=1e-12)
    assert loss == pytest.approx(float(iva.iva_loss(W, X)), rel=1e-12)
    assert np.allclose(iva._relative_gradient(W, at.covariances(radii)), R, atol=1e-12)


def test_loss_is_equivariant(rng: Rng) -> None:
    """L(W B⁻¹; B x) = L(W; x) + 2 Σ log|det B|: what is learnt does not depend on the room's matrix."""
    X, W, B = complex_normal(rng, 30, 4, 2), complex_normal(rng, 4, 2, 2), complex_normal(rng, 4, 2, 2)
    moved = iva.iva_loss(W @ np.linalg.inv(B), np.einsum("fij,nfj->nfi", B, X))
    expected = iva.iva_loss(W, X) + 2 * np.linalg.slogdet(B)[1].sum()
    assert moved == pytest.approx(expected, rel=1e-12)


def test_real_form_keeps_inner_products_and_loses_nothing(rng: Rng) -> None:
    A, B = (Z + Z.conj().T for Z in complex_normal(rng, 2, 4, 4))
    assert np.trace(A @ B).real == pytest.approx((iva._real_form(A) * iva._real_form(B)).sum(), rel=1e-13)
    assert np.allclose(iva._hermitian(iva._real_form(A)), A, atol=1e-14)


# ------------------------------------------------------------------ the solvers


def literal_aux_iva(X: np.ndarray, steps: int) -> np.ndarray:
    """Ono's update, one frequency and one source at a time."""
    n, f, m = X.shape
    W = np.array([np.eye(m, dtype=complex)] * f)
    for _ in range(steps):
        r = np.array(
            [
                [np.sqrt(sum(abs(W[q, k] @ X[t, q]) ** 2 for q in range(f))) for k in range(m)]
                for t in range(n)
            ]
        )
        for k in range(m):
            for q in range(f):
                V = sum(np.outer(X[t, q], X[t, q].conj()) / (2 * r[t, k]) for t in range(n)) / n
                w = np.linalg.inv(W[q] @ V)[:, k]
                W[q, k] = (w / np.sqrt((w.conj() @ V @ w).real)).conj()
    return W


def test_aux_iva_is_onos_update(rng: Rng) -> None:
    X, _ = mixture(rng, n=25, f=3, k=3)
    assert np.allclose(iva.aux_iva(X, steps=4).W, literal_aux_iva(X, 4), rtol=1e-9)


@pytest.mark.parametrize("k", [2, 3])
def test_aux_iva_never_rises(k: int, rng: Rng) -> None:
    X, _ = mixture(rng, n=80, f=6, k=k)
    losses = iva.aux_iva(X, steps=30).losses
    assert losses.shape == (31,)
    assert np.diff(losses).max() <= 1e-11 * np.abs(losses).max()
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("solve", [iva.aux_iva, iva.natural_gradient_iva])
@pytest.mark.parametrize("k", [2, 3])
def test_solvers_keep_one_order_in_all_frequencies(solve: Callable, k: int, rng: Rng) -> None:
    """W_f A_f is a scaled permutation, the *same* one for every f: what ICA per frequency cannot do."""
    X, A = mixture(rng, n=1500, f=10, k=k)
    result = solve(X, steps=400)
    P = np.abs(result.W @ A)
    order = P.argmax(axis=2)
    assert (order == order[0]).all()
    assert sorted(order[0]) == list(range(k))
    leak = np.sort(P, axis=2)[..., -2] / P.max(axis=2)
    assert np.median(leak) < 0.05
    assert result.converged
    assert result.gradient_norm < 1e-3


def test_both_solvers_reach_one_stationary_point(rng: Rng) -> None:
    X, _ = mixture(rng, n=800, f=6)
    aux = iva.aux_iva(X, steps=400, tol=1e-7)
    nat = iva.natural_gradient_iva(X, steps=800, tol=1e-7)
    assert aux.converged
    assert nat.converged
    assert nat.losses[-1] == pytest.approx(aux.losses[-1], rel=1e-10)
    assert np.diff(nat.losses).max() <= 0
    assert np.abs(iva.grad_iva_loss_W(aux.W, X)).max() < 1e-5 * np.abs(np.linalg.inv(aux.W)).max()


def test_too_few_steps_are_reported(rng: Rng) -> None:
    X, _ = mixture(rng)
    for solve in (iva.aux_iva, iva.natural_gradient_iva):
        result = solve(X, steps=1)
        assert not result.converged
        assert result.gradient_norm > 1e-3


def test_silent_frequencies_are_left_alone(rng: Rng) -> None:
    X, _ = mixture(rng, n=50, f=4)
    heard = iva.aux_iva(X, steps=5)
    padded = np.insert(X, [0, 2], 0.0, axis=1)
    result = iva.aux_iva(padded, steps=5)
    assert list(result.active) == [False, True, True, False, True, True]
    assert np.array_equal(result.W[0], np.eye(2))
    assert np.allclose(result.W[result.active], heard.W, rtol=1e-12)


def test_project_back_is_least_squares(rng: Rng) -> None:
    Y, reference = complex_normal(rng, 30, 4, 2), complex_normal(rng, 30, 4)
    out = iva.project_back(Y, reference)
    residual = reference[..., None] - out
    assert np.abs((residual * Y.conj()).sum(axis=0)).max() < 1e-12 * 30
    assert np.allclose(iva.project_back(Y * (3 - 4j), reference), out)
    assert not iva.project_back(np.zeros_like(Y), reference).any()


# ------------------------------------------------------------------ in a room


def talkers(rng: Rng, n: int, k: int, rate_hz: int = 16_000) -> np.ndarray:
    """Speech-like noise: coloured, and switched on and off about every 150 ms."""
    words = rng.gamma(0.3, size=(n // 2400 + 1, k)).repeat(2400, axis=0)[:n]
    tilt = np.fft.rfft(rng.standard_normal((n, k)), axis=0) / (
        1 + np.arange(n // 2 + 1)[:, None] * rate_hz / n / 500
    )
    return words * np.fft.irfft(tilt, n, axis=0)


@pytest.mark.parametrize("method", ["auxiva", "natural-gradient"])
def test_separate_room(method: str, rng: Rng) -> None:
    room = rooms()["2x2-150ms"]
    images = images_in_room(room.rir, talkers(rng, 6 * 16_000, 2))
    x, truth = images.sum(axis=2), images[:, 0]
    found = iva.separate_room(x, room.rate_hz, method=method, window=2048, steps=60)
    assert found.signals.shape == x.shape
    before = sdr_sir(truth, x, filter_taps=64).sir_db.mean()
    after = sdr_sir(truth, found.signals, filter_taps=64).sir_db.mean()
    assert after > before + 8


@pytest.mark.parametrize("name", ["2x2-150ms", "2x2-300ms", "3x3-150ms", "3x3-300ms"])
def test_embedded_rooms_decay_as_they_say(name: str) -> None:
    """Schroeder's backward integration, -5 to -25 dB, extrapolated to -60 dB."""
    room = rooms()[name]
    d = int(name[0])
    assert room.rir.shape[:2] == (d, d) == (len(room.microphones_m), len(room.sources_m))
    left = (room.rir**2).sum(axis=(0, 1))[::-1].cumsum()[::-1]
    db = 10 * np.log10(left / left[0])
    seconds = np.subtract(*(np.flatnonzero(db < level)[0] for level in (-25, -5))) * 3 / room.rate_hz
    assert seconds == pytest.approx(room.rt60_s, rel=0.02)


def test_room_sound_takes_the_straight_way_first() -> None:
    """The first arrivals differ between microphones by the difference of the distances over 343 m/s."""
    room = rooms()["3x3-150ms"]
    for j, talker in enumerate(room.sources_m):
        metres = np.linalg.norm(np.array(talker) - room.microphones_m, axis=1)
        peak = np.abs(room.rir[:, j]).argmax(axis=1)
        assert (
            np.abs((peak - peak[0]) / room.rate_hz * 343 - (metres - metres[0])).max()
            < 1.5 * 343 / room.rate_hz
        )


def test_images_in_room_convolve(rng: Rng) -> None:
    rir, s = rng.standard_normal((3, 2, 5)), rng.standard_normal((20, 2))
    images = images_in_room(rir, s)
    for i in range(3):
        for j in range(2):
            assert np.allclose(images[:, i, j], np.convolve(s[:, j], rir[i, j])[:20])
    assert len(embedded("rooms.npz").read_bytes()) < 400_000


# ------------------------------------------------------------------ bad input


def one_bad(x: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(x))[:, None] == 5, np.nan, x)


@pytest.mark.parametrize(
    ("spoil", "options", "says"),
    [
        (lambda x: x.T, {}, "transpose"),
        (lambda x: x[:, 0], {}, "rows are samples"),
        (lambda x: x[:, :1], {}, "m >= 2"),
        (lambda x: x[:400], {}, "8 windows"),
        (one_bad, {}, "NaN"),
        (lambda x: x[:, [0, 0]], {}, "dependent"),
        (lambda x: x * [1, 0], {}, "dependent"),
        (lambda x: x, {"method": "magic"}, "auxiva"),
        (lambda x: x, {"hop": 60}, "hop"),
        (lambda x: x, {"rate_hz": 0.0}, "rate_hz"),
    ],
)
def test_separate_room_refuses(spoil: Callable, options: dict, says: str, rng: Rng) -> None:
    x = spoil(rng.standard_normal((2000, 2)))
    with pytest.raises(ValueError, match=says):
        iva.separate_room(x, **({"rate_hz": 16_000.0, "window": 64} | options))


def test_spectra_are_refused_when_wrong(rng: Rng) -> None:
    X, _ = mixture(rng)
    for bad, says in ((X.real, "complex"), (X[0], "frames"), (X[:2], "more frames"), (X * np.inf, "finite")):
        with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=says):
            iva.aux_iva(bad)
    with pytest.raises(ValueError, match="33"):
        iva.istft(X, 100, window=64)
    with pytest.raises(ValueError, match="this room"):
        images_in_room(rooms()["2x2-150ms"].rir, np.zeros((10, 3)))
