"""Compute `molecules.npz`: the sensible molecules of C, N, O with up to five heavy atoms, and their energies.

    pip install "mcbook[molecules]"
    python -m mcbook.data.make_molecules SCRATCH [--processes 2]
SCRATCH is a folder for one small file per molecule, so that a run that stops goes on where it was.

1. Graphs: grow by one single bond to C, N or O, then raise bonds (none, single, double, triple) until nothing
   new comes; drop what chemists would not expect to keep in a bottle (`UNWANTED`).
2. Geometry: one conformer by ETKDGv3 and MMFF94, relaxed by GFN2-xTB to 0.01 eV/Å. A molecule whose bonds
   changed on the way is dropped: its SMILES would lie. Coordinates are rounded to 1e-5 Å *before* the
   energies are computed, so that the stored geometry is the one that the labels belong to.
3. Labels at that geometry: PBE0/def2-SVP (density fitting, grid level 1; within 0.03 kcal/mol of the exact
   integrals and 0.01 of the fine grid) and GFN2-xTB. An atomisation energy is the energy of the free atoms
   (spin-polarised in PBE0, each in its ground state, in the same method) minus that of the molecule: positive
   when bound; no zero-point energy.

Sources: GFN2-xTB bannwarth2019; PBE0 adamo1999; def2-SVP weigend2005.
"""

import argparse
import hashlib
import itertools
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np

MAX_HEAVY = 5
ELEMENTS = "CNO"
FMAX_EV_PER_ANGSTROM = 0.01
UNPAIRED = {1: 1, 6: 2, 7: 3, 8: 2}  # electrons in the ground states 2S, 3P, 4S, 3P
KCAL_PER_HARTREE = 627.5094740631
EV_PER_HARTREE = 27.211386245988
ORDERS = ("SINGLE", "DOUBLE", "TRIPLE")

# Graphs that are left out, and why; SMARTS.
UNWANTED = {
    "[#7,#8]-,=,#[#7,#8]": "bonds among N and O, but for those in aromatic rings: weak, often explosive",
    "[#7,#8]~[#7,#8]~[#7,#8]": "three of N and O in a row, in such rings too",
    "o:o": "peroxides in name only aromatic",
    "[nX3]:[nX3,o]": "hydrazines and hydroxylamines in name only aromatic",
    "[#7,#8;r3,r4]:[#7,#8]": "such bonds in rings of three or four",
    "[!R0;!R1]": "an atom in two rings or more: strained cages",
    "[r3,r4]#*": "a triple bond at a small ring",
    "[*;R]#[*;R]": "a triple bond in a ring",
    "[*;r3]=[*;r3]": "cyclopropene",
    "[*;r4]=[*;r4]": "cyclobutene",
    "[r3,r4,r5]=[#6]=*": "a cumulene on a ring",
    "*=[C]=[C]=*": "longer cumulenes",
    "[C](O)(O)[O]": "orthoacids",
    "[OX2H][CX4][OX2H,NX3]": "hydrates and hemiaminals of carbonyls",
    "[NX3H2][CX4][NX3,OX2]": "aminals of a primary amine",
    "[OH]C=C": "enols",
    "C#C[OH]": "ynols",
}


def raised(smiles: str) -> set[str]:
    """The molecules that one more bond between two atoms, both with a hydrogen to spare, makes."""
    from rdkit import Chem

    found = set()
    mol = Chem.MolFromSmiles(smiles)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    free = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetTotalNumHs() > 0]
    for i, j in itertools.combinations(free, 2):
        bond = mol.GetBondBetweenAtoms(i, j)
        order = 0 if bond is None else round(bond.GetBondTypeAsDouble())
        if order < len(ORDERS):
            grown = Chem.RWMol(mol)
            grown.RemoveBond(i, j)
            grown.AddBond(i, j, getattr(Chem.BondType, ORDERS[order]))
            found |= canonical(grown)
    return found


def extended(smiles: str) -> set[str]:
    """The molecules that one more heavy atom, on a single bond, makes."""
    from rdkit import Chem

    found = set()
    mol = Chem.MolFromSmiles(smiles)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    for atom in mol.GetAtoms():
        if atom.GetTotalNumHs() > 0:
            for element in ELEMENTS:
                grown = Chem.RWMol(mol)
                grown.AddBond(atom.GetIdx(), grown.AddAtom(Chem.Atom(element)), Chem.BondType.SINGLE)
                found |= canonical(grown)
    return found


