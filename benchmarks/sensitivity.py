"""Attributions beside Captum's: exactness, a real protein, and the randomisation check.

python -m benchmarks.sensitivity                     all of it, into results/sensitivity.json
python -m benchmarks.sensitivity --only exactness    one of exactness, blat, randomised

exactness   integrated gradients against a closed form, on smooth and kinked networks; what a sample costs
blat        TEM-1 β-lactamase, held out by position: PS, MSA, both; the blocks' shares with intervals
randomised  likeness of attributions before and after the weights are shuffled, and after training on shuffled
            answers
Planted truth: benchmarks.sensitivity_truth.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from benchmarks.common import interleave, machine, record, versions
from benchmarks.sensitivity_truth import PACKAGES, groups, interval, planted_case, side_by_side, summed
from mcbook import data
from mcbook import sensitivity as se

W = np.array([2.0, -1.5, 1.0, 0.7, -0.5])


def answer(x):
    """tanh(w · x_20..24) + 0.3 x_0 x_1 of 40 features, whose integrated gradients from 0 are known."""
    return jnp.tanh(x[20:25] @ W) + 0.3 * x[0] * x[1]


def answer_truth(X: np.ndarray) -> np.ndarray:
    z, a = X[:, 20:25] @ W, np.zeros(X.shape)
    a[:, 20:25] = W * X[:, 20:25] * (np.tanh(z) / z)[:, None]
    a[:, 0] = a[:, 1] = 0.15 * X[:, 0] * X[:, 1]
    return a


# Exactness


def exactness(repeats: int) -> dict:
    """Largest errors and completeness gaps on the closed form; then networks; then time."""
    return {
        "closed_form": closed_form(repeats),
        "networks": {kind: on_network(kind, repeats) for kind in ("tanh", "softplus", "relu")},
        "three_models": kinked_or_smooth(),
    }


def closed_form(repeats: int) -> dict:
    import torch
    from captum.attr import IntegratedGradients

    from benchmarks.attribution_sides import tensor

    X = np.random.default_rng(0).normal(size=(64, 40))
    truth, w, x = answer_truth(X), tensor(W), tensor(X)
    gain = truth.sum(axis=1)

    def torch_answer(x):
        return torch.tanh(x[:, 20:25] @ w) + 0.3 * x[:, 0] * x[:, 1]

    def captum(n, method):
        zero = torch.zeros(1, 40)
        return lambda: IntegratedGradients(torch_answer).attribute(x, zero, n_steps=n, method=method).numpy()

    settings = [
        (16, "gausslegendre"),
        (50, "gausslegendre"),
        (128, "gausslegendre"),
        (50, "riemann_trapezoid"),
    ]
    settings += [(500, "riemann_trapezoid")]
    sides: dict[str, tuple[Callable[[], Any], int]] = {
        "mcbook": (lambda: se.integrated_gradients(answer, X, 0.0), repeats)
    }
    for n, method in settings:
        sides[f"captum {method} {n}"] = (captum(n, method), repeats)
    for run, _ in sides.values():
        run()
    seconds, last = interleave(sides)
    found = last.pop("mcbook")
    result: dict[str, Any] = {
        "mcbook": {
            "error": float(np.abs(found.attributions - truth).max()),
            "completeness": float(np.abs(found.residual).max()),
            "evaluations_per_sample": [int(found.evaluations.min()), int(found.evaluations.max())],
            "all_converged": bool(found.converged.all()),
        }
    }
    for name, a in last.items():
        gap = float(np.abs(a.sum(axis=1) - gain).max())
        result[name] = {"error": float(np.abs(a - truth).max()), "completeness": gap}
    result["seconds"] = seconds
    result["time_ratio"] = {
        name: seconds["mcbook"]["median"] / seconds[name]["median"] for name in sides if name != "mcbook"
    }
    result["why_captum_stops"] = rounded_weights(X, truth)
    return result


def rounded_weights(X: np.ndarray, truth: np.ndarray, m: int = 50) -> dict:
    """Our rule of m nodes with its weights as they are, and rounded to float32 as Captum rounds them."""
    t, w = se.gauss_legendre(m)
    G = np.stack([se.gradients(answer, s * X) for s in t])
    errors = {
        name: float(np.abs(X * np.tensordot(v, G, axes=1) - truth).max())
        for name, v in (("float64 weights", w), ("float32 weights", w.astype(np.float32).astype(float)))
    }
    return {"nodes": m, "error": errors}


def on_network(activation: str, repeats: int) -> dict:
    """A network of two blocks and its torch twin: completeness, agreement, gradients computed, time."""
    from captum.attr import IntegratedGradients

    from benchmarks.attribution_sides import Twin, tensor

    rng = np.random.default_rng(1)
    params = se.init_network(rng, {"PS": 100, "MSA": 40})
    params = params._replace(b1=rng.normal(size=32), b2=rng.normal(size=16))
    X = {"PS": rng.normal(size=(64, 100)), "MSA": rng.normal(size=(64, 40))}
    f, twin, x = (
        se.as_model(params, activation=activation),
        Twin(params, activation, X),
        tensor(side_by_side(X)),
    )
    zero = 0 * x[:1]

    def captum(n, method="gausslegendre"):
        return lambda: IntegratedGradients(twin).attribute(x, zero, n_steps=n, method=method).detach().numpy()

    sides: dict[str, tuple[Callable[[], Any], int]] = {
        "mcbook": (lambda: se.integrated_gradients(f, X, 0.0), repeats),
        "captum gausslegendre 50": (captum(50), repeats),
        "captum gausslegendre 500": (captum(500), max(2, repeats // 4)),
    }
    for run, _ in sides.values():
        run()
    seconds, last = interleave(sides)
    found = last.pop("mcbook")
    ours = side_by_side(found.attributions)
    gain = (twin(x) - twin(zero)).detach().numpy()
    size, answers = float(np.abs(ours).max()), np.asarray(se.predict(params, X, activation=activation))
    return {
        "twin_differs_by": float(np.abs(answers - twin(x).detach().numpy()).max()),
        "mcbook": {
            "completeness": float(np.abs(ours.sum(axis=1) - gain).max()),
            "error_estimate": float(found.error.max()),
            "converged": float(found.converged.mean()),
            "kinks_per_path": [int(found.kinks.min()), float(np.median(found.kinks)), int(found.kinks.max())],
            "evaluations_median": float(np.median(found.evaluations)),
        },
        **{
            name: {
                "completeness": float(np.abs(a.sum(axis=1) - gain).max()),
                "largest_difference_to_ours": float(np.abs(a - ours).max()),
            }
            for name, a in last.items()
        },
        "largest_attribution": size,
        "seconds": seconds,
        "time_ratio": {n: seconds["mcbook"]["median"] / seconds[n]["median"] for n in last},
    }


def kinked_or_smooth() -> dict:
    """Are kinked models told apart?  Twenty random networks of each kind, 16 paths each."""
    told: dict[str, list[bool]] = defaultdict(list)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        params = se.init_network(rng, {"a": 10}, hidden=(12, 6))
        params = params._replace(b1=0.5 * rng.normal(size=12), b2=0.5 * rng.normal(size=6))
        X = {"a": 2 * rng.normal(size=(16, 10))}
        for kind in ("tanh", "softplus", "relu"):
            found = se.integrated_gradients(se.as_model(params, activation=kind), X, 0.0)
            told[kind] += (found.kinks > 0).tolist()
    return {f"share of {kind} paths called kinked": float(np.mean(v)) for kind, v in told.items()}


# The real protein


def blat(seeds: int) -> dict:
    """Rank correlation on held-out positions; shares of the two blocks by several methods."""
    protein = data.blat()
    A = se.encode_alignment(protein.alignment)
    weights = se.sequence_weights(A)
    X, names = se.mutant_features(protein.wild_type, protein.positions, protein.letters, A, weights)
    y, positions = protein.log_fitness, protein.positions
    present, mutant = A[0][positions], se.encode_protein("".join(protein.letters))
    odds = {
        "log odds": se.log_odds(se.frequencies(A, pseudocount=10.0), positions, present, mutant),
        "log odds (kin)": X["MSA"][:, names["MSA"].index("log odds (kin)")],
    }
    sets = {"PS": ("PS",), "MSA": ("MSA",), "both": ("PS", "MSA")}
    runs = {
        name: [
            se.cross_validate({b: X[b] for b in blocks}, y, positions, rng=np.random.default_rng(seed))
            for seed in range(seeds)
        ]
        for name, blocks in sets.items()
    }
    answers = {name: np.mean([run.predictions for run in each], axis=0) for name, each in runs.items()}
    return {
        "mutants": len(y),
        "positions": len(np.unique(positions)),
        "seeds": seeds,
        "spearman": rank_correlations(answers | odds, y, positions),
        "spearman_of_single_runs": {
            name: interval([stats.spearmanr(run.predictions, y)[0] for run in each])
            for name, each in runs.items()
        },
        "MSA_share": protein_shares(runs["both"], X, positions),
        "settings_chosen": {
            name: np.bincount(np.ravel([r.settings for r in each]), minlength=3).tolist()
            for name, each in runs.items()
        },
    }


def rank_correlations(answers: dict[str, np.ndarray], y: np.ndarray, positions: np.ndarray) -> dict:
    """Spearman of each with 95 % bootstrap intervals over positions; differences in the same resamples."""
    rng, labels = np.random.default_rng(0), np.unique(positions)
    rows = [np.flatnonzero(positions == p) for p in labels]
    draws = defaultdict(list)
    for _ in range(500):
        at = np.concatenate([rows[k] for k in rng.integers(0, len(rows), len(rows))])
        for name, value in answers.items():
            draws[name].append(stats.spearmanr(value[at], y[at])[0])
    out: dict[str, Any] = {
        name: [float(stats.spearmanr(value, y)[0]), *np.quantile(draws[name], [0.025, 0.975]).tolist()]
        for name, value in answers.items()
    }
    for a, b in (
        ("both", "MSA"),
        ("both", "PS"),
        ("both", "log odds"),
        ("MSA", "log odds"),
        ("MSA", "log odds (kin)"),
    ):
        gap = np.array(draws[a]) - np.array(draws[b])
        out[f"{a} minus {b}"] = [out[a][0] - out[b][0], *np.quantile(gap, [0.025, 0.975]).tolist()]
    return out


def protein_shares(runs: list, X: dict, positions: np.ndarray, m: int = 64) -> dict:
    """The MSA block's share of the held-out answers, averaged over the runs, by several methods."""
    total: dict[str, dict[str, np.ndarray]] = {}
    for seed, run in enumerate(runs):
        for method, A in held_out_attributions(run, X, m, np.random.default_rng(seed)).items():
            kept = total.setdefault(method, {name: np.zeros(a.shape) for name, a in A.items()})
            for name, a in A.items():
                kept[name] += a / len(runs)
    found = {}
    for method, A in total.items():
        for kind in ("absolute",) if "gradient norm" in method else ("net", "variance"):
            shares = se.block_shares(A, kind=kind, groups=positions, rng=np.random.default_rng(0))
            k = shares.names.index("MSA")
            found[f"{method}, {kind}"] = [float(v[k]) for v in (shares.share, shares.low, shares.high)]
    return found


