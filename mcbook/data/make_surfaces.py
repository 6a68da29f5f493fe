"""Compute `water.npz` and `ammonia.npz`: energies and gradients at three levels of theory.

    pip install "mcbook[molecules]"
    python -m mcbook.data.make_surfaces SCRATCH [--processes 2]
SCRATCH is a folder for one small file per calculation, so that a run that stops goes on where it was.

Levels: Hartree-Fock; PBE (grid level 3; gradients with the response of the grid, so that they are the
derivatives of the energies); CCSD(T) with frozen core and analytic gradients. Bases: cc-pVDZ and cc-pVTZ.
    water    600 geometries, all three in both bases; gradients everywhere, but of CCSD(T)/cc-pVTZ (a dozen
             seconds each) at the first `TESTS` only, which are the test set
    ammonia  420 geometries, all three in cc-pVDZ
Beside them, for each basis, water's own CCSD(T) minimum with the Hessians of all three levels there: of
CCSD(T) by differences of its gradients, of the other two analytic.
Energies in Hartree, gradients in Hartree/bohr, Hessians in Hartree/bohr², positions in Å, rounded to 1e-6
*before* anything is computed. About two hours of one core.

Sources: PBE perdew1996; CCSD(T) raghavachari1989; the basis sets dunning1989.
"""

import argparse
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

TESTS = 100
WATERS, AMMONIAS = 600, 420
BASES = {"dz": "cc-pvdz", "tz": "cc-pvtz"}
SYMBOLS = {"water": "OHH", "ammonia": "NHHH"}
FROZEN = 1  # the 1s orbital of O or N
DIGITS = 6
STEP_ANGSTROM = 0.005  # of the differences that make the CCSD(T) Hessian


class Job(NamedTuple):
    """One calculation: a method in a basis, at geometry `row` of a molecule."""

    molecule: str
    row: int
    method: str
    basis: str

    @property
    def stem(self) -> str:
        return "-".join(map(str, self))


def water_positions(r1: float, r2: float, angle_degrees: float) -> Float[np.ndarray, "3 3"]:
    """O at the origin, the plane of the atoms is y-z, z halves the angle; Å."""
    half = np.radians(angle_degrees) / 2
    first = [0.0, r1 * np.sin(half), -r1 * np.cos(half)]
    second = [0.0, -r2 * np.sin(half), -r2 * np.cos(half)]
    return np.array([[0.0, 0.0, 0.0], first, second])


def waters() -> Float[np.ndarray, "600 3 3"]:
    """Bond lengths uniform in 0.8 to 1.25 Å, angles in 80 to 135 degrees, independent."""
    rng = np.random.default_rng(20240601)
    r1, r2 = rng.uniform(0.8, 1.25, (2, WATERS))
    angles = rng.uniform(80, 135, WATERS)
    return np.round([water_positions(*q) for q in zip(r1, r2, angles, strict=True)], DIGITS)


def ammonias() -> Float[np.ndarray, "420 4 3"]:
    """The pyramid with Gaussian noise: 0.03 Å on N, 0.08 Å on each H, per coordinate."""
    rng = np.random.default_rng(11)
    pyramid = np.array(
        [[0, 0, 0.1164], [0, 0.9397, -0.2717], [0.8138, -0.4699, -0.2717], [-0.8138, -0.4699, -0.2717]]
    )
    spread = np.array([0.03, 0.08, 0.08, 0.08])[:, None]
    return np.round(pyramid + spread * rng.standard_normal((AMMONIAS, 4, 3)), DIGITS)


def built(molecule: str, positions_angstrom: np.ndarray, basis: str) -> Any:
    """PySCF's molecule."""
    from pyscf import gto

    atoms = list(zip(SYMBOLS[molecule], positions_angstrom, strict=True))
    return gto.M(atom=atoms, basis=BASES[basis], verbose=0)


