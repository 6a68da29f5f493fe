"""Large n: mcbook beside scikit-learn's random features at 100 000 rows, a million rows, devices.

python -m benchmarks.kernels_scale [--only SECTION] [--repeats R] [--seeds S]
hundred_thousand  RMSE to the clean function and seconds, tuning included; interleaved, several data draws
million           a million rows streamed through inducing points, fresh process: RMSE, seconds, peak memory
preconditioner    conjugate gradients with K never stored: iterations by rank, memory beside that of K
devices           the same call on 1, 2 and 8 simulated devices: the difference of the answers

The task is that of the book's survey of peers: eight features uniform in [-1, 1], of which five matter,
f = sin 3x₀ + cos(2 x₁x₂) + x₃²x₄, noise 0.1.  scikit-learn's width and penalty are chosen on validation rows,
and so are ours; scikit-learn has one width for all features, so it is also given ours.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from functools import partial
from typing import Any

import numpy as np

from benchmarks.common import interleave, machine, record, spread, versions
from mcbook import kernels

PACKAGES = ("numpy", "scipy", "jax", "scikit-learn")
NOISE, D = 0.1, 8
GAMMAS, ALPHAS = (0.05, 0.1, 0.2, 0.5), (1e-6, 1e-5, 1e-4, 1e-3)


def clean(X: np.ndarray) -> np.ndarray:
    """f at the rows of X (n, 8)."""
    return np.sin(3 * X[:, 0]) + np.cos(2 * X[:, 1] * X[:, 2]) + X[:, 3] ** 2 * X[:, 4]


def draw(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (n, 8), noisy y (n,), and 2000 further rows for the test."""
    rng = np.random.RandomState(seed)
    X = rng.rand(n + 2000, D) * 2 - 1
    return X[:n], clean(X[:n]) + NOISE * rng.randn(n), X[n:]


def rmse(prediction: np.ndarray, X: np.ndarray) -> float:
    return float(np.sqrt(((prediction - clean(X)) ** 2).mean()))


# --- 100 000 rows ----------------------------------------------------------------------------------------


def peer(X, y, *, gamma: float, alpha: float, m: int, seed: int):
    """scikit-learn's random features and ridge."""
    from sklearn.kernel_approximation import RBFSampler
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    features = RBFSampler(gamma=gamma, n_components=m, random_state=seed)
    return make_pipeline(features, Ridge(alpha=alpha)).fit(X, y).predict


def peer_tuned(X, y, *, m: int, seed: int):
    """The grid of GAMMAS x ALPHAS, fitted on 20 000 rows, judged on 10 000 others."""
    from sklearn.kernel_approximation import RBFSampler
    from sklearn.linear_model import Ridge

    scores = {}
    for gamma in GAMMAS:
        Phi = RBFSampler(gamma=gamma, n_components=m, random_state=seed).fit_transform(X[:30_000])
        for alpha in ALPHAS:
            model = Ridge(alpha=alpha).fit(Phi[:20_000], y[:20_000])
            scores[gamma, alpha] = ((model.predict(Phi[20_000:]) - y[20_000:30_000]) ** 2).mean()
    gamma, alpha = min(scores, key=lambda pair: scores[pair])
    return peer(X, y, gamma=gamma, alpha=alpha, m=m, seed=seed), {"gamma": gamma, "alpha": alpha}


def ours_given(X, y, *, gamma: float, alpha: float, m: int, seed: int):
    """Our random features at the peer's width and penalty, in float32."""
    rng = np.random.default_rng(seed)
    basis = kernels.draw_fourier(D, m, sigma=(2 * gamma) ** -0.5, rng=rng, orthogonal=True, dtype=np.float32)
    return partial(kernels.predict_streamed, kernels.fit_streamed(basis, X, y, lam=alpha))