def held_out_attributions(run: Any, X: dict, m: int, rng: np.random.Generator) -> dict[str, dict]:
    """Every mutant explained by the network that has not seen its position; baselines it was trained on."""
    found: dict[str, dict[str, np.ndarray]] = defaultdict(lambda: {b: np.zeros(len(run.folds)) for b in X})
    for k, (params, scaling, (_, sd)) in enumerate(zip(run.networks, run.scalings, run.centres, strict=True)):
        Z, f = se.scaled(X, scaling), se.as_model(params)
        judge = run.folds == k
        fit = np.flatnonzero(~judge & (run.folds != (k + 1) % len(run.networks)))
        here = {name: block[judge] for name, block in Z.items()}
        rows = rng.choice(fit, m, replace=False)
        B = {name: block[rows] for name, block in Z.items()}
        values = se.shapley(f, here, B).values
        parts = {
            "Shapley": {name: values[:, j] for j, name in enumerate(here)},
            "integrated gradients": sums(se.integrated_gradients(f, here, 0.0).attributions),
            "gradient × input": sums(se.gradient_times_input(f, here)),
            "gradient norm": se.block_norms(se.gradients(f, here), per_width=False),
            "gradient norm per √width": se.block_norms(se.gradients(f, here)),
        }
        for method, A in parts.items():
            for name, a in A.items():
                found[method][name][judge] = sd * a
    return found


