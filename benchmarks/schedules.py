"""Differentiating through training: how exact, how much memory, and what the learned schedules are worth.

python -m benchmarks.schedules                     all of it, into results/schedules.json
python -m benchmarks.schedules --only memory       or modes, learned, judge, horizon, transfer
python -m benchmarks.schedules --only learned --which rates

modes     float64, a 64-10-10 network on digits, T = 60: every mode beside `jax.grad` of the unrolled loop and
          beside central differences; T = 2000 undone in whole numbers; the growth of w̄ in 300 steps
memory    float32, a 64-50-10 network, minibatches of 100: temporary memory by the compiler's account and the
          time of one gradient of T rates.  `automatic` is reverse mode as JAX does it.  One process for each
          measurement, the sides in turn, ROUNDS times
learned   rates of T steps learned on seeds, beside constant, cosine, step and one-cycle schedules tuned on
          the same seeds for the same number of trainings (a hypergradient counts as five).  Judged by
          validation loss on the way; reported is the loss on test data over HELD_OUT other seeds: means, and
          paired differences with intervals of 95 %.  LEARNED holds the trainings: rates, momenta and decays
          together, for minibatches of 20, beside schedules with a tuned momentum and decay; and rates alone,
          also for minibatches of 100, without momentum (good rates lie where hypergradients explode) and with
horizon   the noisy quadratic: rates learned from sampled trainings, with all steps ahead and with one, beside
          the exact optimum and the greedy formula
transfer  the rates of `learned --which rates`, T = 100, as they are: other widths, other data
"""

import argparse
import json
import subprocess
import sys
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from benchmarks.common import RESULTS, machine, record, spread, versions
from mcbook import schedules

HELD_OUT = 100
ROUNDS = 3
SHAPES = {
    "constant": schedules.constant,
    "cosine": schedules.cosine,
    "step": schedules.drops,
    "one_cycle": schedules.one_cycle,
}


class Setting(NamedTuple):
    """A training whose schedule is learned: T, rows a minibatch, and what is learned of it.

    learn: "all" (rates, momenta and decays, KNOTS of each; the others get a momentum and a decay to tune), or
    "rates", with `momentum` on all sides.  seeds, steps: to learn from.  margin: of the rates, on all sides.
    """

    T: int
    batch: int
    learn: str
    seeds: int
    steps: int
    first: float
    margin: float
    momentum: float | None = None


LEARNED = {
    "100": Setting(100, 20, "all", 48, 60, 0.3, 0.2),
    "1000": Setting(1000, 20, "all", 16, 40, 0.3, 0.2),
    "rates": Setting(100, 20, "rates", 16, 60, 0.3, 0.1),
    "rates_1000": Setting(1000, 20, "rates", 16, 40, 0.3, 0.1),
    "rates_10000": Setting(10_000, 20, "rates", 4, 30, 0.3, 0.1),
    "large_batch": Setting(100, 100, "rates", 16, 60, 0.3, 0.15),
    "momentum": Setting(100, 100, "rates", 8, 80, 0.03, 0.15, 0.9),
}
KNOTS = {"all": 8, "rates": 16}
SIDES = {  # name: (mode, levels, largest T)
    "training": ("train", 1, 100_000),
    "automatic": ("automatic", 1, 10_000),
    "all states": ("reverse", 1, 100_000),
    "two levels": ("checkpoint", 2, 100_000),
    "three levels": ("checkpoint", 3, 100_000),
    "four levels": ("checkpoint", 4, 100_000),
}


def conditions() -> dict[str, Any]:
    return {"machine": machine(), "versions": versions("jax", "jaxlib", "numpy", "optax")}


# modes


def modes() -> dict[str, Any]:
    jax.config.update("jax_enable_x64", True)
    T, rng = 60, np.random.default_rng(0)
    run = schedules.network_run(T, 0, width=10, batch=50, dtype="float64")
    momenta = np.rint(rng.uniform(0.3, 0.95, T) * 2**12) / 2**12
    schedule = schedules.Schedule(rng.uniform(0.1, 0.5, T), momenta, rng.uniform(0, 0.01, T))
    known = schedules.hypergradient(run, schedule, mode="automatic")
    found: dict[str, Any] = {"conditions": conditions(), "T": T}
    for name, settings in (
        ("reverse", {}),
        ("checkpoint", {"levels": 2}),
        ("checkpoint_3", {"levels": 3}),
        ("forward", {}),
        ("reversible", {}),
    ):
        other = schedules.hypergradient(run, schedule, mode=name.split("_")[0], **settings)
        found[f"{name}_beside_automatic"] = distance(flat(other.grad), flat(known.grad))
    undone, kept = schedules.reversible(run, schedule), schedules.stored(run, schedule)
    found["reversible_equals_stored"] = bool(np.array_equal(flat(undone.grad), flat(kept.grad)))
    found["beside_differences"] = beside_differences(run, schedule, flat(known.grad), rng)
    found["undone"] = undone_run(2000)
    found["growth"] = {str(rate): growth(rate) for rate in (0.1, 0.5, 1.0, 1.25, 1.5, 2.0)}
    return found


