"""Splice junctions: our network beside support vectors, logistic regression, a forest and naive Bayes.

python -m benchmarks.splice_accuracy                     all of it, into results/splice.json
python -m benchmarks.splice_accuracy --only accuracy     one of accuracy, leak, simulated

accuracy   the UCI set, ten folds by class and by sequence, three seeds. In each fold a tenth of the training
           part is set aside; on it the network chooses among three settings and its epoch, the SVM among nine
           settings; the SVM is then fitted again with the validation rows, the network is not. "x3" averages
           three: the three networks, and the three best SVMs.
leak       the same with folds that ignore copies, settings fixed; and what is amiss in the labels
simulated  windows whose law is known: everybody beside Bayes' rule
"""

import argparse
import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import jax
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from benchmarks.common import machine, record, versions
from mcbook import data
from mcbook.splice import evaluate, initial, motifs, sequences, simulate, training

PACKAGES = ("numpy", "jax", "optax", "scikit-learn")
NETWORKS = ((0, 0.2), (3, 0.2), (6, 0.2))  # letters read beyond the junction, share of letters replaced by N
SVMS = tuple((gamma, C) for gamma in (0.02, 0.05, 0.1) for C in (0.1, 0.3, 1.0))
HIDDEN, EPOCHS = 32, 40


def uci() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows (n, 60, 4), classes, and one group per distinct sequence."""
    J = data.splice_junctions()
    y = np.array([simulate.CLASSES.index(label) for label in J.labels])
    return sequences.encode_windows(J.sequences, length=60), y, evaluate.groups_of(J.sequences)


# Sides: scores (n, k) of the test windows


def fit_network(X, y, fold: evaluate.Fold, setting, seed) -> training.Training:
    reach, unknown = setting
    rng = np.random.default_rng(seed)
    params = initial.init_two_way(rng, hidden=HIDDEN)
    params = jax.tree.map(np.float32, params._replace(V=0.1 * params.V))
    held = X[fold.validation], y[fold.validation]
    return training.train(
        params,
        X[fold.train],
        y[fold.train],
        validation=held,
        rng=rng,
        epochs=EPOCHS,
        unknown=unknown,
        reach=reach,
    )


def network_side(X, y, fold, seed, settings=NETWORKS) -> dict[str, Any]:
    """The network chosen on validation, the mean of all, and each."""
    fits = [fit_network(X, y, fold, setting, seed + k) for k, setting in enumerate(settings)]
    p = [
        training.predict(fit.params, X[fold.test], reach=s[0]) for fit, s in zip(fits, settings, strict=True)
    ]
    chosen = int(np.argmin([fit.val_losses.min() for fit in fits]))
    each = {f"reach {s[0]}": p[k] for k, s in enumerate(settings)}
    return {"network": p[chosen], "network x3": np.mean(p, axis=0), **each}


def svm(setting) -> SVC:
    return SVC(kernel="poly", degree=3, coef0=1, gamma=setting[0], C=setting[1])


def best_first(make, settings, F, y, fold) -> list:
    """Settings by accuracy on the validation rows, after a fit to the training rows."""
    right = [
        (make(s).fit(F[fold.train], y[fold.train]).predict(F[fold.validation]) == y[fold.validation]).mean()
        for s in settings
    ]
    return [settings[k] for k in np.argsort(-np.array(right), kind="stable")]


def svm_side(F, y, fold) -> dict[str, Any]:
    """The SVM chosen on validation, the mean of the three best, and today's figure's setting."""
    rows = np.concatenate([fold.train, fold.validation])
    order = best_first(svm, SVMS, F, y, fold)
    scores = [svm(s).fit(F[rows], y[rows]).decision_function(F[fold.test]) for s in (*order[:3], (0.02, 1.0))]
    return {"svm": scores[0], "svm x3": np.mean(scores[:3], axis=0), "svm fixed": scores[3]}


def other_sides(F, y, fold) -> dict[str, Any]:
    rows = np.concatenate([fold.train, fold.validation])
    logistic = partial(LogisticRegression, max_iter=2000)
    (C, *_) = best_first(lambda C: logistic(C=C), (0.03, 0.1, 0.3, 1.0), F, y, fold)
    models = {
        "logistic": logistic(C=C),
        "forest": RandomForestClassifier(500, max_features=40, random_state=0),
        "naive Bayes": BernoulliNB(binarize=0.3),
    }
    return {k: m.fit(F[rows], y[rows]).predict_proba(F[fold.test]) for k, m in models.items()}


# Sections


def accuracy_fold(task: tuple[int, int]) -> dict[str, np.ndarray]:
    """One fold of one seed: its test rows, and everybody's scores there."""
    seed, f = task
    X, y, groups = uci()
    fold, F = evaluate.grouped_folds(y, groups, seed=seed)[f], X.reshape(len(X), -1)
    found = network_side(X, y, fold, 1000 * seed + 10 * f) | svm_side(F, y, fold) | other_sides(F, y, fold)
    print(seed, f, {k: round(evaluate.accuracy(y[fold.test], p), 4) for k, p in found.items()}, flush=True)
    return {"rows": fold.test, **found}