def mean_field(molecule: Any, method: str) -> Any:
    """A converged Hartree-Fock or PBE calculation."""
    from pyscf import dft, scf

    if method == "pbe":
        field = dft.RKS(molecule, xc="pbe")
        field.grids.level = 3
    else:
        field = scf.RHF(molecule)
    field.conv_tol = 1e-11
    field.kernel()
    if not field.converged:
        raise RuntimeError(f"{method} did not converge")
    return field


def base(molecule: Any, method: str, *, hessian: bool = False) -> dict[str, Any]:
    """Energy, gradient and, if asked, analytic Hessian of "hf" or "pbe"."""
    field = mean_field(molecule, method)
    slope = field.nuc_grad_method()
    if method == "pbe":
        slope.grid_response = True
    found = {"energy": float(field.e_tot), "gradient": slope.kernel().tolist()}
    if hessian:
        found["hessian"] = field.Hessian().kernel().transpose(0, 2, 1, 3).tolist()  # atom, xyz, atom, xyz
    return found


def coupled_cluster(molecule: Any, *, gradient: bool) -> dict[str, Any]:
    """Energy and gradient of CCSD(T), the core frozen."""
    from pyscf import cc
    from pyscf.cc import ccsd_t_lambda_slow
    from pyscf.grad import ccsd_t

    solver = cc.CCSD(mean_field(molecule, "hf"), frozen=FROZEN)
    solver.conv_tol, solver.conv_tol_normt, solver.max_cycle = 1e-10, 1e-8, 100
    integrals = solver.ao2mo()
    solver.kernel(eris=integrals)
    if not solver.converged:
        raise RuntimeError("CCSD did not converge")
    found = {"energy": float(solver.e_tot + solver.ccsd_t(eris=integrals))}
    if gradient:
        t1, t2 = solver.t1, solver.t2
        done, l1, l2 = ccsd_t_lambda_slow.kernel(solver, integrals, t1, t2, tol=1e-8, verbose=0)
        if not done:
            raise RuntimeError("the lambda equations did not converge")
        slope = ccsd_t.Gradients(solver).kernel(t1=t1, t2=t2, l1=l1, l2=l2, eris=integrals)
        found["gradient"] = slope.tolist()
    return found


def minimum(basis: str) -> Float[np.ndarray, "3 3"]:
    """Water's CCSD(T) minimum: two symmetric coordinates, the gradient by the chain rule."""
    from scipy.constants import physical_constants
    from scipy.optimize import minimize

    bohr = physical_constants["Bohr radius"][0] * 1e10

    def energy_and_gradient(q: np.ndarray) -> tuple[float, np.ndarray]:
        r, angle = q[0], q[1] * 100
        found = coupled_cluster(built("water", water_positions(r, r, angle), basis), gradient=True)
        h = 1e-5
        along_r = (water_positions(r + h, r + h, angle) - water_positions(r - h, r - h, angle)) / (2 * h)
        along_angle = (water_positions(r, r, angle + h) - water_positions(r, r, angle - h)) / (2 * h) * 100
        slope = np.array(found["gradient"]) / bohr
        return found["energy"], np.array([np.sum(slope * along_r), np.sum(slope * along_angle)])

    stiff = np.diag([0.27, 2.0])  # about the inverse Hessian: without it the first step leaves the well
    options = {"gtol": 1e-7, "hess_inv0": stiff}
    best = minimize(energy_and_gradient, [0.962, 1.03], jac=True, method="BFGS", options=options)
    return water_positions(best.x[0], best.x[0], best.x[1] * 100)


def coupled_cluster_hessian(positions: np.ndarray, basis: str) -> Float[np.ndarray, "3 3 3 3"]:
    """Central differences of the gradient; Hartree/bohr²."""
    from scipy.constants import physical_constants

    bohr = physical_constants["Bohr radius"][0] * 1e10
    H = np.zeros((3, 3, 3, 3))
    for atom, axis in np.ndindex(3, 3):
        shift = np.zeros((3, 3))
        shift[atom, axis] = STEP_ANGSTROM
        up, down = (
            np.array(coupled_cluster(built("water", positions + s * shift, basis), gradient=True)["gradient"])
            for s in (1, -1)
        )
        H[atom, axis] = (up - down) / (2 * STEP_ANGSTROM / bohr)
    return (H + H.transpose(2, 3, 0, 1)) / 2


