"""Unmixing beside scikit-learn's FastICA and python-picard: time, error, real patches, memory.

python -m benchmarks.unmixing                     all of it, into results/unmixing.json
python -m benchmarks.unmixing --only speed        one of speed, amari, patches, memory

Everybody starts from the same random rotation, whitens within the time, and is judged by the criterion that
we recompute from the unmixing afterwards.  Nothing here is compiled, so no compilation is excluded.
"""

import argparse
import resource
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.common import interleave, machine, record, spread, versions
from mcbook import unmixing

GOAL = 1e-6
PACKAGES = ("numpy", "scipy", "scikit-learn", "python-picard")


def mixture(kind: str, seed: int, n: int = 100_000, d: int = 40):
    """X (n, d), A (d, d) and a random rotation: unit-variance Laplace sources, or half of them uniform."""
    rng = np.random.default_rng(seed)
    S = rng.laplace(size=(n, d))
    if kind == "half":
        S[:, d // 2 :] = rng.uniform(-1, 1, size=(n, d - d // 2))
    S = (S - S.mean(0)) / S.std(0)
    A = rng.normal(size=(d, d))
    return S @ A.T, A, np.linalg.qr(rng.normal(size=(d, d)))[0]


# Sides: each returns W (d, d) that acts on centred X, ours its whole result


def run_ours(X, rotation, density="adaptive"):
    return unmixing.fit(X, density=density, rng=np.random.default_rng(0), max_iter=3000)


def run_fastica(X, rotation, solver="svd", tol=1e-10, max_iter=500):
    from sklearn.decomposition import FastICA

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns when it stalls; the criterion says so too
        ica = FastICA(
            whiten_solver=solver, tol=tol, max_iter=max_iter, w_init=rotation, whiten="unit-variance"
        )
        return ica.fit(X).components_


def run_picard(XT, rotation, ortho, max_iter=3000):
    from picard import picard

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        K, W, _ = picard(XT, ortho=ortho, extended=ortho, w_init=rotation.copy(), tol=GOAL, max_iter=max_iter)
    return W @ K


# Criteria, recomputed


def full_gradient(Y, density=unmixing.LOG_COSH) -> float:
    """Sup norm of the relative gradient; Y (n, d)."""
    return float(np.abs(unmixing.relative_grad(Y, density)).max())


def skew_gradient(Y) -> float:
    """Sup norm of the skew part, all that an orthogonal method can bring to zero; tanh, signed."""
    Y = (Y - Y.mean(0)) / Y.std(0)
    C = np.tanh(Y).T @ Y / len(Y)
    sign = np.where((1 - np.tanh(Y) ** 2).mean(0) > np.diag(C), 1.0, -1.0)[:, None]
    return float(np.abs(sign * C - (sign * C).T).max() / 2)


def ours_gradient(X, result) -> float:
    return full_gradient(result.unmix(X), unmixing.per_source(result.densities))


def looser_tolerance(X, rotation) -> float:
    """The largest of FastICA's tolerances that brings its skew gradient below the goal: the fairest one."""
    for tol in (1e-7, 1e-8, 1e-9):
        if skew_gradient((X - X.mean(0)) @ run_fastica(X, rotation, "eigh", tol).T) < GOAL:
            return tol
    return 1e-10


# Sections


def speed(repeats: int) -> dict:
    """40 sources x 100 000 samples: seconds to a gradient below 1e-6."""
    return {kind: speed_of(kind, repeats) for kind in ("laplace", "half")}


def speed_of(kind: str, repeats: int) -> dict:
    X, A, rotation = mixture(kind, 0)
    XT, Xc = np.ascontiguousarray(X.T), X - X.mean(0)
    tol = looser_tolerance(X, rotation)
    run_ours(X[:5000], rotation)  # warm up: threads, imports
    sides: dict[str, tuple[Callable[[], Any], int]] = {
        "mcbook": (partial(run_ours, X, rotation), repeats),
        "FastICA": (partial(run_fastica, X, rotation, "svd", tol), repeats),
        "FastICA eigh": (partial(run_fastica, X, rotation, "eigh", tol), repeats),
        "Picard-O": (partial(run_picard, XT, rotation, True), max(1, repeats // 3)),
    }
    if kind == "laplace":  # its tanh alone cannot separate uniform sources
        sides["Picard"] = (partial(run_picard, XT, rotation, False), max(1, repeats // 3))
    seconds, last = interleave(sides)
    result = last.pop("mcbook")
    return {
        "seconds": seconds,
        "fastica_tol": tol,
        "ratio": {name: seconds["mcbook"]["median"] / seconds[name]["median"] for name in last},
        "ratio_of_least": {name: seconds["mcbook"]["least"] / seconds[name]["least"] for name in last},
        "gradient": {"mcbook": ours_gradient(X, result)}
        | {k: (full_gradient if k == "Picard" else skew_gradient)(Xc @ W.T) for k, W in last.items()},
        "amari": {"mcbook": unmixing.amari_distance(result.W, A)}
        | {name: unmixing.amari_distance(W, A) for name, W in last.items()},
    }


def amari(seeds: int, n: int = 100_000, d: int = 40) -> dict:
    """All Laplace: Amari distances, to Picard-O's and to what the Cramér–Rao bound lets expect."""
    found: dict[str, list[float]] = {"matched": [], "log-cosh": [], "Picard-O": []}
    for seed in range(seeds):
        X, A, rotation = mixture("laplace", 100 + seed, n, d)
        for name, W in (
            ("matched", run_ours(X, rotation, "smoothed-laplace").W),
            ("log-cosh", run_ours(X, rotation, "log-cosh").W),
            ("Picard-O", run_picard(np.ascontiguousarray(X.T), rotation, True)),
        ):
            found[name].append(unmixing.amari_distance(W, A))
    source = stats.laplace()
    bound = unmixing.expected_amari(unmixing.cramer_rao(source), n)
    theory = {
        p: unmixing.score_error(q, source)
        for p, q in (("matched", unmixing.LAPLACE), ("log-cosh", unmixing.LOG_COSH))
    }
    paired = np.array(found["matched"]) / np.array(found["Picard-O"])
    return {
        "n": n,
        "d": d,
        "seeds": seeds,
        "amari": {name: spread(values) for name, values in found.items()},
        "cramer_rao_amari": bound,
        "ratio_to_cramer_rao": {name: float(np.mean(values)) / bound for name, values in found.items()},
        "ratio_predicted": {p: unmixing.expected_amari(float(v), n) / bound for p, v in theory.items()},
        "matched_to_picard_o": spread(paired.tolist()),
        "note": "uniform sources have no Cramér–Rao bound: their density jumps at the edge",
    }


def patches(seed: int):
    """10 000 patches, 8 x 8, of scikit-learn's two sample images, means removed: 40 components (n, 40)."""
    from sklearn.datasets import load_sample_images

    rng, rows = np.random.RandomState(seed), []
    for image in load_sample_images().images:
        grey = image.mean(2)
        for _ in range(5000):
            i, j = rng.randint(0, grey.shape[0] - 8), rng.randint(0, grey.shape[1] - 8)
            rows.append(grey[i : i + 8, j : j + 8].ravel())
    X = np.array(rows)
    X = X - X.mean(1, keepdims=True)
    X = X - X.mean(0)
    U, s, _ = np.linalg.svd(X.T @ X / len(X))
    return X @ (U[:, :40] / np.sqrt(s[:40])), np.linalg.qr(rng.randn(40, 40))[0]


def patch_runs(seeds: int) -> dict:
    """Where no ICA model holds: seconds to a gradient below 1e-6, and where FastICA stalls."""
    runs = [patch_run(seed) for seed in range(seeds)]
    ratios = [r["seconds"]["mcbook"]["median"] / r["seconds"]["Picard-O"]["median"] for r in runs]
    same = [r["seconds"]["mcbook log-cosh"]["median"] / r["seconds"]["Picard"]["median"] for r in runs]
    return {"runs": runs, "ratio_to_picard_o": spread(ratios), "log_cosh_ratio_to_picard": spread(same)}


def patch_run(seed: int) -> dict:
    X, rotation = patches(seed)
    XT, Xc = np.ascontiguousarray(X.T), X - X.mean(0)
    seconds, last = interleave(
        {
            "mcbook": (partial(run_ours, X, rotation), 3),
            "mcbook log-cosh": (partial(run_ours, X, rotation, "log-cosh"), 3),
            "Picard": (partial(run_picard, XT, rotation, False), 3),
            "Picard-O": (partial(run_picard, XT, rotation, True), 1),
            "FastICA": (partial(run_fastica, X, rotation, "eigh", 1e-10, 500), 1),
        }
    )
    ours = {name: last.pop(name) for name in ("mcbook", "mcbook log-cosh")}
    return {
        "seed": seed,
        "seconds": seconds,
        "iterations": {name: r.iterations for name, r in ours.items()},
        "gradient": {name: ours_gradient(X, r) for name, r in ours.items()}
        | {k: (full_gradient if k == "Picard" else skew_gradient)(Xc @ W.T) for k, W in last.items()},
    }


def memory(n: int = 1_000_000, d: int = 40) -> dict:
    """Peak resident memory above the loaded data, in units of the data, each side in its own process."""
    peaks = {}
    for side in ("mcbook", "FastICA"):
        code = f"from benchmarks.unmixing import peak; print(peak({side!r}, {n}, {d}))"
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        peaks[side] = float(out.stdout.split()[-1])
    return {"n": n, "d": d, "data_mb": n * d * 8 / 1e6, "peak_over_data": peaks}


def peak(side: str, n: int, d: int) -> float:
    """(peak resident memory after the fit - before it) / data; X is filled in pieces: no earlier peak."""
    rng = np.random.default_rng(0)
    A, X = rng.normal(size=(d, d)), np.empty((n, d))
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    for i in range(0, n, 10_000):
        X[i : i + 10_000] = rng.laplace(size=(len(X[i : i + 10_000]), d)) @ A.T
    run = run_ours if side == "mcbook" else partial(run_fastica, solver="eigh", max_iter=3)
    run(X[:20_000], rotation)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(X, rotation)
    unit = 1 if sys.platform == "darwin" else 1024
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit / X.nbytes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sections = {
        "speed": lambda a: speed(a.repeats),
        "amari": lambda a: amari(a.seeds),
        "patches": lambda a: patch_runs(a.patch_seeds),
        "memory": lambda a: memory(),
    }
    parser.add_argument("--only", choices=sections)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--patch-seeds", type=int, default=3)
    args = parser.parse_args()
    for name, section in sections.items():
        if args.only in (None, name):
            before = machine()
            record("unmixing", name, section(args) | {"machine": before, "versions": versions(*PACKAGES)})


if __name__ == "__main__":
    main()