def sums(A: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: a.reshape(len(a), -1).sum(axis=1) for name, a in A.items()}


# Randomisation


def randomised(seeds: int) -> dict:
    """Spearman likeness of |attributions| of sites: the trained network's against one that forgot."""
    table: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for seed in range(seeds):
        case, rng = planted_case(seed), np.random.default_rng(seed)
        models = {"read-out shuffled": se.randomise(case["params"], rng=rng, fields=("v",))}
        models["second layer, too"] = se.randomise(models["read-out shuffled"], rng=rng, fields=("W2", "b2"))
        models["all layers"] = se.randomise(case["params"], rng=rng)
        models["trained on shuffled answers"] = case["forgetful"]
        before = by_method(case, case["params"])
        for how, params in models.items():
            for method, A in by_method(case, params).items():
                table[method][how].append(float(np.nanmean(se.similarity(before[method], A))))
    return {method: {how: interval(v) for how, v in row.items()} for method, row in table.items()}


def by_method(case: dict, params: Any) -> dict[str, np.ndarray]:
    """|Attributions| per site (n, 40), by the methods that depend on the model, and one that does not."""
    f, X, (sites, _) = se.as_model(params), case["judge"], groups(case)
    B = {name: block[:8] for name, block in case["fit"].items()}
    found = {
        "gradient": se.gradients(f, X),
        "gradient × input": se.gradient_times_input(f, X),
        "integrated gradients": se.integrated_gradients(f, X, 0.0, tol=1e-8).attributions,
        "expected gradients": se.expected_gradients(f, X, B, tol=1e-6).attributions,
    }
    return {m: np.abs(summed(side_by_side(A), sites)) for m, A in found.items()}


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sections: dict[str, Callable[[Any], dict]] = {
        "exactness": lambda a: exactness(a.repeats),
        "blat": lambda a: blat(max(2, a.seeds // 4)),
        "randomised": lambda a: randomised(max(2, a.seeds // 2)),
    }
    parser.add_argument("--only", choices=sections)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    for name, section in sections.items():
        if args.only in (None, name):
            before = machine()
            record("sensitivity", name, section(args) | {"machine": before, "versions": versions(*PACKAGES)})


if __name__ == "__main__":
    main()
