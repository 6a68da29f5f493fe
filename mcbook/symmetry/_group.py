"""What a fit demands of its permutations, kernel and labels.  Private."""

from typing import Any

import numpy as np

from mcbook._pairs import molecular_permutations
from mcbook.symmetry import _frames
from mcbook.symmetry.product import ProductKernel


def checked(X: Any, F: Any, numbers: Any, energy: Any, permutations: Any):
    """X, F (n, a, 3), E (n,) or None, numbers (a,) and the group (g, a), or a ValueError."""
    X = _frames.frames(X)
    numbers = _frames.atomic_numbers(numbers, X.shape[1])
    given = np.zeros(len(X)) if energy is None else energy
    E, F = _frames.labels(given, F, X.shape)
    if permutations is None:
        group = molecular_permutations(numbers, X)
    else:
        group = checked_group(permutations, numbers)
    return X, F, None if energy is None else E, numbers, group


def checked_group(permutations: Any, numbers: np.ndarray) -> np.ndarray:
    """The group as (g, a), the identity first.  Raises ValueError for mixed elements, or where it is none."""
    group, a = np.asarray(permutations), len(numbers)
    if group.ndim != 2 or group.shape[1] != a or not np.issubdtype(group.dtype, np.integer):
        raise ValueError(f"permutations must be integers (g, {a}), one row each; got {group.shape}.")
    if (np.sort(group, axis=1) != np.arange(a)).any():
        raise ValueError(f"every row of permutations must hold each of 0 … {a - 1} once.")
    mixed = np.flatnonzero((numbers[group] != numbers).any(axis=1))
    if len(mixed):
        raise ValueError(f"permutation {mixed[0]} exchanges atoms of different elements; leave it out.")
    known = {tuple(map(int, row)) for row in group}
    missing = {tuple(map(int, s[t])) for s in group for t in group} - known
    if missing or len(known) < len(group):
        example = f": with two of them {list(min(missing))} belongs to it" if missing else ": some repeat"
        raise ValueError(f"the {len(group)} permutations are not a group{example}; complete it.")
    return np.array(sorted(known))


def check_kernel(kernel: ProductKernel, pair_perms: np.ndarray, lam: float) -> None:
    """Raises ValueError unless widths and weights are positive and the same within each class of pairs."""
    p = pair_perms.shape[1]
    for name, value in kernel._asdict().items():
        value = np.asarray(value, dtype=float)
        if value.shape != (p,) or not (np.isfinite(value).all() and (value > 0).all()):
            raise ValueError(f"kernel.{name} must be {p} positive numbers, one for each pair of atoms.")
        if not np.allclose(value, value[pair_perms], rtol=1e-12, atol=0):
            raise ValueError(
                f"kernel.{name} differs between pairs that the permutations exchange, and the energy would "
                "depend on the atoms' numbering; give such pairs one value."
            )
    if not 0 < lam < np.inf:
        raise ValueError(f"lam must be positive, a variance over the kernel's in Å⁻²; got {lam}.")
