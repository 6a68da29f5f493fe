"""What the molecules' benchmarks share: the sides, how each chooses its width and lam, what is reported.

Everybody chooses among equally many widths, spread alike about a width of its own, and among the same lams,
on the same molecules.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from mcbook import kernels

ELEMENTS = (1, 6, 7, 8, 16)
FACTORS = (0.125, 0.25, 0.5, 1.0, 2.0)  # widths tried, times the one that is usual for a descriptor
LAMS = tuple(10.0**k for k in range(-11, -2))
RANK = 400  # of the local representation: what is left out changes no error that is printed
USUAL = {"coulomb": 4000.0, "local": 10.0, "fchl19": 8.0}


class Side(NamedTuple):
    """A method: K(rows, columns, sigma) between molecules of the set, and the unpenalised block P of all."""

    kernel: Callable[[np.ndarray, np.ndarray, float], np.ndarray]
    P: np.ndarray
    sigmas: tuple[float, ...]


class Choice(NamedTuple):
    """What validation chose, its error there, and whether it lay at the edge of what was tried."""

    sigma: float
    lam: float
    error: float
    edge: str


def select(env: kernels.Environments, rows: np.ndarray) -> kernels.Environments:
    """The environments of some molecules."""
    ends = np.cumsum(env.counts)
    atoms = np.concatenate([np.arange(ends[i] - env.counts[i], ends[i]) for i in rows])
    return kernels.Environments(env.features[atoms], env.numbers[atoms], env.counts[rows])


def coulomb(molecules: Sequence[Any], P: np.ndarray) -> Side:
    """Sorted Coulomb matrices, Laplacian kernel."""
    X = kernels.coulomb_matrices(molecules)

    def K(rows, columns, sigma):
        if rows is columns:
            return kernels.kernel_matrix(X[rows], kernel="laplacian", sigma=sigma)
        return kernels.kernel_matrix(X[rows], X[columns], kernel="laplacian", sigma=sigma)

    return Side(K, P, tuple(USUAL["coulomb"] * f for f in FACTORS))


def local(env: kernels.Environments, P: np.ndarray, usual: float) -> Side:
    """Environments of atoms, a Gaussian between them, summed."""

    def K(rows, columns, sigma):
        if rows is columns:
            return kernels.local_kernel(select(env, rows), sigma=sigma)
        return kernels.local_kernel(select(env, rows), select(env, columns), sigma=sigma)

    return Side(K, P, tuple(usual * f for f in FACTORS))


def ours(molecules: Sequence[Any], P: np.ndarray, train: np.ndarray) -> Side:
    """Our environments, on the RANK axes in which those of the training molecules differ most."""
    env = kernels.environments(molecules)
    axes = kernels.principal_axes(select(env, train), rank=RANK)
    return local(kernels.compressed(env, axes), P, USUAL["local"])


def fchl19(molecules: Sequence[Any]) -> kernels.Environments:
    """qmllib's features, packed as ours are."""
    from qmllib.representations import generate_fchl19

    G = [
        generate_fchl19(m.numbers.astype(int), m.positions_angstrom, elements=list(ELEMENTS))
        for m in molecules
    ]
    counts = np.array([len(m.numbers) for m in molecules])
    return kernels.Environments(
        np.concatenate(G), np.concatenate([m.numbers for m in molecules]).astype(int), counts
    )


def tuned(
    side: Side, train: np.ndarray, val: np.ndarray, targets: dict[str, np.ndarray]
) -> dict[str, Choice]:
    """For every target, the width and lam with the least mean absolute error on the validation molecules."""
    best: dict[str, Choice] = {}
    for sigma in side.sigmas:
        K, K_val = side.kernel(train, train, sigma), side.kernel(val, train, sigma)
        modes = kernels.spectrum(K, P=side.P[train])
        for name, y in targets.items():
            for lam in LAMS:
                predicted = predict(K_val, y[train], modes, K, side.P[train], side.P[val], lam)
                error = float(np.abs(predicted - y[val]).mean())
                if name not in best or error < best[name].error:
                    best[name] = Choice(sigma, lam, error, edge(sigma, side.sigmas, lam))
    return best


