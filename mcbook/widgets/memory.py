"""How far a gradient reaches back: its norm along time, as the recurrent matrix is scaled up and down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import numpy as np
import traitlets

from mcbook.widgets.front import read_together

FLOOR = 1e-30  # norms below this are drawn here


def checked_norms(radii: Any, norms: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Increasing radii (r,) and for each name positive norms (r, T + 1), or a ValueError."""
    radii = np.asarray(radii, dtype=float)
    if radii.ndim != 1 or len(radii) < 2 or not np.all(np.diff(radii) > 0) or not np.isfinite(radii).all():
        raise ValueError(f"GradientMemory expects two or more increasing radii, got {radii}.")
    if not 1 <= len(norms) <= 3:
        raise ValueError(f"GradientMemory expects norms of one to three networks, got {len(norms)}.")
    checked = {name: np.asarray(values, dtype=float) for name, values in norms.items()}
    shape = next(iter(checked.values())).shape
    for name, values in checked.items():
        if values.ndim != 2 or values.shape != shape or len(values) != len(radii) or shape[1] < 3:
            raise ValueError(
                f"GradientMemory expects norms (radii, T + 1) = ({len(radii)}, T + 1) for {name!r}, "
                f"got {values.shape}; one row a radius, one column a state h₀ … h_T (transpose?)."
            )
        if not np.isfinite(values).all() or not (values[:, -1] > 0).all() or (values < 0).any():
            raise ValueError(
                f"GradientMemory expects finite norms of {name!r}, with ‖h̄_T‖ > 0 in the last column."
            )
    return radii, checked


class GradientMemory(anywidget.AnyWidget):
    """Drag the spectral radius of W_h, and see what is left of the gradient at each earlier state.

    Parameters
        radii        the slider's stops (r,), increasing: the largest |eigenvalue| of W_h
        norms        network's name -> ‖h̄_t‖ (r, T + 1): a row a radius, a column a state h₀ … h_T
        eigenvalues  of the matrix W_h at radius 1, complex (h,); the page multiplies them by the radius
        radius       where the slider starts; the nearest stop is taken

    Norms are shown relative to the last, ‖h̄_T‖.
    Raises ValueError for radii that do not increase, for other shapes, NaN, infinity or ‖h̄_T‖ = 0, and for
    eigenvalues whose largest modulus is not 1.
    """

    _esm = read_together("draw.js", "memory.js")
    _css = read_together("shared.css", "splice.css")
    stop = traitlets.Int(0, min=0).tag(sync=True)
    radii = traitlets.List(traitlets.Float()).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    logs: Any = traitlets.List().tag(sync=True)  # for each network, for each radius, log₁₀ ‖h̄_t‖/‖h̄_T‖
    eigenvalues: Any = traitlets.List().tag(sync=True)  # [real, imaginary]

    def __init__(
        self, radii: Any, norms: Mapping[str, Any], *, eigenvalues: Any, radius: int | float = 1.0
    ) -> None:
        radii, checked = checked_norms(radii, norms)
        values = np.asarray(eigenvalues, dtype=complex)
        if values.ndim != 1 or not values.size or not abs(np.abs(values).max() - 1) < 1e-6:
            raise ValueError(
                "GradientMemory expects the eigenvalues (h,) of a matrix of spectral radius 1, got shape "
                f"{values.shape} and radius {np.abs(values).max() if values.size else 0:.4g}; rescale it."
            )
        relative = [np.log10(np.maximum(N / N[:, -1:], FLOOR)) for N in checked.values()]
        super().__init__(
            stop=int(np.argmin(np.abs(radii - radius))),
            radii=radii.tolist(),
            names=list(checked),
            logs=[np.round(N, 3).tolist() for N in relative],
            eigenvalues=np.round(np.column_stack([values.real, values.imag]), 4).tolist(),
        )

    def __repr__(self) -> str:
        steps, least, most = len(self.logs[0][0]) - 1, self.radii[0], self.radii[-1]
        return (
            f"GradientMemory: the gradient of {' and '.join(self.names)} over {steps} steps, "
            f"for a spectral radius from {least:g} to {most:g}"
        )
