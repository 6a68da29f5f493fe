"""Kernel ridge regression beside scikit-learn: the exact solve, closed forms, tuning by gradient.

python -m benchmarks.kernels                      all of it, into results/kernels.json
python -m benchmarks.kernels --only exact         one of exact, memory, closed_forms, tuning

exact, memory   n = 10 000, d = 276 (the size of a padded Coulomb matrix), Laplacian and Gaussian kernels;
                what is compiled is compiled on a smaller problem first
closed_forms    leave-one-out, cross-validation and gradients against refitting and JAX's
tuning          width(s) and lam by gradient, then GridSearchCV given at least as long, on the same data;
                both are judged on points that neither has seen; seconds are the processor's, one thread
"""

import argparse
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import interleave, machine, record, spread, versions
from mcbook import data, kernels

PACKAGES = ("numpy", "scipy", "jax", "scikit-learn")
N, D = 10_000, 276


def features(n: int, d: int = D, seed: int = 0):
    """X (n, d) standard normal and y (n,) a function of it."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, np.sin(X[:, 0]) + X[:, 1] * X[:, 2]


def width(kernel: str, d: int = D) -> float:
    """About the median distance between rows of `features`."""
    return 2 * d / np.sqrt(np.pi) if kernel == "laplacian" else np.sqrt(2 * d)


def fit_ours(X, y, kernel: str, lam: float = 1e-6):
    return kernels.fit(X, y, kernel=kernel, sigma=width(kernel, X.shape[1]), lam=lam)


def fit_theirs(X, y, kernel: str, lam: float = 1e-6):
    from sklearn.kernel_ridge import KernelRidge

    name, gamma = gamma_of(kernel, width(kernel, X.shape[1]))
    return KernelRidge(kernel=name, gamma=gamma, alpha=lam).fit(X, y)


def gamma_of(kernel: str, sigma):
    """scikit-learn's name and gamma."""
    return ("laplacian", 1 / sigma) if kernel == "laplacian" else ("rbf", 1 / (2 * sigma**2))


# The exact solve


def exact(repeats: int, n: int = N) -> dict:
    """Seconds to fit n = 10 000, and how far apart the predictions lie."""
    X, y = features(n)
    found = {}
    for kernel in ("laplacian", "gaussian"):
        fit_ours(X[:2000], y[:2000], kernel), fit_theirs(X[:500], y[:500], kernel)
        seconds, last = interleave(
            {
                "mcbook": (partial(fit_ours, X, y, kernel), repeats),
                "scikit-learn": (partial(fit_theirs, X, y, kernel), repeats),
            }
        )
        Z = features(200, seed=1)[0]
        ours, theirs = kernels.predict(last["mcbook"], Z), last["scikit-learn"].predict(Z)
        found[kernel] = {
            "seconds": seconds,
            "ratio": seconds["mcbook"]["median"] / seconds["scikit-learn"]["median"],
            "ratio_of_least": seconds["mcbook"]["least"] / seconds["scikit-learn"]["least"],
            "predictions_differ": float(np.abs(ours - theirs).max() / np.abs(theirs).max()),
        }
    return {"n": n, "d": D, "lam": 1e-6, "kernels": found}


def memory(n: int = N) -> dict:
    """Peak resident memory above the loaded data, in units of 8 n² bytes; each side in its own process."""
    peaks = {}
    for side in ("fit", "leave-one-out", "loo gradient", "evidence gradient", "scikit-learn"):
        size = n // 2 if "gradient" in side else n
        code = f"from benchmarks.kernels import peak; print(peak({side!r}, {size}))"
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        peaks[side] = {"n": size, "over_matrix": float(out.stdout.split()[-1])}
    return {"d": D, "kernel": "laplacian", "peak": peaks}


def peak(side: str, n: int) -> float:
    """(peak resident memory after - before) / 8 n²."""
    X, y = features(n)
    sigma = width("laplacian")

    def loo(X, y):
        K = kernels.kernel_matrix(X, kernel="laplacian", sigma=sigma)
        return kernels.leave_one_out(K, y, lam=1e-6, overwrite=True)

    sides: dict[str, Callable] = {
        "fit": partial(fit_ours, kernel="laplacian"),
        "leave-one-out": loo,
        "loo gradient": partial(kernels.judge_loo, kernel="laplacian", sigma=sigma, lam=1e-6),
        "evidence gradient": partial(kernels.judge_evidence, kernel="laplacian", sigma=sigma, lam=1e-6),
        "scikit-learn": partial(fit_theirs, kernel="laplacian"),
    }
    sides[side](X[:1500], y[:1500])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sides[side](X, y)
    unit = 1 if sys.platform == "darwin" else 1024
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit / (8 * n * n)