def growth(rate: float, T: int = 300) -> dict[str, float]:
    """How w̄ grows under a constant rate, and what the training comes to: it may be good for all that."""
    run, schedule = schedules.network_run(T, [1, 0], dtype="float64"), schedules.Schedule(np.full(T, rate))
    found = schedules.sensitivity_growth(run, schedule)
    loss = schedules.train(run, schedule).held_out_loss
    return {"largest": found.largest, "exponent": found.exponent, "held_out_loss": loss}


def flat(schedule: Any) -> np.ndarray:
    return np.concatenate([np.asarray(part) for part in schedule if part is not None])


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def beside_differences(run: Any, schedule: Any, G: np.ndarray, rng: np.random.Generator) -> float:
    """The largest |⟨G, V⟩ - slope| of ten directions V, relative to ‖G‖; fourth-order differences."""
    T = len(schedule.rates)

    def loss(x: np.ndarray) -> float:
        return schedules.train(run, schedules.Schedule(*x.reshape(3, T))).held_out_loss

    x, worst, h = flat(schedule), 0.0, 1e-4
    for V in (G, *rng.normal(size=(9, len(G)))):
        V = V / np.linalg.norm(V) * np.minimum(1, x / (2 * h * np.abs(V / np.linalg.norm(V)).max() + 1e-300))
        near, far = (loss(x + k * h * V) - loss(x - k * h * V) for k in (1, 2))
        worst = max(worst, abs((8 * near - far) / (12 * h) - G @ V) / float(np.linalg.norm(G)))
    return worst


def undone_run(T: int) -> dict[str, Any]:
    run = schedules.network_run(T, 1, width=50, dtype="float64")
    undone = schedules.reversible(run, schedules.Schedule(np.full(T, 0.05), np.full(T, 0.9)))
    p = len(run.w)
    return {"T": T, "exact": undone.exact, "words": undone.words, "words_of_states": 2 * p * T}


# memory


def memory(largest: int) -> dict[str, Any]:
    found: dict[str, Any] = {"conditions": conditions(), "rounds": ROUNDS}
    for T in (100, 1000, 10_000, 100_000):
        if largest < T:
            continue
        sides = [name for name, (_, _, most) in SIDES.items() if most >= T]
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        temp: dict[str, int] = {}
        for _ in range(ROUNDS):
            for name in sides:
                done = in_child(name, T)
                seconds[name].append(done["seconds"])
                temp[name] = done["temp_bytes"]
        found[str(T)] = {
            name: {
                "seconds": spread(seconds[name]),
                "temp_bytes": temp[name],
                "temp_mb": temp[name] / 1e6,
            }
            for name in sides
        }
        for name in sides if "automatic" in sides else ():
            ratio = [a / b for a, b in zip(seconds[name], seconds["automatic"], strict=True)]
            found[str(T)][name]["time_beside_automatic"] = spread(ratio)
            found[str(T)][name]["memory_saved"] = temp["automatic"] / temp[name]
        if "automatic" not in sides:
            found[str(T)] |= asked_only(T, temp)
        print(T, json.dumps(found[str(T)]), flush=True)
    return found


def asked_only(T: int, temp: dict[str, int]) -> dict[str, Any]:
    """What automatic mode would ask for where it is too large to be run: the compiler says so beforehand."""
    asked = in_child("automatic", T, "--account")["temp_bytes"]
    saved = {name: asked / taken for name, taken in temp.items()}
    return {"automatic, not run": {"temp_bytes": asked, "temp_mb": asked / 1e6, "memory_saved_by": saved}}


def in_child(name: str, T: int, *flags: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.schedules", "--child", name, "--steps", str(T), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def child(name: str, T: int, *, run_it: bool = True) -> dict[str, Any]:
    """One side, compiled; the best of a few calls after the first, or the compiler's account alone."""
    from mcbook.schedules import _checks
    from mcbook.schedules.ensembles import evaluate_core
    from mcbook.schedules.hypergradient import automatic
    from mcbook.schedules.reverse import plan_of, reverse

    mode, levels, _ = SIDES[name]
    run = schedules.network_run(T, 0)
    run, schedule = _checks.prepared(run, schedules.Schedule(np.full(T, 0.1)))
    parts: Any = (*run, schedule)
    if mode == "train":
        parts = (run.loss, run.w[None], run.data, run.batches[None], run.held_out, schedule, jnp.ones(1))
        compiled = evaluate_core.lower(*parts).compile()
    elif mode == "automatic":
        compiled = automatic.lower(*parts).compile()
    else:
        compiled = reverse.lower(*parts, plan=plan_of(T, levels), last=T).compile()
    account: Any = compiled.memory_analysis()
    temp_bytes = int(account.temp_size_in_bytes)
    if not run_it:
        return {"temp_bytes": temp_bytes}
    jax.block_until_ready(compiled(*parts[1:]))
    seconds = []
    for _ in range(5 if T <= 1000 else 2 if T <= 10_000 else 1):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*parts[1:]))
        seconds.append(time.perf_counter() - start)
    return {"seconds": min(seconds), "temp_bytes": temp_bytes}


