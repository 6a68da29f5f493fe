"""What the kernels' entry points demand of their input, before any work is done.  Private."""

from typing import Any

import numpy as np

from mcbook.kernels._distances import row_blocks


def points(X: Any, name: str, *, d: int | None = None, least: int = 1) -> np.ndarray:
    """X as finite float64 (n, d), n ≥ least.  Raises ValueError naming the remedy."""
    X = _real(X, name)
    if X.ndim != 2 or X.shape[1] < 1:
        raise ValueError(f"{name} must be (n, d), rows are samples; got shape {X.shape}.")
    if d is not None and X.shape[1] != d:
        raise ValueError(f"{name} must have {d} features like the other points, got shape {X.shape}.")
    _at_least(len(X), least, name)
    return _finite(X, name)


def targets(y: Any, n: int, name: str = "y", *, one: bool = False) -> np.ndarray:
    """y as finite float64 (n,), or (n, k) for several targets unless `one`.  Raises ValueError."""
    y = _real(y, name)
    if y.ndim not in ((1,) if one else (1, 2)) or len(y) != n:
        shape = f"({n},)" if one else f"({n},) or ({n}, k)"
        raise ValueError(f"{name} must be {shape}, a value for every sample; got shape {y.shape}.")
    return _finite(y, name)


def block(P: Any, n: int, name: str = "P") -> np.ndarray:
    """The unpenalised block as float64 (n, q) of full column rank, q < n; (n, 0) for None."""
    if P is None:
        return np.zeros((n, 0))
    P = _real(P, name)
    if P.ndim != 2 or len(P) != n:
        raise ValueError(f"{name} must be ({n}, q), a row for every sample; got shape {P.shape}.")
    P = _finite(P, name)
    q = P.shape[1]
    if q >= n:
        raise ValueError(f"{name} has {q} columns for {n} samples; an unpenalised block needs q < n.")
    sizes = np.linalg.norm(P, axis=0)
    if not sizes.all():
        raise ValueError(f"{name}'s column {int(np.argmin(sizes))} is zero in every sample; drop it.")
    rank = int(np.linalg.matrix_rank(P / sizes))
    if rank < q:
        raise ValueError(
            f"{name} ({n}, {q}) has rank {rank}: some column is a combination of the others; drop it."
        )
    return P


def survives(P: Any, folds: np.ndarray) -> None:
    """Raises ValueError when P (n, q) loses rank once some fold is left out: ‖Q_F‖₂ = 1, P = Q R."""
    if P is None:
        return
    Q = np.linalg.qr(block(P, len(folds)))[0]
    for label in np.unique(folds):
        if np.linalg.norm(Q[folds == label], 2) ** 2 > 1 - 1e-10:
            raise ValueError(
                f"without sample or fold {label} P loses rank (a column is zero everywhere else): its weight "
                "cannot be learnt from the rest; drop that column, or those samples."
            )


def gram(K: Any, name: str = "K", *, least: int = 2) -> np.ndarray:
    """A kernel matrix handed in: finite float64 (n, n), symmetric to 1e-6.  Raises ValueError."""
    K = _real(K, name)
    if K.ndim != 2 or K.shape[0] != K.shape[1]:
        raise ValueError(f"{name} must be square (n, n), between the samples themselves; got {K.shape}.")
    _at_least(len(K), least, name)
    _finite(K, name)
    size = gap = 0.0
    for rows in row_blocks(len(K), len(K)):
        size = max(size, float(np.abs(K[rows]).max()))
        gap = max(gap, float(np.abs(K[rows] - K[:, rows].T).max()))
    if gap > 1e-6 * size:
        raise ValueError(
            f"{name} must be symmetric; {name} - {name}ᵀ reaches {gap:.1e}. Compute it between the training "
            "samples in one order, or pass (K + K.T)/2."
        )
    return K


def widths(sigma: Any, d: int) -> np.ndarray:
    """sigma as float64, () or (d,), positive and finite.  Raises ValueError."""
    sigma = np.asarray(sigma, dtype=float)
    if sigma.shape not in ((), (d,)):
        raise ValueError(f"sigma must be a number or ({d},), a width per feature; got shape {sigma.shape}.")
    if not (np.isfinite(sigma).all() and (sigma > 0).all()):
        raise ValueError(f"sigma must be positive, in the features' units; got {sigma}.")
    return sigma


def ridge(lam: Any, name: str = "lam") -> float:
    """lam as a finite float ≥ 0.  Raises ValueError."""
    lam = float(lam)
    if not 0 <= lam < np.inf:
        raise ValueError(
            f"{name} must be finite and not negative, got {lam}: it is a noise variance in units of the "
            "kernel's (0 interpolates, and needs an invertible K)."
        )
    return lam


def named_kernel(kernel: Any, known: dict) -> Any:
    """A `Kernel` from itself or its name.  Raises ValueError listing the names."""
    if isinstance(kernel, str) and kernel in known:
        return known[kernel]
    if hasattr(kernel, "phi") and hasattr(kernel, "metric"):
        return kernel
    raise ValueError(f"kernel must be a Kernel or one of {sorted(known)}; got {kernel!r}.")


def _at_least(n: int, least: int, name: str) -> None:
    if n < least:
        raise ValueError(f"{name} holds {n} sample(s); at least {least} are needed.")


def _real(X: Any, name: str) -> np.ndarray:
    X = np.asarray(X)
    if X.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold real numbers, got dtype {X.dtype}; convert with .astype(float).")
    return np.asarray(X, dtype=float)


def _finite(X: np.ndarray, name: str) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        fine = np.isfinite(X.sum())  # one pass without a mask; inf - inf is no news here
    if not fine and not np.isfinite(X).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(X))[0])
        count = int((~np.isfinite(X)).sum())
        raise ValueError(f"{name} holds {count} NaN or infinite value(s), the first at {first}; drop them.")
    return X
