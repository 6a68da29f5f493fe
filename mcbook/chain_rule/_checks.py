"""What the chapter's entry points refuse, and how they say it."""

from typing import Any

import numpy as np


def scalar(value: Any, name: str) -> Any:
    """One finite number, real or complex, or a ValueError."""
    number = np.asarray(value)
    if number.shape != () or number.dtype.kind not in "fciu" or not np.isfinite(number):
        raise ValueError(f"{name} expects one finite number, got shape {number.shape}: {value!r:.60}.")
    return number[()]


def widths(ds: Any) -> tuple[int, ...]:
    """The widths d₀, d₁, …, d_L of a chain of maps, or a ValueError."""
    found = tuple(ds)
    if len(found) < 3 or any(int(d) != d or d < 1 for d in found):
        raise ValueError(
            f"a chain expects three or more whole widths d₀, …, d_L ≥ 1, got {ds!r}; two are one Jacobian."
        )
    return tuple(int(d) for d in found)
