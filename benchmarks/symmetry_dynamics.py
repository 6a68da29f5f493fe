"""The chapter on symmetry: what a network gains from it, and whether a moving molecule keeps its energy.

    python -m benchmarks.symmetry_dynamics [--only network kernel drift kernel_drift pbe]

network  the equivariant network, and a plain one of as many weights fed with raw coordinates, with raw
         coordinates turned at random, and with inverse distances: the same frames of our ethanol, steps and
         batches; rates chosen for each on frames that are not learnt from; judged on a second trajectory,
         upright and turned
kernel   the gradient-domain kernel on the same frames, judged alike
drift    100 ps at constant energy with the network that ships with the book, steps of 0.5 fs; and what the
         network on raw coordinates does to the angular momentum
kernel_drift   the same 100 ps with a gradient-domain kernel of every tenth frame
pbe      the frames that PBE/def2-SVP labels too: how far GFN2-xTB is from it; what a gradient-domain kernel
         learns from the first two thirds of them, of PBE and of the difference, judged on the last third
The JSON results/symmetry_dynamics.json gets them all.
"""

import argparse
import time
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.common import machine, record, spread, versions
from mcbook import data, symmetry
from mcbook.symmetry import dense, trained

RATES = (1e-3, 3e-3, 1e-2)
SEEDS = (0, 1, 2)
SHORT = 1000  # steps of the trainings that choose a rate
HIDDEN = 66  # of the plain network on raw coordinates: as many weights as the equivariant one
HIDDEN_PAIRS = 62


class Sides(NamedTuple):
    """Frames to learn from, to choose on, and to judge by, all turned to lie on the first."""

    learn: data.Frames
    choose: data.Frames
    judge: data.Frames


def frames() -> Sides:
    """Every fifth frame to learn from, one in twenty between them to choose on, the second trajectory."""
    ethanol = data.ethanol()
    reference = ethanol.frames.positions_angstrom[0]
    learn, choose = (
        upright(_picked(ethanol.frames, slice(k, None, n)), reference) for k, n in ((0, 5), (2, 20))
    )
    return Sides(learn, choose, upright(ethanol.test, reference))


def _picked(found: data.Frames, which: slice | np.ndarray) -> data.Frames:
    return data.Frames(*(values[which] for values in found))


def upright(found: data.Frames, reference: np.ndarray) -> data.Frames:
    """Every frame centred and turned to lie on the reference, its forces with it."""
    X, F = symmetry.lay_on(found.positions_angstrom, found.force_kcal_angstrom, reference)
    return found._replace(positions_angstrom=X, force_kcal_angstrom=F)


def turned(found: data.Frames, rng: np.random.Generator) -> data.Frames:
    """Every frame turned at random, its forces with it."""
    R = np.array([symmetry.random_rotation(rng) for _ in found.energy_kcal])
    X, F = symmetry.turn(found.positions_angstrom, found.force_kcal_angstrom, R)
    return found._replace(positions_angstrom=X, force_kcal_angstrom=F)


def start_plain(found: data.Frames, seed: int, *, pairs: bool) -> dense.Plain:
    """An untrained plain network with its inputs' centre and width."""
    X = found.positions_angstrom
    Z = np.array([np.asarray(dense.inverse_distances(x)) for x in X]) if pairs else X.reshape(len(X), -1)
    size = float(np.sqrt((found.force_kcal_angstrom**2).mean()))
    options = {"scale_kcal": size, "offset_kcal": float(found.energy_kcal.mean())}
    return dense.init(jax.random.key(seed), Z, hidden=HIDDEN_PAIRS if pairs else HIDDEN, **options)


def fit(name: str, found: data.Frames, *, seed: int, rate: float, steps: int) -> symmetry.Training:
    """Train one of the four."""
    if name == "network":
        return trained.fit(*found, seed=seed, rate=rate, steps=steps)
    pairs = name == "distances"
    model = dense.energy_and_forces_pairs if pairs else dense.energy_and_forces_raw
    options: dict[str, Any] = trained.SETTINGS | {
        "rate": rate,
        "steps": steps,
        "augment": name == "raw, turned",
    }
    params = start_plain(found, seed, pairs=pairs)
    return symmetry.train(
        model, params, *found, numbers=trained.NUMBERS, key=jax.random.key(seed + 100), **options
    )


