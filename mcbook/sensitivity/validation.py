"""Predictions for what was held out: whole groups at a time, every choice made on other groups.

Problem    mutants of one position resemble each other: split by mutants, the network looks its answers up
Folds      the groups (positions, clades) are dealt into k folds; for each, the next fold is for stopping and
           choosing among the settings, the rest for training. Features are scaled by the training samples.
Result     for every sample the prediction of a network that has seen nothing of its group
Symbols    X blocks (n, ...); y (n,); groups (n,) labels; k folds
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mcbook.sensitivity import _checks, features, network, training

SETTINGS: tuple[dict[str, Any], ...] = (
    {"hidden": (32, 16), "rate": 1e-3, "decay": 0.03},
    {"hidden": (16, 8), "rate": 1e-3, "decay": 0.3},
    {"hidden": (64, 16), "rate": 3e-4, "decay": 1.0},
)


class HeldOut(NamedTuple):
    """Predictions (n,) in y's units, the fold of each sample; per fold the network, its scaling and setting.

    `networks[k]` predicts (y - mean) / sd of its training samples, `centres[k]` = (mean, sd), from features
    scaled by `scalings[k]`.
    """

    predictions: Float[np.ndarray, " n"]
    folds: Int[np.ndarray, " n"]
    networks: tuple[network.Network, ...]
    scalings: tuple[features.Scaling, ...]
    centres: tuple[tuple[float, float], ...]
    settings: tuple[int, ...]


def group_folds(groups: Any, folds: int, *, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
    """A fold 0..folds-1 for every sample, whole groups dealt at random.

    Raises ValueError for fewer groups than folds, and for fewer than 3 folds.
    """
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    if not 3 <= folds <= len(names):
        raise ValueError(
            f"group_folds needs 3 folds or more (train, choose, judge) and a group for each; got {folds} "
            f"folds and {len(names)} groups."
        )
    return rng.permutation(np.arange(len(names)) % folds)[index]


def cross_validate(
    X: Any,
    y: Any,
    groups: Any,
    *,
    rng: np.random.Generator,
    folds: int = 5,
    activation: str = "tanh",
    epochs: int = 40,
    batch: int = 128,
    settings: Sequence[dict[str, Any]] = SETTINGS,
) -> HeldOut:
    """Predict every sample from networks trained on other groups.

    Parameters
    ----------
    settings : of `hidden`, `rate` and `decay`; each is trained, the one with the least loss on the fold for
        choosing is kept.

    Raises
    ------
    ValueError : as `group_folds` and `train`; blocks and answers of different length.
    """
    n = len(_checks.rows(X).Z)
    y = network._targets(y, n)
    fold = group_folds(groups, folds, rng=rng)
    predictions, kept = np.zeros(n), []
    for k in range(folds):
        judge, choose = fold == k, fold == (k + 1) % folds
        fit = ~judge & ~choose
        scaling = features.standardise(_at(X, fit))
        centre = float(y[fit].mean()), float(y[fit].std()) or 1.0
        Z, t = features.scaled(X, scaling), (y - centre[0]) / centre[1]
        runs = [
            training.train(
                network.init_network(rng, _widths(Z), hidden=setting["hidden"]),
                _at(Z, fit),
                t[fit],
                rng=rng,
                validation=(_at(Z, choose), t[choose]),
                activation=activation,
                epochs=epochs,
                batch=batch,
                rate=setting["rate"],
                decay=setting["decay"],
            )
            for setting in settings
        ]
        best = int(np.argmin([run.val_losses.min() for run in runs]))
        answer = np.asarray(network.predict(runs[best].params, _at(Z, judge), activation=activation))
        predictions[judge] = centre[0] + centre[1] * answer
        kept.append((runs[best].params, scaling, centre, best))
    return HeldOut(predictions, fold, *zip(*kept, strict=True))


def _at(X: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
    return {name: block[rows] for name, block in X.items()}


def _widths(X: dict[str, Any]) -> dict[str, int]:
    return {name: int(np.prod(block.shape[1:])) for name, block in X.items()}
