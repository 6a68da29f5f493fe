"""Finite elements beside scikit-fem, and the chapter's figures.

python -m benchmarks.ridge                        all of it, into results/ridge.json
python -m benchmarks.ridge --only speed           one of orders, speed, decay, adjoint, path, kernel, denoise

orders   errors and orders on the same meshes, kappa = 100, u = sin(πx)sin(πy); both sides' errors are
         measured by the same functional, scikit-fem's
speed    assembly (matrix and load, the load's quadrature of degree 6) and all of it (solve included),
         interleaved; the mesh is made beforehand.  scikit-fem: `solve(*condense(...))` as its documentation
         has it (SuperLU), its own preconditioned CG, and with the solver of mcbook
decay    the discrete rate against its closed form
adjoint  gradients by one more solve against central differences
path     degrees of freedom and the solution at a fixed lam, on finer and finer meshes, with M and with I
kernel   kernel ridge regression with the exponential kernel against the field of least energy; the plane
denoise  a photograph with noise, beside filters whose width is chosen knowing the answer
"""

import argparse
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.sparse as sp
from scipy.optimize import minimize_scalar

from benchmarks.common import interleave, machine, record, versions
from mcbook import data, ridge
from mcbook.ridge.multigrid import conjugate_gradients, hierarchy

PACKAGES = ("numpy", "scipy", "scikit-fem")
KAPPA = 100.0
SIZES = {1: (16, 32, 64, 128, 256), 2: (8, 16, 32, 64, 128)}


class Peer:
    """The same problem in scikit-fem, on its own mesh of n x n squares (n a power of two)."""

    def __init__(self, n: int, degree: int):
        from skfem import ElementTriP1, ElementTriP2, MeshTri

        self.mesh = MeshTri().refined(round(np.log2(n)))
        self.element = (ElementTriP1, ElementTriP2)[degree - 1]()

    def assemble(self) -> tuple[Any, Any, Any]:
        """Basis, matrix and load; the matrix at its default quadrature, exact here and quicker."""
        from skfem import Basis

        basis, fine = Basis(self.mesh, self.element), Basis(self.mesh, self.element, intorder=6)
        stiff, load = _forms()
        return basis, stiff.assemble(basis), load.assemble(fine)

    def run(self, solver: Any = None) -> np.ndarray:
        """All of it: the nodal values."""
        from skfem import condense, solve

        basis, A, b = self.assemble()
        return solve(*condense(A, b, D=basis.get_dofs()), **({} if solver is None else {"solver": solver}))

    def with_ours(self) -> np.ndarray:
        """Its matrix and load, the multigrid of mcbook."""
        basis, A, b = self.assemble()
        free = np.setdiff1d(np.arange(basis.N), basis.get_dofs().flatten())
        u = np.zeros(basis.N)
        inside = sp.csr_array(A)[free][:, free]
        levels = hierarchy(inside, basis.doflocs.T[free])
        u[free] = conjugate_gradients(inside, b[free], levels, rtol=1e-12, most=200).x
        return u

    def errors(self, u: np.ndarray) -> list[float]:
        """L2 and H1, by its own functionals."""
        from skfem import Basis, Functional

        man = ridge.sines(KAPPA)

        @Functional
        def square(w):
            return (w["u"] - man.u(w.x.reshape(2, -1).T).reshape(w.x[0].shape)) ** 2

        @Functional
        def square_slope(w):
            slope = man.grad_u(w.x.reshape(2, -1).T).T.reshape(w.x.shape)
            return ((w["u"].grad - slope) ** 2).sum(0)

        basis = Basis(self.mesh, self.element, intorder=8)
        return [float(np.sqrt(f.assemble(basis, u=basis.interpolate(u)))) for f in (square, square_slope)]

    def values(self, mesh: ridge.Mesh, w: np.ndarray) -> np.ndarray:
        """Our nodal values in its order of nodes, told by their places."""
        from skfem import Basis

        mine, theirs = mesh.nodes, Basis(self.mesh, self.element).doflocs.T
        order = [np.lexsort(np.round(X * 2**20).astype(int).T) for X in (mine, theirs)]
        assert np.abs(mine[order[0]] - theirs[order[1]]).max() < 1e-12
        out = np.empty(len(w))
        out[order[1]] = w[order[0]]
        return out


