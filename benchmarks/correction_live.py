"""Corrections with the cheap theory computed as they go: composite minima, frequencies, forces.

python -m benchmarks.correction_live                     all of it, into results/correction.json
python -m benchmarks.correction_live --only frequencies  or forces, cost

frequencies  the composite's own minimum by Newton's steps, its harmonic wavenumbers, and CCSD(T)'s own
cost         what an energy with its gradient takes at each level
forces       composite forces beside differences of composite energies, of eighth order

PySCF runs in a process of its own: under the interpreter that MCBOOK_PYSCF names, else under this one.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import machine, record, versions
from benchmarks.correction import BASES, draw_of, recorded, summary, taught
from mcbook import correction, data

STEP_ANGSTROM = 0.01
EIGHTH = (4 / 5, -1 / 5, 4 / 105, -1 / 280)  # of central differences of eighth order


class Program:
    """Water at one level, asked over a pipe; every geometry is computed once."""

    def __init__(self, method: str, basis: str):
        interpreter = os.environ.get("MCBOOK_PYSCF", sys.executable)
        self.process = subprocess.Popen(
            [interpreter, "-m", "benchmarks.pyscf_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        self.method, self.basis = method, basis
        self.known: dict[bytes, dict[str, Any]] = {}

    def ask(self, x: np.ndarray, *, hessian: bool) -> dict[str, Any]:
        key = x.round(12).tobytes()
        if key not in self.known or (hessian and "hessian" not in self.known[key]):
            self.known[key] = self.say(x, hessian=hessian)
        return self.known[key]

    def say(self, x: np.ndarray, **wish: bool) -> dict[str, Any]:
        ask = {"positions_angstrom": x.tolist(), "method": self.method, "basis": self.basis}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(ask | wish) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def surface(self, *, hessian: bool = True) -> correction.Surface:
        """Energies, gradients and Hessians; where Hessians are wanted they are computed at once."""

        def each(what: str, factor: float, X: Any) -> np.ndarray:
            return factor * np.array([self.ask(x, hessian=hessian)[what] for x in np.asarray(X)])

        return correction.Surface(
            partial(each, "energy", correction.HARTREE_KCAL),
            partial(each, "gradient", correction.GRADIENT_KCAL),
            partial(each, "hessian", correction.HESSIAN_KCAL) if hessian else None,
        )


def nothing() -> correction.Surface:
    """The base of "direct": no theory at all."""
    return correction.Surface(
        lambda X: np.zeros(len(X)),
        lambda X: np.zeros(np.shape(X)),
        lambda X: np.zeros((*np.shape(X), *np.shape(X)[1:])),
    )


def frequencies(draws: int, bases: Sequence[str]) -> dict:
    water, found = data.water(), recorded("frequencies")
    masses = correction.masses_of(water.symbols)
    for basis in bases:
        minimum = water.minima[basis]
        own = {
            method: correction.harmonic(minimum.positions_angstrom, H, masses=masses).wavenumbers
            for method, H in minimum.hessian.items()
        }
        rows: dict[str, Any] = {"own": {k: v.tolist() for k, v in own.items() if k == "ccsd_t"}}
        for base in BASES:
            program = None if base == "direct" else Program(base, basis)
            surface = nothing() if program is None else program.surface()
            if program is not None:
                end = correction.minimise(surface, minimum.positions_angstrom, tol=1e-3)
                rows["own"][base] = wavenumbers(end, masses)
            rows[base] = {
                str(size): at_minimum(water, base, basis, size, draws, surface, own["ccsd_t"])
                for size in (80, 160)
            }
            print(basis, base, {k: v["mean gap"]["mean"] for k, v in rows[base].items()}, flush=True)
        found[basis] = rows
    return found


def wavenumbers(end: correction.Minimum, masses: np.ndarray) -> list[float]:
    return correction.harmonic(end.positions_angstrom, end.hessian, masses=masses).wavenumbers.tolist()


def at_minimum(water, base, basis, size, draws, surface, own) -> dict:
    """Mean over the three modes of |ω - ω of CCSD(T)|, at the composite's own minimum."""
    masses, gaps, found, converged = correction.masses_of(water.symbols), [], [], []
    for draw in range(draws):
        learnt, _ = taught(water, base, basis, draw_of(water, size, draw))
        composite = correction.compose(surface, learnt.model)
        end = correction.minimise(composite, water.minima[basis].positions_angstrom, tol=1e-3)
        found.append(wavenumbers(end, masses))
        gaps.append(float(np.abs(found[-1] - own).mean()))
        converged.append(end.converged)
    return {"mean gap": summary(gaps), "wavenumbers": found, "all converged": all(converged)}


def forces(draws: int) -> dict:
    """Largest |F + ΔE/Δx| over all components, in Hartree/bohr and over the largest force."""
    water, h = data.water(), STEP_ANGSTROM
    found = {}
    for base in ("hf", "pbe"):
        learnt, _ = taught(water, base, "dz", draw_of(water, 40, 0))
        composite = correction.compose(Program(base, "dz").surface(hessian=False), learnt.model)
        gaps, relative = [], []
        for x in water.positions_angstrom[:draws]:
            steps = h * np.eye(9).reshape(9, 3, 3)
            E = {k: composite.energy(x + k * steps) for k in range(-4, 5) if k}
            slope = sum(c * (E[k] - E[-k]) for k, c in enumerate(EIGHTH, 1)) / h
            F = correction.forces(composite, x[None]).ravel()
            gaps.append(float(np.abs(F + slope).max() / correction.GRADIENT_KCAL))
            relative.append(float(np.abs(F + slope).max() / np.abs(F).max()))
        found[base] = {"hartree_per_bohr": max(gaps), "relative": max(relative), "geometries": draws}
    return {"step_angstrom": h, "composite": found}


def cost(draws: int) -> dict:
    """Seconds of processor time for an energy with its gradient, one thread: the median over geometries."""
    X = data.water().positions_angstrom[: draws + 1]
    found: dict[str, dict[str, float]] = {"dz": {}, "tz": {}}
    for basis, row in found.items():
        for method in ("hf", "pbe", "ccsd_t"):
            program = Program(method, basis)
            times = [program.say(x, seconds=True)["seconds"] for x in X]
            row[method] = float(np.median(times[1:]))  # the first one loads the program
    return {"geometries": draws, "seconds": found}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sections: dict[str, tuple[Callable, int]] = {
        "frequencies": (lambda draws: frequencies(draws, args.basis), 5),
        "forces": (forces, 2),
        "cost": (cost, 3),
    }
    parser.add_argument("--only", choices=sections)
    parser.add_argument("--draws", type=int, default=None)
    parser.add_argument("--basis", nargs="+", choices=("dz", "tz"), default=["dz", "tz"])
    args = parser.parse_args()
    for name, (section, usual) in sections.items():
        if args.only in (None, name):
            before = machine()
            with threadpool_limits(1, "blas"):
                found = section(args.draws or usual)
            record("correction", name, found | {"machine": before, "versions": versions("numpy", "scipy")})


if __name__ == "__main__":
    main()
