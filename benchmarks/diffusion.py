"""Samplers, likelihood and Fokker-Planck equation where the score is known exactly.

python -m benchmarks.diffusion                        all of it, into results/diffusion.json
python -m benchmarks.diffusion --only samplers        or likelihood, fokker_planck

samplers       error of the endpoint by evaluations of the denoiser, against a reference of order 8 at
               1e-12, on the same 2000 latents. The peers (Euler = DDIM, EDM's Heun, DPM-Solver++ 2M) are
               written here as they were published, and beside them multistep3 without the angle, as UniPC has
               it; on EDM's grid (rho = 7), on equal steps of log sigma, and on our grid. That is EDM's centre
               and width of training noise, and data_scale is 1: neither was fitted to a landscape. All but
               the first two were never looked at before they were fixed. "scaled": both in proportion to the
               data's spread
likelihood     log density of 200 points along the flow beside the exact one; the peer is RK45 on x in log
               sigma
fokker_planck  masses in cells beside the exact ones, with orders; forwards, backwards; a cloud of particles

An evaluation is one call of the denoiser (of denoiser and divergence, for the likelihood) on the whole batch.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.common import interleave, machine, record, versions
from mcbook import diffusion

PACKAGES = ("numpy", "scipy", "jax")
SIGMA_MIN, SIGMA_MAX = 0.002, 80.0
BUDGETS = (18, 36, 72, 288)
GRIDS = {
    "rho = 7": diffusion.karras_sigmas,
    "log": diffusion.log_sigmas,
    "logistic": diffusion.logistic_sigmas,
}


# The peers, as published: x at sigmas[0] to clean data, and how often they asked


def euler(denoise: Any, x: Any, sigmas: Any) -> tuple[Any, int]:
    for a, b in zip(sigmas, [*sigmas[1:], 0.0], strict=True):
        x = x + (b - a) * (x - denoise(x, a)) / a
    return x, len(sigmas)


def heun(denoise: Any, x: Any, sigmas: Any) -> tuple[Any, int]:
    """EDM's Algorithm 1."""
    calls = 0
    for a, b in zip(sigmas, [*sigmas[1:], 0.0], strict=True):
        d = (x - denoise(x, a)) / a
        ahead, calls = x + (b - a) * d, calls + 1
        if b > 0:
            x, calls = x + (b - a) / 2 * (d + (ahead - denoise(ahead, b)) / b), calls + 1
        else:
            x = ahead
    return x, calls


def dpm_solver_2m(denoise: Any, x: Any, sigmas: Any) -> tuple[Any, int]:
    """DPM-Solver++ 2M, data prediction, the last step to 0."""
    old, h_old = None, 1.0
    for a, b in zip(sigmas, [*sigmas[1:], 0.0], strict=True):
        D = denoise(x, a)
        if b == 0:
            return D, len(sigmas)
        h = np.log(a / b)
        r = h_old / h
        ahead = D if old is None else (1 + 1 / (2 * r)) * D - 1 / (2 * r) * old
        x, old, h_old = (b / a) * x - float(np.expm1(-h)) * ahead, D, h
    return x, len(sigmas)


def exponential_adams(denoise: Any, x: Any, sigmas: Any) -> tuple[Any, int]:
    """x/sigma grows by ∫ D d(1/sigma), D a quadratic in log sigma; predicted, then corrected by the next D.

    The idea of UniPC with exact weights, of order 3: what multistep3 is without the angle.
    """
    lam, y, Ds = -np.log(sigmas), x / sigmas[0], [denoise(x, sigmas[0])]
    ahead = x
    for i in range(len(sigmas) - 1):
        old = slice(max(0, i - 1), i + 1)
        ahead = sigmas[i + 1] * (y + _weighted(lam[old], Ds[old], lam[i], lam[i + 1]))
        Ds.append(denoise(ahead, sigmas[i + 1]))
        new = slice(max(0, i - 1), i + 2)
        y = y + _weighted(lam[new], Ds[new], lam[i], lam[i + 1])
    return sigmas[-1] * y + Ds[-1] - ahead, len(sigmas)