def force_error(potential: symmetry.Potential, found: data.Frames) -> float:
    """Mean absolute error of all components of the forces, kcal/mol/Å."""
    guess = symmetry.predict(potential, found.positions_angstrom)
    return float(np.abs(guess.force_kcal_angstrom - found.force_kcal_angstrom).mean())


def energy_error(potential: symmetry.Potential, found: data.Frames) -> float:
    """Mean absolute error of the energies, kcal/mol."""
    guess = symmetry.predict(potential, found.positions_angstrom)
    return float(np.abs(guess.energy_kcal - found.energy_kcal).mean())


def network(steps: int) -> dict[str, Any]:
    """All four, trained alike."""
    sides, found = frames(), {}
    away = turned(sides.judge, np.random.default_rng(7))
    for name in ("raw", "raw, turned", "distances", "network"):
        tried = {
            rate: force_error(fit(name, sides.learn, seed=9, rate=rate, steps=SHORT).potential, sides.choose)
            for rate in RATES
        }
        rate = min(tried, key=lambda r: tried[r] if np.isfinite(tried[r]) else np.inf)
        found[name] = {"rate": rate, "tried": {str(r): v for r, v in tried.items()}}
        found[name] |= judged(name, sides, away, rate, steps)
        record("symmetry_dynamics", "network", _with_conditions(found, steps))
    return _with_conditions(found, steps)


def judged(name: str, sides: Sides, away: data.Frames, rate: float, steps: int) -> dict[str, Any]:
    """Errors over the seeds, and the first one's symmetry errors."""
    begin, runs = time.process_time(), []
    for seed in SEEDS:
        potential = fit(name, sides.learn, seed=seed, rate=rate, steps=steps).potential
        runs.append(
            {
                "force": force_error(potential, sides.judge),
                "turned": force_error(potential, away),
                "energy": energy_error(potential, sides.judge),
            }
        )
    X, rng = sides.judge.positions_angstrom[0], np.random.default_rng(3)
    laws = symmetry.symmetry_errors(symmetry.force_field(potential), X, trained.NUMBERS, rng=rng)
    free = [v for k, v in potential.params._asdict().items() if k not in NOT_TRAINED]
    return {
        **{key: spread([run[key] for run in runs]) for key in runs[0]},
        "symmetry_errors": laws._asdict(),
        "weights": sum(int(np.size(leaf)) for leaf in jax.tree.leaves(free)),
        "cpu_seconds_a_training": (time.process_time() - begin) / len(SEEDS),
    }


NOT_TRAINED = ("scale_kcal", "cutoff_angstrom", "center", "width")


def _with_conditions(found: dict[str, Any], steps: int) -> dict[str, Any]:
    conditions = f"400 frames, {steps} steps of {trained.SETTINGS['batch']}, rates chosen after {SHORT} steps"
    return {
        **found,
        "conditions": conditions,
        "machine": machine(),
        "versions": versions("jax", "optax", "numpy"),
    }


def kernel() -> dict[str, Any]:
    """The gradient-domain kernel; it has no seed, and the frames may lie as they like."""
    sides, begin = frames(), time.process_time()
    X, E, F = sides.learn
    fit = symmetry.fit_gradient_domain(X, F, trained.NUMBERS, energy=E, threads=1)
    seconds = time.process_time() - begin
    away = turned(sides.judge, np.random.default_rng(7))
    found = {
        "frames": len(X),
        "cpu_seconds": seconds,
        "machine": machine(),
        "versions": versions("numpy", "scipy"),
    }
    for name, side in (("upright", sides.judge), ("turned", away)):
        guess = symmetry.predict_gradient_domain(fit, side.positions_angstrom)
        found[name] = {
            "force": float(np.abs(guess.force_kcal_angstrom - side.force_kcal_angstrom).mean()),
            "energy": float(np.abs(guess.energy_kcal - side.energy_kcal).mean()),
        }
    return found


def drift() -> dict[str, Any]:
    """100 ps of the network that ships; 20 ps of the one on raw coordinates."""
    sides = frames()
    found = {"network": run_of(trained.ethanol_network(), sides, kelvin=500, steps=200_000)}
    raw = fit("raw", sides.learn, seed=0, rate=3e-3, steps=trained.SETTINGS["steps"]).potential
    found["raw"] = run_of(raw, sides, kelvin=500, steps=40_000)
    return {**found, "machine": machine(), "versions": versions("jax", "numpy")}


