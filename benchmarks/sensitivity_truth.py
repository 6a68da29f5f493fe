"""Attributions beside Captum's where the truth is planted: which positions, and how much of each block?

python -m benchmarks.sensitivity_truth                  both parts, into results/sensitivity.json
python -m benchmarks.sensitivity_truth --only settle    one of settle, truth

settle   on families that nothing is reported on: which way of summing its attributions up serves a method
         best (Captum's as well as ours), and which method of ours we stake the two figures on
truth    all methods on other families, each with the way that was settled; ours beside every one of Captum's

A family is one law, tree and share of the relatives, and one network trained on 400 of its samples; all
methods explain the same 300 others.  Intervals: Student's t over families, differences paired.
"""

import argparse
import json
import warnings
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
from scipy import stats
from sklearn.metrics import roc_auc_score

from benchmarks.common import RESULTS, machine, record, versions
from mcbook import sensitivity as se

PACKAGES = ("captum", "torch", "jax", "jaxlib", "numpy")
TRAIN, CHOOSE, JUDGE = 400, 100, 300
FEW, MANY = 32, 128  # baselines, drawn from the training samples
SETTLED, REPORTED = range(1000, 1016), range(2000, 2020)
GOALS = {
    "AUROC": ("AUROC, net", "AUROC, absolute", "AUROC, spread"),
    "share error": ("share error, net", "share error, centred", "share error, absolute"),
}
Table = dict[str, dict[str, list[float]]]


def settle(seeds: Iterable[int] = SETTLED) -> dict[str, Any]:
    """Per goal: each method's best way of summing up, and the best method of ours."""
    table, _ = measurements(seeds)
    found: dict[str, Any] = {"families": list(seeds), "means": means(table)}
    for goal in GOALS:
        ways = {method: best_way(row, goal) for method, row in table.items() if set(GOALS[goal]) & set(row)}
        ours = [method for method in ways if method.startswith("mcbook")]
        first = min(ours, key=lambda m: cost(table[m][ways[m]], goal))
        found[goal] = {"ours": first, "ways": ways}
    return found


def cost(values: Any, goal: str) -> float:
    """The mean, with the sign that makes less better."""
    return float(np.mean(values)) * (-1 if goal == "AUROC" else 1)


def best_way(row: dict[str, list[float]], goal: str) -> str:
    """The way of summing a method's attributions up that is best on average."""
    return min((way for way in GOALS[goal] if way in row), key=lambda way: cost(row[way], goal))


def truth(seeds: Iterable[int] = REPORTED) -> dict[str, Any]:
    """AUROC of the planted positions, error of the MSA block's share: all methods on the same networks."""
    settled = json.loads((RESULTS / "sensitivity.json").read_text()).get("settle")
    if settled is None or set(settled["families"]) & set(seeds):
        raise RuntimeError("--only settle comes first, on families that are not reported on")
    table, facts = measurements(seeds)
    return {
        "families": list(seeds),
        "train": TRAIN,
        "judged": JUDGE,
        "networks": {
            name: [float(np.mean(v)), float(np.min(v)), float(np.max(v))] for name, v in facts.items()
        },
        "means": means(table),
        "AUROC with the answers": {
            m: interval(row["AUROC, with answers"])
            for m, row in table.items()
            if "AUROC, with answers" in row
        },
        **{goal: compared(table, settled[goal], goal) for goal in GOALS},
    }


def measurements(seeds: Iterable[int]) -> tuple[Table, dict[str, list[float]]]:
    """Method, measure, one value for each family; and facts about the networks."""
    table: Table = defaultdict(lambda: defaultdict(list))
    facts: dict[str, list[float]] = defaultdict(list)
    for seed in seeds:
        case = planted_case(seed)
        for name, value in case["facts"].items():
            facts[name].append(value)
        for method, A in attributions_of(case, seed).items():
            for measure, value in measured(A, case).items():
                table[method][measure].append(value)
        print(f"  family {seed}", flush=True)
    return table, facts


def means(table: Table) -> dict[str, dict[str, list[float]]]:
    return {method: {way: interval(v) for way, v in row.items()} for method, row in table.items()}


