"""Compute `ethanol.npz`: ethanol in hot motion, its energies and forces.

    pip install "mcbook[molecules]"
    python -m mcbook.data.make_ethanol SCRATCH
SCRATCH is a folder for one small file per part, so that a run that stops goes on where it was.

Trajectories: Langevin dynamics with the thermostat at 500 K (this one removes the net momentum of its kicks
in equal parts from all atoms, which leaves the hydrogens hotter than that), steps of 0.5 fs, a frame every
10 fs after a picosecond and a half of heating, labelled by GFN2-xTB (semi-empirical). `FRAMES` frames to
learn from; `TEST_FRAMES` from a second trajectory with other random numbers, so that no test frame has
a neighbour in time among those learnt from.
Subset: every 6th frame of the first 1800, labelled by PBE/def2-SVP (density fitting, grid level 2, forces
with the response of the grid): the same geometries at a second level of theory. Half an hour of one core.
Positions in Å, energies in kcal/mol, forces in kcal/mol/Å. Positions are rounded to 1e-5 Å *before* the
labels are computed; stored in float32, they come back exactly when they are rounded to 1e-5 again.

Sources: GFN2-xTB bannwarth2019; PBE perdew1996; def2-SVP weigend2005.
"""

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

FRAMES, TEST_FRAMES = 2000, 500
PBE_EVERY, PBE_FRAMES = 6, 300
KELVIN, STEP_FS, STEPS_A_FRAME, WARM_UP_STEPS = 500, 0.5, 20, 3000
FRICTION_PER_FS = 0.01
DIGITS = 5
KCAL_PER_HARTREE = 627.5094740631
BOHR_ANGSTROM = 0.529177210903
Labels = tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n 9 3"]]


def relaxed() -> Any:
    """ASE's ethanol, relaxed by GFN2-xTB."""
    from ase.build import molecule
    from ase.optimize import BFGS

    atoms = molecule("CH3CH2OH")
    atoms.calc = xtb()
    BFGS(atoms, logfile=None).run(fmax=0.005)
    return atoms


def xtb() -> Any:
    """GFN2-xTB as a calculator of ASE, converged tightly: forces are differences of energies to 3e-5 eV/Å."""
    from tblite.ase import TBLite

    return TBLite(method="GFN2-xTB", verbosity=0, accuracy=0.1)


def trajectory(frames: int, seed: int) -> Float[np.ndarray, "frames 9 3"]:
    """Positions in Å, the centre of mass at the origin in every frame."""
    from ase import units
    from ase.md.langevin import Langevin
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

    atoms, rng = relaxed(), np.random.RandomState(seed)
    MaxwellBoltzmannDistribution(atoms, temperature_K=KELVIN, rng=rng)
    friction = FRICTION_PER_FS / units.fs
    motion = Langevin(atoms, STEP_FS * units.fs, temperature_K=KELVIN, friction=friction, rng=rng)
    motion.run(WARM_UP_STEPS)
    found = []
    for _ in range(frames):
        motion.run(STEPS_A_FRAME)
        found.append(atoms.positions - atoms.get_center_of_mass())
    return np.round(found, DIGITS)


def xtb_labels(positions: Float[np.ndarray, "n 9 3"]) -> Labels:
    """Energies (n,) in kcal/mol and forces (n, 9, 3) in kcal/mol/Å."""
    from ase import units

    atoms, energies, forces = relaxed(), [], []
    for frame in positions:
        atoms.positions = frame
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
    kcal = units.kcal / units.mol
    return np.array(energies) / kcal, np.array(forces) / kcal


def pbe_labels(numbers: np.ndarray, frame: Float[np.ndarray, "9 3"]) -> tuple[float, np.ndarray]:
    """PBE/def2-SVP: energy in kcal/mol, forces in kcal/mol/Å."""
    from pyscf import dft, gto

    atoms = list(zip(map(int, numbers), frame, strict=True))
    field = dft.RKS(gto.M(atom=atoms, basis="def2-svp", verbose=0), xc="pbe").density_fit()
    field.grids.level, field.conv_tol = 2, 1e-9
    energy = field.kernel()
    if not field.converged:
        raise RuntimeError("PBE did not converge")
    slope = field.nuc_grad_method()
    slope.grid_response = True
    return float(energy) * KCAL_PER_HARTREE, -slope.kernel() * KCAL_PER_HARTREE / BOHR_ANGSTROM


def pbe_subset(scratch: Path, numbers: np.ndarray, positions: np.ndarray) -> Labels:
    """The subset's labels, a file for every frame."""
    energies, forces = [], []
    for i, frame in enumerate(positions[: PBE_EVERY * PBE_FRAMES : PBE_EVERY]):
        path = scratch / f"pbe-{i}.npz"
        if not path.is_file():
            energy, force = pbe_labels(numbers, frame)
            np.savez(path, energy=energy, force=force)
            print(path.name, flush=True)
        with np.load(path, allow_pickle=False) as found:
            energies.append(float(found["energy"]))
            forces.append(found["force"])
    return np.array(energies), np.array(forces)


def labelled(scratch: Path, name: str, frames: int, seed: int) -> dict[str, np.ndarray]:
    """One trajectory with its semi-empirical labels, from its file if that is there."""
    path = scratch / f"{name}.npz"
    if not path.is_file():
        positions = trajectory(frames, seed)
        energy, force = xtb_labels(positions)
        np.savez(path, positions=positions, energy=energy, force=force)
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


def pack(scratch: Path, *, pbe: bool = True) -> dict[str, np.ndarray]:
    """The arrays of ethanol.npz: positions and forces in float32, energies in float64."""
    numbers = np.asarray(relaxed().numbers, np.uint8)
    arrays: dict[str, np.ndarray] = {"numbers": numbers}
    for prefix, name, frames, seed in (("", "train", FRAMES, 0), ("test_", "test", TEST_FRAMES, 1)):
        found = labelled(scratch, name, frames, seed)
        arrays[f"{prefix}positions_angstrom"] = found["positions"].astype(np.float32)
        arrays[f"{prefix}energy_kcal"] = np.round(found["energy"], 7)
        arrays[f"{prefix}force_kcal_angstrom"] = found["force"].astype(np.float32)
    if pbe:
        positions = np.round(arrays["positions_angstrom"].astype(float), DIGITS)
        energy, force = pbe_subset(scratch, numbers, positions)
        arrays["pbe_frames"] = np.arange(PBE_FRAMES) * PBE_EVERY
        arrays["pbe_energy_kcal"] = np.round(energy, 7)
        arrays["pbe_force_kcal_angstrom"] = force.astype(np.float32)
    return arrays


def main() -> None:
    """Compute what is not in the scratch folder, and write ethanol.npz beside this file."""
    top = argparse.ArgumentParser(description="Compute the book's ethanol.")
    top.add_argument("scratch", type=Path, help="a folder for the results of the parts")
    args = top.parse_args()
    args.scratch.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    path = Path(__file__).with_name("ethanol.npz")
    np.savez_compressed(path, allow_pickle=False, **pack(args.scratch))
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