def _forms() -> tuple[Any, Any]:
    from skfem import BilinearForm, LinearForm
    from skfem.helpers import dot, grad

    @BilinearForm
    def stiff(u, v, w):
        return dot(grad(u), grad(v)) + KAPPA * u * v

    @LinearForm
    def load(v, w):
        return (2 * np.pi**2 + KAPPA) * np.sin(np.pi * w.x[0]) * np.sin(np.pi * w.x[1]) * v

    return stiff, load


def assemble_ours(mesh: ridge.Mesh) -> tuple[Any, np.ndarray]:
    return ridge.operator(mesh, kappa=KAPPA), ridge.load(mesh, ridge.sines(KAPPA).f)


def run_ours(mesh: ridge.Mesh, method: str = "auto") -> ridge.Solution:
    b = ridge.load(mesh, ridge.sines(KAPPA).f)
    return ridge.solve(mesh, b, kappa=KAPPA, fixed=mesh.boundary, method=method)


# Errors and orders


def orders(_: int) -> dict:
    """Errors of both on the same meshes, measured by the same functional, and the orders between meshes."""
    found = {}
    for degree, sizes in SIZES.items():
        ours, theirs, apart = [], [], []
        for n in sizes:
            mesh, peer = ridge.mesh_square(n, degree=degree), Peer(n, degree)
            u, v = peer.values(mesh, run_ours(mesh).w), peer.run()
            ours.append(peer.errors(u))
            theirs.append(peer.errors(v))
            apart.append(float(np.abs(u - v).max()))
        E, F = np.array(ours), np.array(theirs)
        h = [1 / n for n in sizes]
        found[f"P{degree}"] = {
            "n": list(sizes),
            "L2": E[:, 0].tolist(),
            "H1": E[:, 1].tolist(),
            "orders_L2": np.round(ridge.orders(E[:, 0], h), 4).tolist(),
            "orders_H1": np.round(ridge.orders(E[:, 1], h), 4).tolist(),
            "error_over_scikit_fem_minus_1": {
                "L2": float(np.max(E[:, 0] / F[:, 0] - 1)),
                "H1": float(np.max(E[:, 1] / F[:, 1] - 1)),
            },
            "solutions_differ": max(apart),
        }
    return {"kappa": KAPPA, "quadrature": 6, "elements": found}


# Seconds


def speed(repeats: int) -> dict:
    """Seconds of assembly and of all of it, ours and scikit-fem's, in turn."""
    from skfem import solver_iter_pcg

    found = {}
    for degree, sizes in SIZES.items():
        for n in sizes[2:]:
            mesh, peer = ridge.mesh_square(n, degree=degree), Peer(n, degree)
            pcg = solver_iter_pcg(rtol=1e-12)
            seconds, last = interleave(
                {
                    "mcbook assembly": (partial(assemble_ours, mesh), repeats),
                    "scikit-fem assembly": (peer.assemble, repeats),
                    "mcbook": (partial(run_ours, mesh), repeats),
                    "scikit-fem": (peer.run, repeats),
                    "mcbook direct": (partial(run_ours, mesh, "direct"), repeats),
                    "scikit-fem, its CG": (partial(peer.run, pcg), repeats),
                    "scikit-fem, solver of mcbook": (peer.with_ours, repeats),
                }
            )
            found[f"P{degree} n={n}"] = {
                "dof": len(mesh.nodes),
                "seconds": seconds,
                "ratio": _ratios(seconds),
                "iterations": last["mcbook"].iterations,
                "residual": last["mcbook"].residual,
            }
    return {"kappa": KAPPA, "cases": found}


def _ratios(seconds: dict) -> dict[str, float]:
    """Ours over theirs by medians: assembly, everything, everything beside its fastest use, and the solve."""
    t = {name: entry["median"] for name, entry in seconds.items()}
    fastest = min(t["scikit-fem"], t["scikit-fem, its CG"])
    solve = (t["mcbook"] - t["mcbook assembly"]) / (fastest - t["scikit-fem assembly"])
    return {
        "assembly": t["mcbook assembly"] / t["scikit-fem assembly"],
        "all": t["mcbook"] / t["scikit-fem"],
        "all_beside_its_fastest": t["mcbook"] / fastest,
        "all_with_our_solver_on_both": t["mcbook"] / t["scikit-fem, solver of mcbook"],
        "solve_beside_its_fastest": solve,
    }


