"""The room of the unmixing chapter beside its peers, on real voices.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.unmixing_room
(needs the extra "bench" and the data set speech; one thread, so that times mean something)

Instantaneous ICA (scikit-learn's FastICA on the samples), our AuxIVA and natural gradient, pyroomacoustics'
AuxIVA and ILRMA on the *same* STFT; scores by our BSS-Eval (512 taps) and, to check it, by mir_eval's.
The reference of a source is its image at microphone 0. Times are interleaved and quoted as ratios.
Writes results/unmixing_room.json.
"""

import json
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mcbook import data
from mcbook.data import Room, images_in_room, rooms
from mcbook.unmixing.convolutive import aux_iva, istft, natural_gradient_iva, project_back, stft
from mcbook.unmixing.separation import sdr_sir

SECONDS, WINDOW, STEPS, NATURAL_STEPS, REPEATS, ILRMA_SEEDS = 10, 4096, 50, 200, 5, 3
HOP = {2: 2048, 3: 1024}  # three talkers need more frames: at 2048 nobody separates them in 10 s
TAPS = 512
VOICES = ("1688-142285-0000", "1998-15444-0000", "367-130732-0002")
CASTS: dict[int, list[tuple[int, ...]]] = {2: [(0, 1), (0, 2), (1, 2)], 3: [(0, 1, 2)]}


def voices(rate_hz: int) -> np.ndarray:
    """(n, 3): the first seconds of three LibriSpeech clips, each of unit variance."""
    speech = data.speech()
    assert speech.rate_hz == rate_hz
    S = speech.signals[: SECONDS * rate_hz]
    return S / S.std(axis=0)


def ours(X: np.ndarray) -> np.ndarray:
    """AuxIVA, as the peer returns it: the spectra, projected back on microphone 0."""
    return unmixed(aux_iva(X, steps=STEPS).W, X)


def natural(X: np.ndarray) -> np.ndarray:
    """Natural-gradient IVA."""
    return unmixed(natural_gradient_iva(X, steps=NATURAL_STEPS).W, X)


def unmixed(W: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Apply W in each frequency and project back."""
    return project_back((W @ X.transpose(1, 2, 0)).transpose(2, 0, 1), X[:, :, 0])


def peer(X: np.ndarray) -> np.ndarray:
    """The reference implementation of AuxIVA."""
    import pyroomacoustics as pra

    return pra.bss.auxiva(X, n_iter=STEPS, proj_back=True)


def ilrma(seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Low-rank source models (NMF) in place of the spherical one; starts at random."""
    import pyroomacoustics as pra

    def run(X: np.ndarray) -> np.ndarray:
        np.random.seed(seed)  # noqa: NPY002 - the peer draws from the global generator
        return pra.bss.ilrma(X, n_iter=STEPS, n_components=2, proj_back=True)

    return run


def instantaneous(x: np.ndarray) -> np.ndarray:
    """ICA that knows no echo."""
    from sklearn.decomposition import FastICA

    return FastICA(whiten="unit-variance", random_state=0, max_iter=1000).fit_transform(x)


def signals(x: np.ndarray, X: np.ndarray, hop: int) -> Iterator[tuple[str, np.ndarray]]:
    """Every method's estimates (n, k)."""
    yield "no separation", x
    yield "instantaneous FastICA", instantaneous(x)
    runs: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "AuxIVA (ours)": ours,
        "natural gradient (ours)": natural,
        "AuxIVA (pyroomacoustics)": peer,
    }
    for seed in range(ILRMA_SEEDS):
        runs[f"ILRMA (pyroomacoustics), seed {seed}"] = ilrma(seed)
    for name, run in runs.items():
        yield name, istft(run(X), len(x), window=WINDOW, hop=hop)


def score(truth: np.ndarray, estimate: np.ndarray) -> dict[str, Any]:
    """SDR and SIR of each talker."""
    found = sdr_sir(truth, estimate, filter_taps=TAPS)
    return {"sdr_db": found.sdr_db.round(6).tolist(), "sir_db": found.sir_db.round(6).tolist()}


def mir_eval_gap_db(truth: np.ndarray, estimate: np.ndarray) -> float:
    """The largest difference of SDR, SIR or SAR between our scores and mir_eval's."""
    import mir_eval

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces that its separation module will move
        theirs = mir_eval.separation.bss_eval_sources(truth.T, estimate.T)
    found = sdr_sir(truth, estimate, filter_taps=TAPS)
    return max(float(np.abs(a - b).max()) for a, b in zip(found[:3], theirs[:3], strict=True))


