"""Loaders of recordings: several signals, sampled together, as one array with a channel per column."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from mcbook.data.catalogue import VOICES
from mcbook.data.store import embedded, need, paths


class Recording(NamedTuple):
    """Signals sampled together: rows are samples, columns are channels."""

    signals: Float[np.ndarray, "n d"]
    rate_hz: float
    names: tuple[str, ...]
    units: str


def voices() -> Recording:
    """Three synthesised speech-like voices, which ship with mcbook.

    Returns
    -------
    signals (n, 3) in [-1, 1] (1 is full scale), n = 88 000; rate_hz 16 000; names "low", "middle", "high".

    Raises
    ------
    ImportError : soundfile is not installed.
    DataMissing : the installation lacks the clips.

    Source: our own; `python -m mcbook.data.make_voices` makes them. CC BY 4.0.
    """
    streams = [embedded(name).open("rb") for name in VOICES.packaged]
    try:
        signals, rate_hz = _read_sounds(streams)
    finally:
        for stream in streams:
            stream.close()
    names = tuple(name.removeprefix("voices/").removesuffix(".flac") for name in VOICES.packaged)
    return Recording(signals, rate_hz, names, "full scale = 1")


def speech(*, fetch: bool = True) -> Recording:
    """Three people reading aloud, cut to the length of the shortest.

    Parameters
    ----------
    fetch : download the files if they are neither in MCBOOK_DATA nor in the cache.

    Returns
    -------
    signals (n, 3) in [-1, 1] (1 is full scale; loudness as recorded), n = 180 480; rate_hz 16 000;
    names "speaker 1688", "speaker 1998", "speaker 367" (LibriSpeech's numbers).

    Raises
    ------
    DataMissing : not here, and not fetched; DataCorrupt : damaged in MCBOOK_DATA;
    ImportError : soundfile (or, to fetch, pooch) is not installed.

    Source: LibriSpeech, test-other, https://www.openslr.org/12, CC BY 4.0; Panayotov et al. (2015),
    doi:10.1109/ICASSP.2015.7178964.
    """
    files = paths("speech", fetch=fetch)
    signals, rate_hz = _read_sounds(files)
    names = tuple(f"speaker {path.name.split('-')[0]}" for path in files)
    return Recording(signals, rate_hz, names, "full scale = 1")


def fetal_ecg(*, fetch: bool = True) -> Recording:
    """Ten seconds of potentials on the skin of a pregnant woman: her heartbeat, and the child's, in each.

    Parameters
    ----------
    fetch : download the file if it is neither in MCBOOK_DATA nor in the cache.

    Returns
    -------
    signals (2500, 8): five electrodes on the abdomen, three on the thorax; rate_hz 250. The source documents
    no unit (`units` says so): amplitudes compare within the recording only.

    Raises
    ------
    DataMissing : not here, and not fetched; DataCorrupt : damaged in MCBOOK_DATA;
    ImportError : to fetch, pooch is not installed.

    Source: DaISy, https://homes.esat.kuleuven.be/~smc/daisy/; De Lathauwer, De Moor & Vandewalle (2000).
    """
    (path,) = paths("fetal_ecg", fetch=fetch)
    table = np.loadtxt(path)  # time in seconds, then the eight channels
    names = tuple(f"abdominal {i}" for i in range(1, 6)) + tuple(f"thoracic {i}" for i in range(1, 4))
    return Recording(table[:, 1:], 250.0, names, "not documented")


def _read_sounds(files: list) -> tuple[np.ndarray, float]:
    """Decode mono sound files to float64 columns of one length; all must share one sampling rate."""
    soundfile = need("soundfile", "decoding FLAC")
    sounds, rates = zip(*(soundfile.read(file, dtype="float64") for file in files), strict=True)
    if len(set(rates)) != 1:
        raise ValueError(f"expected one sampling rate, got {rates} Hz; resample the files first.")
    n = min(map(len, sounds))
    return np.stack([sound[:n] for sound in sounds], axis=1), float(rates[0])
