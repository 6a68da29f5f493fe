"""From noise to a sample: one driver, a rule for each method, and a count of what the denoiser was asked.

Problem    follow dx/dsigma = (x - D(x, sigma)) / sigma from sigmas[0] down to sigmas[-1], then x = D
Rules      euler            x + (b - a)(x - D)/a, the same as DDIM; order 1
           heun             Euler, then the mean of both slopes; order 2, two evaluations a step
           multistep2       D between levels extrapolated in log sigma (DPM-Solver++ 2M); order 2
           multistep3, 4    Adams in the angle, `mcbook.diffusion.angle`: predict, evaluate once, correct with
                            the evaluation that the next step needs anyway; orders 3 and 4
           ancestral        one draw of x_b given x_a and x_0 = D (DDPM)
           euler_maruyama   the reverse SDE in sigma², with noise of strength eta
Cost       an evaluation is one call of the denoiser on the whole batch; n levels cost n of them, 2n - 1 for
           Heun
References karras2022, songj2021, lu2025, ho2020, zhao2023 (correcting at no cost)
Symbols    a, b this level and the next (b = 0 after the last), D the denoised x at a, lam = -log sigma
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mcbook.diffusion import _checks
from mcbook.diffusion.angle import adams_weights, angle, slope, total_scale
from mcbook.diffusion.grids import check_sigmas


class Samples(NamedTuple):
    """Samples x (n, ...), calls of the denoiser, the levels, and the states on the way where kept."""

    x: np.ndarray
    evaluations: int
    sigmas: np.ndarray  # (m,)
    path: np.ndarray | None  # (m + 1, n, ...): at every level, as predicted there, and at the end


class Step(NamedTuple):
    """What a rule is given: the denoiser, the state, this level and the next, and what it remembered."""

    denoise: Callable[[Any, float], Any]
    x: Any
    a: float
    b: float  # 0 on the last step
    memory: Any
    noise: Callable[[], Any]  # a standard normal draw of x's shape
    data_scale: float
    eta: float


def sample(
    denoise: Any,
    x: Any,
    sigmas: Any,
    *,
    method: str = "multistep3",
    rng: Any = None,
    data_scale: Any = 1.0,
    eta: Any = 1.0,
    keep: bool = False,
) -> Samples:
    """Samples from the starts x (n, ...) at noise sigmas[0], through the levels to clean data.

    denoise     (x, sigma) ↦ E[x_0 | x], x's shape
    sigmas      decreasing, positive; `logistic_sigmas(n)` is made for the multistep methods
    rng         a generator for ancestral and euler_maruyama; the same seed gives the same samples
    data_scale  the data's standard deviation, for multistep3 and multistep4
    eta         strength of euler_maruyama's noise; 0 is the ODE
    Raises ValueError for levels out of order, starts that are not at sigmas[0], NaN, an unknown method.
    """
    rule, sigmas = _rule(method), check_sigmas(sigmas)
    x, eta = _start(x, sigmas[0]), _checks.not_negative(eta, "eta")
    data_scale = _checks.positive(data_scale, "data_scale")
    counted, noise = _Counted(denoise, x), _noise(rng, x, method)
    path, memory = [x], None
    for a, b in zip(sigmas.tolist(), [*sigmas[1:].tolist(), 0.0], strict=True):
        x, memory = rule(Step(counted, x, a, b, memory, noise, data_scale, eta))
        if keep:
            path.append(x)
    states = np.stack([np.asarray(p) for p in path]) if keep else None
    return Samples(np.asarray(x), counted.calls, sigmas, states)


def euler(step: Step) -> tuple[Any, None]:
    """Straight on: x and D mixed as b : a - b."""
    D = step.denoise(step.x, step.a)
    return (step.b / step.a) * step.x + (1 - step.b / step.a) * D, None


def heun(step: Step) -> tuple[Any, None]:
    """Euler, and again with the mean of the slopes at both ends."""
    x, a, b = step.x, step.a, step.b
    here = (x - step.denoise(x, a)) / a
    ahead = x + (b - a) * here
    if b == 0:
        return ahead, None
    there = (ahead - step.denoise(ahead, b)) / b
    return x + (b - a) / 2 * (here + there), None


def multistep2(step: Step) -> tuple[Any, Any]:
    """x/sigma grows by ∫ D d(1/sigma); D is carried half a step on from its last two values."""
    D = step.denoise(step.x, step.a)
    if step.b == 0:
        return D, None
    h = np.log(step.a / step.b)
    ahead = D
    if step.memory is not None:
        D_before, h_before = step.memory
        ahead = D + float(h / (2 * h_before)) * (D - D_before)
    return (step.b / step.a) * step.x + (1 - step.b / step.a) * ahead, (D, h)


def _adams(order: int) -> Callable[[Step], tuple[Any, Any]]:
    """Predict with the last order - 1 slopes; correct, at the next level, with the new one beside them.

    Memory: the corrected z one level before, and angles and slopes there and earlier.
    """

    def rule(step: Step) -> tuple[Any, Any]:
        here, c = float(angle(step.a, step.data_scale)), total_scale(step.a, step.data_scale)
        D = step.denoise(step.x, step.a)
        new = slope(step.x / c, D, step.a, step.data_scale)
        z, thetas, slopes = step.x / c, [here], [new]
        if step.memory is not None:
            z, thetas, slopes = step.memory
            z = z + _combine(adams_weights([*thetas, here], thetas[-1], here), [*slopes, new])
            thetas, slopes = [*thetas, here], [*slopes, new]
        if step.b == 0:  # D at the corrected place: D - x is small and smooth where sigma is small
            return c * z + (D - step.x), None
        keep = slice(-(order - 1), None)
        thetas, slopes, there = thetas[keep], slopes[keep], float(angle(step.b, step.data_scale))
        ahead = z + _combine(adams_weights(thetas, here, there), slopes)
        return total_scale(step.b, step.data_scale) * ahead, (z, thetas, slopes)

    return rule


def _combine(weights: np.ndarray, slopes: list[Any]) -> Any:
    return sum(w * y for w, y in zip(weights.tolist(), slopes, strict=True))


def ancestral(step: Step) -> tuple[Any, None]:
    """A draw of x_b given x_a and x_0 = D: mean D + (b/a)² (x - D), variance b² (1 - (b/a)²)."""
    D, share = step.denoise(step.x, step.a), (step.b / step.a) ** 2
    if step.b == 0:
        return D, None
    return D + share * (step.x - D) + step.b * (1 - share) ** 0.5 * step.noise(), None


def euler_maruyama(step: Step) -> tuple[Any, None]:
    """The reverse SDE in sigma², where g = 1: ½ (1 + eta²) of the score, eta of the noise."""
    D, fall = step.denoise(step.x, step.a), step.a**2 - step.b**2
    if step.b == 0:
        return D, None
    grad = (D - step.x) / step.a**2
    return step.x + (1 + step.eta**2) / 2 * fall * grad + step.eta * fall**0.5 * step.noise(), None


METHODS: dict[str, Callable[[Step], tuple[Any, Any]]] = {
    "euler": euler,
    "heun": heun,
    "multistep2": multistep2,
    "multistep3": _adams(3),
    "multistep4": _adams(4),
    "ancestral": ancestral,
    "euler_maruyama": euler_maruyama,
}
RANDOM = ("ancestral", "euler_maruyama")


class _Counted:
    """A denoiser that counts its calls, and whose answers must be finite and of the shape of x.

    They are NumPy arrays where x is one: its small steps would cost more as JAX's operations.
    """

    def __init__(self, denoise: Any, x: Any) -> None:
        if not callable(denoise):
            raise ValueError(
                f"denoise must be a function (x, sigma) ↦ x_0, got {type(denoise).__name__}; "
                "of a mixture it is denoiser(mix)."
            )
        self.denoise, self.shape, self.calls = denoise, x.shape, 0
        self.numpy = isinstance(x, np.ndarray)

    def __call__(self, x: Any, sigma: float) -> Any:
        self.calls += 1
        D = self.denoise(x, sigma)
        if np.shape(D) != self.shape:
            raise ValueError(f"denoise must return the shape of x, {self.shape}; it returned {np.shape(D)}.")
        D = np.asarray(D) if self.numpy else D
        _checks.answered(D, "denoise", sigma)
        return D


def _rule(method: str) -> Callable[[Step], tuple[Any, Any]]:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
    return METHODS[method]


def _start(x: Any, sigma: float) -> Any:
    """x (n, ...), refused where it is far too small to be a start at that noise."""
    x = _checks.samples(x)
    size = float(np.sqrt(np.mean(np.square(np.asarray(x)))))
    if x.size >= 64 and size < 0.3 * sigma:
        raise ValueError(
            f"x must be starts at the first noise level, {sigma:g}, but its entries are of size {size:.3g}: "
            "multiply standard normal numbers by sigmas[0]; coordinates of VP are divided by s(t) first."
        )
    return x


def _noise(rng: Any, x: Any, method: str) -> Callable[[], Any]:
    if method in RANDOM:
        rng = _checks.generator(rng)
    return lambda: rng.standard_normal(x.shape).astype(x.dtype)
