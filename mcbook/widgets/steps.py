"""Samplers side by side: where a few steps land, beside where the flow leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets

from mcbook.widgets.front import read_together

UNIT = 4000  # steps of the stored coordinates for each unit: ±8 fits 16 bits


class StepsAndMisses(anywidget.AnyWidget):
    """Choose a sampler and a number of steps; see where particles land and by how much they miss.

    Parameters
        runs       name -> for each number of steps, (evaluations, endpoints (n, 2)); one to five samplers
        steps      the numbers of steps (m,), increasing, the same for all samplers
        reference  where the flow leads (n, 2), from very many steps

    `errors` holds the median distance of endpoints and reference for each sampler and number of steps.
    Raises ValueError for wrong shapes, NaN, or endpoints beyond ±8.
    """

    _esm = read_together("draw.js", "knobs.js", "steps.js")
    _css = read_together("shared.css", "knobs.css", "diffusion.css")
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    steps: Any = traitlets.List(traitlets.Int()).tag(sync=True)
    evaluations: Any = traitlets.List().tag(sync=True)  # for each sampler, for each number of steps
    errors: Any = traitlets.List().tag(sync=True)
    ends = traitlets.Bytes(b"").tag(
        sync=True
    )  # int16: the reference, then for each sampler and number of steps
    unit = traitlets.Int(UNIT).tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        runs: Mapping[str, Sequence[tuple[int, Any]]],
        *,
        steps: Sequence[int],
        reference: Any,
        chosen: int = 0,
    ) -> None:
        aim, counts = np.asarray(reference, dtype=float), [int(n) for n in steps]
        if aim.ndim != 2 or aim.shape[1] != 2 or not 1 <= len(runs) <= 5:
            raise ValueError(
                f"StepsAndMisses expects a reference (n, 2) and one to five samplers, got {aim.shape} and "
                f"{len(runs)}."
            )
        if len(counts) < 2 or (np.diff(counts) <= 0).any() or not 0 <= chosen < len(counts):
            raise ValueError(
                f"StepsAndMisses expects two or more numbers of steps, increasing, got {counts}."
            )
        for name, run in runs.items():
            shapes = {np.shape(X) for _, X in run}
            if len(run) != len(counts) or shapes != {aim.shape}:
                raise ValueError(
                    f"StepsAndMisses expects {len(counts)} endpoints {aim.shape} of {name!r}, got {len(run)} "
                    f"of shapes {shapes}."
                )
        ends = np.array([[X for _, X in run] for run in runs.values()], dtype=float)
        if not (np.abs(ends) <= 8).all() or not (np.abs(aim) <= 8).all():  # NaN is not either
            raise ValueError("StepsAndMisses draws endpoints within ±8; some are beyond, or NaN.")
        missed = np.median(np.linalg.norm(ends - aim, axis=-1), axis=-1)
        super().__init__(
            names=list(runs),
            steps=counts,
            evaluations=[[int(n) for n, _ in run] for run in runs.values()],
            errors=[[float(f"{v:.3g}") for v in row] for row in missed],
            ends=np.round(np.concatenate([aim.ravel(), ends.ravel()]) * UNIT).astype("<i2").tobytes(),
            chosen=chosen,
        )

    def __repr__(self) -> str:
        return f"StepsAndMisses: {', '.join(self.names)}; {self.steps[0]} to {self.steps[-1]} steps"