def _weighted(nodes: np.ndarray, values: list[Any], start: float, end: float) -> Any:
    """∫ e^lam (the polynomial through the values) dlam from start to end."""
    u, w = np.polynomial.legendre.leggauss(12)
    at, w = (start + end) / 2 + (end - start) / 2 * u, (end - start) / 2 * w
    V = np.vander((at - start) / (end - start), len(nodes), increasing=True)
    weights = np.linalg.solve(
        np.vander((nodes - start) / (end - start), len(nodes), increasing=True).T, V.T @ (w * np.exp(at))
    )
    return sum(float(c) * D for c, D in zip(weights, values, strict=True))


PEERS: dict[str, Callable] = {
    "Euler (DDIM)": euler,
    "Heun (EDM)": heun,
    "DPM-Solver++ 2M": dpm_solver_2m,
    "Adams in log sigma": exponential_adams,
}


def levels_for(method: str, budget: int) -> int:
    """Two evaluations a level, less one, for Heun."""
    return budget // 2 if method == "Heun (EDM)" else budget


def landscapes() -> dict[str, tuple[diffusion.Mixture, np.ndarray]]:
    """Mixtures and 2000 latents each; the first are those of the peer's script."""
    legacy = np.random.RandomState(0)
    legacy.randn(5, 2)
    found = {"five_spots": (diffusion.five_spots(), SIGMA_MAX * legacy.randn(2000, 2))}
    rng = np.random.default_rng(1)
    A = rng.normal(size=(10, 8, 8))
    others = {
        "ring": diffusion.ring(),
        "spiral": diffusion.spiral(),
        "eight dimensions": diffusion.mixture(
            1 + rng.random(10),
            rng.normal(size=(10, 8)),
            0.01 * np.eye(8) + 0.02 * A @ A.transpose(0, 2, 1),
        ),
        "three times wider": _stretched(diffusion.five_spots(), 3.0),
    }
    for name, mix in others.items():
        found[name] = (mix, SIGMA_MAX * rng.normal(size=(2000, mix.means.shape[1])))
    return found


def _stretched(mix: diffusion.Mixture, factor: float) -> diffusion.Mixture:
    return mix._replace(means=factor * mix.means, variances=factor**2 * mix.variances)


def samplers(repeats: int) -> dict:
    """Median and root mean square errors by method, grid and budget; orders; seconds at 36 evaluations."""
    found: dict[str, Any] = {"budgets": BUDGETS, "latents": 2000}
    for name, (mix, x) in landscapes().items():
        denoise = jax.jit(diffusion.denoiser(mix))
        end = diffusion.flow(denoise, x, sigma_from=SIGMA_MAX, sigma_to=SIGMA_MIN, rtol=1e-12, atol=1e-12)
        reference = np.asarray(denoise(end.x, SIGMA_MIN))
        found[name] = {"data_scale": _spread(mix)} | _errors(denoise, x, reference, _spread(mix))
        if name == "five_spots":
            peers_own = np.asarray(heun(denoise, x, diffusion.karras_sigmas(8193).tolist())[0])
            found["median_distance_of_references"] = _median(peers_own - reference)
            found["seconds_at_36"] = _seconds(denoise, x, repeats)
    return found


def _spread(mix: diffusion.Mixture) -> float:
    mean = mix.weights @ mix.means
    return float(np.sqrt((mix.weights @ (mix.variances + (mix.means - mean) ** 2)).mean()))


def _median(gap: np.ndarray) -> float:
    return float(np.median(np.linalg.norm(gap, axis=1)))


def _errors(denoise: Any, x: np.ndarray, reference: np.ndarray, spread: float) -> dict[str, Any]:
    table = {"multistep3, logistic, scaled": _scaled_errors(denoise, x, reference, spread)}
    for grid_name, grid in GRIDS.items():
        for method in (*PEERS, "multistep3", "multistep4"):
            gaps, calls = [], []
            for budget in BUDGETS:
                sigmas = grid(levels_for(method, budget))
                end, used = _run(method, denoise, x, sigmas)
                gaps.append(np.asarray(end) - reference)
                calls.append(used)
            medians = [_median(g) for g in gaps]
            table[f"{method}, {grid_name}"] = {
                "evaluations": calls,
                "median": medians,
                "rms": [float(np.sqrt((g**2).sum(1).mean())) for g in gaps],
                "order_72_to_288": float(np.log(medians[2] / medians[3]) / np.log(calls[3] / calls[2])),
            }
    return table


