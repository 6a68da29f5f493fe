"""What a notebook needs beside the mathematics: set-up, the tested source, sound.

from mcbook import notebook
notebook.setup()
notebook.show(unmixing.grad_loss_W)
notebook.play(y, 8000, "the first voice, unmixed")
"""

from __future__ import annotations

import ast
import base64
import html
import inspect
import io
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mcbook.questions import Loss, Question, Verdict

__all__ = ["Loss", "Question", "Verdict", "encode", "play", "play_row", "setup", "show", "without_docstrings"]
REPOSITORY = "https://github.com/matrix-calculus-at-work/matrix-calculus-at-work"
HEADROOM = 0.89  # what the loudest sample becomes: 1 dB below full scale
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


# --- set-up ----------------------------------------------------------------------------------------------


def setup() -> None:
    """Prepare a notebook and say so: JAX in float64, on the CPU unless JAX_PLATFORMS is set; figures styled.

    Raises RuntimeError when JAX computed something in float32 before and cannot be switched any more.
    """
    import logging

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # a slow first start is no error
    import jax
    import matplotlib as mpl

    from mcbook.plots import palette

    jax.config.update("jax_enable_x64", True)
    if "JAX_PLATFORMS" not in os.environ:
        jax.config.update("jax_platforms", "cpu")
    mpl.rcParams.update(palette.settings())
    dtype = jax.numpy.zeros(1).dtype
    if dtype != "float64":
        raise RuntimeError(
            f"setup expects JAX in float64, got {dtype}; restart the kernel, run this cell first."
        )
    print(f"JAX: {dtype} on {jax.default_backend()}. Figures: the page's colours.")


# --- the tested source -----------------------------------------------------------------------------------


class Source(NamedTuple):
    """Source code to be shown: where it lives, and the code itself."""

    name: str
    path: str
    code: str

    def __repr__(self) -> str:
        return f"{self.name} ({self.path})"


class Sources(NamedTuple):
    """What `show` returns: a markdown code block for each object, a plain list of names otherwise."""

    sources: tuple[Source, ...]

    def __repr__(self) -> str:
        return "Source of " + ", ".join(map(repr, self.sources))

    def _repr_markdown_(self) -> str:
        blocks = [f"```python\n{source.code}\n```" for source in self.sources]
        files = dict.fromkeys(source.path for source in self.sources)
        links = ", ".join(f"[{path}]({REPOSITORY}/blob/main/{path})" for path in files)
        return "\n\n".join(blocks) + f"\n\n*The tested code, from* {links}.\n"


def show(*objects: Any, docstring: bool = False) -> Sources:
    """The tested source of functions and classes of mcbook, as they are installed.

    Docstrings are left out (the page explains) unless `docstring=True`.
    Raises ValueError for what is not a function or class of mcbook.
    """
    if not objects:
        raise ValueError("show expects one or more functions of mcbook, got none.")
    return Sources(tuple(_source(thing, docstring) for thing in objects))


def _source(thing: Any, docstring: bool) -> Source:
    plain = inspect.unwrap(thing) if callable(thing) else thing
    module = getattr(plain, "__module__", None) or ""
    if module.split(".")[0] != "mcbook" or not (inspect.isfunction(plain) or inspect.isclass(plain)):
        raise ValueError(f"show expects functions or classes of mcbook, which are tested, got {thing!r}.")
    code = textwrap.dedent(inspect.getsource(plain)).rstrip()
    path = "/".join(Path(inspect.getfile(plain)).parts[-1 - module.count(".") :])
    folder = "mcbook/" if not path.startswith("mcbook/") else ""
    return Source(
        f"{module}.{plain.__qualname__}", folder + path, code if docstring else without_docstrings(code)
    )


def without_docstrings(code: str) -> str:
    """The code less its docstrings; a body that was nothing else keeps a `...`."""
    lines = code.split("\n")
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    bodies = [node.body for node in ast.walk(ast.parse(code)) if isinstance(node, kinds)]
    documents = [
        (body[0], len(body)) for body in bodies if isinstance(body[0], ast.Expr) and _is_text(body[0].value)
    ]
    for node, length in sorted(documents, key=lambda pair: -pair[0].lineno):
        first, last = node.lineno - 1, node.end_lineno or node.lineno
        blank = last < len(lines) and not lines[last].strip()
        lines[first : last + blank] = [] if length > 1 else [" " * node.col_offset + "..."]
    return "\n".join(lines)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


# --- sound -----------------------------------------------------------------------------------------------