def race(runs: dict[str, Callable[[], Any]], repeats: int) -> dict[str, Any]:
    """Medians and quartiles of the seconds, taken in turns; ratios within each turn to the last one named."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if turn:  # the first turn warms up
                seconds[name].append(time.perf_counter() - start)
    last = np.array(seconds[list(runs)[-1]])
    return {
        name: {
            "seconds_median": round(float(np.median(s)), 4),
            "ratio_quartiles": np.percentile(np.array(s) / last, [25, 50, 75]).round(3).tolist(),
        }
        for name, s in seconds.items()
    }


def one_room(room: Room, S: np.ndarray) -> dict[str, Any]:
    """All casts of talkers in one room."""
    d = room.rir.shape[0]
    hop, casts = HOP[d], []
    for cast in CASTS[d]:
        images = images_in_room(room.rir, S[:, list(cast)])
        x, truth = images.sum(axis=2), images[:, 0]
        X = stft(x, window=WINDOW, hop=hop)
        scores = {name: score(truth, y) for name, y in signals(x, X, hop)}
        found = ours(X)
        gap = mir_eval_gap_db(truth, istft(found, len(x), window=WINDOW, hop=hop))
        names = [VOICES[i] for i in cast]
        casts.append({"voices": names, "frames": len(X), "scores": scores, "mir_eval_gap_db": gap})
    return {
        "hop": hop,
        "casts": casts,
        "summary": summary(casts),
        "largest_difference_from_peer": float(np.abs(found - peer(X)).max() / np.abs(found).max()),
        "times": race(
            {"ours": lambda: ours(X), "natural": lambda: natural(X), "peer": lambda: peer(X)}, REPEATS
        ),
    }


def summary(casts: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over talkers and casts, in dB, and the largest difference of SDR between the two AuxIVA."""
    names = list(casts[0]["scores"])
    means = {n: {q: mean_of(casts, n, q) for q in ("sdr_db", "sir_db")} for n in names}
    a, b = ([c["scores"][f"AuxIVA ({who})"]["sdr_db"] for c in casts] for who in ("ours", "pyroomacoustics"))
    return {
        "means": means,
        "sdr_gap_to_reference_db": float(np.abs(np.subtract(a, b)).max()),
        "mir_eval_gap_db": max(c["mir_eval_gap_db"] for c in casts),
    }


def mean_of(casts: list[dict[str, Any]], name: str, quantity: str) -> float:
    """One method's mean over casts and talkers."""
    return round(float(np.mean([c["scores"][name][quantity] for c in casts])), 2)


def conditions() -> dict[str, Any]:
    """What the numbers depend on."""
    packages = ("numpy", "scipy", "scikit-learn", "pyroomacoustics", "mir_eval", "soundfile")
    return {
        "command": "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.unmixing_room",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "load_average": [round(v, 1) for v in os.getloadavg()],
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in packages},
        "settings": {
            "seconds": SECONDS,
            "window": WINDOW,
            "steps": STEPS,
            "natural_gradient_steps": NATURAL_STEPS,
            "bss_eval_filter_taps": TAPS,
            "repeats": REPEATS,
            "fastica_seed": 0,
            "ilrma": {"n_components": 2, "seeds": list(range(ILRMA_SEEDS))},
        },
        "reference": "each source's image at microphone 0; order of estimates by greatest mean SIR",
    }


def main() -> None:
    """Run everything, print the means, write the JSON."""
    import mir_eval

    result: dict[str, Any] = {"conditions": conditions(), "rooms": {}}
    for name, room in rooms().items():
        S = voices(room.rate_hz)
        result["rooms"][name] = found = one_room(room, S)
        print(name, f"(hop {found['hop']})")
        for method, mean in found["summary"]["means"].items():
            print(f"  {method:38s} SDR {mean['sdr_db']:6.2f}  SIR {mean['sir_db']:6.2f} dB")
        print("  SDR from reference AuxIVA:", found["summary"]["sdr_gap_to_reference_db"], "dB")
        print("  times:", found["times"], flush=True)
    images = images_in_room(room.rir, S)
    truth, x = images[:, 0], images.sum(axis=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result["scoring_times_3_sources"] = race(
            {
                "sdr_sir": lambda: sdr_sir(truth, x, filter_taps=TAPS),
                "mir_eval": lambda: mir_eval.separation.bss_eval_sources(truth.T, x.T),
            },
            2,
        )
    print("scoring:", result["scoring_times_3_sources"])
    path = Path(__file__).with_name("results") / "unmixing_room.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