def accuracy(seeds: int, workers: int) -> dict:
    """Ten folds by sequence, repeated: accuracies, errors by class, precision and recall, and two tests."""
    tasks = [(seed, f) for seed in range(1, seeds + 1) for f in range(10)]
    results = parallel(accuracy_fold, tasks, workers)
    y = uci()[1]
    names = [k for k in results[0] if k != "rows"]
    acc = {
        k: np.array([evaluate.accuracy(y[r["rows"]], r[k]) for r in results]).reshape(seeds, 10)
        for k in names
    }
    pooled = {k: [gather(results[10 * s : 10 * s + 10], k, len(y)) for s in range(seeds)] for k in names}
    return {
        "rows": len(y),
        "majority": float(np.bincount(y).max() / len(y)),
        "mean": {k: float(a.mean()) for k, a in acc.items()},
        "by_seed": {k: a.mean(axis=1).tolist() for k, a in acc.items()},
        "by_fold": {k: a.tolist() for k, a in acc.items()},
        "class_errors": {
            k: dict(
                zip(
                    simulate.CLASSES,
                    np.mean([evaluate.class_errors(y, p) for p in ps], axis=0).tolist(),
                    strict=True,
                )
            )
            for k, ps in pooled.items()
        },
        "average_precision": {
            k: dict(
                zip(
                    simulate.CLASSES,
                    [
                        float(np.mean([evaluate.precision_recall(y, p, c).average for p in ps]))
                        for c in range(3)
                    ],
                    strict=True,
                )
            )
            for k, ps in pooled.items()
        },
        "curves": {k: curves(y, pooled[k][0]) for k in ("network x3", "svm x3")},
        "tests": {f"{a} - {b}": compare(y, acc, pooled, a, b) for a, b in PAIRS},
    }


PAIRS = (("network", "svm"), ("network x3", "svm x3"), ("network", "svm fixed"), ("network", "logistic"))


def compare(y, acc, pooled, a: str, b: str) -> dict:
    """Corrected t on the differences of the folds; McNemar for each seed."""
    t = evaluate.corrected_t(acc[a] - acc[b], test_share=1 / 9)
    pairs = zip(pooled[a], pooled[b], strict=True)
    tests = [evaluate.mcnemar(p.argmax(1) == y, q.argmax(1) == y) for p, q in pairs]
    return {"corrected_t": t._asdict(), "mcnemar": [m._asdict() for m in tests]}


def curves(y, p, points: int = 60) -> dict:
    """Precision at evenly spaced recalls, for EI and IE."""
    grid = np.linspace(0, 1, points)
    found: dict[str, Any] = {"recall": grid.tolist()}
    for c in (0, 1):
        curve = evaluate.precision_recall(y, p, c)
        found[simulate.CLASSES[c]] = [float(curve.precision[curve.recall >= r].max()) for r in grid]
    return found


def gather(results, name: str, n: int) -> np.ndarray:
    """The scores of ten folds as one (n, 3)."""
    p = np.full((n, 3), np.nan)
    for r in results:
        p[r["rows"]] = r[name]
    return p


def leak_fold(task: tuple[int, int]) -> dict[str, Any]:
    """One fold that ignores copies: who is right, and which test rows have a copy in the training part."""
    seed, f = task
    X, y, groups = uci()
    folds = {
        "ignored": evaluate.grouped_folds(y, np.arange(len(y)), seed=seed)[f],
        "kept together": evaluate.grouped_folds(y, groups, seed=seed)[f],
    }
    F, found = X.reshape(len(X), -1), {}
    for name, fold in folds.items():
        rows = np.concatenate([fold.train, fold.validation])
        scores = {
            "svm": svm((0.05, 1.0)).fit(F[rows], y[rows]).predict(F[fold.test]),
            "nearest": KNeighborsClassifier(1).fit(F[rows], y[rows]).predict(F[fold.test]),
        }
        fit = fit_network(X, y, fold, (3, 0.2), 1000 * seed + f)
        scores["network"] = training.predict(fit.params, X[fold.test], reach=3).argmax(1)
        copied = np.isin(groups[fold.test], groups[rows])
        found[name] = {"copied": copied} | {k: p == y[fold.test] for k, p in scores.items()}
    return found