def _scaled_errors(denoise: Any, x: np.ndarray, reference: np.ndarray, spread: float) -> dict[str, Any]:
    ends = [
        diffusion.sample(
            denoise,
            x,
            diffusion.logistic_sigmas(n, centre=0.3 * spread),
            method="multistep3",
            data_scale=spread,
        )
        for n in BUDGETS
    ]
    return {
        "evaluations": [end.evaluations for end in ends],
        "median": [_median(end.x - reference) for end in ends],
    }


def _run(method: str, denoise: Any, x: np.ndarray, sigmas: np.ndarray) -> tuple[Any, int]:
    if method in PEERS:
        return PEERS[method](denoise, x, sigmas.tolist())
    out = diffusion.sample(denoise, x, sigmas, method=method)
    return out.x, out.evaluations


def _seconds(denoise: Any, x: np.ndarray, repeats: int) -> dict[str, Any]:
    sides: dict[str, tuple[Callable[[], Any], int]] = {}
    for method in (*PEERS, "multistep3", "multistep4"):
        sigmas = diffusion.logistic_sigmas(levels_for(method, 36))

        def run(method: str = method, sigmas: np.ndarray = sigmas) -> np.ndarray:
            return np.asarray(_run(method, denoise, x, sigmas)[0])

        sides[method] = (run, repeats)
    return interleave(sides)[0]


# Likelihood


def peers_points() -> np.ndarray:
    """The 200 points of the peer's script, by the same draws."""
    mix, legacy = diffusion.five_spots(), np.random.RandomState(0)
    legacy.randn(5, 2)
    legacy.randn(2000, 2)
    return mix.means[legacy.choice(5, 200, p=mix.weights)] + 0.15 * legacy.randn(200, 2)


def likelihood(_: int, seeds: int = 10) -> dict:
    """Errors in nats and evaluations: ours, the peer, the parts of ours, the prior's share, Hutchinson."""
    mix = diffusion.five_spots()
    field = jax.jit(diffusion.mixture_field(mix))
    points = peers_points()
    ours = {f"{tol:g}": _ours(mix, field, points, tol) for tol in (1e-3, 1e-5, 1e-7, 3e-9, 1e-10, 1e-12)}
    peer = {f"{tol:g}": _rk45(mix, field, points, tol, "RK45") for tol in (1e-3, 1e-5, 1e-7, 1e-9)}
    found: dict[str, Any] = {
        "columns": ["evaluations", "mean", "largest"],
        "ours": ours,
        "RK45 in log sigma": peer,
    }
    found["DOP853 in log sigma"] = {
        f"{t:g}": _rk45(mix, field, points, t, "DOP853") for t in (1e-7, 3e-9, 1e-9)
    }
    rng = np.random.default_rng(0)
    draws = [_ours(mix, field, diffusion.sample_mixture(mix, 200, rng), 3e-9) for _ in range(seeds)]
    found["other_points"] = draws
    found["gaussian_prior"] = _with_gaussian_prior(mix, field, points)
    found["other_landscapes"] = {
        name: _ours(
            other,
            jax.jit(diffusion.mixture_field(other)),
            diffusion.sample_mixture(other, 200, rng),
            3e-9,
        )
        for name, (other, _) in landscapes().items()
        if name != "five_spots"
    }
    return found | {"hutchinson": _hutchinson(mix, points)}


def _exact(mix: diffusion.Mixture, x: np.ndarray, sigma: float) -> np.ndarray:
    return np.asarray(diffusion.log_density(x, diffusion.noised(mix, sigma)))


def _row(calls: int, found: np.ndarray, known: np.ndarray) -> list[float]:
    gap = np.abs(found - known)
    return [calls, float(gap.mean()), float(gap.max())]


