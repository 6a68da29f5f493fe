"""Independent vector analysis: ICA in every frequency at once, for voices in a reverberant room.

Problem    A room convolves: x_m(t) = Σ_k (a_mk * s_k)(t). Its short-time spectra mix frequency by frequency,
           x_ft = A_f s_ft, with *one* matrix for every f. ICA in each f alone would order the sources
           differently in each; IVA takes the density of the whole vector y_kt = (y_kft)_f instead.
Objective  L(W) = -2 Σ_f log|det W_f| + (1/n) Σ_t Σ_k G(r_kt),   y_ft = W_f x_ft,   r_kt = √(Σ_f |y_kft|²)
           (minus the log-likelihood per frame of p(y_kt) ∝ exp(-G(r_kt)), up to a constant; the 2 is there
           because a complex matrix stretches areas: |det|²). Here G(r) = r, the spherical Laplace density.
Gradient   d|y|² = 2 Re(ȳ dy), so dr = Re(Σ_f ȳ dy)/r, and d log|det W| = Re tr(W⁻¹ dW). With
           φ_kft = G'(r_kt)/(2 r_kt) y_kft = y_kft/(2 r_kt) and E the mean over frames,
             dL = Σ_f Re⟨∇L_f, dW_f⟩,   ∇L_f = 2 (E[φ xᴴ] - W_f⁻ᴴ) = ∂L/∂Re W_f + i ∂L/∂Im W_f
           with ⟨A, B⟩ = tr(AᴴB): a gradient has the shape of its variable.
Relative   ∇L_f W_fᴴ = 2 R_f,   R_f = E[φ yᴴ] - I:   the relative gradient of instantaneous ICA,
           with ψ replaced by φ. φ_f looks at all frequencies through r: that ties the orders together.
Solvers    natural gradient  W_f ← W_f - eta R_f W_f
           AuxIVA            r ≤ r²/(2ρ) + ρ/2 (equal at r = ρ) majorises L by the quadratics w V wᴴ,
                             V_k = E[x xᴴ/(2 r_k)]; w_k ← (W V_k)⁻¹ e_k (conjugated), scaled to w V wᴴ = 1,
                             minimises it in one row: L never rises, and there is no step size.
References kim2007 (IVA), ono2011 (AuxIVA, doi 10.1109/ASPAA.2011.6082320)
Symbols    n frames, f (F) frequencies, m microphones, k sources (k = m)
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Float
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

FLOOR = 1e-15  # of r: a silent frame has no direction, and its φ is 0


class IVAResult(NamedTuple):
    """`W (f, k, m)` unmixes each frequency; `losses` holds L before the first step and after each one."""

    W: Complex[np.ndarray, "f k m"]
    losses: Float[np.ndarray, " steps_plus_1"]
    gradient_norm: float  # max |R_f| at W: 0 at a stationary point
    converged: bool  # gradient_norm < tol
    active: Bool[np.ndarray, " f"]  # frequencies that could be unmixed (not silent, not rank-deficient)


class RoomSeparation(NamedTuple):
    """`signals (n, k)`: each source as microphone 0 heard it; `iva`: how it was found."""

    signals: Float[np.ndarray, "n k"]
    iva: IVAResult


# ------------------------------------------------------------------ the short-time Fourier transform


def _transform(window: int, hop: int | None, rate_hz: float = 1.0) -> ShortTimeFFT:
    hop = window // 2 if hop is None else hop
    if window < 4 or not 0 < hop <= window // 2:
        raise ValueError(
            f"expected window >= 4 and 0 < hop <= window/2 samples, got window={window}, hop={hop}; "
            "with a larger hop some samples are seen by no window."
        )
    return ShortTimeFFT(hann(window, sym=False), hop, fs=rate_hz)


def stft(x: Any, *, window: int = 4096, hop: int | None = None) -> Complex[np.ndarray, "frames f m"]:
    """Short-time spectra of the columns of x: Hann window, `hop` samples apart (half a window by default).

    Undone exactly by `istft` with the same window and hop.
    Raises ValueError if x is not (n, m) with n >= window, or the hop is impossible.
    """
    x = np.asarray(x, dtype=float)
    if x.ndim != 2 or len(x) < window:
        raise ValueError(
            f"stft expects x (n, m) with n >= window = {window} samples, got shape {x.shape}; "
            "rows are samples (transpose?), or take a shorter window."
        )
    return _transform(window, hop).stft(x, axis=0).transpose(2, 0, 1)


def istft(X: Any, n: int, *, window: int = 4096, hop: int | None = None) -> Float[np.ndarray, "n m"]:
    """The n samples whose `stft` is X: overlap-add with the dual (least-squares) window.

    Raises ValueError if X does not have window/2 + 1 frequencies.
    """
    X = np.asarray(X)
    if X.ndim != 3 or X.shape[1] != window // 2 + 1:
        raise ValueError(
            f"istft expects X (frames, {window // 2 + 1}, m) for window {window}, got shape {X.shape}."
        )
    return _transform(window, hop).istft(X.transpose(1, 2, 0), k1=n, f_axis=0, t_axis=-1)


# ------------------------------------------------------------------ objective and gradient


def _unmix(W: Any, X: Any) -> tuple[Any, Any]:
    """Y (n, f, k) and r (n, k); NumPy and JAX arrays alike."""
    xp = X.__array_namespace__()
    Y = xp.einsum("fkm,nfm->nfk", W, X)
    return Y, xp.sqrt((Y.real**2 + Y.imag**2).sum(axis=1))


def iva_loss(W: Any, X: Any) -> Any:
    """L(W) = -2 Σ_f log|det W_f| + (1/n) Σ_t Σ_k r_kt, in nats per frame.

    W (f, k, m) and X (n, f, m) complex, NumPy or JAX; returns a real scalar.
    Source: module docstring.
    """
    xp = X.__array_namespace__()
    _, r = _unmix(W, X)
    return -2 * xp.linalg.slogdet(W)[1].sum() + r.sum() / X.shape[0]


def grad_iva_loss_W(W: Any, X: Any) -> Any:
    """∇L_f = 2 (E[φ xᴴ] - W_f⁻ᴴ), φ = y/(2r), so that dL = Σ_f Re tr(∇L_fᴴ dW_f).

    W (f, k, m) and X (n, f, m) complex, NumPy or JAX; returns (f, k, m): ∂L/∂Re W + i ∂L/∂Im W
    (twice the Wirtinger derivative ∂L/∂W̄). Where r = 0 (silence) the loss has a kink: φ = 0 is taken.
    """
    xp = X.__array_namespace__()
    Y, r = _unmix(W, X)
    phi = Y / (2 * xp.maximum(r, FLOOR))[:, None, :]
    mean = xp.einsum("nfk,nfm->fkm", phi, X.conj()) / X.shape[0]
    return 2 * (mean - xp.linalg.inv(W).conj().swapaxes(-1, -2))


# ------------------------------------------------------------------ both solvers' statistics: two products

# A Hermitian H is kept as the real matrix Re H + Im H. As Re H is symmetric and Im H antisymmetric nothing
# is lost, and inner products stay: tr(A B) = Σ real_form(A) ∘ real_form(B). So with the table
# T = real_form(x xᴴ), (f·m², n), both |w x|² summed over f and V = E[weight x xᴴ] are one matrix product.


def _real_form(H: np.ndarray) -> np.ndarray:
    return H.real + H.imag


def _hermitian(S: np.ndarray) -> np.ndarray:
    St = S.swapaxes(-1, -2)
    return (S + St) / 2 + 1j * (S - St) / 2


def _outer_table(X: np.ndarray) -> np.ndarray:
    n, f, m = X.shape
    Xf = X.transpose(1, 2, 0)
    return np.ascontiguousarray(_real_form(Xf[:, :, None] * Xf[:, None].conj()).reshape(f * m * m, n))


def _radii(W: np.ndarray, T: np.ndarray) -> np.ndarray:
    """r (k, n) of the present W."""
    A = _real_form(W[..., :, None].conj() * W[..., None, :])  # (f, k, m, m)
    r2 = A.swapaxes(0, 1).reshape(W.shape[1], -1) @ T
    return np.sqrt(np.maximum(r2, FLOOR**2))


def _weighted_covariances(weight: np.ndarray, T: np.ndarray, f: int, m: int) -> np.ndarray:
    """V (k, f, m, m) = E[weight_k x xᴴ]."""
    V = (T @ weight.T / T.shape[1]).reshape(f, m, m, -1)
    return _hermitian(np.moveaxis(V, -1, 0))


def _relative_gradient(W: np.ndarray, V: np.ndarray) -> np.ndarray:
    """R_f = E[φ yᴴ] - I: its row k is w_k V_k Wᴴ - e_k, (f, k, k)."""
    rows = np.einsum("fkm,kfmp->fkp", W, V)
    return rows @ W.conj().swapaxes(-1, -2) - np.eye(W.shape[1])


class _Statistics:
    """L and V at a given W, for one recording."""

    def __init__(self, X: np.ndarray) -> None:
        self.f, self.m, self.T = X.shape[1], X.shape[2], _outer_table(X)

    def at(self, W: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss at W, and r (k, n)."""
        r = _radii(W, self.T)
        return float(r.sum() / r.shape[1] - 2 * np.linalg.slogdet(W)[1].sum()), r

    def covariances(self, r: np.ndarray) -> np.ndarray:
        return _weighted_covariances(1 / (2 * r), self.T, self.f, self.m)


