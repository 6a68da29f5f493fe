"""Compute `rooms.npz`: impulse responses of a shoebox room with two and three talkers.

Image-source method, fractional delays, no air absorption, by pyroomacoustics (needed here only):
    pip install numpy==2.4.6 scipy==1.17.1 pyroomacoustics==0.10.1
    python -m mcbook.data.make_rooms
Room 6 × 5 × 3 m, all walls alike, with the absorption at which the responses themselves decay by 60 dB in
the wanted time (Schroeder's curve from -5 to -25 dB, extrapolated): Sabine's formula is 30 % off at 0.15 s.
Talkers about 1.8 m from the microphones, which stand 10 cm apart in a line. The delay that all paths share
is cut off, and so is what follows RT60 after the first arrival (60 dB down). float32.
"""

from pathlib import Path
from typing import Any

import numpy as np

RATE_HZ = 16_000
ROOM_M = (6.0, 5.0, 3.0)
TALKERS_M = ((2.0, 3.5, 1.6), (4.0, 3.6, 1.5), (3.1, 3.9, 1.7))
MICROPHONES_M = {
    2: ((2.95, 2.0, 1.4), (3.05, 2.0, 1.4)),
    3: ((2.9, 2.0, 1.4), (3.0, 2.0, 1.4), (3.1, 2.0, 1.4)),
}
RT60_S = (0.15, 0.30)


def decay_time_s(rir: np.ndarray) -> float:
    """RT60 of (…, taps) at RATE_HZ: three times the seconds from -5 to -25 dB of the mean energy left."""
    left = np.cumsum((rir**2)[..., ::-1], axis=-1)[..., ::-1].reshape(-1, rir.shape[-1]).mean(axis=0)
    db = 10 * np.log10(left / left[0])
    start, end = (int(np.flatnonzero(db < level)[0]) for level in (-5, -25))
    return 3 * (end - start) / RATE_HZ


def fitting_absorption(d: int, rt60_s: float) -> float:
    """The walls' energy absorption that gives rt60_s, by bisection."""
    low, high = 0.05, 0.95
    for _ in range(10):
        middle = (low + high) / 2
        too_live = decay_time_s(impulse_responses(d, rt60_s, middle)) > rt60_s
        low, high = (middle, high) if too_live else (low, middle)
    return (low + high) / 2


def impulse_responses(d: int, rt60_s: float, absorption: float) -> np.ndarray:
    """(microphones d, talkers d, taps) at RATE_HZ."""
    import pyroomacoustics as pra

    order = int(343 * rt60_s / min(ROOM_M)) + 3
    room = pra.ShoeBox(list(ROOM_M), fs=RATE_HZ, materials=pra.Material(absorption), max_order=order)
    for talker in TALKERS_M[:d]:
        room.add_source(list(talker))
    room.add_microphone_array(np.array(MICROPHONES_M[d]).T)
    room.compute_rir()
    taps = max(len(h) for row in room.rir for h in row)
    rir = np.array([[np.pad(h, (0, taps - len(h))) for h in row] for row in room.rir])
    audible = np.flatnonzero(np.abs(rir).max(axis=(0, 1)) > 1e-3 * np.abs(rir).max())
    return rir[:, :, audible[0] : audible[0] + round(rt60_s * RATE_HZ)].astype(np.float32)


def main() -> None:
    """Write rooms.npz beside this file."""
    arrays: dict[str, Any] = {"rate_hz": RATE_HZ, "room_m": ROOM_M}
    for d in MICROPHONES_M:
        for rt in RT60_S:
            absorption = fitting_absorption(d, rt)
            rir = impulse_responses(d, rt, absorption)
            arrays[f"rir_{d}_{round(rt * 1000)}ms"] = rir
            print(f"{d} x {d}: absorption {absorption:.3f}, RT60 {decay_time_s(rir):.3f} s")
    path = Path(__file__).with_name("rooms.npz")
    np.savez_compressed(path, allow_pickle=False, **arrays)
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