# learned


def runs_of(T: int, seeds: int, group: int, **settings: Any) -> Any:
    """An ensemble; group 1 is learned from, 5 and 4 judge, and no two groups share a seed."""
    return schedules.ensemble([schedules.network_run(T, [group, s], **settings) for s in range(seeds)])


def on_test(runs: Any, name: str = "digits") -> Any:
    return runs._replace(held_out=tuple(map(jnp.asarray, schedules.split(name).test)))


def learned(name: str) -> dict[str, Any]:
    given = LEARNED[name]
    T, margin, batch = given.T, given.margin, given.batch
    runs, shape = runs_of(T, given.seeds, 1, batch=batch), shape_of("learned", given)
    first = first_theta(given)
    start = time.perf_counter()
    ours = schedules.meta_train(runs, shape, first, steps=given.steps, margin=margin, report=progress)
    found: dict[str, Any] = {
        "conditions": conditions(),
        "setting": given._asdict(),
        "trainings": ours.trainings,
        "seconds": time.perf_counter() - start,
        "losses": ours.losses.tolist(),
        "taken_back": len(ours.taken_back),
        "theta": {"learned": ours.theta.tolist()},
        "training_seeds": {"learned": float(ours.losses.min())},
    }
    for side in SHAPES:
        rng = np.random.default_rng(7)
        tuned = schedules.tune(runs, shape_of(side, given), trainings=ours.trainings, margin=margin, rng=rng)
        found["theta"][side] = tuned.theta.tolist()
        found["training_seeds"][side] = tuned.loss
        print(side, tuned.loss, tuned.theta.round(3), flush=True)
    return found | judged(given, found["theta"])


def judged(given: Setting, thetas: dict[str, Any]) -> dict[str, Any]:
    """On seeds that nothing was chosen by; `--only judge` does it again from the recorded thetas."""
    runs = runs_of(given.T, HELD_OUT, 5, batch=given.batch)
    return {
        "held_out_seeds": HELD_OUT,
        "test": compared(on_test(runs), given, thetas),
        "validation": compared(runs, given, thetas),
    }


def judge() -> None:
    document = json.loads((RESULTS / "schedules.json").read_text())
    for name, given in LEARNED.items():
        if f"learned_{name}" in document:
            before = document[f"learned_{name}"] | {"setting": given._asdict()}
            record("schedules", f"learned_{name}", before | judged(given, before["theta"]))


def progress(i: int, loss: float, theta: Any) -> None:
    if i % 10 == 0:
        print(f"meta-step {i}: {loss:.4f}", flush=True)


def shape_of(side: str, given: Setting) -> Any:
    T, momentum = given.T, given.momentum
    if given.learn == "all":
        both = schedules.with_momentum
        return schedules.every_part(T, KNOTS["all"]) if side == "learned" else both(SHAPES[side](T))
    if side == "learned":
        return schedules.piecewise_linear(T, KNOTS["rates"], momentum=momentum)
    return SHAPES[side](T, momentum=momentum)


def first_theta(given: Setting) -> np.ndarray:
    """One rate, and where they are learned the momentum ½ and the decay 1e-4, for all steps."""
    values = (np.log(given.first), 0.0, np.log(1e-4)) if given.learn == "all" else (np.log(given.first),)
    return np.repeat(values, KNOTS[given.learn])


def compared(runs: Any, given: Setting, thetas: dict[str, Any]) -> dict[str, Any]:
    """Mean loss of each; theirs - ours, paired by seed: mean and interval; positive is in our favour."""
    losses = {
        side: schedules.evaluate(runs, shape_of(side, given)(jnp.asarray(theta, jnp.float32)))
        for side, theta in thetas.items()
    }
    found: dict[str, Any] = {}
    for name, values in losses.items():
        values = values.astype(float)
        found[name] = {"mean": float(values.mean()), "sd": float(values.std(ddof=1))}
        if name != "learned":
            gap = values - losses["learned"]
            half = float(stats.t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1)) / len(gap) ** 0.5
            found[name]["gap"] = {
                "mean": float(gap.mean()),
                "low": float(gap.mean()) - half,
                "high": float(gap.mean()) + half,
                "seeds_won": int((gap > 0).sum()),
            }
    return found


