"""Molecules: Coulomb matrix and local representation beside scikit-learn's kernel ridge and FCHL19.

python -m benchmarks.kernels_molecules                all of it, into results/kernels.json
python -m benchmarks.kernels_molecules --only qm7     or qm7_small, small_molecules, learning_curves

qm7              7101 molecules: the last 1420 of a fixed permutation are the test, the rest the pool; width
                 and lam are chosen on pool[1500:2500], pool[:1500] learnt; then all 5681 are learnt
qm7_small        pool[:600] learnt, pool[600:900] for choosing, the first 300 of the test
small_molecules  our own set: 600 learnt, 120 tested, several draws; widths and lam by leave-one-out
learning_curves  both sets, several draws, the slope in log-log

Errors are mean absolute ones in kcal/mol.  Everybody chooses among equally many widths, spread alike about
a width of its own, and among the same lams, on the same molecules.  qm7 is not the set of Rupp 2012 or Hansen
2013, and errors on the two cannot be compared.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.common import machine, record, spread, versions
from benchmarks.molecule_sides import (
    ELEMENTS,
    LAMS,
    USUAL,
    Choice,
    Side,
    coulomb,
    fchl19,
    learnt,
    local,
    ours,
    paired,
    report,
    select,
    sklearn_side,
    tuned,
)
from mcbook import data, kernels

PACKAGES = ("numpy", "scipy", "scikit-learn", "qmllib")


def qm7_set():
    """The set, its two targets, and the split: pool, test."""
    found = data.qm7()
    order = np.random.RandomState(0).permutation(len(found.names))
    targets = {"direct": found.pbe0_kcal, "delta": found.pbe0_kcal - found.dftb_kcal}
    return found.molecules, targets, order[:-1420], order[-1420:]


def baseline(P, y, train, test) -> float:
    return float(np.abs(P[test] @ kernels.dressed_atoms(P[train], y[train]) - y[test]).mean())


# Sections


def qm7() -> dict:
    """5681 molecules learnt, 1420 predicted."""
    molecules, targets, pool, test = qm7_set()
    P = kernels.composition(molecules)
    some, val = pool[:1500], pool[1500:2500]
    found: dict[str, Any] = {"composition": {k: baseline(P, y, pool, test) for k, y in targets.items()}}
    errors: dict[str, dict[str, np.ndarray]] = {}
    makers = {
        "local": lambda: ours(molecules, P, pool),
        "coulomb": lambda: coulomb(molecules, P),
    }
    for name, make in makers.items():
        start = time.perf_counter()
        side = make()
        choices = tuned(side, some, val, targets)
        errors[name] = learnt(side, choices, targets, pool, test)
        found[name] = {k: report(errors[name][k], choices[k]) for k in targets}
        found[name]["seconds"] = (
            time.perf_counter() - start
        )  # both targets, all in: from geometries to errors
    X, ones = kernels.coulomb_matrices(molecules), np.ones((len(P), 1))
    found["scikit-learn"], errors["scikit-learn"] = sklearn_side(
        X, {"mean": ones, "composition": P}, targets, pool, test
    )
    found["paired"] = {
        f"{ours} - scikit-learn, {k}": paired(errors[ours][k], errors["scikit-learn"][k])
        for ours in ("local", "coulomb")
        for k in targets
    }
    return found


def qm7_small() -> dict:
    """600 molecules learnt, 300 predicted: beside FCHL19, its features by qmllib, its kernel checked."""
    molecules, targets, pool, test = qm7_set()
    rows = np.concatenate([pool[:900], test[:300]])
    molecules, targets = [molecules[i] for i in rows], {k: y[rows] for k, y in targets.items()}
    train, val, held = np.arange(600), np.arange(600, 900), np.arange(900, 1200)
    P = kernels.composition(molecules, elements=ELEMENTS)
    theirs = fchl19(molecules)
    sides = {
        "local": ours(molecules, P, train),
        "fchl19": local(theirs, P, USUAL["fchl19"]),
        "coulomb": coulomb(molecules, P),
    }
    found: dict[str, Any] = {"composition": {k: baseline(P, y, train, held) for k, y in targets.items()}}
    errors = {}
    for name, side in sides.items():
        choices = tuned(side, train, val, targets)
        errors[name] = learnt(side, choices, targets, train, held)
        found[name] = {k: report(errors[name][k], choices[k]) for k in targets}
    found["paired"] = {
        f"local - fchl19, {k}": paired(errors["local"][k], errors["fchl19"][k]) for k in targets
    }
    found["kernel"] = same_kernel(molecules[:100], select(theirs, np.arange(100)))
    return found


def same_kernel(molecules: Sequence[Any], env: kernels.Environments, sigma: float = 8.0) -> dict[str, float]:
    """qmllib's local Gaussian kernel and ours on its own features: how far apart, and the seconds of each."""
    from qmllib.kernels import get_local_symmetric_kernel

    most, ends = int(env.counts.max()), np.cumsum(env.counts)
    padded = np.zeros((len(env.counts), most, env.features.shape[1]))
    for row, end, count in zip(padded, ends, env.counts, strict=True):
        row[:count] = env.features[end - count : end]
    charges = [m.numbers.astype(int) for m in molecules]
    start = time.perf_counter()
    theirs = get_local_symmetric_kernel(padded, charges, sigma)
    middle = time.perf_counter()
    ours = kernels.local_kernel(env, sigma=sigma)
    end = time.perf_counter()
    gap = float(np.abs(ours - theirs).max() / theirs.max())
    return {"molecules": len(charges), "gap": gap, "qmllib_s": middle - start, "mcbook_s": end - middle}


