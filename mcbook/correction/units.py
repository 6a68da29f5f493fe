"""Units of the chapter: kcal/mol, Å and atomic mass units at every public boundary.

Quantum chemistry speaks Hartree and bohr.  An energy takes one factor, a gradient another, a Hessian a third:

    1 Hartree = 627.5 kcal/mol,   1 Hartree/bohr = 1185.8 kcal/mol/Å,   1 Hartree/bohr² = 2240.9 kcal/mol/Å²

Who converts the energies and forgets the gradients has forces that are not their slope; `slope_ratio` in
`compose` finds out.  The constants are CODATA's, as SciPy has them.
"""

from scipy.constants import Avogadro, c, calorie, physical_constants, pi

BOHR_ANGSTROM = physical_constants["Bohr radius"][0] * 1e10
HARTREE_KCAL = physical_constants["Hartree energy"][0] * Avogadro / (1000 * calorie)
GRADIENT_KCAL = HARTREE_KCAL / BOHR_ANGSTROM  # kcal/mol/Å in 1 Hartree/bohr
HESSIAN_KCAL = GRADIENT_KCAL / BOHR_ANGSTROM  # kcal/mol/Å² in 1 Hartree/bohr²

# ν = √k / 2πc:  k in kcal/mol/Å² and masses in u (1 u = 1 g/mol) make 1/s²
_RATE = (1000 * calorie * 1e20 / 1e-3) ** 0.5  # s⁻¹ of 1 kcal/mol/Å²/u
WAVENUMBER = _RATE / (2 * pi * c * 100)  # cm⁻¹ of 1 √(kcal/mol/Å²/u)

# of the isotopes 1H, 12C, 14N, 16O, in u
MASSES = {"H": 1.00782503190, "C": 12.0, "N": 14.00307400425, "O": 15.99491461926}