# The chapter's own figures


def decay(_: int) -> dict:
    """The rate of a solved problem over its closed form, less one; and where the sign alternates."""
    steps = (0.1, 0.2, 0.5, 1.0, 2.0, 2.4, 2.5, 4.0, 10.0)
    worst = {"lumped": 0.0, "consistent": 0.0}
    table = []
    for h in (1.0, 0.01):
        for step in steps:
            kappa = (step / h) ** 2
            for lumped in (True, False):
                seen = ridge.measured_decay(h, kappa, lumped=lumped)
                if lumped:
                    known = ridge.Decay(ridge.decay_rate_lumped(h, kappa), False)
                else:
                    known = ridge.decay_rate_consistent(h, kappa)
                assert seen.alternates == known.alternates
                name = "lumped" if lumped else "consistent"
                worst[name] = max(worst[name], abs(seen.rate / known.rate - 1))
                if h == 1.0:
                    table.append([name, step, seen.rate / np.sqrt(kappa), seen.alternates])
    columns = ["mass", "h√kappa", "rate/√kappa", "alternates"]
    return {"worst_relative": worst, "columns": columns, "table": table}


def adjoint(_: int, seeds: int = 5) -> dict:
    """The adjoint gradient against central differences, as a part of the gradient's size."""
    worst: dict[str, float] = {}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        for mesh in (
            ridge.mesh_interval(40, degree=2),
            ridge.mesh_square(12),
            ridge.mesh_square(6, degree=2),
        ):
            T, n = len(mesh.cells), len(mesh.nodes)
            at = {"kappa": 20 + 10 * rng.random(T), "a": 1 + rng.random(T), "b": rng.normal(size=n) / n}
            target = rng.normal(size=n)
            solution = _held(mesh, **at)
            grad = ridge.vjp_solve(mesh, solution, solution.w - target)
            for name, G in zip(("kappa", "a", "b"), grad[:3], strict=True):
                off = max(_mismatch(mesh, at, target, name, G, V) for V in (G, rng.normal(size=G.shape)))
                worst[name] = max(worst.get(name, 0.0), off)
    return {"seeds": seeds, "worst_relative_to_norm": worst}


def _held(mesh: ridge.Mesh, b: np.ndarray, kappa: np.ndarray, a: np.ndarray) -> ridge.Solution:
    return ridge.solve(mesh, b, kappa=kappa, a=a, fixed=mesh.boundary[:3], values=0.1)


def _mismatch(mesh: ridge.Mesh, at: dict, target: np.ndarray, name: str, G: Any, V: Any) -> float:
    """|⟨G, V⟩ - slope along V| / ‖G‖ for the functional ½‖w - target‖², V made a unit direction."""
    V = V / np.linalg.norm(V)

    def functional(t: float) -> float:
        r = _held(mesh, **{**at, name: at[name] + t * V}).w - target
        return float(r @ r / 2)

    return float(abs(_slope(functional, at[name]) - (G * V).sum()) / np.linalg.norm(G))


def _slope(f: Any, at: np.ndarray) -> float:
    """The five-point difference quotient at 0: its step balances truncation and rounding."""
    h = 1e-3 * float(np.abs(at).mean())
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