def _active(X: np.ndarray) -> np.ndarray:
    """Frequencies in which the microphones hear m different things: E[x xᴴ] is not singular."""
    Xf = X.transpose(1, 2, 0)
    lam = np.linalg.eigvalsh(Xf @ Xf.conj().swapaxes(-1, -2) / len(X))
    return (lam[:, 0] > 1e-12 * lam[:, -1]) & (lam[:, -1] > 1e-20 * lam.max())


def _checked(X: Any, caller: str) -> tuple[np.ndarray, np.ndarray]:
    X = np.asarray(X)
    if X.ndim != 3 or not np.iscomplexobj(X):
        raise ValueError(
            f"{caller} expects complex spectra X (frames, frequencies, microphones), "
            f"got {X.dtype} {X.shape}; make them with stft(x)."
        )
    if not np.isfinite(X).all():
        raise ValueError(f"{caller} expects finite spectra, got NaN or inf; clean the recording first.")
    if np.abs(X).max(initial=0.0) > 1e100:
        raise ValueError(f"{caller} expects moderate units, got values beyond 1e100; rescale the recording.")
    if len(X) <= X.shape[2]:
        raise ValueError(
            f"{caller} expects more frames than microphones, got {X.shape}; take a longer recording "
            "or a shorter window."
        )
    active = _active(X)
    if not active.any():
        raise ValueError(
            f"{caller} expects microphones that differ, but they are linearly dependent in every frequency "
            "(a silent, copied or rescaled channel?); drop such channels."
        )
    return X.astype(complex), active


