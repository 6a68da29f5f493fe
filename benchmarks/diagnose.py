"""The checker that answers back, judged on answers that somebody else wrote, and on nonsense.

python -m benchmarks.diagnose                    all but `unseen`, into results/diagnose.json
python -m benchmarks.diagnose --only answers     one of answers, blind, unseen, random, variants, time

answers   the wrong answers of the three development sets: recall, precision, which class was called what.
          `dev` was read while the slips were written, `held_out` after its tables had been looked at four
          times, `fresh` after it had been measured once; all three steered the work
blind     the same of a set by somebody else that nobody who changes the checker has read.  Where the folder
          is not there nothing is recorded
unseen    the same of another such set, by another author: the first look, after which its
          wrong names were read: not to be run again
random    a thousand wrong gradients that no mistake explains: random expressions of the right shape, and
          right gradients with noise added, multiplied in, or turned.  Any explanation is a false one
variants  right answers in other forms, of every set: how many are rejected
time      seconds to diagnose each wrong answer, derivation and slips included (cold), or known (warm)

A double counts under "double". How an answer is judged is fixed in tests/answerset.py. NumPy only.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import machine, record, spread, versions
from mcbook.calculus import diagnose
from mcbook.calculus.engine.derive import derive
from mcbook.calculus.engine.evaluate import evaluate_all
from mcbook.calculus.marking.strong import prepared

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from answerset import BLIND, DEVELOPMENT, SETS, Problem, Wrong, judge, load  # type: ignore[import-not-found]
from randomexpressions import Generator  # type: ignore[import-not-found]

DRAWS = 3


def verdict(problem: Problem, answer: Any) -> Any:
    """The diagnosis of an answer, text or array, at the problem's own draws."""
    values = [problem.values(seed) for seed in range(DRAWS)]
    entry = problem.entry
    return diagnose(
        entry.text, answer, entry.declared[entry.wrt], symbols=tuple(entry.declared.values()), values=values
    )


def handed_in(problem: Problem, wrong: Wrong) -> Any:
    """A text, but for what is an array in single precision."""
    return problem.as_given(wrong, problem.values(0)) if wrong.given else wrong.text


def as_function(problem: Problem, wrong: Wrong) -> Any:
    """A NumPy function of the symbols by name; what is in single precision stays an array."""
    if wrong.given:
        return handed_in(problem, wrong)
    formula, shape = (
        problem.read(wrong.text),
        wrong.shape or problem.entry.declared[problem.entry.wrt].data.shape,
    )
    return lambda **values: np.reshape(evaluate_all([formula], values)[0], shape)


def named(classes: tuple[str, ...]) -> str:
    return "double" if len(classes) > 1 else classes[0] if classes else "not explained"


def texts(problem: Problem) -> set[tuple[str, str, str]]:
    """Loss, variable and text of each wrong answer."""
    return {(problem.entry.text, problem.entry.wrt, wrong.text) for wrong in problem.wrong}


def bench_set(
    name: str, known: Collection[tuple[str, str, str]] = (), hand_in: Callable[..., Any] = handed_in
) -> dict[str, Any]:
    """Edges of the judgement, and how often answers of each class were called what; without those known."""
    explained: Counter[str] = Counter()  # edges of what was given a name
    found: dict[str, Counter[str]] = {}
    called: dict[str, Counter[str]] = {}
    for problem in load(name):
        for wrong in problem.wrong:
            if (problem.entry.text, problem.entry.wrt, wrong.text) in known:
                continue
            classes = verdict(problem, hand_in(problem, wrong)).classes
            edge = judge(wrong, classes)
            explained[edge] += bool(classes)
            found.setdefault(wrong.label, Counter())[edge] += 1
            called.setdefault(wrong.label, Counter())[named(classes)] += 1
    edges = sum(found.values(), Counter())
    named_ones = edges - found["unexplained"]  # answers with a mistake that has a name
    return {
        "wrong_answers": edges.total(),
        **edges,
        "recall": named_ones["right"] / (named_ones["right"] + named_ones["missed"] + named_ones["false"]),
        "precision": explained["right"] / (explained["right"] + explained["false"]),
        "nonsense": dict(found["unexplained"]),
        "classes": {label: dict(counter) for label, counter in found.items()},
        "called": {label: dict(counter) for label, counter in called.items()},
    }


def bench_answers() -> dict[str, Any]:
    return {name.replace("-", "_"): bench_set(name) for name in DEVELOPMENT}