def path(_: int) -> dict:
    """Degrees of freedom along lam and the fit at lam = 0.01, under refinement, with M and with I."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.choice(np.arange(21), 15, replace=False)) / 20  # nodes of every mesh
    y = np.sin(6 * x) + 0.2 * rng.normal(size=15)
    lams = np.logspace(-5, 0, 6)
    fine = np.linspace(0, 1, 201)
    found: dict[str, Any] = {
        "lams": lams.tolist(),
        "kappa": 25.0,
        "m": 15,
        "cells": [20, 40, 80, 160, 320, 640],
    }
    for penalty in ("mass", "identity"):
        dofs, fits = [], []
        for n in found["cells"]:
            mesh = ridge.mesh_interval(n)
            fit = ridge.field_path(mesh, x, y, lams=lams, kappa=25.0, penalty=penalty)
            dofs.append(fit.dof.tolist())
            fits.append(ridge.interpolation(mesh, fine) @ fit.W[3])
        moves = [float(np.sqrt(np.mean((b - a) ** 2))) for a, b in pairwise(fits)]
        found[penalty] = {"dof": dofs, "rms_change_of_the_fit": moves}
    return found


def kernel(_: int) -> dict:
    """The exponential kernel is the line's Green's function; in the plane a point's response has no bound."""
    rng = np.random.default_rng(1)
    kappa, lam = 25.0, 0.01
    x, y = np.sort(rng.choice(np.arange(1, 20), 8, replace=False)) / 20, rng.normal(size=8)
    G = ridge.green_line(x[:, None] - x, kappa)
    fine = np.linspace(0, 1, 201)
    krr = ridge.green_line(fine[:, None] - x, kappa) @ np.linalg.solve(G + lam * np.eye(8), y)
    cells = [20, 40, 80, 160, 320]
    apart = []
    for n in cells:
        mesh = ridge.mesh_interval(n, degree=1)
        fit = ridge.fit_field(mesh, x, y, lam=lam, kappa=kappa, line=True)
        apart.append(
            float(np.abs(ridge.interpolation(mesh, x) @ fit.w - krr[np.round(x * 200).astype(int)]).max())
        )
    sides = [16, 32, 64, 128]
    peaks = []
    for n in sides:
        mesh = ridge.mesh_square(n)
        centre = (n // 2) * (n + 1) + n // 2
        peaks.append(float(ridge.green_columns(mesh, [centre], kappa=100.0)[centre, 0]))
    return {
        "cells": cells,
        "fit_minus_kernel_ridge_regression": apart,
        "orders": np.round(ridge.orders(apart, [1 / n for n in cells]), 3).tolist(),
        "plane_sides": sides,
        "plane_peak": peaks,
        "plane_growth_per_halving": np.diff(peaks).tolist(),
        "log2_over_2pi": float(np.log(2) / (2 * np.pi)),
    }


def denoise(_: int, seeds: int = 5) -> dict:
    """PSNR in dB of grey pictures: our length from the noisy one alone, their widths from the true one."""
    found = {}
    for name in ("china", "flower"):
        truth = data.photograph(name).mean(2)
        for noise in (0.05, 0.1, 0.2):
            rows: dict[str, list[float]] = {}
            for seed in range(seeds if noise == 0.1 else 1):
                g = truth + noise * np.random.default_rng(seed).normal(size=truth.shape)
                for side, value in _filters(g, truth, noise).items():
                    rows.setdefault(side, []).append(value)
            found[f"{name} {noise}"] = {k: [float(np.mean(v)), float(np.ptp(v))] for k, v in rows.items()}
    return {"seeds": seeds, "columns": "mean and range of PSNR in dB", "pictures": found}


def _filters(g: np.ndarray, truth: np.ndarray, noise: float) -> dict[str, float]:
    def best(run) -> float:
        found = minimize_scalar(lambda s: -ridge.psnr(run(s), truth), bounds=(0.2, 4), method="bounded")
        return -float(found.fun)

    return {
        "noisy": ridge.psnr(g, truth),
        "ours, GCV": ridge.psnr(ridge.denoise(g).image, truth),
        "ours, noise known": ridge.psnr(ridge.denoise(g, noise=noise).image, truth),
        "ours, best length": best(lambda s: ridge.denoise(g, length=s).image),
        "Gaussian filter, best width": best(lambda s: scipy.ndimage.gaussian_filter(g, s)),
        "median 3 x 3": ridge.psnr(scipy.ndimage.median_filter(g, 3), truth),
    }


SECTIONS = {
    "orders": orders,
    "speed": speed,
    "decay": decay,
    "adjoint": adjoint,
    "path": path,
    "kernel": kernel,
    "denoise": denoise,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=sorted(SECTIONS))
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    for name, section in SECTIONS.items():
        if arguments.only in (None, name):
            found = section(arguments.repeats)
            found |= {"machine": machine(), "versions": versions(*PACKAGES)}
            record("ridge", name, found)


if __name__ == "__main__":
    main()