def ours_tuned(X, y, *, m: int, seed: int, together: bool = False):
    """Widths and penalty by the validation gradient on 4000 rows and 300 points; then m and all rows."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(X), 4000, replace=False)
    part = kernels.split_rows(X[rows], y[rows], X[rows[:300]], rng=rng)
    start = kernels.median_width(part.X)
    tuned = kernels.tune_widths(part, sigma=start, lam=0.1, together=together)
    Z = kernels.choose_inducing(X, m, sigma=tuned.sigma, rng=rng, method="uniform")
    basis = kernels.nystroem_basis(Z, sigma=tuned.sigma)
    model = kernels.fit_streamed(basis, X, y, lam=tuned.lam)
    return partial(kernels.predict_streamed, model), tuned


def hundred_thousand(seeds: int, repeats: int, n: int = 100_000) -> dict:
    """Seconds of the whole fit, tuning included, and RMSE on 2000 test rows, over draws of the data."""
    runs = [one_draw(seed, repeats, n) for seed in range(seeds)]
    names = runs[0]["rmse"]
    return {
        "n": n,
        "d": D,
        "noise": NOISE,
        "rmse": {name: spread([run["rmse"][name] for run in runs]) for name in names},
        "seconds": {name: spread([run["seconds"][name]["least"] for run in runs]) for name in names},
        "time_ratio": {name: spread([r["time_ratio"][name] for r in runs]) for name in runs[0]["time_ratio"]},
        "rmse_difference_to_peer_tuned": spread(
            [r["rmse"]["ours, a width per feature"] - r["rmse"]["scikit-learn, tuned"] for r in runs]
        ),
        "runs": runs,
        "note": "seconds are the least of each draw's repeats; time_ratio is theirs over those",
    }


def one_draw(seed: int, repeats: int, n: int) -> dict:
    X, y, test = draw(seed, n)
    found: dict[str, Any] = {}

    def tuned(name: str, fit):
        def run():
            predict, found[name] = fit()
            return predict

        return run

    given: dict[str, Any] = {"gamma": 0.5, "alpha": 1e-3, "m": 2000, "seed": seed}
    sides = {
        "scikit-learn, as given": (partial(peer, X, y, **given), repeats),
        "ours, as given": (partial(ours_given, X, y, **given), repeats),
        "scikit-learn, tuned": (tuned("peer", partial(peer_tuned, X, y, m=2000, seed=seed)), 1),
        "ours, one width": (
            tuned("one", partial(ours_tuned, X, y, m=1000, seed=seed, together=True)),
            repeats,
        ),
        "ours, a width per feature": (tuned("many", partial(ours_tuned, X, y, m=500, seed=seed)), repeats),
    }
    seconds, predict = interleave(sides)
    widths, lam = found["many"].sigma, found["many"].lam
    start = time.perf_counter()
    handed = peer(X / widths, y, gamma=0.5, alpha=lam, m=2000, seed=seed)
    seconds["scikit-learn, handed our widths"] = spread([time.perf_counter() - start])
    errors = {name: rmse(p(test), test) for name, p in predict.items()}
    errors["scikit-learn, handed our widths"] = rmse(handed(test / widths), test)
    base = seconds["scikit-learn, as given"]["least"]
    return {
        "seed": seed,
        "rmse": errors,
        "seconds": seconds,
        "time_ratio": {
            "ours as given / scikit-learn as given": seconds["ours, as given"]["least"] / base,
            "ours one width / scikit-learn as given": seconds["ours, one width"]["least"] / base,
            "ours a width per feature / scikit-learn as given": seconds["ours, a width per feature"]["least"]
            / base,
            "ours a width per feature / scikit-learn tuned": seconds["ours, a width per feature"]["least"]
            / seconds["scikit-learn, tuned"]["least"],
        },
        "peer_chose": found["peer"],
        "one_width": {"sigma": float(found["one"].sigma[0]), "lam": found["one"].lam},
        "widths": {"sigma": widths.tolist(), "lam": lam, "evaluations": len(found["many"].losses)},
    }


# --- a million rows --------------------------------------------------------------------------------------


def blocks(n: int, rows: int = 4096):
    """n rows in blocks that are made when they are asked for: the data never stand in memory as a whole."""
    for k, i in enumerate(range(0, n, rows)):
        rng = np.random.default_rng([1, k])
        X = rng.uniform(-1, 1, (min(rows, n - i), D))
        yield X, clean(X) + NOISE * rng.normal(size=len(X))


def million_here(m: int, n: int) -> dict:
    """The run itself, in a process of its own: tuning, inducing points, one walk, the test."""
    start = time.perf_counter()
    X, y = (np.concatenate(parts) for parts in zip(*blocks(4096), strict=True))
    rng = np.random.default_rng(0)
    part = kernels.split_rows(X, y, X[:300], rng=rng)
    tuned = kernels.tune_widths(part, sigma=kernels.median_width(X), lam=0.1)
    basis = kernels.nystroem_basis(X[rng.choice(len(X), m, replace=False)], sigma=tuned.sigma)
    tuned_after = time.perf_counter() - start
    sums = kernels.add_up(basis, blocks(n))
    w = kernels.ridge_from_sums(sums, lam=tuned.lam)
    seconds = time.perf_counter() - start
    test = np.random.default_rng(99).uniform(-1, 1, (20_000, D))
    prediction = np.concatenate([basis(T) @ w[:-1, 0] + w[-1, 0] for T in np.split(test, 20)])
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "n": sums.n,
        "m": basis.m,
        "rmse": rmse(prediction, test),
        "training_rmse": float(np.sqrt(kernels.mse_from_sums(sums, w)[0])),
        "seconds": seconds,
        "seconds_tuning": tuned_after,
        "peak_resident_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9,
        "features_stored_would_be_gb": n * m * 8 / 1e9,
        "lam": tuned.lam,
    }


def in_fresh_process(call: str, devices: int = 1) -> dict:
    """What `call`, a function of this module, returns in a process of its own that sees so many devices."""
    code = f"import json; from benchmarks import kernels_scale as b; print(json.dumps(b.{call}))"
    env = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    return json.loads(out.stdout.splitlines()[-1])


def million(n: int = 1_000_000) -> dict:
    """Peak resident memory is that of the whole process, interpreter and libraries included."""
    return {f"m{m}": in_fresh_process(f"million_here({m}, {n})") for m in (500, 1000)}


# --- conjugate gradients, devices ------------------------------------------------------------------------


def preconditioner(n: int = 10_000) -> dict:
    """Gaussian kernel, sigma 1, lam 0.01: iterations to a residual of 1e-8, by the preconditioner's rank."""
    runs = {f"rank{rank}": in_fresh_process(f"iterate({rank}, {n})") for rank in (0, 100, 500, 1000)}
    return {"n": n, "kernel_matrix_mb": 8 * n * n / 1e6, "runs": runs}


