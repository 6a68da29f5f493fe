"""What a network looks for: its sites in a long sequence, and the motif in its gradients there.

Problem    a trained network says where; this asks it which letters made it say so
Gradient   logit_c - logit_N of a junction is the network's log odds; its gradient with respect to the
           letters (T, 4), by `networks.vjp_logits`, says for each position what a little more of a letter is
           worth. A row of letters sums to one, so only differences within a row count: rows are centred.
Motif      the mean of these gradients over the sites found. Where log odds are sums of per-letter terms, as
           for Bayes' rule on independent positions, Σ_t x_t · log(f_t / b_t), the centred gradient *is* the
           centred log(f_t / b_t), and f_hat = b exp(g) / Σ b exp(g) gives the site's frequencies back.
Logo       letter heights f (2 - H(f)) bits: information times share (schneider1990)
References schneider1990
Symbols    X (n, T, 4) windows; p (T + 1, k) probabilities at junctions; g (T, 4) motif;
           f, f_hat (T, 4) frequencies
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mcbook.splice import networks
from mcbook.splice.sequences import encode
from mcbook.splice.simulate import BACKGROUND, CLASSES, JUNCTION, WINDOW

NEITHER = CLASSES.index("N")


def find_sites(p: Any, c: int, *, above: int | float = 0.5, apart: int = 5) -> Int[np.ndarray, " m"]:
    """Junctions where class c is likelier than `above`, and than at any junction less than `apart` away.

    Raises ValueError for p that is not (T + 1, k), c out of range, apart < 1.
    """
    p = np.asarray(p)
    if p.ndim != 2 or not 0 <= c < p.shape[1] or apart < 1:
        raise ValueError(
            f"find_sites expects p (T + 1, k), a class in 0..k-1, apart ≥ 1; got {p.shape}, {c}, {apart}."
        )
    best_first = np.argsort(-p[:, c], kind="stable")
    free, found = np.ones(len(p), bool), []
    for j in best_first[: int((p[:, c] > above).sum())]:
        if free[j]:
            found.append(j)
            free[max(j - apart + 1, 0) : j + apart] = False
    return np.sort(np.array(found, dtype=int))


def windows_at(sequence: Any, junctions: Any) -> Float[np.ndarray, "n 60 4"]:
    """Encoded windows of 60 letters around junctions that have 30 letters on both sides; others are left out.

    Raises ValueError if none has.
    """
    X = encode(sequence) if isinstance(sequence, str) else np.asarray(sequence, dtype=float)
    j = np.asarray(junctions, dtype=int)
    j = j[(j >= JUNCTION) & (j <= len(X) - (WINDOW - JUNCTION))]
    if not len(j):
        raise ValueError(
            f"windows_at found no junction with {JUNCTION} letters on both sides; is the sequence longer?"
        )
    return X[j[:, None] + np.arange(-JUNCTION, WINDOW - JUNCTION)]


def input_gradients(params: networks.Network, X: Any, c: int, *, against: int = NEITHER, reach: int = 0):
    """d(logit_c - logit_against) / dX of each window, rows centred: (n, T, 4).

    Raises ValueError as `networks.vjp_logits` does, and for classes that the network does not have.
    """
    k = np.shape(params.V)[0]
    if not (0 <= c < k and 0 <= against < k) or c == against:
        raise ValueError(
            f"input_gradients expects two different classes in 0..{k - 1}, got {c} and {against}."
        )
    logits_bar = np.zeros((len(X), k))
    logits_bar[:, c], logits_bar[:, against] = 1, -1
    gradient = np.asarray(networks.vjp_logits(params, X, logits_bar, reach=reach).X)
    return gradient - gradient.mean(axis=2, keepdims=True)


def implied_frequencies(g: Any, *, background: Any = BACKGROUND) -> Float[np.ndarray, "T 4"]:
    """f_hat = b exp(g) / Σ b exp(g): the frequencies whose log odds are g, up to a constant in each row."""
    logits = np.log(background) + np.asarray(g, dtype=float)
    f = np.exp(logits - logits.max(axis=1, keepdims=True))
    return f / f.sum(axis=1, keepdims=True)


def letter_frequencies(X: Any, *, pseudocount: int | float = 0.0) -> Float[np.ndarray, "T 4"]:
    """Shares of the letters at each position of windows X (n, T, 4); ambiguous letters count in parts."""
    counts = np.asarray(X, dtype=float).sum(axis=0) + pseudocount
    return counts / counts.sum(axis=1, keepdims=True)


def information(f: Any) -> Float[np.ndarray, " T"]:
    """2 - H(f) bits at each position: 2 for one sure letter, 0 for four equal ones."""
    f = np.asarray(f, dtype=float)
    return 2 + (f * np.log2(np.where(f > 0, f, 1))).sum(axis=1)


def logo_heights(f: Any) -> Float[np.ndarray, "T 4"]:
    """f (2 - H(f)): heights in bits for `plots.sequence_logo`."""
    return np.asarray(f, dtype=float) * information(f)[:, None]


def kl_divergence(f: Any, f_hat: Any) -> Float[np.ndarray, " T"]:
    """Σ f log2(f / f_hat) at each position, in bits; infinite where f_hat excludes what occurs."""
    f, f_hat = np.asarray(f, dtype=float), np.asarray(f_hat, dtype=float)
    with np.errstate(divide="ignore"):
        return np.where(f > 0, f * np.log2(np.where(f > 0, f, 1) / f_hat), 0).sum(axis=1)


def height_correlation(f: Any, f_hat: Any) -> float:
    """Pearson's correlation of the letter heights of two logos, over all positions and letters."""
    return float(np.corrcoef(logo_heights(f).ravel(), logo_heights(f_hat).ravel())[0, 1])
