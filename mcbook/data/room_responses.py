"""Impulse responses of a simulated room, embedded: computed by `make_rooms.py`, ours to give away."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.data.make_rooms import MICROPHONES_M, ROOM_M, TALKERS_M
from mcbook.data.store import load_npz


class Room(NamedTuple):
    """What microphone i hears of a click of source j: `rir[i, j]`, sampled at `rate_hz`."""

    rir: Float[np.ndarray, "mics sources taps"]
    rate_hz: int
    rt60_s: float  # time until the echo is 60 dB down
    size_m: tuple[float, float, float]
    sources_m: tuple[tuple[float, float, float], ...]
    microphones_m: tuple[tuple[float, float, float], ...]


def rooms() -> dict[str, Room]:
    """The embedded rooms by name: "2x2-150ms", "2x2-300ms", "3x3-150ms", "3x3-300ms".

    2x2: two talkers and two microphones; 150ms: the reverberation time. 16 kHz, float32 widened to float64.
    Raises DataMissing if the installation lacks them. Source: our own (`mcbook.data.make_rooms`), CC BY 4.0.
    """
    found = {}
    arrays = load_npz("rooms.npz")
    for key in (k for k in arrays if k.startswith("rir_")):
        _, d, ms = key.split("_")
        rt60_s = int(ms.removesuffix("ms")) / 1000
        place = (ROOM_M, TALKERS_M[: int(d)], MICROPHONES_M[int(d)])
        found[f"{d}x{d}-{ms}"] = Room(arrays[key].astype(float), int(arrays["rate_hz"]), rt60_s, *place)
    return found


def images_in_room(
    rir: Float[np.ndarray, "mics sources taps"], sources: Any
) -> Float[np.ndarray, "n mics k"]:
    """Each source alone as each microphone hears it; their sum over k is the recording.

    sources (n, k) at the room's rate, cut to n samples. Raises ValueError if k is not the room's number.
    """
    sources = np.asarray(sources, dtype=float)
    if sources.ndim != 2 or sources.shape[1] != rir.shape[1]:
        raise ValueError(
            f"images_in_room expects sources (n, {rir.shape[1]}) for this room, got {sources.shape}; "
            "rows are samples."
        )
    from scipy.signal import fftconvolve

    images = fftconvolve(sources.T[None], rir, axes=-1)[..., : len(sources)]
    return images.transpose(2, 0, 1)
