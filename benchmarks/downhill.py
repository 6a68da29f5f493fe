"""Going downhill beside SciPy's ways down, and the forecasts beside scikit-learn's.

    python -m benchmarks.downhill [--only saturating|patients]

saturating  the fit that keeps to its scale, diabetes data, from 20 starts at each of four distances from 0:
            how many arrive (within 1e-3 of the bottom in the weights), and after how many evaluations.  One
            evaluation is the residual, or the loss with its gradient; SciPy's counts are its own.  Everybody
            has first (and Newton second) derivatives in closed form
patients    20 splits of the 442, 342 to learn from and 100 to judge by: root mean square error in points.
            The ridge of RidgeCV is chosen on the 342; nothing is tuned for ours
"""

import argparse
from typing import Any

import numpy as np
from scipy.optimize import least_squares, minimize
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, RidgeCV

from benchmarks.common import machine, record, versions
from mcbook import downhill

PACKAGES = ("numpy", "scipy", "scikit-learn")
STARTS, SPLITS, LEARNT = 20, 20, 342
DISTANCES = (0.5, 1.0, 2.0, 3.0)
RIDGES = np.geomspace(0.1, 1000, 17)
TIGHT = {"xtol": 1e-12, "ftol": 1e-12, "gtol": 1e-10}


class Fit:
    """The residual of the saturating forecast and all that solvers ask of it."""

    def __init__(self, X: np.ndarray, y: np.ndarray):
        self.X, self.y = downhill.with_ones(downhill.standardise(X).columns), y
        self.scale = downhill.Scale(float(y.min()), float(y.max()))

    def residual(self, w: np.ndarray) -> np.ndarray:
        return downhill.residual(w, self.X, self.y, self.scale)

    def jac(self, w: np.ndarray) -> np.ndarray:
        return downhill.jac_residual_w(w, self.X, self.scale)

    def loss(self, w: np.ndarray) -> float:
        return float(downhill.fit_loss(w, self.X, self.y, self.scale))

    def grad(self, w: np.ndarray) -> np.ndarray:
        return downhill.grad_fit_w(w, self.X, self.y, self.scale)

    def hess(self, w: np.ndarray) -> np.ndarray:
        return downhill.hess_fit_w(w, self.X, self.y, self.scale)


def ends(fit: Fit, w: np.ndarray) -> dict[str, tuple[int, np.ndarray]]:
    """Evaluations and end point of every solver from this start."""
    tol = 1e-5
    damped = downhill.levenberg_marquardt(fit.residual, fit.jac, w, tol=tol)
    found: dict[str, tuple[int, np.ndarray]] = {"Levenberg-Marquardt": (damped.evaluations, damped.end)}
    bare = {
        "Gauss-Newton": downhill.gauss_newton(fit.residual, fit.jac, w, tol=tol),
        "Newton": downhill.newton(fit.grad, fit.hess, w, tol=tol),
        "descent, searched": downhill.searched(fit.loss, fit.grad, w, steps=3000, tol=tol),
    }
    found |= {name: (len(path.points), path.end) for name, path in bare.items()}
    for method in ("lm", "trf"):
        theirs = least_squares(fit.residual, w, fit.jac, method=method, **TIGHT)
        found[f"scipy least_squares, {method}"] = (theirs.nfev, theirs.x)
    for method in ("CG", "BFGS", "L-BFGS-B", "Newton-CG"):
        options = {"xtol": 1e-9} if method == "Newton-CG" else {"gtol": tol}
        hess = fit.hess if method == "Newton-CG" else None
        end = minimize(fit.loss, w, jac=fit.grad, hess=hess, method=method, options=options)
        found[f"scipy minimize, {method}"] = (end.nfev, end.x)
    return found


def saturating() -> dict[str, Any]:
    fit = Fit(*load_diabetes(return_X_y=True, scaled=False))
    bottom = downhill.newton(fit.grad, fit.hess, np.zeros(11), tol=1e-9)
    rows: dict[str, Any] = {}
    for distance in DISTANCES:
        every: dict[str, list[tuple[int, bool]]] = {}
        for seed in range(STARTS):
            start = distance * np.random.default_rng(seed).normal(size=11)
            with np.errstate(over="ignore", invalid="ignore"):
                for name, (count, end) in ends(fit, start).items():
                    near = bool(np.linalg.norm(end - bottom.end) < 1e-3)
                    every.setdefault(name, []).append((count, near))
        rows[f"{distance:g}"] = {
            name: {
                "arrived": sum(near for _, near in runs),
                "evaluations": float(np.median([c for c, near in runs if near]))
                if any(n for _, n in runs)
                else None,
            }
            for name, runs in every.items()
        }
        print(distance, rows[f"{distance:g}"], flush=True)
    return {"starts": STARTS, "slopes of Newton from zero": bottom.slopes.tolist(), "distances": rows}


def forecasts(X: np.ndarray, y: np.ndarray, rows: np.ndarray, others: np.ndarray) -> dict[str, np.ndarray]:
    """What everybody says of the others, having seen the rows."""
    scaled = downhill.standardise(X[rows])
    A, B = downhill.with_ones(scaled.columns), downhill.with_ones(scaled.like(X[others]))
    fit = Fit(X[rows], y[rows])
    bent = downhill.levenberg_marquardt(fit.residual, fit.jac, np.zeros(A.shape[1]), tol=1e-7)
    assert bent.converged
    ridge = RidgeCV(RIDGES).fit(scaled.columns, y[rows])
    return {
        "mean": np.full(len(others), y[rows].mean()),
        "line": B @ downhill.solution(A, y[rows]),
        "LinearRegression": LinearRegression().fit(X[rows], y[rows]).predict(X[others]),
        "RidgeCV": ridge.predict(scaled.like(X[others])),
        "saturating": downhill.forecast(bent.end, B, fit.scale),
    }


def patients() -> dict[str, Any]:
    X, y = load_diabetes(return_X_y=True, scaled=False)
    errors: dict[str, list[float]] = {}
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(len(y))
        rows, others = order[:LEARNT], order[LEARNT:]
        for name, said in forecasts(X, y, rows, others).items():
            errors.setdefault(name, []).append(float(np.sqrt(np.mean((said - y[others]) ** 2))))
    found: dict[str, Any] = {
        name: {"mean": float(np.mean(v)), "sd": float(np.std(v, ddof=1))} for name, v in errors.items()
    }
    for name in ("line", "RidgeCV"):
        gap = np.subtract(errors["saturating"], errors[name])
        found[f"saturating less {name}"] = {
            "mean": float(gap.mean()),
            "least": float(gap.min()),
            "most": float(gap.max()),
            "splits won": int((gap < 0).sum()),
        }
    print(found)
    return {"splits": SPLITS, "learnt": LEARNT, "root mean square error": found}


SECTIONS = {"saturating": saturating, "patients": patients}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=SECTIONS)
    chosen = parser.parse_args().only
    for name in SECTIONS if chosen is None else (chosen,):
        record("downhill", name, SECTIONS[name]() | {"machine": machine(), "versions": versions(*PACKAGES)})
