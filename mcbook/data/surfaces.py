"""Potential energy surfaces at several levels of theory: our own water and ammonia, and a published set.

    water = data.water()
    water.levels["ccsd_t_dz"].energy_kcal            # 600 of them
    water.levels["ccsd_t_tz"].gradient_kcal_angstrom # of the first 100, the test set
Energies are total ones, and so large that only differences of them mean anything.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.data.store import load_npz, paths

TESTS = 100
METHODS = ("hf", "pbe", "ccsd_t")


class Level(NamedTuple):
    """One method in one basis: energies of all n geometries, gradients of the first m ≤ n."""

    energy_kcal: Float[np.ndarray, " n"]
    gradient_kcal_angstrom: Float[np.ndarray, "m a 3"]


class Stationary(NamedTuple):
    """The CCSD(T) minimum in one basis, and what each method ("hf", "pbe", "ccsd_t") says there."""

    positions_angstrom: Float[np.ndarray, "a 3"]
    energy_kcal: dict[str, float]
    gradient_kcal_angstrom: dict[str, Float[np.ndarray, "a 3"]]
    hessian: dict[str, Float[np.ndarray, "a 3 a 3"]]  # kcal/mol/Å²


class Surfaces(NamedTuple):
    """Geometries of one molecule and its levels, "hf_dz", "pbe_dz", "ccsd_t_dz", "hf_tz", …

    `test` holds the rows that everybody is judged by, `pool` those that may be learnt from.
    """

    symbols: tuple[str, ...]
    positions_angstrom: Float[np.ndarray, "n a 3"]
    levels: dict[str, Level]
    minima: dict[str, Stationary]  # by basis, "dz" and "tz"; none for ammonia
    test: np.ndarray
    pool: np.ndarray


class Water102(NamedTuple):
    """The published set: 102 geometries, atoms H, H, O."""

    symbols: tuple[str, ...]
    positions_angstrom: Float[np.ndarray, "n 3 3"]
    pbe_kcal: Float[np.ndarray, " n"]
    ccsd_t_kcal: Float[np.ndarray, " n"]


def water() -> Surfaces:
    """600 waters at HF, PBE and frozen-core CCSD(T), in cc-pVDZ ("dz") and in cc-pVTZ ("tz").

    Bond lengths of 0.8 to 1.25 Å, angles of 80 to 135°.  Gradients everywhere but for CCSD(T)/cc-pVTZ, where
    the first 100 geometries, the test set, have them.  Raises DataMissing if the installation lacks the file.
    Source: our own, by PySCF; `python -m mcbook.data.make_surfaces` makes it. CC BY 4.0.
    """
    return _surfaces("water.npz", ("O", "H", "H"))


def ammonia() -> Surfaces:
    """420 geometries of ammonia about its pyramid, at HF, PBE and frozen-core CCSD(T), in cc-pVDZ.

    Raises DataMissing if the installation lacks the file.  Source: as `water`.
    """
    return _surfaces("ammonia.npz", ("N", "H", "H", "H"))


def _units() -> tuple[float, float]:
    """1 Hartree in kcal/mol and 1 bohr in Å, by CODATA."""
    from scipy.constants import Avogadro, calorie, physical_constants  # not at the top: other sets do without

    hartree = physical_constants["Hartree energy"][0] * Avogadro / (1000 * calorie)
    return hartree, physical_constants["Bohr radius"][0] * 1e10


def _surfaces(name: str, symbols: tuple[str, ...]) -> Surfaces:
    arrays = load_npz(name)
    ends = "_hartree"
    names = [key.removesuffix(ends) for key in arrays if key.endswith(ends)]
    hartree, bohr = _units()
    levels = {
        level: Level(arrays[f"{level}{ends}"] * hartree, arrays[f"{level}_gradient"] * (hartree / bohr))
        for level in names
    }
    bases = [basis for basis in ("dz", "tz") if f"minimum_{basis}_angstrom" in arrays]
    n = len(arrays["positions_angstrom"])
    return Surfaces(
        symbols,
        arrays["positions_angstrom"],
        levels,
        {basis: _stationary(arrays, basis) for basis in bases},
        np.arange(TESTS),
        np.arange(TESTS, n),
    )


def _stationary(arrays: dict[str, np.ndarray], basis: str) -> Stationary:
    def each(what: str, factor: float) -> dict:
        return {m: arrays[f"minimum_{m}_{basis}_{what}"][()] * factor for m in METHODS}

    hartree, bohr = _units()
    return Stationary(
        arrays[f"minimum_{basis}_angstrom"],
        each("energy", hartree),
        each("gradient", hartree / bohr),
        each("hessian", hartree / bohr**2),
    )


def water102(*, fetch: bool = True) -> Water102:
    """102 geometries of water with PBE (plane waves) and CCSD(T) energies, from a published study.

    The files are in bohr and kcal/mol; the positions are converted here.

    Parameters
    ----------
    fetch : download the files if they are neither in MCBOOK_DATA nor in the cache.

    Raises
    ------
    DataMissing : not here, and not fetched; DataCorrupt : damaged in MCBOOK_DATA;
    ImportError : pooch is not installed (to fetch).

    Source: M. Bogojeski et al., Nat. Commun. 11, 2020, 5223; its repository MihailBogojeski/ml-dft (MIT).
    """
    found = {path.stem: np.load(path, allow_pickle=False) for path in paths("water102", fetch=fetch)}
    return Water102(
        ("H", "H", "O"),
        found["structures"] * _units()[1],
        found["dft_energies"].ravel(),
        found["cc_energies"].ravel(),
    )
