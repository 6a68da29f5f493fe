"""Unmixing two sources by hand: one angle, its likelihood, its gradient, and the sound of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import gcd
from typing import Any, NamedTuple

import anywidget
import numpy as np
import traitlets
from jaxtyping import Float

from mcbook.widgets.front import read_together

DEGREES = np.arange(181)  # one turn of the slider: half a circle, after which the signs flip and all repeats


class Sweep(NamedTuple):
    """What the slider walks along, at 0°, 1°, …, 180°.

    likelihood  ℓ(θ), the mean log-likelihood in nats per sample
    slope       dℓ/dθ per radian, from the gradient by the chain rule
    dependence  the correlation of y₁² and y₂²: zero where the two are independent
    """

    likelihood: Float[np.ndarray, " angles"]
    slope: Float[np.ndarray, " angles"]
    dependence: Float[np.ndarray, " angles"]


def rotation(theta: Any) -> Float[np.ndarray, "2 2"]:
    """W(θ) = [[cos θ, sin θ], [-sin θ, cos θ]], θ in radians; rows are the directions w₁, w₂; Y = Z Wᵀ."""
    c, s = np.cos(theta), np.sin(theta)
    return np.array([[c, s], [-s, c]])


def sweep(Z: Any, loss: Callable[[Any], Any], grad: Callable[[Any], Any]) -> Sweep:
    """The likelihood of W(θ) along the slider, its slope ⟨∇, dW/dθ⟩ and the dependence that is left.

    `loss(W)` is the mean negative log-likelihood and `grad(W) (2, 2)` its gradient, as in mcbook.unmixing.
    """
    rows = []
    for theta in np.deg2rad(DEGREES):
        W, dW = rotation(theta), rotation(theta + np.pi / 2)
        rows.append((-float(loss(W)), -float(np.vdot(np.asarray(grad(W)), dW)), dependence(Z @ W.T)))
    return Sweep(*np.array(rows).T)


def dependence(Y: Any) -> float:
    """corr(y₁², y₂²), Y (n, 2)."""
    return float(np.corrcoef(Y.T**2)[0, 1])


def checked_pair(Z: Any) -> np.ndarray:
    """Whitened, finite data `Z (n, 2)`, or a ValueError that names the remedy."""
    Z = np.asarray(Z, dtype=float)
    if Z.ndim != 2 or Z.shape[1] != 2 or len(Z) < 100:
        raise ValueError(
            f"UnmixByHand expects Z (n, 2) with 100 samples or more, got {Z.shape} (transpose?)."
        )
    if not np.isfinite(Z).all():
        raise ValueError("UnmixByHand expects finite Z, got NaN or infinity.")
    error = np.abs(Z.T @ Z / len(Z) - np.eye(2)).max()
    if error > 0.02:
        raise ValueError(
            f"UnmixByHand expects whitened Z (ZᵀZ/n = I), which is off by {error:.2g}; a rotation unmixes "
            "nothing else: whiten first."
        )
    return Z


def as_sound(Z: np.ndarray, rate_hz: int, target_hz: int, start_s: float, seconds: float) -> np.ndarray:
    """A piece of Z at no more than `target_hz`, whose channels keep their common scale."""
    from scipy.signal import resample_poly

    piece = Z[int(start_s * rate_hz) : int((start_s + seconds) * rate_hz)]
    if len(piece) < 100:
        raise ValueError(
            f"UnmixByHand expects sound from {start_s} s on, but Z ends at {len(Z) / rate_hz:.1f} s."
        )
    if rate_hz <= target_hz:
        return piece
    common = gcd(rate_hz, target_hz)
    return resample_poly(piece, target_hz // common, rate_hz // common, axis=0)


class UnmixByHand(anywidget.AnyWidget):
    """Turn θ and watch (and hear) two sources come apart; the best angle is where the likelihood peaks.

    Parameters
        Z        whitened recordings (n, 2)
        rate_hz  samples per second; what is heard is at most 8 kHz and `seconds` long, from `start_s` on
        loss     W -> mean negative log-likelihood of W given Z
        grad     W -> its gradient (2, 2): the tangent on the page is the chapter's own gradient
        theta    where the slider starts, in degrees (a whole number from 0 to 180)

    Raises ValueError for data that is not (n, 2), not finite, or not white.
    """

    _esm = read_together("draw.js", "unmix.js")
    _css = read_together("shared.css")
    theta = traitlets.Int(0, min=0, max=180).tag(sync=True)
    samples = traitlets.Bytes(b"").tag(sync=True)  # int16, interleaved z₁ z₂
    scale = traitlets.Float(1.0).tag(sync=True)  # z = samples * scale
    rate_hz = traitlets.Int(8000).tag(sync=True)
    likelihood = traitlets.List(traitlets.Float()).tag(sync=True)
    slope = traitlets.List(traitlets.Float()).tag(sync=True)
    dependence = traitlets.List(traitlets.Float()).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        Z: Any,
        rate_hz: int,
        *,
        loss: Callable[[Any], Any],
        grad: Callable[[Any], Any],
        theta: int = 0,
        seconds: int | float = 3.0,
        start_s: int | float = 0.0,
        names: Sequence[str] = ("y₁", "y₂"),
    ) -> None:
        Z = checked_pair(Z)
        curves = sweep(Z, loss, grad)
        sound = as_sound(Z, rate_hz, 8000, start_s, seconds)
        scale = float(np.abs(sound).max()) / 32767
        super().__init__(
            theta=theta,
            samples=np.round(sound / scale).astype("<i2").tobytes(),
            scale=scale,
            rate_hz=min(rate_hz, 8000),
            names=list(names),
            **{name: np.round(curve, 5).tolist() for name, curve in curves._asdict().items()},
        )

    def __repr__(self) -> str:
        best = DEGREES[np.argmax(self.likelihood[:90])]
        return (
            f"UnmixByHand: turn the angle θ from 0° to 180°; the likelihood peaks at {best}° and {best + 90}°"
        )
