"""What an alignment of relatives says about each position: weighted letter frequencies and their logarithms.

Problem    from relatives (N, L) to numbers about position i: which letters has selection kept there?
Weights    w_n = 1 / #{m : rows n and m agree in at least 80 % of the columns}: a hundred near copies count as
           one sequence. `kin_weights` lets the closer relatives count for more: w_n exp(β (identity_n - 1)),
           identity with one reference over the columns that n fills
Frequency  f_i(a) = (Σ_n w_n [A_ni = a] + λ/20) / (Σ_n w_n [A_ni is a letter] + λ); gaps are counted apart
Log odds   log f_i(b) - log f_i(a) of a mutation a → b: the site-independent model's verdict, in nats
Symbols    A (N, L) codes 0..19 in LETTERS, 20 a gap or an unknown letter; w weights; λ pseudocount;
           β closeness
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int8

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
GAP = len(LETTERS)
AMBIGUOUS = "BJOUXZ"  # in real alignments; counted as gaps
_CODE = np.full(256, -1, np.int8)
for _letter in AMBIGUOUS + "-.":
    _CODE[ord(_letter)] = _CODE[ord(_letter.lower())] = GAP
for _code, _letter in enumerate(LETTERS):
    _CODE[ord(_letter)] = _CODE[ord(_letter.lower())] = _code


def encode_protein(sequence: str) -> Int8[np.ndarray, " L"]:
    """Codes 0..19 of a protein's letters; no gaps.  Raises ValueError naming the first that is none."""
    codes = _codes(sequence, "the sequence")
    if (codes == GAP).any():
        at = int(np.argmax(codes == GAP))
        raise ValueError(
            f"position {at + 1} of the sequence is {sequence[at]!r}: a protein's own sequence has letters "
            f"{LETTERS} only, no gaps; of an alignment, encode_alignment takes the rows."
        )
    return codes


def encode_alignment(rows: Any) -> Int8[np.ndarray, "N L"]:
    """Codes of aligned rows of one length; lower case counts as upper, "-", "." and uncertain ones as gaps.

    Raises ValueError for no rows, rows of different length, and characters that are no residues.
    """
    rows = list(rows)
    if not rows or not rows[0]:
        raise ValueError("the alignment is empty; at least one row of one column is needed.")
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        odd = next(i for i, row in enumerate(rows) if len(row) != len(rows[0]))
        raise ValueError(
            f"all rows of an alignment must have one length: row 0 has {len(rows[0])} columns, row {odd} has "
            f"{len(rows[odd])}. Were insertions left in, or is it not aligned?"
        )
    return np.stack([_codes(row, f"row {i} of the alignment") for i, row in enumerate(rows)])


def one_hot(codes: Any) -> Float[np.ndarray, "*lead 20"]:
    """Rows e_a of codes 0..19; a gap is a row of zeros."""
    return np.eye(GAP + 1, GAP)[np.asarray(codes)]


def sequence_weights(A: Any, *, identity: int | float = 0.8) -> Float[np.ndarray, " N"]:
    """1 / number of rows (itself among them) that agree in at least a share `identity` of the columns.

    N² L comparisons of bytes: about 7 s for 8400 rows of 263 columns.  Raises ValueError for a share that is
    none.
    """
    A = _aligned(A)
    if not 0 < identity <= 1:
        raise ValueError(f"identity must be a share in (0, 1], got {identity}.")
    near = np.zeros(len(A), dtype=int)
    for i, row in enumerate(A):
        alike = (A[i:] == row).sum(axis=1, dtype=np.int16) >= identity * A.shape[1]
        near[i:] += alike
        near[i] += alike[1:].sum()
    return 1 / near


def identity_to(A: Any, reference: Any) -> Float[np.ndarray, " N"]:
    """Share of the columns a row fills in which it agrees with the reference (L,); 0 for an empty row."""
    A = _aligned(A)
    filled = A != GAP
    return ((np.asarray(reference) == A) & filled).sum(axis=1) / np.maximum(filled.sum(axis=1), 1)


def kin_weights(A: Any, reference: Any, weights: Any, *, beta: int | float = 6.0) -> Float[np.ndarray, " N"]:
    """w_n exp(β (identity_n - 1)): closer relatives count for more, and all together for less.

    β = 0 changes nothing.  Raises ValueError for weights of another length, and for β < 0.
    """
    A, weights = _aligned(A), np.asarray(weights, dtype=float)
    if weights.shape != (len(A),) or beta < 0:
        raise ValueError(f"kin_weights expects {len(A)} weights and β ≥ 0, got {weights.shape} and {beta}.")
    return weights * np.exp(beta * (identity_to(A, reference) - 1))


def frequencies(A: Any, weights: Any = None, *, pseudocount: int | float = 1.0) -> Float[np.ndarray, "L 20"]:
    """f_i(a) over the 20 letters, rows summing to one.  Raises ValueError for weights that do not fit."""
    A = _aligned(A)
    w = np.ones(len(A)) if weights is None else np.asarray(weights, dtype=float)
    usable = w.shape == (len(A),) and np.isfinite(w).all() and w.min() >= 0 and w.max() > 0
    if not usable or not pseudocount > 0:
        raise ValueError(
            f"frequencies expect {len(A)} weights ≥ 0, not all zero, and a pseudocount > 0; got shape "
            f"{w.shape}, pseudocount {pseudocount}. Without one, a letter never seen has log odds -inf."
        )
    counts = np.stack([w @ (a == A) for a in range(GAP)], axis=1)
    return (counts + pseudocount / GAP) / (counts.sum(axis=1, keepdims=True) + pseudocount)


def gap_fraction(A: Any, weights: Any = None) -> Float[np.ndarray, " L"]:
    """Weighted share of the rows that have a gap at each position."""
    A = _aligned(A)
    w = np.ones(len(A)) if weights is None else np.asarray(weights, dtype=float)
    return w @ (A == GAP) / w.sum()


def entropy(f: Any) -> Float[np.ndarray, " L"]:
    """-Σ f log f of each row, in nats: 0 for one sure letter, log 20 for none preferred."""
    f = np.asarray(f, dtype=float)
    return -(f * np.log(np.where(f > 0, f, 1))).sum(axis=1)


def log_odds(f: Any, positions: Any, present: Any, mutant: Any) -> Float[np.ndarray, " n"]:
    """log f_i(b) - log f_i(a) of mutations a → b at positions i, from 0; letters as codes."""
    log_f = np.log(np.asarray(f, dtype=float))
    return log_f[positions, mutant] - log_f[positions, present]


def _codes(row: str, what: str) -> np.ndarray:
    codes = _CODE[np.frombuffer(row.encode("ascii", "replace"), np.uint8)]
    if (codes < 0).any():
        at = int(np.argmax(codes < 0))
        raise ValueError(
            f"{what} has {row[at]!r} in column {at + 1}, which is no residue; known are {LETTERS}, "
            f"{AMBIGUOUS} for what is uncertain, and - or . for a gap."
        )
    return codes


def _aligned(A: Any) -> np.ndarray:
    A = np.asarray(A)
    if A.ndim != 2 or A.dtype.kind not in "iu" or not A.size or A.min() < 0 or A.max() > GAP:
        raise ValueError(
            f"A must be (N, L) codes 0..{GAP}, as encode_alignment gives them; got {A.shape}, {A.dtype}."
        )
    return A