def kernel_drift(steps: int = 200_000) -> dict[str, Any]:
    """100 ps of the kernel model of 200 frames of ours."""
    ethanol, sides = data.ethanol(), frames()
    X, E, F = _picked(ethanol.frames, slice(None, None, 10))
    fit = symmetry.fit_gradient_domain(X, F, trained.NUMBERS, energy=E, threads=1)
    found = run_of(symmetry.as_potential(fit), sides, kelvin=500, steps=steps)
    return {"frames": len(X), **found, "machine": machine(), "versions": versions("jax", "numpy", "scipy")}


def pbe() -> dict[str, Any]:
    """Two levels of theory on the same frames; the judged ones come later in the trajectory."""
    ethanol = data.ethanol()
    dear, cheap = ethanol.pbe, _picked(ethanol.frames, ethanol.pbe_frames)
    n = 2 * len(ethanol.pbe_frames) // 3
    gap = data.Frames(dear.positions_angstrom, *(d - c for d, c in zip(dear[1:], cheap[1:], strict=True)))
    judge = slice(n, None)
    found: dict[str, Any] = {"learnt": n, "judged": len(ethanol.pbe_frames) - n}
    found["apart"] = {
        "force": float(np.abs(gap.force_kcal_angstrom[judge]).mean()),
        "energy": float(np.abs(gap.energy_kcal[judge] - gap.energy_kcal[:n].mean()).mean()),
    }
    for name, labels in (("direct", dear), ("difference", gap)):
        X, E, F = _picked(labels, slice(n))
        fit = symmetry.fit_gradient_domain(X, F, trained.NUMBERS, energy=E, threads=1)
        guess = symmetry.predict_gradient_domain(fit, labels.positions_angstrom[judge])
        found[name] = {
            "force": float(np.abs(guess.force_kcal_angstrom - labels.force_kcal_angstrom[judge]).mean()),
            "energy": float(np.abs(guess.energy_kcal - labels.energy_kcal[judge]).mean()),
        }
    return {**found, "machine": machine(), "versions": versions("numpy", "scipy")}


def run_of(potential: symmetry.Potential, sides: Sides, *, kelvin: float, steps: int) -> dict[str, Any]:
    """A run from the first frame of the second trajectory, and what it kept."""
    X, masses = sides.judge.positions_angstrom[0], symmetry.masses_of(trained.NUMBERS)
    v = symmetry.thermal_velocities(X, masses, kelvin=kelvin, rng=np.random.default_rng(0))
    begin = time.process_time()
    run = symmetry.simulate(potential, X, v, steps=steps, step_fs=0.5, every=20)
    seconds = time.process_time() - begin
    typical = np.linalg.norm(np.cross(X, v) * masses[:, None], axis=1).sum()
    moved = np.linalg.norm([symmetry.momentum(w, masses) for w in run.velocity_angstrom_fs], axis=1)
    return {
        "steps": steps,
        "picoseconds": float(run.time_ps[-1]),
        "finite": run.finite,
        "drift_kcal": symmetry.drift(run).over_run_kcal,
        "wobble_kcal": symmetry.drift(run).wobble_kcal,
        "kinetic_kelvin": float(run.kinetic_kcal.mean() / (0.5 * 21 * 1.98720425864083e-3)),
        "angular_momentum_of_typical": float(
            np.linalg.norm(symmetry.spin(run, masses), axis=1).max() / typical
        ),
        "momentum_of_typical": float(moved.max() / (np.linalg.norm(v, axis=1) @ masses)),
        "cpu_microseconds_a_step": seconds / steps * 1e6,
    }


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    top = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    sections = {
        "network": lambda: network(trained.SETTINGS["steps"]),
        "kernel": kernel,
        "drift": drift,
        "kernel_drift": kernel_drift,
        "pbe": pbe,
    }
    top.add_argument("--only", nargs="*", choices=list(sections), default=list(sections))
    for name in top.parse_args().only:
        record("symmetry_dynamics", name, sections[name]())


if __name__ == "__main__":
    main()