def canonical(grown: Any) -> set[str]:
    """{SMILES} with the hydrogens counted afresh, or nothing where the valences do not allow it."""
    from rdkit import Chem

    mol = grown.GetMol()
    for atom in mol.GetAtoms():
        atom.SetNoImplicit(False)
        atom.SetNumExplicitHs(0)
    try:
        Chem.SanitizeMol(mol)
    except Chem.MolSanitizeException:
        return set()
    smiles = Chem.MolToSmiles(mol)
    return set() if Chem.MolFromSmiles(smiles) is None else {smiles}


def enumerate_smiles(max_heavy: int) -> list[str]:
    """All graphs up to that many heavy atoms that match no unwanted pattern, by size, then by name."""
    from rdkit import Chem

    patterns = [Chem.MolFromSmarts(smarts) for smarts in UNWANTED]
    level, kept = set(ELEMENTS), []
    for _ in range(max_heavy):
        fresh = level
        while fresh:
            fresh = set().union(*map(raised, fresh)) - level
            level |= fresh
        mols = {smiles: Chem.MolFromSmiles(smiles) for smiles in level}
        kept += sorted(s for s, mol in mols.items() if not any(map(mol.HasSubstructMatch, patterns)))
        level = set().union(*map(extended, level))
    return kept


def relax(smiles: str) -> tuple[np.ndarray, np.ndarray] | str:
    """(atomic numbers, positions_angstrom) at a minimum of GFN2-xTB, or why there is none."""
    from ase import Atoms
    from ase.optimize import BFGS
    from rdkit import Chem
    from rdkit.Chem import AllChem
    from tblite.ase import TBLite

    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    settings = AllChem.ETKDGv3()
    settings.randomSeed = 7
    if AllChem.EmbedMolecule(mol, settings) != 0:
        return "no embedding"
    AllChem.MMFFOptimizeMolecule(mol, maxIters=1000)
    atoms = Atoms([a.GetSymbol() for a in mol.GetAtoms()], mol.GetConformer(0).GetPositions())
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    if not BFGS(atoms, logfile=None).run(fmax=FMAX_EV_PER_ANGSTROM, steps=400):
        return "no minimum in 400 steps"
    if not np.array_equal(bonded(atoms), Chem.GetAdjacencyMatrix(mol)):
        return "its bonds changed"
    centred = atoms.positions - atoms.positions.mean(axis=0)
    return atoms.numbers, np.round(centred, 5)


def bonded(atoms: Any) -> np.ndarray:
    """Adjacency (a, a) by distance: nearer than 1.3 times the sum of the covalent radii."""
    from ase.data import covalent_radii

    radii = covalent_radii[atoms.numbers]
    near = atoms.get_all_distances() < 1.3 * (radii[:, None] + radii)
    np.fill_diagonal(near, False)
    return near.astype(int)


def pbe0(numbers: Any, positions_angstrom: Any, *, unpaired: int = 0) -> dict[str, Any]:
    """Energies in Hartree and the dipole in Debye, PBE0/def2-SVP with density fitting."""
    from pyscf import dft, gto, lib

    lib.num_threads(1)
    mol = gto.M(
        atom=[(int(z), r) for z, r in zip(numbers, positions_angstrom, strict=True)],
        basis="def2-svp",
        spin=unpaired,
        verbose=0,
    )
    field = (dft.UKS if unpaired else dft.RKS)(mol, xc="pbe0").density_fit()
    field.grids.level, field.conv_tol = 1, 1e-9
    energy = field.kernel()
    result = {"energy_hartree": float(energy), "converged": bool(field.converged)}
    if not unpaired:
        orbitals, occupied = field.mo_energy, mol.nelectron // 2
        dipole = np.linalg.norm(field.dip_moment(unit="Debye", verbose=0))
        result |= {
            "homo_hartree": float(orbitals[occupied - 1]),
            "lumo_hartree": float(orbitals[occupied]),
            "dipole_debye": float(dipole),
        }
    return result


def xtb_energy_hartree(numbers: Any, positions_angstrom: Any, *, unpaired: int = 0) -> float:
    """The total energy of GFN2-xTB."""
    from scipy.constants import physical_constants
    from tblite.interface import Calculator

    bohr_angstrom = physical_constants["Bohr radius"][0] * 1e10
    positions_bohr = np.asarray(positions_angstrom, float) / bohr_angstrom
    calculator = Calculator("GFN2-xTB", np.asarray(numbers), positions_bohr, uhf=unpaired)
    calculator.set("verbosity", 0)
    return float(calculator.singlepoint().get("energy"))