def compared(table: Table, settled: dict[str, Any], goal: str) -> dict[str, Any]:
    """Ours and every method of Captum's, best first, with paired differences."""
    values = {method: np.array(table[method][way]) for method, way in settled["ways"].items()}
    ours = values[settled["ours"]]
    peers = sorted((m for m in values if m.startswith("captum")), key=lambda m: cost(values[m], goal))
    return {
        "ours": settled["ours"],
        "value": interval(ours),
        "peers": {
            m: {"value": interval(values[m]), "ours minus it": interval(ours - values[m])} for m in peers
        },
    }


def planted_case(seed: int) -> dict:
    """Families, a network trained on them, standardised blocks, and the truth."""
    rng = np.random.default_rng(1000 + seed)
    n = TRAIN + CHOOSE + JUDGE
    share = float(rng.uniform(0.2, 0.8))
    families = se.simulate_families(n, rng=rng, msa_share=share)
    scaling = se.standardise({name: block[:TRAIN] for name, block in families.X.items()})
    scaling = scaling._replace(scale={**scaling.scale, "PS": np.ones_like(scaling.scale["PS"])})
    Z = se.scaled(families.X, scaling)
    fit, choose, judge = (
        {name: block[at] for name, block in Z.items()}
        for at in (slice(0, TRAIN), slice(TRAIN, TRAIN + CHOOSE), slice(TRAIN + CHOOSE, n))
    )
    L, q = families.planted.h.shape
    start = se.init_network(rng, {"PS": L * q, "MSA": 2 * L})
    y_fit, y_choose = families.y[:TRAIN], families.y[TRAIN : TRAIN + CHOOSE]
    run, forgetful = (
        se.train(start, fit, t, rng=rng, validation=(choose, u), batch=32, decay=1e-2)
        for t, u in ((y_fit, y_choose), (rng.permutation(y_fit), rng.permutation(y_choose)))
    )
    clean, y = families.clean[-JUDGE:], families.y[-JUDGE:]
    error = np.asarray(se.predict(run.params, judge)) - clean
    part = np.abs(families.contributions[-JUDGE:]).mean(axis=0)
    return {
        "params": run.params,
        "forgetful": forgetful.params,
        "fit": fit,
        "judge": judge,
        "y": y,
        "support": np.concatenate([families.support["PS"], families.support["MSA"]]),
        "share": part[1] / part.sum(),
        "facts": {"R2": float(1 - (error**2).mean() / clean.var()), "true MSA share": part[1] / part.sum()},
    }


def attributions_of(case: dict, seed: int) -> dict[str, Any]:
    """Per method: attributions (n, d), or (n, 2) where a method speaks of whole blocks; ours and Captum's."""
    f, X, fit = se.as_model(case["params"]), case["judge"], case["fit"]
    rows = np.random.default_rng(seed).choice(TRAIN, MANY, replace=False)
    few, many = ({name: block[rows[:m]] for name, block in fit.items()} for m in (FEW, MANY))
    G = se.gradients(f, X)
    comparable = {"PS": se.project_simplex(G["PS"]) * fit["PS"].std(axis=0), "MSA": G["MSA"]}
    ours = {
        "gradient": G,
        "gradient, made comparable": comparable,
        "integrated gradients": se.integrated_gradients(f, X, 0.0).attributions,
        f"expected gradients, {FEW}": se.expected_gradients(f, X, few, tol=1e-8).attributions,
        f"expected gradients, {MANY}": se.expected_gradients(f, X, many, nodes=8, tol=1e-6).attributions,
    }
    found = {f"mcbook {name}": side_by_side(A) for name, A in ours.items()}
    zero = {name: np.zeros((1, *block.shape[1:])) for name, block in X.items()}
    found["mcbook Shapley, blocks"] = se.shapley(f, X, zero).values
    found[f"mcbook Shapley, blocks, {TRAIN}"] = se.shapley(f, X, fit).values
    return found | captums(case, {FEW: few, MANY: many}, seed)


