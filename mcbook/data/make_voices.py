"""Make the three speech-like voices that ship with the book: `python -m mcbook.data.make_voices [FOLDER]`.

Source and filter: a train of glottal pulses (A. E. Rosenberg, Effect of glottal pulse shape on the quality of
natural vowels, J. Acoust. Soc. Am. 49, 1971, 583-590) whose pitch falls over a phrase, rises on stressed
syllables and trembles a little, goes through a cascade of two-pole resonators whose frequencies glide from
sound to sound; hissing sounds are noise through one resonator of their own. The result depends on the
speakers' table and seeds alone.
"""

import sys
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mcbook.data.phones import (
    CONSONANTS,
    PAUSES,
    SPEAKERS,
    STRESSED_MS,
    TRACT_SCALE,
    VOWEL_MS,
    VOWELS,
    Phone,
    Speaker,
)
from mcbook.data.store import need

Track = Float[np.ndarray, " n"]  # a value at each sample

RATE_HZ = 16_000
LENGTH = 88_000  # samples: 5.5 s
OVERSAMPLING = 4  # of the glottal pulses, whose corners would alias
SOFTNESS_HZ = 4500.0  # bandwidth of a resonance at 0 Hz that rounds off the pulses, after Klatt
PEAK = 0.7
ROOM_NOISE = 1e-4
HIGHER_FORMANTS_HZ = (3500.0, 4500.0, 5500.0, 6500.0, 7500.0)  # a man's: one a kHz, a tube of 17 cm
BANDWIDTHS_HZ = (70.0, 100.0, 150.0, 250.0, 300.0, 400.0, 500.0, 600.0)


def phones(speaker: Speaker) -> list[tuple[Phone, float, int]]:
    """The text as (phone, accent, phrase): accent 1 on stressed vowels, phrases numbered from 0."""
    rows, phrase = [], 0
    for token in speaker.text.split():
        name, stressed = token.rstrip("1"), token.endswith("1")
        if name in VOWELS:
            ms = STRESSED_MS if stressed else VOWEL_MS
            voice = 1.0 if stressed else 0.7
            rows.append((Phone(ms, VOWELS[name][speaker.tract], voice), float(stressed), phrase))
        else:
            if name in PAUSES:  # the voice dies away
                last = rows[-1][0]
                rows.append((last._replace(ms=80, voice=0.3 * last.voice, hiss=0.2 * last.hiss), 0.0, phrase))
            scale = TRACT_SCALE[speaker.tract]
            for part in CONSONANTS[name]:
                first, second, third = (round(scale * f) for f in part.formants)
                rows.append((part._replace(formants=(first, second, third)), 0.0, phrase))
        phrase += name in PAUSES
    silence = Phone(50, rows[0][0].formants)  # to rise from and to fall back to
    return [(silence, 0.0, 0), *rows[:-1], (silence._replace(formants=rows[-1][0].formants), 0.0, phrase - 1)]


