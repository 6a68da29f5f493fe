"""The molecules: what our own set holds and what makes it; the variant of QM7 in its two forms."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from mcbook import data, kernels
from mcbook.data import make_molecules, store
from mcbook.data.catalogue import Dataset, RemoteFile


@pytest.fixture(scope="module")
def own() -> data.SmallMolecules:
    return data.small_molecules()


def test_our_own_set_is_whole(own: data.SmallMolecules) -> None:
    n = len(own.smiles)
    assert n == len(set(own.smiles)) == len(own.molecules) == 750
    for values in own[2:]:
        assert values.shape == (n,)
        assert np.isfinite(values).all()
    heavy = [int((m.numbers > 1).sum()) for m in own.molecules]
    assert max(heavy) == make_molecules.MAX_HEAVY
    assert {s for m in own.molecules for s in m.symbols} == set("HCNO")
    assert (own.homo_ev < own.lumo_ev).all()


def test_geometries_and_energies_are_plausible_and_in_the_units_said(own: data.SmallMolecules) -> None:
    assert len(kernels.geometries(own.molecules)) == 750
    assert kernels.duplicates(own.molecules, tol_angstrom=0.02) == []
    for energies in (own.pbe0_kcal, own.xtb_kcal):
        np.testing.assert_array_equal(
            kernels.energies_kcal(energies, own.molecules, unit="kcal/mol"), energies
        )
    for molecule in own.molecules:
        np.testing.assert_array_equal(np.round(molecule.positions_angstrom, 5), molecule.positions_angstrom)


def test_energies_known_otherwise(own: data.SmallMolecules) -> None:
    """Methane, water: PBE0 in a small basis is within 20 kcal/mol of experiment; no dipole by symmetry."""
    pbe0 = dict(zip(own.smiles, own.pbe0_kcal, strict=True))
    dipole = dict(zip(own.smiles, own.dipole_debye, strict=True))
    assert abs(pbe0["C"] - 420) < 20
    assert abs(pbe0["O"] - 232) < 20
    assert dipole["C"] < 1e-3
    assert dipole["C#C"] < 1e-3
    assert 1.7 < dipole["O"] < 2.2


def test_atoms_explain_most_but_not_all(own: data.SmallMolecules) -> None:
    P = kernels.composition(own.molecules)
    left = own.pbe0_kcal - P @ kernels.dressed_atoms(P, own.pbe0_kcal)
    assert 5 < np.abs(left).mean() < 20 < 0.2 * own.pbe0_kcal.std()


def test_packing_keeps_atoms_with_their_molecules() -> None:
    """What `make_molecules` packs is what the loader cuts; atomisation energies have the sign said."""
    records = [
        {
            "smiles": name,
            "numbers": numbers,
            "positions_angstrom": [[float(k), 0.0, 0.0] for k in range(len(numbers))],
            "pbe0_energy_hartree": -10.0 * len(numbers),
            "xtb_energy_hartree": -5.0 * len(numbers),
            "pbe0_homo_hartree": -0.3,
            "pbe0_lumo_hartree": 0.1,
            "pbe0_dipole_debye": 1.0,
        }
        for name, numbers in (("a", [6, 1]), ("b", [8, 1, 1]))
    ]
    free = {method: dict.fromkeys(make_molecules.UNPAIRED, -1.0) for method in ("pbe0", "xtb")}
    arrays = make_molecules.pack(records, free)
    assert arrays["counts"].tolist() == [2, 3]
    assert arrays["numbers"].tolist() == [6, 1, 8, 1, 1]
    np.testing.assert_allclose(arrays["pbe0_atomisation_kcal"], np.array([18.0, 27.0]) * 627.5094740631)
    np.testing.assert_allclose(arrays["homo_ev"], -0.3 * 27.211386245988)


# ---- QM7's variant ----------------------------------------------------------------------------------------

XYZ = "3\n\nO 0.0 0.0 0.1173\nH 0.0 0.7572 -0.4692\nH 0.0 -0.7572 -0.4692"
ENERGIES = "qm7/0002.xyz -232.0 -235.5\nqm7/0001.xyz -231.0 -234.0\n"


def described(path: Path) -> RemoteFile:
    content = path.read_bytes()
    return RemoteFile(path.name, hashlib.sha256(content).hexdigest(), len(content), "https://example.org/")


def two_forms(folder: Path) -> Dataset:
    """A set of two molecules, as an archive and as arrays, with a row that describes both."""
    folder.mkdir()
    (folder / "hof_qm7.txt").write_text(ENERGIES)
    with tarfile.open(folder / "qm7.tar.gz", "w:gz") as archive:
        for name in ("qm7/0001.xyz", "qm7/0002.xyz"):
            member = tarfile.TarInfo(name)
            member.size = len(XYZ)
            archive.addfile(member, io.BytesIO(XYZ.encode()))
    positions = np.zeros((2, 4, 3))
    positions[:, :3] = [[0, 0, 0.1173], [0, 0.7572, -0.4692], [0, -0.7572, -0.4692]]
    numbers = np.array([[8, 1, 1, 0]] * 2, np.uint8)
    np.savez(folder / "qm7.npz", name=["0001.xyz", "0002.xyz"], Z=numbers, R_angstrom=positions)
    energies, archive_file, arrays = (
        described(folder / name) for name in ("hof_qm7.txt", "qm7.tar.gz", "qm7.npz")
    )
    return Dataset(
        "qm7", "two", "MIT", "home", "citation", files=(energies, archive_file), repacked=(energies, arrays)
    )


@pytest.mark.parametrize("gone", ["qm7.tar.gz", "qm7.npz"])
def test_either_form_gives_the_same_molecules(gone: str, tmp_path: Path, monkeypatch) -> None:
    row = two_forms(tmp_path / "qm7")
    (tmp_path / "qm7" / gone).unlink()
    monkeypatch.setenv("MCBOOK_DATA", str(tmp_path))
    monkeypatch.setenv("MCBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "dataset", lambda name: row)
    assert data.available("qm7")
    found = data.qm7(fetch=False)
    assert found.names == ("0002.xyz", "0001.xyz"), "the order of the list of energies"
    assert found.pbe0_kcal.tolist() == [232.0, 231.0]
    assert found.dftb_kcal.tolist() == [235.5, 234.0]
    for molecule in found.molecules:
        assert molecule.symbols == ("O", "H", "H")
        np.testing.assert_array_equal(molecule.positions_angstrom[1], [0.0, 0.7572, -0.4692])


def test_neither_form_is_missing_data(tmp_path: Path, monkeypatch) -> None:
    row = two_forms(tmp_path / "qm7")
    for name in ("qm7.tar.gz", "qm7.npz"):
        (tmp_path / "qm7" / name).unlink()
    monkeypatch.setenv("MCBOOK_DATA", str(tmp_path))
    monkeypatch.setenv("MCBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "dataset", lambda name: row)
    assert not data.available("qm7")
    with pytest.raises(data.DataMissing, match="data set 'qm7' is missing"):
        data.qm7(fetch=False)


def test_damage_in_the_repacked_form_is_not_hidden(tmp_path: Path, monkeypatch) -> None:
    row = two_forms(tmp_path / "qm7")
    (tmp_path / "qm7" / "qm7.npz").write_bytes(b"other")
    monkeypatch.setenv("MCBOOK_DATA", str(tmp_path))
    monkeypatch.setattr(store, "dataset", lambda name: row)
    with pytest.raises(data.DataCorrupt, match=r"qm7\.npz .* damaged or another version"):
        data.available("qm7")


@pytest.mark.data("qm7")
def test_the_real_set() -> None:
    found = data.qm7(fetch=False)
    assert len(found.names) == len(set(found.names)) == 7101
    assert max(len(m.numbers) for m in found.molecules) == 23
    assert {s for m in found.molecules for s in m.symbols} == set("HCNOS")
    kernels.energies_kcal(found.pbe0_kcal, found.molecules, unit="kcal/mol")
    P = kernels.composition(found.molecules)
    for y, expected in ((found.pbe0_kcal, 15.0), (found.pbe0_kcal - found.dftb_kcal, 5.7)):
        left = np.abs(y - P @ kernels.dressed_atoms(P, y)).mean()
        assert abs(left - expected) < 0.5
