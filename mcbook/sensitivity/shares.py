"""How much of the answer is each block's: shares that sum to one, with bootstrap intervals.

Problem    many samples, attributions for each: one number per block, and how sure it is
Objective  absolute  Σ_n Σ_{j in block} |a_nj| / (the same of all blocks): what moves, signs aside; grows
                     with the number of features that carry noise
           net       Σ_n |Σ_{j in block} a_nj| / …: noise within a block cancels before it is counted
           variance  Cov(φ_block, Σ φ) / Var(Σ φ) over the samples, φ the block's sum: what part of the
                     variance of the predictions goes through the block; negative where it opposes the
                     others
Interval   percentile bootstrap; whole groups are drawn (homologues, or all mutants of one position), because
           samples of one group say nearly the same thing twice
Symbols    A dict of attributions (n, ...); φ (n, k) a block's sum; n samples, k blocks
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.sensitivity import _checks

KINDS = ("absolute", "net", "variance")


class Shares(NamedTuple):
    """Share of each block and its percentile interval, in the order of `names`; `draws` (repeats, k)."""

    names: tuple[str, ...]
    share: Float[np.ndarray, " k"]
    low: Float[np.ndarray, " k"]
    high: Float[np.ndarray, " k"]
    draws: Float[np.ndarray, "repeats k"]


def block_totals(A: Any) -> Float[np.ndarray, "n k"]:
    """Σ a over each block: (n, k), in the order of the dict.  Raises ValueError for anything but blocks."""
    return np.stack([a.reshape(len(a), -1).sum(axis=1) for a in _checks.attributions(A).values()], axis=1)


def block_shares(
    A: Any,
    *,
    kind: str = "net",
    groups: Any = None,
    rng: np.random.Generator,
    repeats: int = 1000,
    level: int | float = 0.95,
) -> Shares:
    """The blocks' shares over all samples, by one of the definitions above.

    Parameters
    ----------
    A : dict of attributions (n, ...); Shapley values of blocks are a dict of (n,) each.
    kind : "absolute", "net" or "variance".
    groups : (n,) labels; whole groups are resampled. None: every sample is its own group.
    repeats, level : of the bootstrap.

    Raises
    ------
    ValueError : A that is no dict of blocks; an unknown kind; fewer than two groups; groups of another
        length; attributions that are zero everywhere (a share of nothing).
    """
    A = _checks.attributions(A)
    moments = _moments(A, kind)
    index = _groups(groups, len(moments))
    per_group = np.zeros((index.max() + 1, *moments.shape[1:]))
    np.add.at(per_group, index, moments)
    m = len(per_group)
    if m < 2 or repeats < 1 or not 0 < level < 1:
        raise ValueError(
            "a bootstrap needs 2 groups or more, repeats ≥ 1 and a level in (0, 1); got "
            f"{m}, {repeats}, {level}."
        )
    share = _ratio(per_group.sum(axis=0), kind)
    counts = rng.multinomial(m, np.full(m, 1 / m), size=repeats)
    draws = np.stack([_ratio(np.tensordot(c, per_group, axes=1), kind) for c in counts])
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Shares(tuple(A), share, low, high, draws)


def _moments(A: dict[str, np.ndarray], kind: str) -> np.ndarray:
    """What has to be summed over samples: (n, k), or for the variance (n, 1 + 2 k)."""
    if kind == "absolute":
        return np.stack([np.abs(a).reshape(len(a), -1).sum(axis=1) for a in A.values()], axis=1)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}.")
    phi = block_totals(A)
    if kind == "net":
        return np.abs(phi)
    phi = phi - phi.mean(axis=0)
    return np.concatenate([np.ones((len(phi), 1)), phi, phi * phi.sum(axis=1, keepdims=True)], axis=1)


def _ratio(sums: np.ndarray, kind: str) -> np.ndarray:
    if kind == "variance":
        k = (len(sums) - 1) // 2
        n, mean, cross = sums[0], sums[1 : k + 1] / sums[0], sums[k + 1 :]
        sums = cross / n - mean * mean.sum()
    total = sums.sum()
    if not total > 0:
        raise ValueError("the attributions are zero (or do not vary) in every sample: a share of nothing.")
    return sums / total


def _groups(groups: Any, n: int) -> np.ndarray:
    if groups is None:
        return np.arange(n)
    if np.shape(groups) != (n,):
        raise ValueError(f"groups must be ({n},), a label for every sample; got shape {np.shape(groups)}.")
    return np.unique(np.asarray(groups), return_inverse=True)[1]