def reference(basis: str) -> dict[str, Any]:
    """Water's CCSD(T) minimum and the Hessians of all levels there."""
    positions = minimum(basis)
    here = built("water", positions, basis)
    found: dict[str, Any] = {"positions_angstrom": positions.tolist()}
    found |= {method: base(here, method, hessian=True) for method in ("hf", "pbe")}
    found["ccsd_t"] = coupled_cluster(here, gradient=True)
    found["ccsd_t"]["hessian"] = coupled_cluster_hessian(positions, basis).tolist()
    return found


def geometries(molecule: str) -> np.ndarray:
    """All geometries of one molecule, Å."""
    return waters() if molecule == "water" else ammonias()


def jobs() -> list[Job]:
    """Everything, the most wanted first."""

    def series(molecule: str, count: int, methods: str, basis: str) -> list[Job]:
        return [Job(molecule, i, method, basis) for i in range(count) for method in methods.split()]

    return [
        *series("water", WATERS, "hf pbe ccsd_t", "dz"),
        *series("ammonia", AMMONIAS, "hf pbe ccsd_t", "dz"),
        *series("water", WATERS, "hf pbe ccsd_t", "tz"),
        *(Job("water", 0, "reference", basis) for basis in BASES),
    ]


def compute(work: tuple[str, Job]) -> str:
    """One calculation, into its file; returns a line for the log."""
    scratch, job = Path(work[0]), work[1]
    path = scratch / f"{job.stem}.json"
    if path.is_file():
        return f"{job.stem}: was there"
    if job.method == "reference":
        found = reference(job.basis)
    else:
        here = built(job.molecule, geometries(job.molecule)[job.row], job.basis)
        if job.method == "ccsd_t":
            found = coupled_cluster(here, gradient=job.basis == "dz" or job.row < TESTS)
        else:
            found = base(here, job.method)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.replace(path)
    return f"{job.stem}: done"


def pack(scratch: Path, molecule: str) -> dict[str, np.ndarray]:
    """The arrays of one molecule's file: `<method>_<basis>_hartree`, `..._gradient`, and the references."""
    arrays = {"positions_angstrom": geometries(molecule)}
    series: dict[str, list[dict[str, Any]]] = {}
    for job in jobs():
        if job.molecule != molecule:
            continue
        found = json.loads((scratch / f"{job.stem}.json").read_text())
        if job.method == "reference":
            arrays[f"minimum_{job.basis}_angstrom"] = np.array(found["positions_angstrom"])
            for method in ("hf", "pbe", "ccsd_t"):
                for what, value in found[method].items():
                    arrays[f"minimum_{method}_{job.basis}_{what}"] = np.array(value)
        else:
            series.setdefault(f"{job.method}_{job.basis}", []).append(found)
    for level, found in series.items():
        arrays[f"{level}_hartree"] = np.round([f["energy"] for f in found], 10)
        arrays[f"{level}_gradient"] = np.round([f["gradient"] for f in found if "gradient" in f], 9) + 0.0
    return arrays


def main() -> None:
    """Compute what is not in the scratch folder, and write the two files beside this one."""
    top = argparse.ArgumentParser(description="Compute the book's water and ammonia.")
    top.add_argument("scratch", type=Path, help="a folder for the results of single calculations")
    top.add_argument("--processes", type=int, default=2)
    args = top.parse_args()
    args.scratch.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    work = [(str(args.scratch), job) for job in jobs()]
    with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
        for k, line in enumerate(pool.imap(compute, work), 1):
            print(f"{k:5d} {line}", flush=True)
    for molecule in SYMBOLS:
        path = Path(__file__).with_name(f"{molecule}.npz")
        np.savez_compressed(path, allow_pickle=False, **pack(args.scratch, molecule))
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