# Closed forms


def closed_forms(seeds: int, n: int = 300) -> dict:
    """Relative differences from refitting and from JAX, and the time of n refits over that of one formula."""
    with threadpool_limits(1, "blas"):  # matrices too small to share
        runs = [closed_form(seed, n) for seed in range(seeds)]
    return {
        "n": n,
        "seeds": seeds,
        "worst": {
            key: max(run[key] for run in runs) for key in ("loo", "cv", "loo_gradient", "evidence_gradient")
        },
        "refits_over_formula": spread([run["refits_over_formula"] for run in runs]),
    }


def closed_form(seed: int, n: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    X, P = rng.normal(size=(n, 4)), np.column_stack([np.ones(n), rng.integers(0, 5, n)])
    y = np.sin(2 * X[:, 0]) + X[:, 1] + P @ [3.0, 20.0] + 0.1 * rng.normal(size=n)
    sigma, lam, folds = 1.5, 0.01, rng.integers(0, 10, n)

    def refit(out):
        model = kernels.fit(X[~out], y[~out], sigma=sigma, lam=lam, P=P[~out])
        return y[out] - kernels.predict(model, X[out], P=P[out])

    start = time.perf_counter()
    K = kernels.kernel_matrix(X, sigma=sigma)
    loo = kernels.leave_one_out(K, y, lam=lam, P=P).residuals
    formula = time.perf_counter() - start
    refits = np.concatenate([refit(np.arange(n) == i) for i in range(n)])
    elapsed = time.perf_counter() - start - formula
    cv, cv_refits = kernels.cross_validate(K, y, lam=lam, folds=folds, P=P).residuals, np.empty(n)
    for label in range(10):
        cv_refits[folds == label] = refit(folds == label)
    return {
        "loo": relative(loo, refits),
        "cv": relative(cv, cv_refits),
        "refits_over_formula": elapsed / formula,
        **gradients_beside_jax(X, y, P, sigma, lam),
    }


def gradients_beside_jax(X, y, P, sigma: float, lam: float) -> dict[str, float]:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    n, q = P.shape

    def pieces(theta):
        S = ((X[:, None, :] - X[None, :, :]) ** 2).sum(-1) / jnp.exp(2 * theta[0])
        C = jnp.exp(-S / 2) + jnp.exp(theta[1]) * jnp.eye(n)
        C_inv = jnp.linalg.inv(C)
        M = P.T @ C_inv @ P
        return C, M, C_inv - C_inv @ P @ jnp.linalg.inv(M) @ P.T @ C_inv

    def loo(theta):
        B = pieces(theta)[2]
        return jnp.mean((B @ y / jnp.diag(B)) ** 2)

    def evidence(theta):
        C, M, B = pieces(theta)
        s2 = y @ B @ y / (n - q)
        return 0.5 * ((n - q) * jnp.log(s2) + jnp.linalg.slogdet(C)[1] + jnp.linalg.slogdet(M)[1])

    theta = jnp.log(jnp.array([sigma, lam]))
    found = {}
    for name, judge, f in (("loo", kernels.judge_loo, loo), ("evidence", kernels.judge_evidence, evidence)):
        G = judge(X, y, sigma=sigma, lam=lam, P=P)
        found[f"{name}_gradient"] = relative([G.grad_log_sigma, G.grad_log_lam], jax.grad(f)(theta))
    return found


def relative(a, b) -> float:
    return float(np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(b))


# Tuning at equal wall time


class Task(NamedTuple):
    """Data to tune on, and data to judge by."""

    name: str
    X: np.ndarray
    y: np.ndarray
    X_new: np.ndarray
    y_new: np.ndarray
    kernel: str
    groups: Any  # widths for the search by gradient; None for one


def synthetic(seed: int, n: int = 800, d: int = 6) -> Task:
    """A function that varies fast along one feature, slowly along two, not along three; noise 0.05."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(2 * n, d))
    clean = np.sin(6 * X[:, 0]) + X[:, 1] * X[:, 2]
    y = clean + 0.05 * rng.normal(size=2 * n)
    return Task("synthetic", X[:n], y[:n], X[n:], clean[n:], "gaussian", range(d))


def coulomb(seed: int, n: int = 1500) -> Task:
    """QM7's row-sorted Coulomb matrices, atomisation energies less a linear fit of the composition."""
    qm7 = data.qm7()
    pool = np.random.RandomState(0).permutation(len(qm7.molecules))[:-1420]
    chosen = np.random.default_rng(seed).permutation(pool)[: 2 * n]
    molecules = [qm7.molecules[i] for i in chosen]
    X, counts = kernels.coulomb_matrices(molecules), kernels.composition(molecules)
    E = qm7.pbe0_kcal[chosen]
    y = E - counts @ np.linalg.lstsq(counts[:n], E[:n], rcond=None)[0]
    return Task("coulomb", X[:n], y[:n], X[n:], y[n:], "laplacian", None)


def tuning(seeds: int) -> dict:
    """The error on unseen points after tuning by gradient and after a grid search given at least as long."""
    found = {}
    for make in (coulomb, synthetic):
        runs = [tuning_run(make(seed)) for seed in range(seeds)]
        sides = [name for name in runs[0]["rmse"] if name != "by gradient"]
        found[make.__name__] = {
            "runs": runs,
            "gradient_over": {
                name: spread([run["rmse"]["by gradient"] / run["rmse"][name] for run in runs])
                for name in sides
            },
            "seconds_over": {
                name: spread([run["seconds"][name] / run["seconds"]["by gradient"] for run in runs])
                for name in sides
            },
            "better_than": {
                name: sum(run["rmse"]["by gradient"] < run["rmse"][name] for run in runs) for name in sides
            },
        }
    return {"seeds": seeds, "tasks": found}


def tuning_run(task: Task) -> dict:
    """Every side's seconds and root mean square error on the unseen points."""
    X, y = task.X, task.y - task.y.mean()
    kernels.tune(X[:200], y[:200], kernel=task.kernel, max_iter=2)  # compile, start threads
    grid_search(task, X[:200], y[:200], 2)
    seconds, predictions = {}, {}

    def run(name: str, side: Callable) -> None:
        start = time.process_time()
        predict = side()
        seconds[name] = time.process_time() - start
        predictions[name] = predict(task.X_new) + task.y.mean()

    run("by gradient", lambda: by_gradient(task, X, y, task.groups))
    if task.groups is not None:
        run("by gradient, one width", lambda: by_gradient(task, X, y, None))
    budget = seconds["by gradient"]
    one = candidate_seconds(task, X, y)
    for name, times in (("grid", 1), ("grid, four times as long", 4)):
        side = max(2, int(np.ceil(np.sqrt(times * budget / one))))
        run(name, partial(grid_search, task, X, y, side))
    if task.kernel == "gaussian":
        run("GaussianProcessRegressor", lambda: gaussian_process(X, y))
    return {
        "seconds": seconds,
        "rmse": {k: float(np.sqrt(np.mean((v - task.y_new) ** 2))) for k, v in predictions.items()},
    }


def by_gradient(task: Task, X, y, groups):
    found = kernels.tune(X, y, kernel=task.kernel, groups=groups)
    model = kernels.fit(X, y, kernel=task.kernel, sigma=found.sigma, lam=found.lam)
    return partial(kernels.predict, model)


def candidate_seconds(task: Task, X, y) -> float:
    """What one point of a grid costs scikit-learn: five fits and five predictions."""
    start = time.process_time()
    grid_search(task, X, y, 1)
    return time.process_time() - start


def grid_search(task: Task, X, y, side: int):
    """side x side points, over ranges that hold the answer: widths about the median, lam 1e-9 to 1."""
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.model_selection import GridSearchCV, KFold

    median = kernels.median_width(X, kernel=task.kernel)
    name, gammas = gamma_of(task.kernel, median * np.geomspace(0.1, 30, side))
    grid = {"gamma": gammas, "alpha": np.geomspace(1e-9, 1, side)}
    folds = KFold(5, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of singular matrices, and goes on to the next point
        search = GridSearchCV(KernelRidge(kernel=name), grid, cv=folds, scoring="neg_mean_squared_error")
        return search.fit(X, y).predict


def gaussian_process(X, y):
    """scikit-learn's own search by gradient, of the evidence, a width per feature."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    kernel = ConstantKernel() * RBF(np.ones(X.shape[1]), (1e-2, 1e4)) + WhiteKernel(0.1, (1e-8, 10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of widths at their bounds, where they belong
        return GaussianProcessRegressor(kernel).fit(X, y).predict


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sections = {
        "exact": lambda a: exact(a.repeats),
        "memory": lambda a: memory(),
        "closed_forms": lambda a: closed_forms(a.seeds),
        "tuning": threadpool_limits.wrap(limits=1)(lambda a: tuning(a.seeds)),
    }
    parser.add_argument("--only", choices=sections)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    for name, section in sections.items():
        if args.only in (None, name):
            before = machine()
            record("kernels", name, section(args) | {"machine": before, "versions": versions(*PACKAGES)})


if __name__ == "__main__":
    main()