def _result(W: np.ndarray, active: np.ndarray, losses: list[float], R: np.ndarray, tol: float) -> IVAResult:
    full = np.tile(np.eye(W.shape[1], dtype=complex), (len(active), 1, 1))
    full[active] = W
    norm = float(np.abs(R).max())
    return IVAResult(full, np.array(losses), norm, norm < tol, active)


# ------------------------------------------------------------------ solvers


def aux_iva(X: Any, *, steps: int = 50, tol: float = 1e-3) -> IVAResult:
    """AuxIVA by iterative projection (Ono 2011): row after row, minimise a quadratic that lies above L.

    X (n, f, m) complex spectra; starts at W_f = I and makes exactly `steps` sweeps; L never rises.
    `converged` says whether the relative gradient came below tol. Frequencies with singular covariance are
    left as they are (`active`). Raises ValueError for bad spectra or dependent microphones.
    """
    X, active = _checked(X, "aux_iva")
    at = _Statistics(X[:, active])
    W = np.tile(np.eye(at.m, dtype=complex), (at.f, 1, 1))
    loss, r = at.at(W)
    losses = [loss]
    for _ in range(steps):
        for k, V in enumerate(at.covariances(r)):
            W[:, k] = _best_row(W, V, k)
        loss, r = at.at(W)
        losses.append(loss)
    return _result(W, active, losses, _relative_gradient(W, at.covariances(r)), tol)


def _best_row(W: np.ndarray, V: np.ndarray, k: int) -> np.ndarray:
    """The row k that minimises w V wᴴ - 2 log|det W| with the others held: W V wᴴ = e_k, w V wᴴ = 1."""
    e_k = np.eye(W.shape[1])[None, :, [k]]
    w = np.linalg.solve(W @ V, np.broadcast_to(e_k, (len(W), W.shape[1], 1)))[..., 0].conj()
    return w / np.sqrt(np.einsum("fi,fij,fj->f", w, V, w.conj()).real)[:, None]


