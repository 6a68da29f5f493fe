"""Ethanol in motion: geometries, energies and forces that we computed and that ship with mcbook."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from mcbook.data.store import load_npz

DIGITS = 5  # the positions were rounded to so many before they were labelled; float32 keeps them


class Frames(NamedTuple):
    """Geometries of one molecule in Å, with energies in kcal/mol and forces in kcal/mol/Å: atoms are rows."""

    positions_angstrom: Float[np.ndarray, "n a 3"]
    energy_kcal: Float[np.ndarray, " n"]
    force_kcal_angstrom: Float[np.ndarray, "n a 3"]


class Ethanol(NamedTuple):
    """`frames` to learn from, `test` from a second trajectory; `pbe` labels the frames `pbe_frames` again."""

    numbers: UInt8[np.ndarray, " a"]
    frames: Frames
    test: Frames
    pbe: Frames
    pbe_frames: Int[np.ndarray, " m"]


def ethanol() -> Ethanol:
    """2000 frames of ethanol and 500 from another trajectory, labelled by GFN2-xTB; 300 by PBE too.

    One frame every 10 fs: neighbours are alike.  The thermostat was set to 500 K; as it removed the net
    momentum after every kick, and shared what it removed among all atoms, the hydrogens are hotter than that.
    GFN2-xTB is semi-empirical; PBE is in the basis def2-SVP.
    Raises DataMissing if the installation lacks the file.
    Source: our own; `python -m mcbook.data.make_ethanol` makes them. CC BY 4.0.
    """
    arrays = load_npz("ethanol.npz")
    frames, test = (_frames(arrays, prefix) for prefix in ("", "test_"))
    picked = arrays["pbe_frames"].astype(int)
    pbe = Frames(
        frames.positions_angstrom[picked],
        arrays["pbe_energy_kcal"].astype(float),
        arrays["pbe_force_kcal_angstrom"].astype(float),
    )
    return Ethanol(arrays["numbers"], frames, test, pbe, picked)


def _frames(arrays: dict[str, np.ndarray], prefix: str) -> Frames:
    return Frames(
        np.round(arrays[f"{prefix}positions_angstrom"].astype(float), DIGITS),
        arrays[f"{prefix}energy_kcal"].astype(float),
        arrays[f"{prefix}force_kcal_angstrom"].astype(float),
    )