def small_molecules(draws: int) -> dict:
    """Our own set: 600 learnt, 120 predicted, every target, every descriptor."""
    own = data.small_molecules()
    targets = {
        "xtb": own.xtb_kcal,
        "pbe0": own.pbe0_kcal,
        "pbe0 - xtb": own.pbe0_kcal - own.xtb_kcal,
        "homo_ev": own.homo_ev,
        "lumo_ev": own.lumo_ev,
        "dipole_debye": own.dipole_debye,
    }
    P = kernels.composition(own.molecules)
    sides = {
        "local": ours(own.molecules, P, np.arange(len(P))),
        "fchl19": local(fchl19(own.molecules), P, USUAL["fchl19"]),
        "coulomb": coulomb(own.molecules, P),
    }
    every = np.arange(len(P))
    kernel_of = {
        name: {sigma: side.kernel(every, every, sigma) for sigma in side.sigmas}
        for name, side in sides.items()
    }
    maes: dict[str, dict[str, list[float]]] = {
        name: {k: [] for k in targets} for name in ("composition", *sides)
    }
    for seed in range(draws):
        order = np.random.default_rng(seed).permutation(len(P))
        test, train = order[:120], order[120:720]
        for k, y in targets.items():
            maes["composition"][k].append(baseline(P, y, train, test))
        for name, Ks in kernel_of.items():
            for k, errors in by_loo(Ks, P, targets, train, test).items():
                maes[name][k].append(float(np.abs(errors).mean()))
    return {
        "molecules": len(P),
        "mae": {name: {k: spread(v) for k, v in of.items()} for name, of in maes.items()},
        "local - fchl19": {
            k: spread(np.subtract(maes["local"][k], maes["fchl19"][k]).tolist()) for k in targets
        },
    }


def by_loo(Ks: dict[float, np.ndarray], P, targets, train, test) -> dict[str, np.ndarray]:
    """Errors on the test, width and lam by the leave-one-out error on the training molecules alone."""
    best: dict[str, Choice] = {}
    for sigma, K in Ks.items():
        modes = kernels.spectrum(K[np.ix_(train, train)], P=P[train])
        for name, y in targets.items():
            z = modes.W.T @ y[train]
            for lam in LAMS:
                inverse = 1 / (modes.mu + lam)
                error = float(np.sqrt(np.mean((modes.W @ (z * inverse) / (modes.W**2 @ inverse)) ** 2)))
                if name not in best or error < best[name].error:
                    best[name] = Choice(sigma, lam, error, "")
    found = {}
    for name, y in targets.items():
        K = Ks[best[name].sigma]
        alpha, beta = kernels.solve(K[np.ix_(train, train)], y[train], lam=best[name].lam, P=P[train])
        found[name] = K[np.ix_(test, train)] @ alpha + P[test] @ beta - y[test]
    return found


