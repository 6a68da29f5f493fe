"""A learned schedule beside tuned ones, on seeds that none of them has seen.

python -m benchmarks.schedules_learned --only learned_100      one of learned_100, learned_1000, learned_10000
python -m benchmarks.schedules_learned --only transfer         the schedules of 100 steps on other problems

learned   all sides have the same trainings to learn from (seeds 0, 1, …: other weights, another order of the
          minibatches), the validation part to be judged by, and the same budget, counted in trainings: a
          hypergradient is counted as five.  Then each trains the held-out seeds, 1000, 1001, …, and the test
          part judges.  Differences are learned - tuned, seed by seed; intervals are Student's, 95 %
transfer  the schedules of learned_100 as they are, and times one factor that each may choose among 21 by the
          validation loss of eight seeds of the new problem: a wider network, wines, tumours

A training counts with at most the loss of one that knows nothing, log k: one that has blown up is no worse
than that to whoever uses it, and no mean should hang on how far it flew.
"""

import argparse
from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy import stats

from benchmarks.common import machine, record, versions
from mcbook import schedules

PACKAGES = ("numpy", "jax", "optax", "scikit-learn")
COMPETITORS = {
    "constant": schedules.constant,
    "cosine": schedules.cosine,
    "step": schedules.drops,
    "one-cycle": schedules.one_cycle,
}


class Settings(NamedTuple):
    """Seeds to learn from, meta-steps, the constant rate to begin with, held-out seeds."""

    seeds: int
    meta_steps: int
    start: float
    held_out: int


SETTINGS = {  # by the steps of the training
    100: Settings(seeds=8, meta_steps=40, start=0.5, held_out=400),
    1000: Settings(seeds=4, meta_steps=30, start=0.2, held_out=100),
    10000: Settings(seeds=2, meta_steps=20, start=0.1, held_out=20),
}
KNOTS, META_RATE, FIRST_FRESH = 12, 0.05, 1000
PROBLEMS: dict[str, dict[str, Any]] = {
    "width_200": {"width": 200},
    "wine": {"name": "wine", "batch": 20},
    "tumours": {"name": "cancer", "batch": 100},
}
FACTORS = np.geomspace(0.03, 3.0, 21)


def ensemble(T: int, seeds: range, **problem: Any) -> schedules.Run:
    """Trainings of T steps, one for each seed."""
    return schedules.ensemble([schedules.network_run(T, seed, **problem) for seed in seeds])


def on_test(runs: schedules.Run, name: str = "digits") -> schedules.Run:
    """The same trainings, judged by the test part."""
    return runs._replace(held_out=tuple(map(jnp.asarray, schedules.split(name).test)))


def judged(runs: schedules.Run, schedule: schedules.Schedule) -> np.ndarray:
    """Losses, none worse than that of a training that knows nothing."""
    worst = np.log(int(runs.data[1].max()) + 1)
    losses = schedules.evaluate(runs, schedule).astype(float)
    return np.minimum(np.where(np.isfinite(losses), losses, worst), worst)


@lru_cache
def contest(T: int) -> dict[str, tuple[schedules.Schedule, Any]]:
    """Every side's schedule and how it was found, at the same cost."""
    chosen = SETTINGS[T]
    seeds = ensemble(T, range(chosen.seeds))
    shape = schedules.piecewise_linear(T, KNOTS)
    start = np.full(KNOTS, np.log(chosen.start))
    levels = 1 if T <= 1000 else 2
    found = schedules.meta_train(seeds, shape, start, steps=chosen.meta_steps, rate=META_RATE, levels=levels)
    sides: dict[str, tuple[schedules.Schedule, Any]] = {"learned": (shape(found.theta), found)}
    for name, family in COMPETITORS.items():
        rng = np.random.default_rng(0)
        tuned = schedules.tune(seeds, family(T), trainings=found.trainings, rng=rng)
        sides[name] = (family(T)(jnp.asarray(tuned.theta)), tuned)
    return sides


def beside(ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    """Paired differences ours - theirs: mean and its interval, median, on how many seeds ours is better."""
    d = ours - theirs
    half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))
    return {
        "mean": float(d.mean()),
        "low": float(d.mean() - half),
        "high": float(d.mean() + half),
        "median": float(np.median(d)),
        "better_on": int((d < 0).sum()),
        "of": len(d),
    }


def table(losses: dict[str, np.ndarray]) -> dict[str, Any]:
    """Every side's mean, median and share of trainings above 1; the learned one beside each other one."""
    return {
        "losses": {
            name: {"mean": float(v.mean()), "median": float(np.median(v)), "fallen": float((v > 1).mean())}
            for name, v in losses.items()
        },
        "differences": {k: beside(losses["learned"], v) for k, v in losses.items() if k != "learned"},
    }


def learned(T: int) -> dict[str, Any]:
    """The contest at T steps, on held-out seeds and the test part."""
    sides, chosen = contest(T), SETTINGS[T]
    fresh = on_test(ensemble(T, range(FIRST_FRESH, FIRST_FRESH + chosen.held_out)))
    result = table({name: judged(fresh, schedule) for name, (schedule, _) in sides.items()})
    rates = np.asarray(sides["learned"][0].rates, float)
    found = sides["learned"][1]
    return result | {
        "settings": chosen._asdict() | {"knots": KNOTS, "meta_rate": META_RATE},
        "trainings": found.trainings,
        "validation": {
            name: float(side.losses.min()) if name == "learned" else side.loss
            for name, (_, side) in sides.items()
        },
        "theta": {name: np.asarray(side.theta, float).tolist() for name, (_, side) in sides.items()},
        "rates": {"first": rates[0], "most": rates.max(), "last": rates[-1]},
    }


def transfer() -> dict[str, Any]:
    """The schedules of 100 steps elsewhere: as they are, and each times the best of 21 factors."""
    T, sides, result = 100, contest(100), {}
    for case, problem in PROBLEMS.items():
        near = ensemble(T, range(8), **problem)
        fresh = on_test(
            ensemble(T, range(FIRST_FRESH, FIRST_FRESH + 200), **problem), problem.get("name", "digits")
        )
        as_is, scaled, factors = {}, {}, {}
        for name, (schedule, _) in sides.items():
            tried = [judged(near, schedule._replace(rates=f * schedule.rates)).mean() for f in FACTORS]
            factors[name] = float(FACTORS[int(np.argmin(tried))])
            as_is[name] = judged(fresh, schedule)
            scaled[name] = judged(fresh, schedule._replace(rates=factors[name] * schedule.rates))
        result[case] = {"as_is": table(as_is), "scaled": table(scaled), "factors": factors}
    return result


def main() -> None:
    """Run the sections that are asked for."""
    sections = {f"learned_{T}": (lambda T=T: learned(T)) for T in SETTINGS} | {"transfer": transfer}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=sections, action="append")
    for name in parser.parse_args().only or sections:
        record("schedules", name, sections[name]() | {"machine": machine(), "versions": versions(*PACKAGES)})


if __name__ == "__main__":
    main()
