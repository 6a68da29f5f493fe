"""A gradient-domain model with a learnt kernel of products beside sGDML, on revised MD17's ethanol, split 01.

python -m benchmarks.symmetry                      all of it, into results/symmetry.json
python -m benchmarks.symmetry --only kernel_200    or kernel_400, kernel_1000, errors, iterative
python -m benchmarks.symmetry --only kernel_1000 --trials 10,1e-10

kernel_N   the first N frames of the training file learnt, the 1000 of the test file predicted.  sGDML's width
           and lam are those with the least force error on 200 training frames that are not learnt (at
           N = 1000: learning 400 frames and judged on the last 200, then learning all), out of SIGMAS at its
           usual lam and LAMS at the best width.  Ours looks at no frame beside the N: its widths and weights
           have the greatest evidence on 50 to 100 of them, and lam is the package's
errors     how far both are from the symmetries that they claim, and why: how much larger than the force the
           terms are that it is the sum of
iterative  conjugate gradients beside Cholesky: seconds, memory, steps, and the difference of the forces

Errors are mean absolute ones over all components, kcal/mol/Å, and kcal/mol; intervals are 95 %, over frames.
sGDML 1.0.3 calls np.in1d, which NumPy 2.4 has no longer: it is handed np.isin.  Its 27 000 rows at N = 1000
are too many for this OpenBLAS (NaN from SciPy's Cholesky) and, in the four copies that it makes, for 24 GB:
there it is handed our factorisation in place of the same matrix.  Two processes, two threads.
"""

import argparse
import contextlib
import io
import logging
import multiprocessing
import resource
import time
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.linalg

from benchmarks.common import machine, record, versions
from mcbook import _pairs, data, symmetry
from mcbook._cholesky import WHOLE, cholesky_in_place

SIGMAS = (5, 10, 15, 20, 30)
LAMS = (1e-12, 1e-8)
USUAL_LAM = 1e-10
CORES = 2
PACKAGES = ("numpy", "scipy", "sgdml")


def sgdml_set(numbers: np.ndarray, frames: data.Frames) -> dict[str, Any]:
    from sgdml.utils import io as sgdml_io

    words = {"type": "d", "code_version": "1.0.3", "name": "ethanol", "theory": "pbe"}
    units = {"r_unit": "Ang", "e_unit": "kcal/mol"}
    found: dict[str, Any] = {k: np.array(v) for k, v in {**words, **units}.items()}
    found.update(z=numbers, R=frames.positions_angstrom, E=frames.energy_kcal)
    found["F"] = frames.force_kcal_angstrom
    found["md5"] = sgdml_io.dataset_md5(found)
    return found


def some(frames: data.Frames, rows: slice) -> data.Frames:
    return data.Frames(*(part[rows] for part in frames))


def factorise_in_place(peers: Any) -> None:
    """Give sGDML's solver a Cholesky factorisation that survives 27 000 rows; its equations stay its own."""

    def cho_factor(K: np.ndarray, **_: Any) -> tuple[np.ndarray, bool]:
        L, info = cholesky_in_place(K)
        if info:
            raise RuntimeError(f"sGDML's matrix is not positive definite (row {info}): take a larger lam")
        return L.T, False

    peers.sp = SimpleNamespace(
        linalg=SimpleNamespace(cho_factor=cho_factor, cho_solve=scipy.linalg.cho_solve)
    )


def sgdml_fit(
    numbers: np.ndarray, learn: data.Frames, judge: data.Frames, sigma: int, lam: float
) -> dict[str, Any]:
    """sGDML's model of exactly these frames (its own choice of N among N is all of them)."""
    vars(np).setdefault("in1d", np.isin)  # gone from NumPy 2.4
    from sgdml.solvers import analytic
    from sgdml.train import GDMLTrain

    if learn.force_kcal_angstrom.size > WHOLE:
        factorise_in_place(analytic)
    trainer, n = GDMLTrain(max_processes=CORES, use_torch=False), len(learn.energy_kcal)
    task = trainer.create_task(
        sgdml_set(numbers, learn), n, sgdml_set(numbers, judge), min(n, 100), sig=sigma, lam=lam, use_sym=True
    )
    return trainer.train(task)


