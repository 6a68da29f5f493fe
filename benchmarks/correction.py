"""Corrections: a Gaussian process on the pairs of a molecule, direct and on what a cheap theory leaves over.

python -m benchmarks.correction                     all of it, into results/correction.json
python -m benchmarks.correction --only curves       or water102, gradients, ammonia, smoothness, doubt

water102    the published set, 50 learnt and 52 tested, beside scikit-learn's Gaussian process: four descents
            of the evidence for everybody, the same ranges, the same draws, paired
curves      our water, both bases: errors of energies and of forces against CCSD(T)'s, energies learnt alone
gradients   the same when gradients are learnt, too (cc-pVDZ, where the pool has them)
ammonia     as curves and gradients, cc-pVDZ
smoothness  the norm of the difference and of the whole in one and the same space
doubt       the stated standard deviation beside the errors made, inside and outside

Errors are mean absolute ones over the 100 test geometries, kcal/mol, and over all components of all atoms,
kcal/mol/Å.  `frequencies` and `forces` need PySCF and live in correction_live.
"""

import argparse
import json
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import RESULTS, machine, record, versions
from mcbook import correction, data

PACKAGES = ("numpy", "scipy", "scikit-learn")
SIZES = (5, 10, 20, 40, 80, 160, 320)
BASES = ("direct", "hf", "pbe")
DESCENTS = 4


def summary(values: Any) -> dict[str, Any]:
    """Mean, standard error, median, least and most over the draws."""
    v = np.asarray(values)
    return {
        "mean": float(v.mean()),
        "standard_error": float(v.std(ddof=1) / np.sqrt(len(v))) if len(v) > 1 else 0.0,
        "median": float(np.median(v)),
        "least": float(v.min()),
        "most": float(v.max()),
        "draws": len(v),
    }


