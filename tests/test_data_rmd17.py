"""Revised MD17: the loader, its refusals, and what forces of free molecules have to be like."""

import numpy as np
import pytest

from mcbook import _pairs, data


def test_every_molecule_has_a_row_with_two_files():
    for molecule in data.revised_md17.MOLECULES:
        row = data.DATASETS[data.revised_md17.set_name(molecule)]
        names = [f"rmd17_{molecule}_{part}_01.npz" for part in ("train", "test")]
        assert [file.name for file in row.files] == names
        assert row.licence == "CC0 1.0"


def test_others_are_refused():
    with pytest.raises(ValueError, match="rmd17 expects one of ethanol"):
        data.rmd17("methane")


def test_missing_data_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("MCBOOK_DATA", str(tmp_path))
    monkeypatch.setenv("MCBOOK_CACHE", str(tmp_path / "cache"))
    with pytest.raises(data.DataMissing, match=r"python -m mcbook\.data fetch rmd17_toluene"):
        data.rmd17("toluene", fetch=False)


@pytest.mark.data("rmd17")
def test_ethanol():
    numbers, train, test = data.rmd17(fetch=False)
    assert numbers.tolist() == [6, 6, 8, 1, 1, 1, 1, 1, 1]
    for frames in (train, test):
        assert frames.positions_angstrom.shape == frames.force_kcal_angstrom.shape == (1000, 9, 3)
        F = frames.force_kcal_angstrom
        assert np.abs(F.sum(axis=1)).max() <= 1e-5
        assert 4 < frames.energy_kcal.std() < 5
    both = np.concatenate([train.positions_angstrom, test.positions_angstrom]).reshape(2000, -1)
    assert len(np.unique(both, axis=0)) == 2000
    assert len(_pairs.molecular_permutations(numbers, train.positions_angstrom)) == 6