def natural_gradient_iva(X: Any, *, steps: int = 200, eta: float = 0.5, tol: float = 1e-3) -> IVAResult:
    """Natural-gradient IVA: W_f ← W_f - eta R_f W_f, R_f = E[φ yᴴ] - I, with eta halved when L would rise.

    X (n, f, m) complex spectra; starts at each frequency's whitening matrix, its rows scaled so that L is
    least; a step that L accepts lets eta grow by 5 %. Stops when max |R| < tol or after `steps` tries. A
    frame in which one source pauses and another speaks makes the curvature E[1/2r_k] E|y_l|² large and the
    steps small: this is the plain method, and AuxIVA is the quick one.
    Raises ValueError as `aux_iva`, or unless eta > 0.
    """
    if not eta > 0:
        raise ValueError(f"natural_gradient_iva expects a step size eta > 0, got {eta}.")
    X, active = _checked(X, "natural_gradient_iva")
    at = _Statistics(X[:, active])
    W = _whitening(X[:, active])
    W *= (2 * at.f / at.at(W)[1].mean(axis=1))[:, None]
    loss, r = at.at(W)
    losses, R = [loss], _relative_gradient(W, at.covariances(r))
    for _ in range(steps):
        if np.abs(R).max() < tol:
            break
        W_new = W - eta * R @ W
        loss, r = at.at(W_new)
        if loss <= losses[-1]:
            W, eta, R = W_new, 1.05 * eta, _relative_gradient(W_new, at.covariances(r))
            losses.append(loss)
        else:
            eta /= 2
    return _result(W, active, losses, R, tol)


def _whitening(X: np.ndarray) -> np.ndarray:
    """W_f = E[x xᴴ]^(-1/2), the symmetric one: it keeps each output near its own microphone."""
    Xf = X.transpose(1, 2, 0)
    lam, U = np.linalg.eigh(Xf @ Xf.conj().swapaxes(-1, -2) / len(X))
    return (U / np.sqrt(lam)[:, None, :]) @ U.conj().swapaxes(-1, -2)


def project_back(
    Y: Complex[np.ndarray, "n f k"], reference: Complex[np.ndarray, "n f"]
) -> Complex[np.ndarray, "n f k"]:
    """Undo the scale that IVA cannot know: each y_kf times the z that minimises E|z y_kf - reference_f|².

    z = E[reference ȳ] / E|y|²; with microphone 0 as the reference each source comes out as that microphone
    heard it. A silent y stays silent.
    """
    power = (np.abs(Y) ** 2).sum(axis=0)
    z = (reference[..., None] * Y.conj()).sum(axis=0) / np.where(power > 0, power, 1.0)
    return Y * z


def separate_room(
    x: Any,
    rate_hz: float | int,
    *,
    method: str = "auxiva",
    window: int | None = None,
    hop: int | None = None,
    steps: int = 50,
) -> RoomSeparation:
    """Separate as many sources as there are microphones from a reverberant recording.

    x (n, m) samples at rate_hz; method "auxiva" or "natural-gradient"; window in samples (the power of two
    nearest to a quarter of a second: it must hold most of the echo), hop half of it. The signals keep
    microphone 0's scale; their order is arbitrary. Raises ValueError for a wrong shape, NaN, dependent or
    silent microphones, an unknown method, a recording shorter than 8 windows.
    """
    solvers = {"auxiva": aux_iva, "natural-gradient": natural_gradient_iva}
    if method not in solvers:
        raise ValueError(f"method expects one of {sorted(solvers)}, got {method!r}.")
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise ValueError(f"rate_hz expects a positive sampling rate in hertz, got {rate_hz!r}.")
    x = np.asarray(x, dtype=float)
    window = 2 ** round(np.log2(rate_hz / 4)) if window is None else window
    if x.ndim != 2 or x.shape[1] < 2 or len(x) < 8 * window:
        raise ValueError(
            f"separate_room expects x (n, m) with m >= 2 microphones and n >= 8 windows "
            f"= {8 * window} samples, "
            f"got {x.shape}; rows are samples (transpose?), or take a shorter window."
        )
    if not np.isfinite(x).all():
        raise ValueError("separate_room expects finite samples, got NaN or inf; clean the recording first.")
    X = stft(x, window=window, hop=hop)
    iva = solvers[method](X, steps=steps)
    Y = project_back(_unmix(iva.W, X)[0], X[:, :, 0])
    return RoomSeparation(istft(Y, len(x), window=window, hop=hop), iva)
