"""Reading a chromosome: a network with two directions over a stream of letters, in bounded memory.

Problem    logits [f_{j+s}, g_{j-s}] Vᵀ + c at every junction j = 0..T, s the reach, for T of any length
Blocks     f reads from the far left, g from the far right, and neither fits into memory. But a state
           forgets: junctions are cut into blocks, f starts `overlap` letters before the first state that is
           wanted, and g as many behind the last. Blocks do not wait for each other: `batch` of them advance
           together, and what was a matrix times a vector is a product of matrices. Blocks lie at fixed
           places: how the letters were cut into chunks on arrival changes nothing, not a bit.
Exact      at both ends of the sequence (outside it a state stands still) and for a sequence of one block
Not exact  at block edges: what a state still holds of letters more than `overlap` back, which shrinks with
           ‖∂h_t/∂h_{t-overlap}‖ (`product_log_singular_values`)
Step       s_t = h_{t-1} [W_hᵀ, V_hᵀ]: the read-out rides in the same product. x_t W_xᵀ + b is looked up in a
           table, one row per kind of letter. tanh is Lambert's continued fraction, within 7e-6
           (1e-4 with bfloat16 products, whose rounding of h is 40 times that), and
           σ(x) = (1 + tanh(x/2))/2; the halves are folded into the weights, which is exact.
Precision  states, gates and sums in float32; factors of the products in float32, or rounded to bfloat16
Symbols    T letters, k classes, h hidden units, s reach; w = overlap + s letters to warm up, L to a block
"""

import contextlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mcbook.splice import _checks
from mcbook.splice.cells import Cell, GRUCell
from mcbook.splice.networks import TwoWay
from mcbook.splice.sequences import encode

Array = Any  # NumPy or JAX
OUTSIDE, REFUSED = 0, 255  # codes of what is no letter of the sequence, and of no letter at all


class Stretch(NamedTuple):
    """Logits (m, k), float32, at the junctions start, start + 1, ..., start + m - 1."""

    start: int
    logits: Float[Array, "m k"]


def scan(params: Any, letters: Any, **settings: Any) -> Float[Array, "junctions k"]:
    """`stream`, put together: logits (T + 1, k) at every junction of T letters.  Raises ValueError."""
    return np.concatenate([stretch.logits for stretch in stream(params, letters, **settings)])


def stream(
    params: Any,
    letters: Any,
    *,
    rows: Any = None,
    reach: int = 0,
    overlap: int = 128,
    block: int = 8192,
    batch: int = 256,
    precision: str = "float32",
) -> Iterator[Stretch]:
    """Logits at the junctions 0..T of a sequence, a stretch at a time, in memory independent of T.

    letters    bytes, str or a uint8 array; or an iterable of them (chunks of any size), such as an open file
    rows       what is read for a byte, (256, d), NaN where a byte is no letter; `letter_rows()` unless told
    precision  "float32", or "bfloat16": about 1.5 times as fast where the processor multiplies bfloat16
    Raises ValueError: for settings at once, for a letter that is none when the stream comes to it.
    """
    rows = letter_rows() if rows is None else rows
    _check_stream(params, rows, reach, overlap, block, batch, precision)
    code, table_rows = alphabet(rows)
    read_outs = np.split(np.asarray(params.V), [np.shape(params.forward.W_h)[1]], axis=1)
    sides = [_side(cell, V, table_rows, precision) for cell, V in zip(params[:2], read_outs, strict=True)]
    plan = _Plan(reach, overlap + reach, block, batch, np.asarray(params.c, np.float32))
    return _stretches(sides, plan, _codes(letters, code))


class _Plan(NamedTuple):
    reach: int
    warm_up: int
    block: int
    batch: int
    c: np.ndarray

    @property
    def margin(self) -> int:
        """Letters that a block reads beyond its own junctions, on either side, at most."""
        return self.warm_up + self.reach + 1


class _Side(NamedTuple):
    """One direction, ready to run: the affine part per letter (letters, 3h), [W_hᵀ, V_hᵀ] padded, and k."""

    table: Any
    W: Any
    gated: bool


def letter_rows() -> Float[np.ndarray, "256 4"]:
    """`encode` for every byte, ambiguity letters, lower case and U included; NaN where it is no letter."""
    rows = np.full((256, 4), np.nan)
    for byte in range(256):
        with contextlib.suppress(ValueError):
            rows[byte] = encode(chr(byte))[0]
    return rows