def leak(seeds: int, workers: int) -> dict:
    """Accuracy when copies fall on both sides of the split, and when not; what is amiss in the labels."""
    results = parallel(leak_fold, [(seed, f) for seed in range(1, seeds + 1) for f in range(10)], workers)
    found: dict[str, Any] = {"labels": oddities()}
    for name in ("kept together", "ignored"):
        right = {k: np.concatenate([r[name][k] for r in results]) for k in results[0][name]}
        copied = right.pop("copied")
        found[name] = {
            "copied_share": float(copied.mean()),
            "accuracy": {k: float(v.mean()) for k, v in right.items()},
            "accuracy_on_copied": {k: float(v[copied].mean()) for k, v in right.items()}
            if copied.any()
            else {},
            "accuracy_on_others": {k: float(v[~copied].mean()) for k, v in right.items()},
        }
    return found


def oddities() -> dict[str, Any]:
    """Copies, contradictions, almost-copies, letters that nobody knows; and how right one can be at best."""
    J = data.splice_junctions()
    labels: dict[str, set] = {}
    for sequence, label in zip(J.sequences, J.labels, strict=True):
        labels.setdefault(sequence, set()).add(label)
    contradicted = [s for s, found in labels.items() if len(found) > 1]
    codes = np.array([list(s.encode()) for s in labels])
    near = [int(((codes[i + 1 :] != codes[i]).sum(1) <= 6).sum()) for i in range(len(codes))]
    sites = [s for s, label in zip(J.sequences, J.labels, strict=True) if label != "N"]
    shifted = {s[1:] for s in sites}, {s[:-1] for s in sites}
    others = [s for s, label in zip(J.sequences, J.labels, strict=True) if label == "N"]
    unknown = np.array([sum(c not in "ACGT" for c in s) for s in J.sequences])
    return {
        "distinct": len(labels),
        "contradicted": len(contradicted),
        "pairs_of_distinct_within_6_letters": sum(near),
        "neither_but_one_letter_from_a_site": sum(
            s[:-1] in shifted[0] or s[1:] in shifted[1] for s in others
        ),
        "rows_with_ambiguity": int((unknown > 0).sum()),
        "most_ambiguous_letters": int(unknown.max()),
        "most_that_can_be_right": 1 - len(contradicted) / len(J.sequences),
    }


def simulated_run(seed: int) -> dict[str, float]:
    """3000 windows to learn from, 20 000 to judge by."""
    rng = np.random.default_rng(seed)
    W, Z = simulate.simulate_windows(3000, rng=rng), simulate.simulate_windows(20_000, rng=rng)
    rows = rng.permutation(len(W.y))
    fold = evaluate.Fold(rows[300:], rows[:300], 3000 + np.arange(len(Z.y)))
    X, y = np.concatenate([W.X, Z.X]), np.concatenate([W.y, Z.y])
    F = X.reshape(len(X), -1)
    found = network_side(X, y, fold, seed) | svm_side(F, y, fold)
    f = np.stack([motifs.letter_frequencies(W.X[W.y == c], pseudocount=1.0) for c in range(3)])
    found["position weights"] = np.log(np.bincount(W.y) / len(W.y)) + np.einsum("nta,kta->nk", Z.X, np.log(f))
    found["Bayes"] = simulate.bayes_scores(Z.X)
    return {k: evaluate.accuracy(Z.y, np.asarray(p)) for k, p in found.items()}


def simulated(seeds: int, workers: int) -> dict:
    """Accuracy by seed, and the ceiling."""
    runs = parallel(simulated_run, list(range(1, seeds + 1)), workers)
    names = list(runs[0])
    return {
        "by_seed": {k: [run[k] for run in runs] for k in names},
        "mean": {k: float(np.mean([run[k] for run in runs])) for k in names},
        "below_Bayes": {k: float(np.mean([run["Bayes"] - run[k] for run in runs])) for k in names},
    }


def parallel(work, tasks: list, workers: int) -> list:
    """work(task) for all tasks, in processes of one thread each."""
    if workers == 1:
        return [work(task) for task in tasks]
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(work, tasks))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("accuracy", "leak", "simulated"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    for section in (accuracy, leak, simulated):
        if args.only in (None, section.__name__):
            result = section(args.seeds, args.workers)
            about = {"seeds": args.seeds, "machine": machine(), "versions": versions(*PACKAGES)}
            about["command"] = f"python -m benchmarks.splice_accuracy --only {section.__name__}"
            record("splice", section.__name__, result | about)


if __name__ == "__main__":
    main()