# horizon


def horizon(T: int = 100, seeds: int = 2000) -> dict[str, Any]:
    jax.config.update("jax_enable_x64", True)
    q, rng = schedules.noisy_quadratic(20, condition=100), np.random.default_rng(3)
    best, greedy = schedules.optimal_rates(q, T), schedules.greedy_rates(q, T)
    runs, shape = schedules.quadratic_runs(q, T, seeds, rng=rng), schedules.below(T, 2.0)
    ours = schedules.meta_train(runs, shape, np.zeros(T), steps=300, rate=0.2, report=progress)
    far = np.asarray(shape(jnp.asarray(ours.theta)).rates, float)
    near = learned_greedy(q, T, seeds, rng)
    excess = lambda rates: schedules.expected_excess(q, rates)  # noqa: E731
    foresight = {str(K): excess(schedules.horizon_rates(q, T, K)) for K in (1, 3, 10, 30)}
    return {
        "conditions": conditions(),
        "T": T,
        "seeds": seeds,
        "excess": {
            "greedy_formula": excess(greedy),
            "greedy_learned": excess(near),
            "optimum": best.excess,
            "learned": excess(far),
            "foresight": foresight,
        },
        "optimum_converged": best.converged,
        "greedy_learned_beside_formula": float(np.abs(near / greedy - 1).max()),
        "learned_beside_optimum": float(np.sqrt(np.mean((far - best.rates) ** 2)) / best.rates.max()),
        "rates": {"greedy": greedy.tolist(), "optimum": best.rates.tolist(), "learned": far.tolist()},
        "truncation": truncated_rates(q, T),
    }


def learned_greedy(q: Any, T: int, seeds: int, rng: np.random.Generator) -> np.ndarray:
    """Each rate from hypergradients of one step: the loss is quadratic in it, so two find its minimum."""
    w, rates = np.tile(q.w, (seeds, 1)), []
    for _ in range(T):
        runs = schedules.quadratic_runs(q, 1, seeds, rng=rng)._replace(w=w)
        slopes = [
            float(schedules.mean_hypergradient(runs, schedules.Schedule(np.array([x])))[1].rates[0])
            for x in (0.0, 1.0)
        ]
        rates.append(slopes[0] / (slopes[0] - slopes[1]))
        w = w - rates[-1] * q.h * (w - runs.data[0])
    return np.array(rates)


def truncated_rates(q: Any, T: int) -> dict[str, float]:
    """The constant rate at which the derivative truncated to K steps vanishes, and what it costs."""
    grid, found = np.linspace(0.002, 1.9, 2000), {}
    for K in (1, 10, 50, T):
        slope = [schedules.grad_expected_excess_rates(q, np.full(T, x))[T - K :].sum() for x in grid]
        rate = float(grid[np.argmax(np.array(slope) > 0)])
        found[f"rate_{K}"] = rate
        found[f"excess_{K}"] = schedules.expected_excess(q, np.full(T, rate))
    return found


# transfer


ELSEWHERE: dict[str, dict[str, Any]] = {
    "width 20": {"width": 20},
    "width 200": {"width": 200},
    "wine": {"name": "wine"},
    "cancer": {"name": "cancer"},
}


def transfer(name: str = "rates") -> dict[str, Any]:
    given = LEARNED[name]
    thetas = json.loads((RESULTS / "schedules.json").read_text())[f"learned_{name}"]["theta"]
    found: dict[str, Any] = {"conditions": conditions(), "setting": given._asdict(), "seeds": HELD_OUT}
    for label, settings in ELSEWHERE.items():
        runs = runs_of(given.T, HELD_OUT, 4, batch=given.batch, **settings)
        found[label] = compared(on_test(runs, settings.get("name", "digits")), given, thetas)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=["modes", "memory", "learned", "judge", "horizon", "transfer"])
    parser.add_argument("--steps", type=int, help="the largest T of memory")
    parser.add_argument("--which", choices=list(LEARNED), help="of learned")
    parser.add_argument("--child", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--account", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(child(given.child, given.steps, run_it=not given.account)))
        return
    for section in [given.only] if given.only else ["memory", "learned", "transfer", "modes", "horizon"]:
        if section == "learned":
            for name in [given.which] if given.which else LEARNED:
                record("schedules", f"learned_{name}", learned(name))
        elif section == "judge":
            judge()
        elif section == "memory":
            record("schedules", "memory", memory(given.steps or 100_000))
        else:
            record(
                "schedules", section, {"modes": modes, "horizon": horizon, "transfer": transfer}[section]()
            )


if __name__ == "__main__":
    main()