def paired(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """Ours less theirs, draw by draw: the mean with its 95 % interval by bootstrap, and our wins."""
    gap = np.subtract(ours, theirs)
    rng = np.random.default_rng(0)
    means = rng.choice(gap, (10_000, len(gap))).mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": float(gap.mean()), "low": float(low), "high": float(high), "wins": int((gap < 0).sum())}


# The published set


def water102(draws: int) -> dict:
    """Everybody on the same draws; the peer as it was first run, and with our ranges and features."""
    found = data.water102()
    targets = {"direct": found.ccsd_t_kcal, "delta": found.ccsd_t_kcal - found.pbe_kcal}
    sides: dict[str, Callable] = {
        "mcbook": learnt_102,
        "scikit-learn, as first run": first_peer,
        "scikit-learn, our ranges, distances": partial(tuned_peer, maps=(np.asarray,)),
        "scikit-learn, our ranges, logarithms": partial(tuned_peer, maps=(np.log,)),
        "scikit-learn, our ranges, the likelier": partial(tuned_peer, maps=(np.asarray, np.log)),
    }
    errors: dict[str, dict[str, list[float]]] = {name: {k: [] for k in targets} for name in sides}
    for draw in range(draws):
        order = np.random.RandomState(draw).permutation(102)
        train, test = order[:50], order[50:]
        for kind, y in targets.items():
            for name, side in sides.items():
                predicted = side(found, train, test, y)
                errors[name][kind].append(float(np.abs(predicted - y[test]).mean()))
    return {
        "learnt": 50,
        "tested": 52,
        "errors": {name: {k: summary(v) for k, v in row.items()} for name, row in errors.items()},
        "paired": {
            f"mcbook - {name}": {k: paired(errors["mcbook"][k], row[k]) for k in targets}
            for name, row in errors.items()
            if name != "mcbook"
        },
        "by_draw": {name: row["delta"] for name, row in errors.items()},
    }


def learnt_102(found: data.Water102, train, test, y):
    symmetries = correction.like_atoms(found.symbols)
    learnt = correction.learn(found.positions_angstrom[train], energy_kcal=y[train], symmetries=symmetries)
    return correction.energy(learnt.model, found.positions_angstrom[test])


def three_distances(R: np.ndarray) -> np.ndarray:
    """(n, 3): the two O-H distances and H-H; atoms H, H, O."""
    return np.stack([np.linalg.norm(R[:, i] - R[:, j], axis=1) for i, j in ((0, 2), (1, 2), (0, 1))], axis=1)


def first_peer(found: data.Water102, train, test, y):
    """The script that made the figure to beat: wide ranges, a noise that is free to 0.1 (kcal/mol)²; bohr."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    r = three_distances(found.positions_angstrom) / correction.BOHR_ANGSTROM
    X = np.column_stack([r[:, :2].min(1), r[:, :2].max(1), r[:, 2]])
    size = ConstantKernel(y.std() ** 2 * 25, (1e-6, 1e9))
    kernel = size * RBF([1.0] * 3, (1e-2, 1e3)) + WhiteKernel(1e-8, (1e-14, 1e-1))
    both, mean = np.vstack([X[train], X[train][:, [1, 0, 2]]]), y[train].mean()
    side = GaussianProcessRegressor(kernel, n_restarts_optimizer=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return side.fit(both, np.tile(y[train] - mean, 2)).predict(X[test]) + mean


def tuned_peer(found: data.Water102, train, test, y, maps: tuple):
    """scikit-learn within our ranges: features and target in standard units, both orders of the hydrogens."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    choices = []
    for psi in maps:
        X = psi(three_distances(found.positions_angstrom))
        both = np.vstack([X[train], X[train][:, [1, 0, 2]]])
        scale = both.std(0)
        kernel = ConstantKernel(1e2, (1e-3, 1e10)) * RBF([3.0] * 3, (0.1, 300)) + WhiteKernel(
            1e-6, (1e-10, 1e-3)
        )
        side = GaussianProcessRegressor(
            kernel, normalize_y=True, n_restarts_optimizer=DESCENTS // len(maps) - 1, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of widths at their bounds, where some belong
            side.fit(both / scale, np.tile(y[train], 2))
            choices.append((side.predict(X[test] / scale), side.log_marginal_likelihood_value_))
    return max(choices, key=lambda choice: choice[1])[0]


# Our own sets


def base_of(set_: data.Surfaces, base: str, basis: str) -> tuple[np.ndarray, np.ndarray]:
    """Energies and gradients of the cheap theory; nothing for "direct"."""
    level = set_.levels[f"ccsd_t_{basis}" if base == "direct" else f"{base}_{basis}"]
    scale = 0.0 if base == "direct" else 1.0
    return scale * level.energy_kcal, scale * level.gradient_kcal_angstrom


def draw_of(set_: data.Surfaces, size: int, draw: int) -> np.ndarray:
    """Which geometries of the pool are learnt."""
    return np.random.default_rng([draw, size]).permutation(set_.pool)[:size]


def one(set_: data.Surfaces, base: str, basis: str, rows, *, gradients: bool = False) -> tuple[float, float]:
    """Errors of energy and force on the test set."""
    learnt, _ = taught(set_, base, basis, rows, gradients=gradients)
    energy, gradient = base_of(set_, base, basis)
    target, test = set_.levels[f"ccsd_t_{basis}"], set_.test
    R = set_.positions_angstrom[test]
    E = energy[test] + correction.energy(learnt.model, R)
    F = -(gradient[test] + correction.gradient(learnt.model, R))  # the sum rule
    return (
        float(np.abs(E - target.energy_kcal[test]).mean()),
        float(np.abs(F + target.gradient_kcal_angstrom[test]).mean()),
    )


def taught(set_: data.Surfaces, base: str, basis: str, rows, *, gradients: bool = False, folds: int = 0):
    """What is learnt from those rows, and the differences of the energies everywhere."""
    energy, gradient = base_of(set_, base, basis)
    target = set_.levels[f"ccsd_t_{basis}"]
    difference = target.energy_kcal - energy
    learnt = correction.learn(
        set_.positions_angstrom[rows],
        energy_kcal=difference[rows],
        gradient_kcal_angstrom=(target.gradient_kcal_angstrom[rows] - gradient[rows]) if gradients else None,
        symmetries=correction.like_atoms(set_.symbols),
        folds=folds,
    )
    return learnt, difference


def curve(set_: data.Surfaces, basis: str, sizes, draws: int, *, gradients: bool = False) -> dict:
    """Every base at every size: errors over the draws, and direct over corrected, draw by draw."""
    found: dict[str, Any] = {}
    for size in sizes:
        errors = {
            base: np.array(
                [
                    one(set_, base, basis, draw_of(set_, size, k), gradients=gradients)
                    for k in range(draws if size < 320 else min(draws, 10))
                ]
            )
            for base in BASES
        }
        found[str(size)] = {
            base: {"energy": summary(v[:, 0]), "force": summary(v[:, 1])} for base, v in errors.items()
        }
        for base in BASES[1:]:
            ratio = errors["direct"] / errors[base]
            found[str(size)][f"direct over {base}"] = {
                "energy": summary(ratio[:, 0]),
                "force": summary(ratio[:, 1]),
            }
        print(basis, size, {b: v.mean(0).round(5).tolist() for b, v in errors.items()}, flush=True)
    return found


def uncorrected(set_: data.Surfaces, basis: str) -> dict:
    """What the cheap theories miss by, their mean error forgiven."""
    target, test = set_.levels[f"ccsd_t_{basis}"], set_.test
    found = {}
    for base in BASES[1:]:
        energy, gradient = base_of(set_, base, basis)
        gap = (target.energy_kcal - energy)[test]
        force = (target.gradient_kcal_angstrom[: len(test)] - gradient[test])[test]
        found[base] = {
            "energy": float(np.abs(gap - gap.mean()).mean()),
            "spread": float(gap.std()),
            "force": float(np.abs(force).mean()),
        }
    found["direct"] = {
        "spread": float(target.energy_kcal[test].std()),
        "force": float(np.abs(target.gradient_kcal_angstrom[test]).mean()),
    }
    return found


def curves(draws: int, bases: Sequence[str]) -> dict:
    water = data.water()
    return recorded("curves") | {
        basis: {"uncorrected": uncorrected(water, basis), "learnt": curve(water, basis, SIZES, draws)}
        for basis in bases
    }


def recorded(section: str) -> dict:
    """What a former run has left of a section: bases that this one does not ask for stay."""
    path = RESULTS / "correction.json"
    document = json.loads(path.read_text()) if path.exists() else {}
    return {key: value for key, value in document.get(section, {}).items() if key in ("dz", "tz")}


def with_gradients(draws: int) -> dict:
    return {"dz": curve(data.water(), "dz", (5, 10, 20, 40), draws, gradients=True)}


def ammonia(draws: int) -> dict:
    set_ = data.ammonia()
    return {
        "uncorrected": uncorrected(set_, "dz"),
        "learnt": curve(set_, "dz", SIZES[:-1], min(draws, 5)),
        "with gradients": curve(set_, "dz", (5, 10, 20, 40), min(draws, 5), gradients=True),
    }


def smoothness(draws: int, size: int = 160) -> dict:
    """‖f‖² in one space: widths in standard deviations of the features, noise far below the differences."""
    water, found = data.water(), {}
    for basis in water.minima:
        rows: dict[str, dict[str, list[float]]] = {base: {} for base in BASES}
        for draw in range(draws):
            train = draw_of(water, size, draw)
            for base in rows:
                energy, _ = base_of(water, base, basis)
                y = (water.levels[f"ccsd_t_{basis}"].energy_kcal - energy)[train]
                for width in (1.0, 2.0, 4.0):
                    norm2 = correction.fit(
                        water.positions_angstrom[train],
                        energy_kcal=y,
                        symmetries=correction.like_atoms(water.symbols),
                        sigma=width * SPREAD,
                        lam=1e-9,
                    ).norm2
                    rows[base].setdefault(f"norm at width {width:g}", []).append(float(np.sqrt(norm2)))
                rows[base].setdefault("spread", []).append(float(y.std()))
        found[basis] = {base: {k: summary(v) for k, v in row.items()} for base, row in rows.items()}
    return {"learnt": size, "bases": found}


SPREAD = np.array([0.127, 0.131])  # of log r in our water: O-H and H-H


def doubt(draws: int) -> dict:
    """The share of test errors within 1.96 stated standard deviations, before and after calibration."""
    water, found = data.water(), {}
    X, test, outside = water.positions_angstrom, water.test, stretched()
    for size in (20, 40, 80):
        plain, calibrated, flagged, caught, factors = [], [], [], [], []
        for draw in range(draws):
            learnt, difference = taught(water, "pbe", "dz", draw_of(water, size, draw), folds=5)
            said = correction.doubt(learnt.model, X[test])
            score = np.abs(correction.energy(learnt.model, X[test]) - difference[test]) / said.sd_kcal
            calibrated.append(float((score < 1.96).mean()))
            plain.append(float((score * learnt.calibration < 1.96).mean()))
            factors.append(learnt.calibration)
            flagged.append(float(said.outside.mean()))
            caught.append(float(correction.doubt(learnt.model, outside).outside.mean()))
        found[str(size)] = {
            "covered": summary(calibrated),
            "covered without calibration": summary(plain),
            "factor": summary(factors),
            "test geometries flagged": summary(flagged),
            "stretched geometries flagged": summary(caught),
        }
    return found


def stretched() -> np.ndarray:
    """Water with a bond beyond the box of the training set (1.4 Å), or an angle beyond it (65°, 155°)."""
    from mcbook.data.make_surfaces import water_positions

    bonds = [water_positions(r, 1.4, 105.0) for r in (0.85, 1.0, 1.2)]
    return np.array(bonds + [water_positions(1.0, 1.0, angle) for angle in (65.0, 155.0)])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sections: dict[str, Callable[[int], dict]] = {
        "water102": water102,
        "curves": lambda draws: curves(draws, args.basis),
        "gradients": with_gradients,
        "ammonia": ammonia,
        "smoothness": smoothness,
        "doubt": doubt,
    }
    parser.add_argument("--only", choices=sections)
    parser.add_argument("--draws", type=int, default=None, help="draws (water102 has 20, the others 10)")
    parser.add_argument("--basis", nargs="+", choices=("dz", "tz"), default=["dz", "tz"], help="of curves")
    args = parser.parse_args()
    for name, section in sections.items():
        if args.only in (None, name):
            before = machine()
            with threadpool_limits(1, "blas"):  # matrices too small to share
                found = section(args.draws or (20 if name == "water102" else 10))
            record("correction", name, found | {"machine": before, "versions": versions(*PACKAGES)})


if __name__ == "__main__":
    main()