def alphabet(rows: Float[Array, "256 d"]) -> tuple[np.ndarray, np.ndarray]:
    """Bytes to codes (256,), and what each code reads: (codes, d).  Code 0 is no letter: zeros."""
    rows = np.asarray(rows, float)
    known = np.isfinite(rows).all(axis=1)
    kinds, which = np.unique(rows[known], axis=0, return_inverse=True)
    code = np.full(256, REFUSED, np.uint8)
    code[known] = which.ravel() + 1
    return code, np.concatenate([np.zeros((1, rows.shape[1])), kinds])


def lambert_tanh(x, *, terms: int = 9):
    """tanh x = x/(1 + x²/(3 + x²/(5 + ...))), nine terms of the fraction or seven, flat where it meets 1.

    Within 6.8e-6 (nine) or 9.7e-5 (seven: for states that are rounded to bfloat16 anyway), and all
    arithmetic: a fused loop of it runs several times faster than one that calls a library's tanh.
    """
    if terms == 7:
        x = jnp.clip(x, -4.97, 4.97)
        y = x * x
        return x * (135135 + y * (17325 + y * (378 + y))) / (135135 + y * (62370 + y * (3150 + y * 28)))
    x = jnp.clip(x, -6.297, 6.297)
    y = x * x
    return (
        x
        * (34459425 + y * (4729725 + y * (135135 + y * (990 + y))))
        / (34459425 + y * (16216200 + y * (945945 + y * (13860 + y * 45))))
    )