def bench_blind(name: str) -> dict[str, Any]:
    """A set that nobody has read: all of it; what of it is in no development set; all as NumPy functions."""
    if not load(name):
        return {}
    known = set().union(*(texts(problem) for problem in load(*DEVELOPMENT)))
    parts = {
        "not_in_the_others": bench_set(name, known),
        "as_functions": bench_set(name, hand_in=as_function),
    }
    keys = ("wrong_answers", "right", "false", "missed", "recall", "precision")
    return bench_set(name) | {part: {key: found[key] for key in keys} for part, found in parts.items()}


def bench_random(count: int = 1000) -> dict[str, Any]:
    """False explanations of wrong gradients that are nobody's mistake."""
    half = count // 2
    false = [words for seed in range(half) if (words := _random_expression(seed))]
    problems = load("dev")
    for seed in range(count - half):
        if words := _noise(problems[seed % len(problems)], np.random.default_rng([1, seed])):
            false.append(words)
    return {"wrong_gradients": count, "false_explanations": len(false), "examples": false[:10]}


def _random_expression(seed: int) -> str:
    """A random function, and a random expression of the shape of one of its symbols for an answer."""
    generator = Generator(np.random.default_rng([2, seed]))
    f = generator.expression(2)
    X = sorted(f.free, key=lambda s: s.name)[int(generator.rng.integers(len(f.free)))]
    G = derive(f, X).gradient
    while True:
        answer = generator.matrix(X.shape, 2)
        truth, given = evaluate_all([G, answer], generator.values)
        if np.linalg.norm(truth - given) > 1e-6 * (np.linalg.norm(truth) + np.linalg.norm(given)):
            break
    found = diagnose(f, answer, X, values=[_another(generator, seed, k) for k in range(DRAWS)])
    return f"{f!r}, {X.name}: {answer!r} called {found.cause}" if found.classes else ""


def _another(generator: Any, seed: int, k: int) -> dict[str, Any]:
    """The generator's values, and for k > 0 others of the same structure."""
    rng = np.random.default_rng([3, seed, k])
    return {name: A * rng.uniform(0.6, 1.4) if k else A for name, A in generator.values.items()}


def _noise(problem: Problem, rng: np.random.Generator) -> str:
    """The right gradient disturbed: by a matrix added, by numbers entry by entry, by a rotation."""
    derivation, X = problem.entry.derive(), problem.entry.declared[problem.entry.wrt]
    rows = X.shape[0]
    E, R = rng.standard_normal(X.shape), np.linalg.qr(rng.standard_normal((rows, rows)))[0]
    way = int(rng.integers(3)) if rows > 1 else 0
    size = np.linalg.norm(derivation(problem.values(0)))

    def answer(**values: Any) -> Any:
        G = np.reshape(derivation(values), X.shape)
        wrong = (G + size * E, G * E, R @ G)[way]
        return np.reshape(wrong, X.data.shape)

    found = verdict(problem, answer)
    return f"{problem.name}, way {way}: {found.cause}" if found.classes else ""


def bench_variants() -> dict[str, Any]:
    """Right answers that were rejected, of all sets."""
    answers = [(problem, text) for problem in load(*SETS) for text in problem.right]
    rejected = sum(verdict(problem, text).verdict != "correct" for problem, text in answers)
    return {"right_answers": len(answers), "rejected": rejected}


def bench_time() -> dict[str, Any]:
    """Seconds for each wrong answer of `dev`."""
    cold: list[float] = []
    warm: list[float] = []
    for problem in load("dev"):
        for wrong in problem.wrong:
            given = handed_in(problem, wrong)
            prepared.cache_clear()
            for seconds in (cold, warm):
                start = time.perf_counter()
                verdict(problem, given)
                seconds.append(time.perf_counter() - start)
    return {"cold_seconds": spread(cold), "warm_seconds": spread(warm)}


ONCE = {"unseen"}
SECTIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "answers": bench_answers,
    **{name: partial(bench_blind, name) for name in BLIND},
    "random": bench_random,
    "variants": bench_variants,
    "time": bench_time,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=SECTIONS)
    chosen = parser.parse_args().only
    for section in [chosen] if chosen else [name for name in SECTIONS if name not in ONCE]:
        if result := SECTIONS[section]():
            record("diagnose", section, result)
    record("diagnose", "setup", {"machine": machine(), "versions": versions("numpy")})


if __name__ == "__main__":
    main()