def record_path(scratch: Path, smiles: str) -> Path:
    """The file of one molecule."""
    return scratch / f"{hashlib.sha256(smiles.encode()).hexdigest()[:16]}.json"


def compute(job: tuple[str, str]) -> str:
    """One molecule, from its SMILES to its file; returns a line for the log."""
    scratch, smiles = Path(job[0]), job[1]
    path = record_path(scratch, smiles)
    if path.is_file():
        return f"{smiles}: was there"
    relaxed = relax(smiles)
    if isinstance(relaxed, str):
        record: dict[str, Any] = {"smiles": smiles, "dropped": relaxed}
    else:
        numbers, positions = relaxed
        record = {"smiles": smiles, "numbers": numbers.tolist(), "positions_angstrom": positions.tolist()}
        record["xtb_energy_hartree"] = xtb_energy_hartree(numbers, positions)
        record |= {f"pbe0_{key}": value for key, value in pbe0(numbers, positions).items()}
        if not record["pbe0_converged"]:
            record["dropped"] = "PBE0 did not converge"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(record))
    part.replace(path)
    return f"{smiles}: {record.get('dropped', 'done')}"


def free_atoms() -> dict[str, dict[int, float]]:
    """Energies of the free atoms in Hartree, by method and atomic number."""
    origin = np.zeros((1, 3))
    return {
        "pbe0": {z: pbe0([z], origin, unpaired=s)["energy_hartree"] for z, s in UNPAIRED.items()},
        "xtb": {z: xtb_energy_hartree([z], origin, unpaired=s) for z, s in UNPAIRED.items()},
    }


def pack(records: list[dict[str, Any]], atoms: dict[str, dict[int, float]]) -> dict[str, np.ndarray]:
    """The arrays of molecules.npz; the atoms of all molecules one after the other (`counts` cuts them)."""
    numbers = [np.array(r["numbers"], np.uint8) for r in records]

    def atomisation_kcal(method: str) -> np.ndarray:
        free = np.array([sum(atoms[method][int(z)] for z in zs) for zs in numbers])
        bound = np.array([r[f"{method}_energy_hartree"] for r in records])
        return (free - bound) * KCAL_PER_HARTREE

    return {
        "smiles": np.array([r["smiles"] for r in records]),
        "counts": np.array([len(z) for z in numbers], np.uint8),
        "numbers": np.concatenate(numbers),
        "positions_angstrom": np.concatenate([np.array(r["positions_angstrom"]) for r in records]),
        "pbe0_atomisation_kcal": atomisation_kcal("pbe0"),
        "xtb_atomisation_kcal": atomisation_kcal("xtb"),
        "homo_ev": np.array([r["pbe0_homo_hartree"] for r in records]) * EV_PER_HARTREE,
        "lumo_ev": np.array([r["pbe0_lumo_hartree"] for r in records]) * EV_PER_HARTREE,
        "dipole_debye": np.array([r["pbe0_dipole_debye"] for r in records]),
        "free_atom_numbers": np.array(list(UNPAIRED), np.uint8),
        "free_atom_pbe0_hartree": np.array([atoms["pbe0"][z] for z in UNPAIRED]),
        "free_atom_xtb_hartree": np.array([atoms["xtb"][z] for z in UNPAIRED]),
    }


def main() -> None:
    """Compute what is not in the scratch folder, and write molecules.npz beside this file."""
    top = argparse.ArgumentParser(description="Compute the book's molecules.")
    top.add_argument("scratch", type=Path, help="a folder for the results of single molecules")
    top.add_argument("--processes", type=int, default=2)
    args = top.parse_args()
    args.scratch.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    smiles = enumerate_smiles(MAX_HEAVY)
    print(f"{len(smiles)} graphs", flush=True)
    jobs = [(str(args.scratch), s) for s in smiles]
    with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
        for k, line in enumerate(pool.imap_unordered(compute, jobs), 1):
            print(f"{k:4d} {line}", flush=True)
    records = [json.loads(record_path(args.scratch, s).read_text()) for s in smiles]
    arrays = pack([r for r in records if "dropped" not in r], free_atoms())
    path = Path(__file__).with_name("molecules.npz")
    np.savez_compressed(path, allow_pickle=False, **arrays)
    print(f"{path.name}: {len(arrays['smiles'])} molecules, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