def _side(cell: Cell, V: np.ndarray, rows: np.ndarray, precision: str) -> _Side:
    """Fold halves into the weights, look-up table included; pad the product's columns to a multiple of 16."""
    W_x, W_h, b = (np.asarray(part, float) for part in cell)
    h = W_h.shape[1]
    if isinstance(cell, GRUCell):  # σ(x) = (1 + tanh(x/2))/2, and r ∘ s_m = (1 + tanh)/2 ∘ s_m
        gates = np.repeat([0.5, 0.5, 1.0], h)
        W_x, b, W_h = W_x * gates[:, None], b * gates, W_h * 0.5
    columns = -(-(len(W_h) + len(V)) // 16) * 16
    W = np.zeros((h, columns), np.float32)
    W[:, : len(W_h)], W[:, len(W_h) : len(W_h) + len(V)] = W_h.T, V.T
    table = (rows @ W_x.T + b).astype(np.float32)
    return _Side(jnp.asarray(table), jnp.asarray(W, precision), isinstance(cell, GRUCell))


def _step(h, s, a, gated: bool, terms: int):
    """One step from h (B, h), the product s and the looked-up a (B, 3h or h); halves are folded in."""
    H, tanh = h.shape[1], partial(lambert_tanh, terms=terms)
    if not gated:
        return tanh(a + s[:, :H])
    s_m = s[:, 2 * H : 3 * H]
    t_r = tanh(a[:, :H] + s[:, :H])
    t_z = tanh(a[:, H : 2 * H] + s[:, H : 2 * H])
    m = tanh(a[:, 2 * H :] + s_m + t_r * s_m)
    return 0.5 * (m + h + t_z * (h - m))


@partial(jax.jit, static_argnums=(2, 3))
def _run(side_arrays, codes, gated, k):
    """Read-outs (w + L, B, k) of the states in front of each of the letters codes (w + L, B)."""
    table, W = side_arrays
    rows, terms = table.shape[1], 7 if W.dtype == jnp.bfloat16 else 9

    def step(h, x):
        s = jnp.dot(h.astype(W.dtype), W, preferred_element_type=jnp.float32)
        a = jnp.take(table, x, axis=0, mode="clip")
        new = _step(h, s, a, gated, terms)
        return jnp.where((x == OUTSIDE)[:, None], h, new), s[:, rows : rows + k]

    return jax.lax.scan(step, jnp.zeros((codes.shape[1], W.shape[0]), jnp.float32), codes)[1]


def _codes(letters: Any, code: np.ndarray) -> Iterator[np.ndarray]:
    """Chunks of codes from bytes, str, uint8 arrays, or an iterable of them.  Raises ValueError."""
    chunks = [letters] if isinstance(letters, str | bytes | bytearray | np.ndarray) else letters
    position = 0
    for chunk in chunks:
        raw = chunk.encode("latin-1", "replace") if isinstance(chunk, str) else chunk
        raw = raw if isinstance(raw, np.ndarray) else np.frombuffer(raw, np.uint8)
        if raw.dtype != np.uint8 or raw.ndim != 1:
            raise ValueError(
                f"letters must come as bytes, str or 1-D uint8 arrays, got {raw.dtype} {raw.shape}."
            )
        codes = code[raw]
        if codes.size and codes.max() == REFUSED:
            at = int(np.argmax(codes == REFUSED))
            raise ValueError(
                f"{chr(raw[at])!r} at position {position + at} is not a letter that the network reads; "
                "strip headers and line ends (a FASTA reader does), and replace unknown bases by N."
            )
        position += len(codes)
        yield codes


def _stretches(sides: list[_Side], plan: _Plan, chunks: Iterable[np.ndarray]) -> Iterator[Stretch]:
    """Gather letters until a batch of blocks and its margins is there; run it; keep the margins."""
    size, margin = plan.block * plan.batch, plan.margin
    parts, start = [np.zeros(margin, np.uint8)], 0  # the parts begin `margin` letters before junction `start`
    held = 0
    for chunk in chunks:
        parts.append(chunk)
        held += len(chunk)
        if held < size + margin:
            continue
        codes = np.concatenate(parts)
        while held >= size + margin:
            yield _batch(sides, plan, codes[: size + 2 * margin], start, size)
            codes, start, held = codes[size:], start + size, held - size
        parts = [codes.copy()]
    if start == held == 0:
        raise ValueError("the sequence is empty: at least one letter is needed.")
    codes = np.concatenate([*parts, np.zeros(size + margin, np.uint8)])
    last = held + 1  # junctions still to come: one more than letters
    for begin in range(0, last, size):
        yield _batch(sides, plan, codes[begin:][: size + 2 * margin], start + begin, min(size, last - begin))


def _batch(sides: list[_Side], plan: _Plan, codes: np.ndarray, start: int, junctions: int) -> Stretch:
    """Logits at `junctions` junctions from `start` on; codes begin `margin` letters before it."""
    share = max(8, plan.batch // 16)  # blocks come in a few numbers only: each is compiled once
    blocks = min(plan.batch, -(-junctions // (plan.block * share)) * share)
    f, g = (
        _run((side.table, side.W), windows, side.gated, len(plan.c))
        for side, windows in zip(sides, _windows(plan, codes, blocks), strict=True)
    )
    return Stretch(start, np.asarray(_join(f, g, plan.c, plan.warm_up))[:junctions])


@partial(jax.jit, static_argnums=3)
def _join(f, g, c, warm_up: int):
    """Logits (blocks L, k) in the sequence's order from both sides' read-outs (w + L, blocks, k)."""
    logits = f[warm_up:] + g[warm_up:][::-1] + c[None, None]
    return logits.swapaxes(0, 1).reshape(-1, len(c))


def _windows(plan: _Plan, codes: np.ndarray, blocks: int) -> list[np.ndarray]:
    """What f and g read for each block, each in its own order: (w + L, blocks) codes.

    For a block of the junctions j..j+L-1, f wants f_{j+s} to have read w letters, so it starts at letter
    j + s - w; g wants as much of g_{j+L-1-s} and ends with g_{j-s}, which is read out in front of letter
    j - s - 1: there its window begins.
    """
    steps = plan.warm_up + plan.block
    both = []
    for first, order in ((plan.reach - plan.warm_up, 1), (-plan.reach - 1, -1)):
        read = codes[plan.margin + first :][: (blocks - 1) * plan.block + steps]
        windows = np.lib.stride_tricks.sliding_window_view(read, steps)[:: plan.block]
        both.append(np.ascontiguousarray(windows.T[::order]))
    return both


def _check_stream(params, rows, reach, overlap, block, batch, precision) -> None:
    _checks.network(params)
    if not isinstance(params, TwoWay):
        raise ValueError("stream needs a TwoWay: a OneWay has seen one side of a junction only.")
    d = np.shape(params.forward.W_x)[1]
    _checks.shaped("rows", rows, (256, d), "what is read for each of the 256 bytes")
    if not np.isfinite(np.asarray(rows, float)).all(axis=1).any():
        raise ValueError("rows names no letter: every row holds NaN.")
    for name, value, least in (("reach", reach, 0), ("overlap", overlap, 1), ("block", block, 1)):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}.")
    if not isinstance(batch, int) or batch < 8 or batch % 8:
        raise ValueError(f"batch must be a multiple of 8, got {batch!r}.")
    if precision not in ("float32", "bfloat16"):
        raise ValueError(f"precision must be 'float32' or 'bfloat16', got {precision!r}.")
