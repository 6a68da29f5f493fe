"""The noisy quadratic: a training whose expected loss is a formula, and where a short horizon goes wrong.

Problem    L_t(w) = ½ Σ h_i (w_i - c_{t,i})², c_t ~ N(0, diag sigma²): each step sees another minimum;
           judged by the expected excess ½ Σ h_i E w_i²
Objective  A_t = E w_t²:  A_{t+1} = (1 - eta_t h)² A_t + eta_t² h² sigma²;   J = ½ Σ h_i A_{T,i}
Gradient   Ā_T = ½ h,  Ā_t = (1 - eta_t h)² Ā_{t+1}
           ∂J/∂eta_t = Σ Ā_{t+1} (-2 h (1 - eta_t h) A_t + 2 eta_t h² sigma²);  a shared rate: the sum over t
Truncated  the sum over the last K steps only: its bias is minus the sum over the others
Greedy     least Σ h A_{t+1} step by step: eta_t = Σ h² A_t / Σ h³ (A_t + sigma²).  With one h that is the
           best schedule; with several it shrinks once the steep directions are down, and the flat ones stay
Solver     the best T rates: L-BFGS-B in log eta with this gradient, eta ≤ 2/max h
Reference  wu2018
Symbols    h (d,) curvatures, sigma (d,) noise of the minima, A (d,) second moments, J excess loss, K steps
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from mcbook.schedules import _checks
from mcbook.schedules.run import Array, Run


class NoisyQuadratic(NamedTuple):
    """Curvatures h, standard deviations sigma of the minima, and w_0; each (d,)."""

    h: Float[Array, " d"]
    sigma: Float[Array, " d"]
    w: Float[Array, " d"]


class Best(NamedTuple):
    """Rates (T,), their expected excess, the largest |∂J/∂ log eta| left, and whether the solver is done."""

    rates: Float[np.ndarray, " T"]
    excess: float
    slope: float
    converged: bool


def noisy_quadratic(d: int = 20, *, condition: float | int = 100, noise: float | int = 1) -> NoisyQuadratic:
    """Curvatures from 1 down to 1/condition, evenly in logarithms; sigma² = noise²/h, so that flat directions
    are as noisy as steep ones in units of the loss; w_0 = 1/√h, where every direction costs ½."""
    h = np.logspace(0, -np.log10(_checks.positive(condition, "condition")), _checks.whole(d, "d"))
    return NoisyQuadratic(h, noise / np.sqrt(h), 1 / np.sqrt(h))


def second_moments(q: NoisyQuadratic, rates: Float[Array, " T"]) -> Float[np.ndarray, "steps d"]:
    """A_0 … A_T, (T + 1, d)."""
    A = [np.asarray(q.w, float) ** 2]
    for eta in _rates(rates):
        A.append((1 - eta * q.h) ** 2 * A[-1] + (eta * q.h * q.sigma) ** 2)
    return np.array(A)


def expected_excess(q: NoisyQuadratic, rates: Float[Array, " T"]) -> float:
    """J = ½ Σ h E w_T²."""
    return float(0.5 * q.h @ second_moments(q, rates)[-1])


def grad_expected_excess_rates(q: NoisyQuadratic, rates: Float[Array, " T"]) -> Float[np.ndarray, " T"]:
    """∂J/∂eta_t, t = 0 … T - 1, by the recurrence for Ā."""
    rates = _rates(rates)
    A, A_bar, grad = second_moments(q, rates), 0.5 * q.h, np.zeros(len(rates))
    for t in reversed(range(len(rates))):
        stay = 1 - rates[t] * q.h
        grad[t] = A_bar @ (-2 * q.h * stay * A[t] + 2 * rates[t] * (q.h * q.sigma) ** 2)
        A_bar = stay**2 * A_bar
    return grad


def truncation_bias(q: NoisyQuadratic, eta: float | int, T: int) -> Float[np.ndarray, " T"]:
    """For a shared rate: (truncated - full derivative) for K = 1 … T steps kept; exactly zero at K = T."""
    grad = grad_expected_excess_rates(q, np.full(_checks.whole(T, "T"), _checks.positive(eta, "eta")))
    return np.append(-np.cumsum(grad)[:-1][::-1], 0.0)


def greedy_rates(q: NoisyQuadratic, T: int) -> Float[np.ndarray, " T"]:
    """The rates that are best for a horizon of one step, step after step: a closed form."""
    rates, A = [], np.asarray(q.w, float) ** 2
    for _ in range(_checks.whole(T, "T")):
        rates.append(float(q.h**2 @ A / (q.h**3 @ (A + np.square(q.sigma)))))
        A = (1 - rates[-1] * q.h) ** 2 * A + (rates[-1] * q.h * q.sigma) ** 2
    return np.array(rates)


def optimal_rates(
    q: NoisyQuadratic, T: int, *, most: float | int | None = None, iterations: int = 5000
) -> Best:
    """The T rates in (0, most] of least expected excess after all T steps, found from the greedy ones.

    most: 2/max h unless told, the edge of stability.  Beyond it the steep directions may blow up first and be
    put out at the end (Chebyshev's polynomials do that): cheaper still on a quadratic, ruinous elsewhere, and
    with many local optima.
    """
    most = 2 / float(np.max(q.h)) if most is None else _checks.positive(most, "most")
    start = np.log(np.minimum(greedy_rates(q, T), most))

    def both(x):
        rates = np.exp(x)
        return expected_excess(q, rates), grad_expected_excess_rates(q, rates) * rates

    found = minimize(
        both,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(np.log(most) - 20, np.log(most))] * T,
        options={"maxiter": iterations, "maxfun": 2 * iterations, "ftol": 1e-16, "gtol": 1e-10, "maxcor": 30},
    )
    slope = np.where((found.x >= np.log(most)) & (found.jac < 0), 0.0, found.jac)
    return Best(np.exp(found.x), float(found.fun), float(np.abs(slope).max()), bool(found.success))


def horizon_rates(
    q: NoisyQuadratic, T: int, horizon: int, *, most: float | int | None = None
) -> Float[np.ndarray, " T"]:
    """Rates decided with so many steps of foresight: of the best for the steps ahead, the first is taken."""
    rates, left = [], q
    for t in range(_checks.whole(T, "T")):
        ahead = min(_checks.whole(horizon, "horizon"), T - t)
        rates.append(optimal_rates(left, ahead, most=most).rates[0])
        left = left._replace(w=np.sqrt(second_moments(left, np.array(rates[-1:]))[-1]))
    return np.array(rates)


def quadratic_run(q: NoisyQuadratic, T: int, *, rng: np.random.Generator) -> Run:
    """A sampled training: step t reads row t of T minima; held out is the one minimum at zero."""
    runs = quadratic_runs(q, T, 1, rng=rng)
    return runs._replace(w=runs.w[0], batches=runs.batches[0])


def quadratic_runs(q: NoisyQuadratic, T: int, seeds: int, *, rng: np.random.Generator) -> Run:
    """An ensemble of such trainings, all from w_0, their minima drawn anew."""
    s, d = _checks.whole(seeds, "seeds"), len(q.h)
    c = rng.normal(size=(s * _checks.whole(T, "T"), d)) * q.sigma
    loss = quadratic_loss(tuple(np.asarray(q.h, float).tolist()))
    w, batches = np.tile(np.asarray(q.w, float), (s, 1)), np.arange(s * T).reshape(s, T, 1)
    return Run(loss, w, (c,), batches, (np.zeros((1, d)),))


@lru_cache(maxsize=16)
def quadratic_loss(h: tuple[float, ...]) -> Any:
    """½ Σ h_i (w_i - c_i)², averaged over the rows c."""

    def loss(w, c):
        return 0.5 * (((w[None] - c) ** 2) @ np.asarray(h, w.dtype)).mean()

    return loss


def _rates(rates: Any) -> np.ndarray:
    rates = np.asarray(rates, float)
    if rates.ndim != 1 or not len(rates) or not np.isfinite(rates).all():
        raise ValueError(f"rates must be a vector of at least one finite number, got shape {rates.shape}.")
    return rates