def edge(sigma: float, sigmas: Sequence[float], lam: float) -> str:
    """ "", or which of the two lies at the edge of what is tried."""
    sides = [("sigma", sigma, sigmas), ("lam", lam, LAMS)]
    return " and ".join(name for name, value, tried in sides if value in (min(tried), max(tried)))


def predict(K_new, y, modes: kernels.Spectrum, K, P, P_new, lam: float) -> np.ndarray:
    """Through the eigenvectors, which serve every lam: alpha = W (Wᵀy)/(mu + lam), P beta = y - C alpha."""
    alpha = modes.W @ ((modes.W.T @ y) / (modes.mu + lam))
    beta = np.linalg.lstsq(P, y - K @ alpha - lam * alpha)[0]
    return K_new @ alpha + P_new @ beta


def learnt(side: Side, choices: dict[str, Choice], targets, train, test) -> dict[str, np.ndarray]:
    """Signed errors on the test molecules, for every target; a width that several chose is computed once."""
    errors = {}
    for sigma in {choice.sigma for choice in choices.values()}:
        K, K_test = side.kernel(train, train, sigma), side.kernel(test, train, sigma)
        for name in (name for name, choice in choices.items() if choice.sigma == sigma):
            y = targets[name]
            alpha, beta = kernels.solve(K, y[train], lam=choices[name].lam, P=side.P[train])
            errors[name] = K_test @ alpha + side.P[test] @ beta - y[test]
    return errors


# The peer: scikit-learn's KernelRidge on the same Coulomb matrices, the mean or the composition removed


def ridge_peer(K, K_new, y, P, train, new, lam: float) -> np.ndarray:
    """Predictions at `new` of KernelRidge, given its own kernel, after P is fitted by least squares."""
    from sklearn.kernel_ridge import KernelRidge

    beta = np.linalg.lstsq(P[train], y[train])[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a least lam makes it warn and go on
        model = KernelRidge(kernel="precomputed", alpha=lam).fit(K, y[train] - P[train] @ beta)
    return model.predict(K_new) + P[new] @ beta


def sklearn_side(X, blocks: dict[str, np.ndarray], targets, pool, test):
    """The peer, its mean or its composition removed, whichever validates better: (reports, errors)."""
    from sklearn.metrics.pairwise import laplacian_kernel

    start, sigmas = time.perf_counter(), [USUAL["coulomb"] * f for f in FACTORS]
    train, val = pool[:1500], pool[1500:2500]
    best: dict[str, tuple[Choice, str]] = {}
    for sigma in sigmas:
        K, K_val = (laplacian_kernel(X[rows], X[train], gamma=1 / sigma) for rows in (train, val))
        for (k, y), (b, P), lam in product(targets.items(), blocks.items(), LAMS):
            error = float(np.abs(ridge_peer(K, K_val, y, P, train, val, lam) - y[val]).mean())
            if k not in best or error < best[k][0].error:
                best[k] = Choice(sigma, lam, error, edge(sigma, sigmas, lam)), b
    found: dict[str, Any] = {}
    errors = {}
    for k, (choice, b) in best.items():
        K, K_test = (laplacian_kernel(X[rows], X[pool], gamma=1 / choice.sigma) for rows in (pool, test))
        y = targets[k]
        errors[k] = ridge_peer(K, K_test, y, blocks[b], pool, test, choice.lam) - y[test]
        found[k] = report(errors[k], choice) | {"removed": b}
    return found | {"seconds": time.perf_counter() - start}, errors


# What is reported


def paired(ours: np.ndarray, theirs: np.ndarray, draws: int = 10_000) -> dict[str, float]:
    """Mean of |ours| - |theirs| over the test molecules, 95 % by bootstrap: negative where we are nearer."""
    gap = np.abs(ours) - np.abs(theirs)
    rng = np.random.default_rng(0)
    means = gap[rng.integers(0, len(gap), (draws, len(gap)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return {"mean": float(gap.mean()), "low": float(low), "high": float(high)}


def report(errors: np.ndarray, choice: Choice) -> dict[str, Any]:
    return {
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "sigma": choice.sigma,
        "lam": choice.lam,
        "validation_mae": choice.error,
        "at_edge": choice.edge,
    }