class Player(NamedTuple):
    """A sound with its player: `sound` is the encoded file, of MIME type `kind`."""

    label: str
    seconds: float
    kind: str
    sound: bytes

    def __repr__(self) -> str:
        return f"Sound: {self.label} ({self.seconds:.1f} s)"

    def _repr_html_(self) -> str:
        label = html.escape(self.label)
        source = f"data:{self.kind};base64,{base64.b64encode(self.sound).decode()}"
        return (
            '<figure class="mc-player" style="margin:0;flex:1 1 11em;min-width:0;max-width:26em">'
            f'<figcaption style="margin:0 0 .25em">{label} <small>({self.seconds:.1f} s)</small></figcaption>'
            f'<audio controls preload="metadata" aria-label="{label}" style="width:100%;height:2.6em" '
            f'src="{source}"></audio></figure>'
        )


class Players(NamedTuple):
    """Several players in one labelled row that wraps on narrow screens."""

    players: tuple[Player, ...]
    label: str

    def __repr__(self) -> str:
        return "\n".join([f"{self.label}:", *(f"  {player!r}" for player in self.players)])

    def _repr_html_(self) -> str:
        row = "".join(player._repr_html_() for player in self.players)
        return (
            f'<div class="mc-players" role="group" aria-label="{html.escape(self.label)}" '
            f'style="display:flex;flex-wrap:wrap;gap:1em 1.5em;margin:1em 0">{row}</div>'
        )


def play(signal: Any, rate_hz: int | float, label: str, *, level: int | float | None = None) -> Player:
    """A player for one channel, `signal (n,)`, with the sound inside the page (MP3, or WAV where that fails).

    `level` is the amplitude that becomes full scale (less 1 dB): give the same one to several players to
    compare loudness fairly. By default each sound is scaled to its own peak.

    Raises ValueError for a wrong shape, NaN or infinity, silence, no label, or a sound louder than `level`.
    """
    x = checked_sound(signal, rate_hz, label)
    peak = float(np.abs(x).max())
    full = peak if level is None else float(level)
    if not 0 < full < np.inf or peak > full * (1 + 1e-9):
        raise ValueError(
            f"play expects a level at or above the sound's peak {peak:.3g} (or it clips), got {level}; "
            "pass the greatest peak of all the sounds that are compared."
        )
    kind, sound = encode(HEADROOM * x / full, int(rate_hz))
    return Player(" ".join(label.split()), len(x) / rate_hz, kind, sound)


def play_row(players: Sequence[Player], label: str) -> Players:
    """Several players side by side, under one label for screen readers."""
    if not players or not label.strip():
        raise ValueError(
            "play_row expects one or more players and a label that says what they have in common."
        )
    return Players(tuple(players), " ".join(label.split()))


def checked_sound(signal: Any, rate_hz: int | float, label: str) -> np.ndarray:
    """A finite, audible, one-channel signal as float64, or a ValueError."""
    if np.iscomplexobj(signal):
        raise ValueError("play expects real samples, got complex numbers; play a signal, not its spectrum.")
    x = np.asarray(signal, dtype=float)
    if x.ndim != 1 or x.size == 0:
        raise ValueError(
            f"play expects one channel, signal (n,), got shape {x.shape}; pick a column, S[:, 0]."
        )
    if not np.isfinite(x).all():
        raise ValueError(f"play expects finite samples, got {(~np.isfinite(x)).sum()} NaN or infinite ones.")
    if not np.any(x):
        raise ValueError("play expects a sound, got silence (all zeros).")
    if not 0 < rate_hz < 1e6 or int(rate_hz) != rate_hz:
        raise ValueError(f"play expects a sampling rate in whole hertz, got {rate_hz}.")
    if not (isinstance(label, str) and label.strip()):
        raise ValueError("play expects a label: listeners cannot see which voice is which.")
    return x


def encode(x: np.ndarray, rate_hz: int) -> tuple[str, bytes]:
    """(MIME type, bytes) of a signal within ±1: MP3 where libsndfile writes that rate, WAV otherwise."""
    import soundfile

    buffer = io.BytesIO()
    if rate_hz in MP3_RATES and "MP3" in soundfile.available_formats():
        options = {"compression_level": 0.2, "bitrate_mode": "VARIABLE"}
        soundfile.write(buffer, x, rate_hz, format="MP3", subtype="MPEG_LAYER_III", **options)
        return "audio/mpeg", buffer.getvalue()
    soundfile.write(buffer, x, rate_hz, format="WAV", subtype="PCM_16")
    return "audio/wav", buffer.getvalue()