def smooth(track: Track, ms: float) -> Track:
    """A running mean under a Hann window of that length: glides instead of steps."""
    window = np.hanning(round(ms * RATE_HZ / 1000) | 1)
    padded = np.pad(track, len(window) // 2, mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")


def resonate(x: Track, f_hz: Track, width_hz: Track, *, unit_peak: bool = False) -> Track:
    """A two-pole resonator whose frequency and bandwidth (n,) vary in time.

    y[t] = g x[t] + 2 r cos(θ) y[t-1] - r² y[t-2],  r = exp(-π width / rate),  θ = 2π f / rate;
    g makes the gain one at 0 Hz (as a vocal tract wants) or, with `unit_peak`, at the resonance.
    """
    r, theta = np.exp(-np.pi * width_hz / RATE_HZ), 2 * np.pi * f_hz / RATE_HZ
    a1, a2 = 2 * r * np.cos(theta), -(r**2)
    gain = (1 - r) * np.abs(1 - r * np.exp(-2j * theta)) if unit_peak else 1 - a1 - a2
    y, y1, y2 = [], 0.0, 0.0
    for u, b, c in zip((gain * x).tolist(), a1.tolist(), a2.tolist(), strict=True):
        y1, y2 = u + b * y1 + c * y2, y1
        y.append(y1)
    return np.array(y)


def pitch(speaker: Speaker, lengths: np.ndarray, accents: np.ndarray, phrases: np.ndarray) -> Track:
    """The pitch in Hz at each sample: declination over each phrase, accents, vibrato and slow flutter."""
    phrase, accent = np.repeat(phrases, lengths), np.repeat(accents, lengths)
    contour = np.empty(len(phrase))
    for k in np.unique(phrase):
        here = phrase == k
        contour[here] = np.linspace(1.10, 0.84, here.sum())
    t = np.arange(len(phrase)) / RATE_HZ
    vibrato = 0.008 * np.sin(2 * np.pi * 5.1 * t + speaker.seed)
    flutter = sum(np.sin(2 * np.pi * f * t + speaker.seed) for f in (12.7, 7.1, 4.7)) * 0.003
    return speaker.pitch_hz * (smooth(contour * (1 + 0.16 * accent), 130.0) + vibrato + flutter)


def glottal_pulses(f0_hz: Track, rng: np.random.Generator) -> tuple[Track, Track]:
    """The derivative of Rosenberg's glottal flow (n,), and the flow itself (where the glottis is open).

    Each cycle opens over 40 % of the period and closes over 16 %, with 0.6 % of jitter and 4 % of shimmer.
    """
    f = np.repeat(f0_hz, OVERSAMPLING) / (OVERSAMPLING * RATE_HZ)
    jitter = 1 + 0.006 * rng.standard_normal(int(f.sum()) + 2)
    phase = np.cumsum(f * jitter[np.cumsum(f).astype(int)])
    u, cycle = phase % 1.0, phase.astype(int)
    opening = 0.5 - 0.5 * np.cos(np.pi * u / 0.40)
    closing = np.cos(0.5 * np.pi * (u - 0.40) / 0.16)
    flow = np.where(u < 0.40, opening, np.where(u < 0.56, closing, 0.0))
    flow *= 1 + 0.04 * rng.standard_normal(cycle[-1] + 1)[cycle]
    taps = np.arange(-32, 33)
    lowpass = np.sinc(0.9 * taps / OVERSAMPLING) * np.hanning(len(taps))
    flow = np.convolve(flow, lowpass / lowpass.sum(), mode="same")[::OVERSAMPLING]
    pulses = np.diff(flow, prepend=flow[0]) / f0_hz * 500
    soft = resonate(pulses, np.zeros_like(pulses), np.full_like(pulses, SOFTNESS_HZ))
    return soft, flow


def synthesise(speaker: Speaker) -> Float[np.ndarray, " LENGTH"]:
    """The speaker's clip (LENGTH,), peak PEAK, deterministic."""
    rng = np.random.default_rng(speaker.seed)
    rows, accents, phrases = zip(*phones(speaker), strict=True)
    lengths = np.array([round(p.ms * speaker.slowness * RATE_HZ / 1000) for p in rows])

    def track(values: list, ms: float) -> Track:
        return smooth(np.repeat(np.array(values, dtype=float), lengths), ms)

    f0_hz = pitch(speaker, lengths, np.array(accents), np.array(phrases))
    pulses, flow = glottal_pulses(f0_hz, rng)
    noise = rng.standard_normal((2, len(f0_hz)))
    voice = track([p.voice for p in rows], 35.0)
    breath, hiss = (track([getattr(p, s) for p in rows], 16.0) for s in ("breath", "hiss"))
    sound = voice * pulses + (0.15 * breath + speaker.breath * voice * flow) * np.diff(noise[0], prepend=0)
    glides = [track([p.formants[i] for p in rows], 55.0) for i in range(3)]
    fixed = [np.full_like(sound, TRACT_SCALE[speaker.tract] * f) for f in HIGHER_FORMANTS_HZ]
    for f_hz, width_hz in zip(glides + fixed, BANDWIDTHS_HZ, strict=True):
        if f_hz.max() < 0.49 * RATE_HZ:
            sound = resonate(sound, f_hz, np.full_like(sound, width_hz))
    hiss_hz, hiss_width_hz = (
        track([getattr(p, s) for p in rows], 10.0) for s in ("hiss_hz", "hiss_width_hz")
    )
    sound += 0.18 * resonate(hiss * np.diff(noise[1], prepend=0), hiss_hz, hiss_width_hz, unit_peak=True)
    return finish(compress(sound), speaker.lead_s, rng)


def compress(sound: Track, *, ratio: float = 0.25) -> Track:
    """Even out the loudness of the syllables, as a speaker does: a level of L dB becomes (1 - ratio) L dB."""
    level = np.sqrt(np.maximum(smooth(sound**2, 120.0), 0.0))
    return sound / (level + 0.02 * level.max()) ** ratio


def finish(sound: Track, lead_s: float, rng: np.random.Generator) -> Float[np.ndarray, " LENGTH"]:
    """Place the sound in the clip, add a whisper of room noise, fade both ends, scale to PEAK."""
    start = round(lead_s * RATE_HZ)
    if start + len(sound) > LENGTH:
        raise ValueError(f"the text takes {(start + len(sound)) / RATE_HZ:.2f} s of 5.5 s; speak faster.")
    clip = np.zeros(LENGTH)
    clip[start : start + len(sound)] = sound - sound.mean()
    clip = PEAK * clip / np.abs(clip).max() + ROOM_NOISE * rng.standard_normal(LENGTH)
    fade = np.minimum(1.0, np.arange(LENGTH) / (0.03 * RATE_HZ))
    return clip * np.sin(0.5 * np.pi * fade) * np.sin(0.5 * np.pi * fade[::-1])


def main(folder: Path) -> None:
    """Write the clips as 16-bit FLAC into `folder`."""
    soundfile = need("soundfile", "writing FLAC")
    folder.mkdir(parents=True, exist_ok=True)
    for speaker in SPEAKERS:
        path = folder / f"{speaker.name}.flac"
        soundfile.write(path, synthesise(speaker), RATE_HZ, subtype="PCM_16", format="FLAC")
        print(f"{path}  {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "voices")