def learning_curves(draws: int) -> dict:
    """Error against the number of molecules, direct energies; slopes of log error against log N."""
    own = data.small_molecules()
    P = kernels.composition(own.molecules)
    order = np.random.RandomState(0).permutation(len(P))
    sides = {
        "local": ours(own.molecules, P, np.arange(len(P))),
        "coulomb": coulomb(own.molecules, P),
    }
    sizes = (50, 100, 200, 400, 600)
    found = {
        "small_molecules": curves(
            sides, {"xtb": own.xtb_kcal, "pbe0": own.pbe0_kcal}, order, 120, sizes, draws
        )
    }
    molecules, targets, pool, test = qm7_set()
    P = kernels.composition(molecules)
    sides = {
        "local": ours(molecules, P, pool),
        "coulomb": coulomb(molecules, P),
    }
    order = np.concatenate([pool, test])
    found["qm7"] = curves(sides, targets, order, len(test), (125, 250, 500, 1000, 2000, 4000), draws)
    return found


def curves(
    sides: dict[str, Side], targets: dict[str, np.ndarray], order, held: int, sizes, draws: int
) -> dict:
    """The last `held` of the order are the test; the draws take N at random from the rest.

    One width and one lam for every N, chosen within the rest by validation as in `qm7`, at a quarter of it.
    """
    pool, test = order[:-held], order[-held:]
    quarter = len(pool) // 4
    found: dict[str, Any] = {"sizes": list(sizes), "draws": draws}
    for name, side in sides.items():
        choices = tuned(side, pool[:quarter], pool[quarter : 2 * quarter], targets)
        for k, y in targets.items():
            c = choices[k]
            K, K_test = side.kernel(pool, pool, c.sigma), side.kernel(test, pool, c.sigma)
            errors = {n: drawn(K, K_test, side.P, y, pool, test, n, c.lam, draws) for n in sizes}
            slope = np.polyfit(np.log(sizes), np.log([np.mean(e) for e in errors.values()]), 1)[0]
            found[f"{name}, {k}"] = {
                "mae": {n: spread(e) for n, e in errors.items()},
                "slope": float(slope),
                "sigma": c.sigma,
                "lam": c.lam,
            }
    return found


def drawn(K, K_test, P, y, pool, test, n: int, lam: float, draws: int) -> list[float]:
    """Test errors after learning n molecules, for several random choices of them."""
    found = []
    for seed in range(draws):
        some = np.random.default_rng(seed).choice(len(pool), n, replace=False)
        present = P[pool[some]].any(axis=0)  # an element that was not drawn cannot be given a worth
        alpha, beta = kernels.solve(
            K[np.ix_(some, some)], y[pool[some]], lam=lam, P=P[np.ix_(pool[some], present)], overwrite=True
        )
        predicted = K_test[:, some] @ alpha + P[np.ix_(test, present)] @ beta
        found.append(float(np.abs(predicted - y[test]).mean()))
    return found


def main() -> None:
    """Run what is asked for, and record it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sections: dict[str, Callable[[argparse.Namespace], dict]] = {
        "qm7": lambda a: qm7(),
        "qm7_small": lambda a: qm7_small(),
        "small_molecules": lambda a: small_molecules(a.draws),
        "learning_curves": lambda a: learning_curves(a.draws),
    }
    parser.add_argument("--only", choices=sections)
    parser.add_argument("--draws", type=int, default=5)
    args = parser.parse_args()
    for name, section in sections.items():
        if args.only in (None, name):
            before = machine()
            record("kernels", name, section(args) | {"machine": before, "versions": versions(*PACKAGES)})


if __name__ == "__main__":
    main()
