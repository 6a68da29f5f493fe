"""Molecules as input: units, shapes, elements, duplicates; and what counting atoms explains."""

import re

import numpy as np
import pytest
from molecule_problems import FORMALDEHYDE, METHANE, MOLECULES, WATER, moved, renumbered, shaken

from mcbook import kernels

EXACT = {"hartree": 627.5094740631, "ev": 23.060547830619, "kcal/mol": 1.0, "kj/mol": 1 / 4.184}
ATOMISATION_KCAL = np.array([232.6, 420.4, 374.0, 389.1])  # of MOLECULES, about


def test_constants_are_those_of_codata() -> None:
    assert pytest.approx(627.5094740631, rel=1e-9) == kernels.HARTREE_KCAL  # CODATA 2018
    assert pytest.approx(27.211386245988, rel=1e-9) == kernels.HARTREE_EV
    assert pytest.approx(0.529177210903, rel=1e-9) == kernels.BOHR_ANGSTROM


def test_symbols_and_numbers_mean_the_same() -> None:
    by_number, by_symbol = kernels.geometry(*WATER), kernels.geometry(["O", "H", "H"], WATER[1])
    np.testing.assert_array_equal(by_number.numbers, by_symbol.numbers)


@pytest.mark.parametrize("molecule", MOLECULES)
@pytest.mark.parametrize(
    ("factor", "remedy"), [(1 / 0.529177, "multiply by 0.529177 if they are bohr"), (0.1, "multiply by 10")]
)
def test_lengths_in_other_units_are_refused(molecule, factor: float, remedy: str) -> None:
    with pytest.raises(ValueError, match=f"do not look like Å.*{remedy}"):
        kernels.geometry(molecule[0], molecule[1] * factor)


def test_atoms_far_apart_on_purpose_are_let_through() -> None:
    Z, R = np.array([1, 1]), np.array([[0.0, 0, 0], [0, 0, 3.0]])
    with pytest.raises(ValueError, match="bonded=False"):
        kernels.geometry(Z, R)
    assert kernels.geometry(Z, R, bonded=False).positions_angstrom[1, 2] == 3.0


@pytest.mark.parametrize(
    ("numbers", "positions", "message"),
    [
        ([], np.zeros((0, 3)), "a ≥ 1"),
        ([8, 1], WATER[1], r"\(2, 3\), a row for every atom; got float64 \(3, 3\)"),
        ([8, 1, 1], WATER[1].T[:2], "row for every atom"),
        ([8, 1, 1], WATER[1] * [1, 1, np.nan], "atom 0 is not finite"),
        ([8, 1, 1], WATER[1].astype(complex), "must be real"),
        ([8, 1, 0], WATER[1], "unknown element 0.*Padding"),
        ([8, 1, 92], WATER[1], "unknown element 92"),
        (["O", "H", "Xx"], WATER[1], "unknown element 'Xx'"),
        ([8, 1, 1], WATER[1][[0, 1, 1]], "atoms 1 and 2 are in one place"),
        ([6, 1, 1, 1, 1, 1], np.vstack([METHANE[1], METHANE[1][1] + 0.1]), "too close"),
    ],
)
def test_bad_molecules_are_refused_by_name(numbers, positions, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kernels.geometry(numbers, positions)


def test_lists_of_molecules() -> None:
    with pytest.raises(ValueError, match="one molecule or more, got none"):
        kernels.geometries([])
    with pytest.raises(ValueError, match="wrap it in a list"):
        kernels.geometries(WATER)
    with pytest.raises(ValueError, match="molecule 1: unknown element 2"):
        kernels.geometries([WATER, ([2], np.zeros((1, 3)))])
    assert len(kernels.geometries([([1], np.zeros((1, 3)))])) == 1


@pytest.mark.parametrize("unit", EXACT)
def test_energies_are_converted_and_every_other_unit_refused(unit: str) -> None:
    given = ATOMISATION_KCAL / EXACT[unit]
    np.testing.assert_allclose(
        kernels.energies_kcal(given, MOLECULES, unit=unit), ATOMISATION_KCAL, rtol=1e-8
    )
    for other in set(EXACT) - {unit}:
        with pytest.raises(ValueError, match=f"looks like {unit}, not {other}"):
            kernels.energies_kcal(given, MOLECULES, unit=other)


def test_total_energies_and_the_other_sign_are_told_apart() -> None:
    total_hartree = np.array([-76.3, -40.4, -114.4, -188.4])
    with pytest.raises(ValueError, match="these are total energies: subtract"):
        kernels.energies_kcal(total_hartree, MOLECULES, unit="hartree")
    with pytest.raises(ValueError, match="positive when bound; turn the sign"):
        kernels.energies_kcal(-ATOMISATION_KCAL, MOLECULES, unit="kcal/mol")


@pytest.mark.parametrize(
    ("energies", "unit", "message"),
    [
        (ATOMISATION_KCAL, "kcal", "unit must be one of .*'kcal/mol'"),
        (ATOMISATION_KCAL[:2], "kcal/mol", r"\(4,\), one per molecule; got \(2,\)"),
        (ATOMISATION_KCAL * np.nan, "kcal/mol", "finite"),
    ],
)
def test_bad_energies_are_refused(energies, unit: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kernels.energies_kcal(energies, MOLECULES, unit=unit)


def test_duplicates_are_found_however_they_are_turned_or_numbered(rng) -> None:
    bent = shaken(rng, FORMALDEHYDE)
    again = moved(rng, renumbered(rng, bent)[0])
    assert kernels.duplicates([WATER, bent, METHANE, again, shaken(rng, bent)]) == [(1, 3)]
    assert kernels.duplicates([WATER, WATER, WATER]) == [(0, 1), (0, 2), (1, 2)]
    assert kernels.duplicates([([1], np.zeros((1, 3)))] * 2) == [(0, 1)]


# ---- composition ------------------------------------------------------------------------------------------


def test_composition_counts() -> None:
    P = kernels.composition(MOLECULES)
    np.testing.assert_array_equal(P, [[2, 0, 1], [4, 1, 0], [2, 1, 1], [0, 1, 2]])
    wide = kernels.composition([WATER], elements=[1, 6, 7, 8])
    np.testing.assert_array_equal(wide, [[2, 0, 0, 1]])


def test_an_element_that_was_never_learnt_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("O occurs, but is not among the elements [1, 6]")):
        kernels.composition(MOLECULES, elements=[1, 6])


def test_dressed_atoms_find_additive_energies(rng) -> None:
    P = kernels.composition(MOLECULES)
    worth = rng.normal(size=3)
    np.testing.assert_allclose(kernels.dressed_atoms(P, P @ worth), worth, rtol=1e-10)
    with pytest.raises(ValueError, match="rank 1"):
        kernels.dressed_atoms(kernels.composition([WATER, WATER]), np.ones(2))
    with pytest.raises(ValueError, match=r"P \(n, q\) and y \(n,\)"):
        kernels.dressed_atoms(P, np.ones(3))
