"""Features of single mutants of one protein, in the two blocks of the question: its sequence, its relatives.

Problem    mutation a → b at position i: numbers that only the sequence gives (PS), and numbers that only the
           alignment of the relatives gives (MSA)
PS         which letters a and b are; five properties of both and their differences, signed and not;
           hydropathy and volume of the neighbours in the sequence, i ± 1..4
MSA        of the relatives' frequencies f and of f with close kin weighted up: log odds, log f_i(b),
           log f_i(a), entropy; the relatives' mean and spread of hydropathy and volume, and how far b is
           from them; gaps; entropy at the neighbours i ± 1..4
Source     hydropathy kyte1982; volume inside the van der Waals radii in Å³, as in table 2 of PMC3523352;
           helix propensity in kcal/mol, pace1998; charge at pH 7
Symbols    n mutants; L positions; a = wild type's letter, b = the mutant's, as codes 0..19
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.sensitivity import alignment
from mcbook.sensitivity.alignment import LETTERS

NEIGHBOURS = (-4, -3, -2, -1, 1, 2, 3, 4)
_TABLE = {  # in the order of LETTERS, ACDEFGHIKLMNPQRSTVWY
    "hydropathy": (1.8, 2.5, -3.5, -3.5, 2.8, -0.4, -3.2, 4.5, -3.9, 3.8, 1.9, -3.5, -1.6, -3.5, -4.5,
                   -0.8, -0.7, 4.2, -0.9, -1.3),
    "volume": (67, 86, 91, 109, 135, 48, 118, 124, 135, 124, 124, 96, 90, 114, 148, 73, 93, 105, 163, 141),
    "charge": (0, 0, -1, -1, 0, 0, 0.1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0),
    "helix": (0, 0.68, 0.69, 0.40, 0.54, 1, 0.61, 0.41, 0.26, 0.21, 0.24, 0.65, 3.16, 0.39, 0.21, 0.50, 0.66,
              0.61, 0.49, 0.53),
    "aromatic": (0, 0, 0, 0, 1, 0, 0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1),
}  # fmt: skip
PROPERTIES = tuple(_TABLE)
TABLE = np.array([_TABLE[name] for name in PROPERTIES]).T  # (20, 5)
STANDARD = (TABLE - TABLE.mean(axis=0)) / TABLE.std(axis=0)


class Features(NamedTuple):
    """Blocks of features, each (n, d_b), and a name for every column."""

    X: dict[str, Float[np.ndarray, "n d"]]
    names: dict[str, tuple[str, ...]]


class Scaling(NamedTuple):
    """Mean and standard deviation of every feature, per block; taken on the training samples alone."""

    mean: dict[str, Any]
    scale: dict[str, Any]


def mutant_features(
    wild_type: str, positions: Any, letters: Any, A: Any, weights: Any, *, beta: int | float = 6.0
) -> Features:
    """Both blocks for mutants `letters[i]` at `positions[i]` (from 0) of a protein.

    The wild type's own letter is allowed: it is the null mutation, the protein as it was, a natural baseline.

    Parameters
    ----------
    A, weights : the relatives' codes (N, L) and weights, columns as the wild type's residues.
    beta : how much more close relatives count in the second set of frequencies (`alignment.kin_weights`).

    Raises
    ------
    ValueError : a letter that is no residue; positions outside 0..L-1; an alignment of another length.
    """
    a_all, i = alignment.encode_protein(wild_type), np.asarray(positions)
    b = alignment.encode_protein("".join(letters))
    L = len(a_all)
    if i.shape != b.shape or i.dtype.kind not in "iu" or i.min(initial=0) < 0 or i.max(initial=0) >= L:
        raise ValueError(f"positions must be {len(b)} integers 0..{L - 1}, counted from 0; got {i}.")
    if np.ndim(A) != 2 or np.shape(A)[1] != L:
        raise ValueError(f"A must have {L} columns, one per residue of the wild type; got {np.shape(A)}.")
    blocks = {"PS": _sequence_block(a_all, i, b), "MSA": _relatives_block(a_all, i, b, A, weights, beta)}
    return Features(
        {block: np.stack(list(columns.values()), axis=1) for block, columns in blocks.items()},
        {block: tuple(columns) for block, columns in blocks.items()},
    )


def _sequence_block(a_all, i, b) -> dict[str, np.ndarray]:
    a = a_all[i]
    found = {f"wild type {x}": (a == k) * 1.0 for k, x in enumerate(LETTERS)}
    found |= {f"mutant {x}": (b == k) * 1.0 for k, x in enumerate(LETTERS)}
    for k, name in enumerate(PROPERTIES):
        old, new = STANDARD[a, k], STANDARD[b, k]
        found |= {f"{name} before": old, f"{name} after": new}
        found |= {f"{name} change": new - old, f"{name} distance": np.abs(new - old)}
    for k in (0, 1):
        for offset in NEIGHBOURS:
            found[f"{PROPERTIES[k]} at {offset:+d}"] = _at(STANDARD[a_all, k], i + offset)
    return found


def _relatives_block(a_all, i, b, A, weights, beta) -> dict[str, np.ndarray]:
    a, found = a_all[i], {}
    kin = alignment.kin_weights(A, a_all, weights, beta=beta)
    for label, w in (("", np.asarray(weights, dtype=float)), (" (kin)", kin)):
        f = alignment.frequencies(A, w)
        found[f"log odds{label}"] = alignment.log_odds(f, i, a, b)
        found[f"log f mutant{label}"] = np.log(f[i, b])
        found[f"log f wild type{label}"] = np.log(f[i, a])
        found[f"entropy{label}"] = alignment.entropy(f)[i]
        for k in (0, 1):
            mean = f @ STANDARD[:, k]
            sd = np.sqrt(f @ STANDARD[:, k] ** 2 - mean**2)
            found[f"mean {PROPERTIES[k]}{label}"] = mean[i]
            found[f"spread of {PROPERTIES[k]}{label}"] = sd[i]
            found[f"{PROPERTIES[k]} off the mean{label}"] = (STANDARD[b, k] - mean[i]) / (sd[i] + 0.3)
    found["gaps"] = alignment.gap_fraction(A, weights)[i]
    every = alignment.entropy(alignment.frequencies(A, weights))
    for offset in NEIGHBOURS:
        found[f"entropy at {offset:+d}"] = _at(every, i + offset)
    return found


def _at(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Values at these positions, the mean of all beyond the ends."""
    inside = (index >= 0) & (index < len(values))
    return np.where(inside, values[np.clip(index, 0, len(values) - 1)], values.mean())


def standardise(X: Any) -> Scaling:
    """Mean and standard deviation of each feature; a feature that never varies gets scale 1."""
    mean = {name: block.mean(axis=0) for name, block in X.items()}
    scale = {name: block.std(axis=0) for name, block in X.items()}
    return Scaling(mean, {name: np.where(s > 1e-12, s, 1.0) for name, s in scale.items()})


def scaled(X: Any, scaling: Scaling) -> dict[str, np.ndarray]:
    """(X - mean) / scale, block by block."""
    return {name: (block - scaling.mean[name]) / scaling.scale[name] for name, block in X.items()}