def iterate(rank: int, n: int, max_iter: int = 300) -> dict:
    X, y, _ = draw(0, n)
    kernels.fit_iterative(X[:100], y[:100], sigma=1.0, lam=0.01, rank=10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    run = kernels.fit_iterative(X, y, sigma=1.0, lam=0.01, rank=rank, max_iter=max_iter).run
    seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "iterations": run.iterations,
        "converged": run.converged,
        "residual": float(run.true_residual.max()),
        "seconds": seconds,
        "extra_memory_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit / 1e6,
    }


def devices(n: int = 3001) -> dict:
    """The same call on 1, 2 and 8 devices, simulated on one processor: answers, not speed, are compared."""
    runs = {d: in_fresh_process(f"on_devices({n})", d) for d in (1, 2, 8)}
    alone, cholesky = np.array(runs[1]["alpha"]), np.array(in_fresh_process(f"exact({n})"))

    def gap(alpha: list[float], to: np.ndarray) -> float:
        return float(np.abs(alpha - to).max() / np.abs(to).max())

    return {
        "n": n,
        "difference_to_one_device": {d: gap(run["alpha"], alone) for d, run in runs.items()},
        "difference_to_cholesky": {d: gap(run["alpha"], cholesky) for d, run in runs.items()},
        "iterations": {d: run["iterations"] for d, run in runs.items()},
        "seconds": {d: run["seconds"] for d, run in runs.items()},
    }


def on_devices(n: int) -> dict:
    import jax

    jax.config.update("jax_enable_x64", True)
    X, y, _ = draw(0, n)
    settings: dict[str, Any] = {
        "mesh": kernels.device_mesh(),
        "sigma": 1.0,
        "lam": 0.01,
        "Z": X[:500],
        "tol": 1e-10,
    }
    kernels.fit_sharded(X, y, **settings, max_iter=500)  # compiles
    start = time.perf_counter()
    fit = kernels.fit_sharded(X, y, **settings, max_iter=500)
    seconds = time.perf_counter() - start
    return {"alpha": fit.model.alpha.tolist(), "iterations": fit.run.iterations, "seconds": seconds}


def exact(n: int) -> list[float]:
    X, y, _ = draw(0, n)
    return kernels.fit(X, y, sigma=1.0, lam=0.01).alpha.tolist()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sections = {
        "hundred_thousand": lambda a: hundred_thousand(a.seeds, a.repeats),
        "million": lambda a: million(),
        "preconditioner": lambda a: preconditioner(),
        "devices": lambda a: devices(),
    }
    parser.add_argument("--only", choices=sections)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    for name, section in sections.items():
        if args.only in (None, name):
            before = machine()
            record(
                "kernels_scale", name, section(args) | {"machine": before, "versions": versions(*PACKAGES)}
            )


if __name__ == "__main__":
    main()
