"""Our potentials in the Atomic Simulation Environment, which then does everything else that it can do.

    atoms.calc = symmetry.ase_calculator(potential)

ASE is imported when this is called, and only then.  Its units are eV and Å.
References larsen2017
"""

from typing import Any

from mcbook.symmetry import _frames
from mcbook.symmetry.potential import Potential, predict

EV_PER_KCAL = 0.0433641042  # 4184 J/mol / (N_A e)


def ase_calculator(potential: Potential) -> Any:
    """An ASE calculator with energy and forces.

    It refuses, with a ValueError, atoms other than those of the training or in another order.
    Raises ImportError where ASE is not installed.
    """
    try:
        from ase.calculators.calculator import Calculator, all_changes
    except ImportError as error:
        raise ImportError('ase_calculator needs ase: pip install "mcbook[molecules]"', name="ase") from error

    class MCBook(Calculator):
        implemented_properties = ["energy", "forces"]  # noqa: RUF012  (ASE's own way)

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            _frames.same_molecule(atoms.numbers, potential.numbers)
            found = predict(potential, atoms.positions)
            self.results = {
                "energy": float(found.energy_kcal[0]) * EV_PER_KCAL,
                "forces": found.force_kcal_angstrom[0] * EV_PER_KCAL,
            }

    return MCBook()