def sgdml_predict(model: dict[str, Any], X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sgdml.predict import GDMLPredict

    predictor = GDMLPredict(model, max_processes=1, use_torch=False)
    E, F = predictor.predict(X.reshape(len(X), -1))
    return E, F.reshape(X.shape)


def quietly(run: Any, *given: Any) -> Any:
    """sGDML talks much."""
    logging.disable(logging.INFO)
    with contextlib.redirect_stdout(io.StringIO()):
        found = run(*given)
    logging.disable(logging.NOTSET)
    return found


def timed(run: Any, *given: Any, **settings: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    return run(*given, **settings), time.perf_counter() - start


def errors_of(found: tuple[Any, Any], test: data.Frames) -> dict[str, np.ndarray]:
    """Mean absolute errors, frame by frame, of energies and forces."""
    energy, force = found
    return {
        "force": np.abs(force - test.force_kcal_angstrom).mean(axis=(1, 2)),
        "energy": np.abs(energy - test.energy_kcal),
    }


def interval(values: np.ndarray) -> dict[str, float]:
    half = 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5
    mean = float(values.mean())
    return {"mean": mean, "low": mean - half, "high": mean + half}


def tune_sgdml(
    numbers: np.ndarray, train: data.Frames, n: int, trials: list[tuple[int, float]] | None
) -> dict[str, Any]:
    """The best (sigma, lam) on frames that are not learnt, and all that were tried."""
    learn, judge = (n, slice(n, n + 200)) if n <= 800 else (400, slice(800, 1000))
    tried: list[dict[str, float]] = []

    def trial(sigma: int, lam: float) -> None:
        model, seconds = timed(
            quietly, sgdml_fit, numbers, some(train, slice(learn)), some(train, judge), sigma, lam
        )
        F = quietly(sgdml_predict, model, train.positions_angstrom[judge])[1]
        error = float(np.abs(F - train.force_kcal_angstrom[judge]).mean())
        tried.append({"sigma": sigma, "lam": lam, "validation": error, "seconds": seconds})
        print("  sGDML", tried[-1], flush=True)

    if trials and len(trials) == 1:
        return {"sigma": trials[0][0], "lam": trials[0][1], "tried": []}
    for sigma, lam in trials or [(sigma, USUAL_LAM) for sigma in SIGMAS]:
        trial(sigma, lam)
    best = min(tried, key=lambda t: t["validation"])
    for lam in () if trials else LAMS:
        trial(int(best["sigma"]), lam)
    best = min(tried, key=lambda t: t["validation"])
    return {"sigma": int(best["sigma"]), "lam": best["lam"], "learnt": learn, "tried": tried}


def ours(numbers: np.ndarray, train: data.Frames, n: int) -> tuple[Any, dict[str, float]]:
    """Learn the kernel, then fit; seconds of both."""
    X, F, E = (v[:n] for v in (train.positions_angstrom, train.force_kcal_angstrom, train.energy_kcal))
    group = _pairs.molecular_permutations(numbers, X)
    rows = np.linspace(0, n - 1, min(n, int(np.clip(n // 4, 50, 100)))).astype(int)
    pairs = _pairs.pair_permutations(group)
    learnt, learning = timed(symmetry.learn_kernel, X[rows], F[rows], pairs, threads=CORES)
    model, fitting = timed(
        symmetry.fit_gradient_domain, X, F, numbers, energy=E, kernel=learnt.kernel, threads=CORES
    )
    seconds = {"learn_kernel": learning, "fit": fitting, "evaluations": learnt.evaluations}
    return model, seconds


def theirs_alone(
    n: int, trials: list[tuple[int, float]] | None
) -> tuple[dict[str, Any], int, dict[str, float], tuple[np.ndarray, np.ndarray]]:
    """sGDML from search to prediction: its choice, permutations, seconds, and (energies, forces)."""
    numbers, train, test = data.rmd17()
    choice = tune_sgdml(numbers, train, n, trials)
    learn = some(train, slice(n))
    peer, fitting = timed(quietly, sgdml_fit, numbers, learn, test, choice["sigma"], choice["lam"])
    found, predicting = timed(quietly, sgdml_predict, peer, test.positions_angstrom)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  sGDML fitted in {fitting:.0f} s, {resident:.1f} GB at most", flush=True)
    return choice, len(peer["perms"]), {"fit": fitting, "predict_1000": predicting}, found


def apart(run: Any, *given: Any) -> Any:
    """Run in a process of its own: what it takes of the memory is given back at its end."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run, *given).result()


def kernel(n: int, trials: list[tuple[int, float]] | None = None) -> dict[str, Any]:
    """One training size: both sides on the same frames."""
    choice, permutations, their_seconds, predicted = apart(theirs_alone, n, trials)
    numbers, train, test = data.rmd17()
    model, seconds = ours(numbers, train, n)
    found, predicting = timed(symmetry.predict_gradient_domain, model, test.positions_angstrom)
    seconds["predict_1000"] = predicting
    mine, theirs = errors_of(found, test), errors_of(predicted, test)
    print("  ours", {k: float(v.mean()) for k, v in mine.items()}, seconds, flush=True)
    fitting, searching = their_seconds["fit"], sum(t["seconds"] for t in choice["tried"])
    return {
        "ours": {k: interval(v) for k, v in mine.items()} | {"seconds": seconds, "lam": model.lam},
        "sgdml": {k: interval(v) for k, v in theirs.items()}
        | {"seconds": their_seconds | {"search": searching}, "choice": choice, "permutations": permutations},
        "paired": {k: interval(mine[k] - theirs[k]) for k in mine},
        "ratio": {k: float(mine[k].mean() / theirs[k].mean()) for k in mine}
        | {"fit_seconds": seconds["fit"] / fitting}
        | {"all_seconds": (seconds["fit"] + seconds["learn_kernel"]) / (fitting + searching)}
        | {"all_seconds_to_one_fit": (seconds["fit"] + seconds["learn_kernel"]) / fitting},
    }


def errors(n: int = 200) -> dict[str, Any]:
    """Symmetry errors of both sides, the model sGDML at the width that it chose at this N."""
    numbers, train, test = data.rmd17()
    model, _ = ours(numbers, train, n)
    peer = quietly(sgdml_fit, numbers, some(train, slice(n)), test, 15, 1e-12)
    usual = quietly(sgdml_fit, numbers, some(train, slice(n)), test, 10, USUAL_LAM)

    def answer(x: np.ndarray) -> tuple[Any, Any]:
        E, F = symmetry.predict_gradient_domain(model, x)
        return E[0], F[0]

    def peers(model: Any) -> Any:
        from sgdml.predict import GDMLPredict

        predictor = quietly(lambda: GDMLPredict(model, max_processes=1, use_torch=False))

        def answer(x: np.ndarray) -> tuple[Any, Any]:
            E, F = predictor.predict(x.reshape(1, -1))
            return E[0], F.reshape(x.shape)

        return answer

    sides = {
        "ours": answer,
        "sgdml, sigma 15, lam 1e-12": peers(peer),
        "sgdml, sigma 10, lam 1e-10": peers(usual),
    }
    found: dict[str, Any] = {
        name: worst_errors(side, test, model.permutations) for name, side in sides.items()
    }
    found["ours"] |= cancellation(model, test.positions_angstrom[:20])
    for name, peer_model in (("sgdml, sigma 15, lam 1e-12", peer), ("sgdml, sigma 10, lam 1e-10", usual)):
        found[name]["coefficients"] = float(np.abs(peer_model["R_d_desc_alpha"]).max())
    return found


def worst_errors(side: Any, test: data.Frames, group: np.ndarray, frames: int = 20) -> dict[str, float]:
    """The greatest over frames, relative to the greatest component of the force."""
    rng = np.random.default_rng(0)
    worst: dict[str, float] = {}
    for x in test.positions_angstrom[:frames]:
        E, F = side(x)
        size = np.abs(F).max()
        R, S = symmetry.random_rotation(rng), symmetry.random_rotation(rng, reflect=True)
        moves = [("rotation", x @ R.T, F @ R.T), ("reflection", x @ S.T, F @ S.T)]
        moves += [("translation", x + 10 * rng.normal(size=3), F)]
        moves += [("permutation", x[g], F[g]) for g in group]
        gaps = [(name, np.abs(side(moved)[1] - f).max() / size) for name, moved, f in moves]
        gaps += [("energy", abs(side(x @ R.T)[0] - E) / size), ("net_force", np.abs(F.sum(0)).max() / size)]
        gaps += [("net_torque", np.abs(np.cross(x - x.mean(0), F).sum(0)).max() / size)]
        gaps += [("differences", difference_error(side, x, F, rng))]
        for name, gap in gaps:
            worst[name] = max(worst.get(name, 0.0), float(gap))
    return worst


def difference_error(side: Any, x: np.ndarray, F: np.ndarray, rng: np.random.Generator) -> float:
    """|slope of the energy + force| along a random direction over |force|, fourth order, step 0.003 Å."""
    v, h = rng.normal(size=x.shape), 3e-3
    v /= np.linalg.norm(v)
    e = {k: float(side(x + k * h * v)[0]) for k in (-2, -1, 1, 2)}
    slope = (8 * (e[1] - e[-1]) - (e[2] - e[-2])) / (12 * h)
    return float(abs(slope + (F * v).sum()) / np.linalg.norm(F))


def cancellation(model: Any, X: np.ndarray) -> dict[str, float]:
    """The sum of the sizes of a prediction's terms over the prediction: rounding is amplified by it."""
    x = _pairs.pair_powers(X, power=-1)
    k, u, v = symmetry.factors(x[:, None], model.x, model.kernel)
    terms = k[..., None] * ((u * model.b).sum(-1)[..., None] * u + v * model.b)
    amplified = np.abs(terms).sum(axis=1).max(axis=1) / np.abs(terms.sum(axis=1)).max(axis=1)
    return {"amplification": float(amplified.max()), "coefficients": float(np.abs(model.b).max())}


def iterative(n: int = 200, neighbours: tuple[int, ...] = (10, 20, 40)) -> dict[str, Any]:
    """Conjugate gradients and Cholesky on the same frames, with the same kernel."""
    numbers, train, test = data.rmd17()
    X, F, E = (v[:n] for v in (train.positions_angstrom, train.force_kcal_angstrom, train.energy_kcal))
    direct, _ = ours(numbers, train, n)
    given = {"energy": E, "kernel": direct.kernel, "threads": CORES}
    tracemalloc.start()
    _, seconds = timed(symmetry.fit_gradient_domain, X, F, numbers, **given)
    expected = symmetry.predict_gradient_domain(direct, test.positions_angstrom).force_kcal_angstrom
    matrix = (n * 21) ** 2 * 8 / 1e6
    found: dict[str, Any] = {"cholesky": {"seconds": seconds, "peak_mb": peak(), "matrix_mb": matrix}}
    for s in neighbours:
        fit, seconds = timed(symmetry.fit_iterative, X, F, numbers, neighbours=s, **given)
        there = symmetry.predict_gradient_domain(fit.model, test.positions_angstrom).force_kcal_angstrom
        found[f"{s} neighbours"] = {
            "seconds": seconds,
            "peak_mb": peak(),
            "steps": len(fit.run.residuals) - 1,
            "residual": fit.run.true_residual,
            "converged": fit.run.converged,
            "difference": float(np.abs(there - expected).mean()),
            "force_error": float(np.abs(there - test.force_kcal_angstrom).mean()),
        }
    tracemalloc.stop()
    return found


def peak() -> float:
    """MB that NumPy held at most since the last call."""
    most = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.reset_peak()
    return most


def molecules(n: int = 200) -> dict[str, Any]:
    """The other molecules that are here: our side alone, nothing changed but the molecule."""
    found: dict[str, Any] = {}
    for molecule in data.revised_md17.MOLECULES:
        name = data.revised_md17.set_name(molecule)
        if not data.available(name):
            print(f"  {molecule} is not here: python -m mcbook.data fetch {name}")
            continue
        numbers, train, test = data.rmd17(molecule)
        model, seconds = ours(numbers, train, n)
        mine = errors_of(symmetry.predict_gradient_domain(model, test.positions_angstrom), test)
        found[molecule] = {k: interval(v) for k, v in mine.items()}
        found[molecule] |= {"seconds": seconds, "permutations": len(model.permutations)}
        print(" ", molecule, found[molecule], flush=True)
    return found


SECTIONS = {
    "kernel_200": lambda trials: kernel(200, trials),
    "kernel_400": lambda trials: kernel(400, trials),
    "kernel_1000": lambda trials: kernel(1000, trials),
    "errors": lambda trials: errors(),
    "iterative": lambda trials: iterative(),
    "molecules": lambda trials: molecules(),
}


def parsed(words: str) -> tuple[int, float]:
    sigma, lam = words.split(",")
    return int(sigma), float(lam)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument(
        "--trials", nargs="+", type=parsed, help="sGDML's sigma,lam instead of the usual seven"
    )
    args = parser.parse_args()
    for name in args.only:
        result = SECTIONS[name](args.trials)
        record("symmetry", name, result | {"machine": machine(), "versions": versions(*PACKAGES)})