def captums(case: dict, baselines: dict[int, dict[str, np.ndarray]], seed: int) -> dict[str, np.ndarray]:
    """Captum's methods on the twin, which must answer as our network does."""
    import torch

    from benchmarks.attribution_sides import Twin, captum_methods, tensor

    torch.manual_seed(seed)
    X = case["judge"]
    twin = Twin(case["params"], "tanh", X)
    answers = twin(tensor(side_by_side(X))).detach().numpy()
    if np.abs(answers - np.asarray(se.predict(case["params"], X))).max() > 1e-12:
        raise RuntimeError("the torch twin is another network")
    sites, blocks = groups(case)
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Captum's about hooks
        sets = {f", {m}": side_by_side(B) for m, B in baselines.items()}
        peers = captum_methods(twin, side_by_side(X), sets, sites, blocks, 0.3)
        for name, call in peers.items():
            A = call()
            if name.endswith("sites"):
                A = A * first_of(sites)  # the site's value stands at each of its numbers
            found[f"captum {name}"] = A[:, first_of(blocks)] if name.endswith("blocks") else A
    return found


def first_of(groups: np.ndarray) -> np.ndarray:
    """True at the first number of each group."""
    mask = np.zeros(len(groups), dtype=bool)
    mask[np.unique(groups, return_index=True)[1]] = True
    return mask


def groups(case: dict) -> tuple[np.ndarray, np.ndarray]:
    """Of each of the d numbers: its site (PS sites first, then MSA sites), and its block."""
    L = len(case["support"]) // 2
    letters = case["judge"]["PS"].shape[2]
    sites = np.concatenate([np.repeat(np.arange(L), letters), L + np.repeat(np.arange(L), 2)])
    return sites, (sites >= L).astype(int)


def summed(A: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Sums over the features of each group, (n, groups)."""
    return A @ np.eye(labels.max() + 1)[labels]


def measured(A: np.ndarray, case: dict) -> dict[str, float]:
    """AUROC of sites and error of the share, each by the ways in which attributions are summed up."""
    sites, blocks = groups(case)
    block = A if A.shape[1] == 2 else summed(A, blocks)
    shares = {
        "share error, net": abs(share_of(np.abs(block).mean(axis=0)) - case["share"]),
        "share error, centred": abs(
            share_of(np.abs(block - block.mean(axis=0)).mean(axis=0)) - case["share"]
        ),
    }
    if block is A:
        return shares
    net = summed(A, sites)
    answers = case["y"] - case["y"].mean()
    return {
        "AUROC, net": auroc(case, np.abs(net).mean(axis=0)),
        "AUROC, absolute": auroc(case, summed(np.abs(A), sites).mean(axis=0)),
        "AUROC, spread": auroc(case, net.std(axis=0)),
        "AUROC, with answers": auroc(case, answers @ (net - net.mean(axis=0))),
        **shares,
        "share error, absolute": abs(share_of(summed(np.abs(A), blocks).mean(axis=0)) - case["share"]),
    }


def auroc(case: dict, score: np.ndarray) -> float:
    return float(roc_auc_score(case["support"], score))


def share_of(parts: np.ndarray) -> float:
    return float(parts[1] / parts.sum())


def interval(values: Any) -> list[float]:
    """Mean and the ends of its 95 % t interval over the seeds."""
    v = np.asarray(values, dtype=float)
    half = float(stats.t.ppf(0.975, len(v) - 1) * v.std(ddof=1) / np.sqrt(len(v)))
    return [float(v.mean()), float(v.mean()) - half, float(v.mean()) + half]


def side_by_side(X: dict[str, Any]) -> np.ndarray:
    """Blocks (n, ...) as one array (n, d), in the network's order."""
    return np.concatenate([np.reshape(block, (len(block), -1)) for block in X.values()], axis=1)


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sections = {"settle": settle, "truth": truth}
    parser.add_argument("--only", choices=sections)
    args = parser.parse_args()
    for name, section in sections.items():
        if args.only in (None, name):
            before = machine()
            record("sensitivity", name, section() | {"machine": before, "versions": versions(*PACKAGES)})


if __name__ == "__main__":
    main()