def _ours(mix: diffusion.Mixture, field: Any, x: np.ndarray, tol: float) -> list[float]:
    prior = partial(_exact, mix, sigma=SIGMA_MAX)
    found = diffusion.log_likelihood(x, field, log_prior=prior, rtol=tol, atol=tol)
    return _row(found.evaluations, found.log_density, _exact(mix, x, SIGMA_MIN))


def _with_gaussian_prior(mix: diffusion.Mixture, field: Any, x: np.ndarray) -> dict[str, list[float]]:
    """The same runs with N(0, sigma_max²) at the end: what is left is not the integration's."""
    found = {}
    for tol in (1e-5, 3e-9):
        prior = diffusion.gaussian_log_prior(SIGMA_MAX)
        run = diffusion.log_likelihood(x, field, log_prior=prior, rtol=tol, atol=tol)
        found[f"{tol:g}"] = _row(run.evaluations, run.log_density, _exact(mix, x, SIGMA_MIN))
    return found


def _rk45(mix: diffusion.Mixture, field: Any, x: np.ndarray, tol: float, method: str) -> list[float]:
    """x and the volume against u = log sigma, as in the peer's script."""
    n, d = x.shape
    calls = 0

    def rate(u: float, y: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        at = y[: n * d].reshape(n, d)
        D, div_D = field(at, float(np.exp(u)))
        return np.concatenate([(at - np.asarray(D)).ravel(), d - np.asarray(div_D)])

    start = np.concatenate([x.ravel(), np.zeros(n)])
    ends = (np.log(SIGMA_MIN), np.log(SIGMA_MAX))
    end = solve_ivp(rate, ends, start, method=method, rtol=tol, atol=tol).y[:, -1]
    found = _exact(mix, end[: n * d].reshape(n, d), SIGMA_MAX) + end[n * d :]
    return _row(calls, found, _exact(mix, x, SIGMA_MIN))


def _hutchinson(mix: diffusion.Mixture, x: np.ndarray, draws: int = 16) -> dict[str, float]:
    """Spread of one draw, and the mean's error beside its own estimate of it."""
    found = diffusion.hutchinson_likelihood(
        x,
        diffusion.denoiser(mix),
        key=jax.random.key(0),
        draws=draws,
        log_prior=partial(_exact, mix, sigma=SIGMA_MAX),
        rtol=1e-5,
        atol=1e-5,
    )
    gap = found.mean - _exact(mix, x, SIGMA_MIN)
    return {
        "draws": draws,
        "median_spread_of_one_draw": float(np.median(found.draws.std(axis=0, ddof=1))),
        "rms_error_of_the_mean": float(np.sqrt((gap**2).mean())),
        "rms_of_its_standard_error": float(np.sqrt((found.standard_error**2).mean())),
    }


# Fokker-Planck


def fokker_planck(repeats: int) -> dict:
    """Errors and orders forwards and backwards, what is conserved, residuals, and clouds."""
    line = diffusion.mixture([0.6, 0.4], [[-1.0], [1.0]], [0.09, 0.25])
    plane = diffusion.five_spots()
    vp, ve = diffusion.vp(), diffusion.ve(sigma_max=3.0)
    found: dict[str, Any] = {
        "line, VP to t = 0.5": _forwards(line, vp, 0.5, (-7, 7), (80, 160, 320, 640)),
        "line, VE to t = 1": _forwards(line, ve, 1.0, (-8, 8), (80, 160, 320, 640)),
        "plane, VP to t = 0.3": _forwards(plane, vp, 0.3, ([-6, -6], [6, 6]), (32, 64, 128, 256)),
    }
    for eta in (1.0, 0.0):
        found[f"line, VP back from t = 0.5 to 0.02, eta = {eta:g}"] = _backwards(line, vp, eta)
    found["residual"] = {
        process.name: _residual(plane, process) for process in (vp, diffusion.ve(), diffusion.edm())
    }
    found["cloud"] = _cloud(plane, vp)
    grid = diffusion.cells([-6, -6], [6, 6], 128)
    drift, spread = diffusion.equation(vp)
    start = diffusion.cell_mass(plane, grid)
    run = partial(diffusion.fokker_planck, start, grid, drift=drift, diffusion=spread, times=[0.0, 0.3])
    found["seconds"] = interleave({"plane, 128 x 128 cells": (run, repeats)})[0]
    return found


def _table(sizes: Any, errors: list[float], runs: list[diffusion.Evolution]) -> dict[str, Any]:
    return {
        "cells_a_side": list(sizes),
        "L1": errors,
        "orders": np.log2(np.array(errors[:-1]) / errors[1:]).tolist(),
        "largest_change_of_mass": max(float(np.abs(r.total - r.total[0]).max()) for r in runs),
        "least_mass": min(r.least for r in runs),
        "products": [r.products for r in runs],
    }


def _forwards(mix: diffusion.Mixture, process: Any, t: float, corners: Any, sizes: Any) -> dict:
    drift, spread = diffusion.equation(process)
    (lower, upper), errors, runs = corners, [], []
    for m in sizes:
        grid = diffusion.cells(lower, upper, m)
        start = diffusion.cell_mass(mix, grid)
        runs.append(diffusion.fokker_planck(start, grid, drift=drift, diffusion=spread, times=[0.0, t]))
        law = diffusion.cell_mass(diffusion.marginal(mix, process, t), grid)
        errors.append(float(np.abs(runs[-1].mass[-1] - law).sum()))
    return _table(sizes, errors, runs)


def _backwards(mix: diffusion.Mixture, process: Any, eta: float) -> dict:
    drift = jax.jit(diffusion.reverse_drift(process, diffusion.denoiser(mix), eta=eta))
    sizes, errors, runs = (80, 160, 320, 640), [], []
    for m in sizes:
        grid = diffusion.cells(-7, 7, m)
        start, law = (diffusion.cell_mass(diffusion.marginal(mix, process, t), grid) for t in (0.5, 0.02))
        runs.append(
            diffusion.fokker_planck(
                start,
                grid,
                drift=drift,
                diffusion=lambda t: eta**2 * float(process.g(t)) ** 2 / 2,
                times=[0.5, 0.02],
                steps=m // 4,
            )
        )
        errors.append(float(np.abs(runs[-1].mass[-1] - law).sum()))
    return _table(sizes, errors, runs)


def _residual(mix: diffusion.Mixture, process: Any) -> float:
    """The largest at 200 points at each of five noise levels, divided by the density."""
    rng, worst = np.random.default_rng(0), 0.0
    for sigma in (0.1, 0.3, 1.0, 3.0, 10.0):
        t = float(process.time(sigma))
        x = diffusion.sample_mixture(diffusion.marginal(mix, process, t), 200, rng)
        worst = max(worst, float(np.abs(diffusion.fokker_planck_residual(x, t, mix, process)).max()))
    return worst


def _cloud(mix: diffusion.Mixture, process: Any, seeds: int = 20, n: int = 40_000) -> dict:
    """Chances that clouds of n are drawn from the grid's masses: uniform on 0 … 1 if they are."""
    grid = diffusion.cells([-6, -6], [6, 6], 128)
    drift, spread = diffusion.equation(process)
    start = diffusion.cell_mass(mix, grid)
    mass = diffusion.fokker_planck(start, grid, drift=drift, diffusion=spread, times=[0.0, 0.3]).mass[-1]
    p = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        x = diffusion.diffuse(process, diffusion.sample_mixture(mix, n, rng), [0.3], rng)[-1]
        p.append(diffusion.agreement(diffusion.histogram(x, grid), mass).p_value)
    return {"particles": n, "seeds": seeds, "least": min(p), "median": float(np.median(p)), "most": max(p)}


SECTIONS: dict[str, Callable[[int], dict]] = {
    "samplers": samplers,
    "likelihood": likelihood,
    "fokker_planck": fokker_planck,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=sorted(SECTIONS))
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    for name, section in SECTIONS.items():
        if arguments.only in (None, name):
            found = section(arguments.repeats)
            found |= {"machine": machine(), "versions": versions(*PACKAGES)}
            record("diffusion", name, found)


if __name__ == "__main__":
    main()
