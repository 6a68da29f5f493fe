"""A long sequence, a segment at a time: backpropagation through time inside the cache, or in √T memory.

Problem    h_T from X (n, T, d), and the gradient of a function of h_T, for large T
Segments   the T steps are cut into pieces of s. The way back takes one piece after the other, with
           `cells.vjp_run`: each hands h̄ at its first state to the one before it, and the sums over t add up.
           A piece fits into the processor's cache, so that memory is written and read once.
Roots      with keep=False the states of a piece are not stored but run again, from its first one, when they
           are needed: T/s first states and s states of one piece, n h numbers each. T/s + s is least at
           s = √T: 2√T instead of T, for one more forward pass.
References griewank1992, chen2016
Symbols    s steps to a segment; the first, shorter one takes the remainder of T/s; h_bar (n, h) h̄ at h_T
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mcbook.splice.cells import Cell, CellVJP, run, vjp_run


class Plan(NamedTuple):
    """How to walk: steps to a segment, and whether its states are kept or run again."""

    segment: int = 50
    keep: bool = True


class Cut(NamedTuple):
    """T = head + number * length."""

    head: int
    length: int
    number: int


def cut(T: int, segment: int) -> Cut:
    """T steps as one head, shorter than a segment or empty, and equal segments."""
    length = max(1, min(segment, T))
    return Cut(T % length, length, T // length)


def final_state(cell: Cell, X, h_0, plan: Plan) -> tuple[Any, Any]:
    """h_T (n, h), and what the way back needs of each segment: its first state, and all states if kept."""
    head, length, count = cut(X.shape[1], plan.segment)
    if not count:  # nothing to read
        return h_0, (None, None)

    def forward(h, x):
        H = run(cell, x, h)
        return H[-1], (h, H if plan.keep else None)

    h, first = forward(h_0, _piece(X, 0, head)) if head else (h_0, None)
    h, others = jax.lax.scan(
        lambda h, i: forward(h, _piece(X, head + i * length, length)), h, jnp.arange(count)
    )
    return h, (first, others)


def vjp_final_state(cell: Cell, X, saved, h_bar, plan: Plan, *, inputs: bool = False) -> CellVJP:
    """h_bar (n, h) back to the cell, to h_0 and, if `inputs` says so, to X (None otherwise)."""
    head, length, count = cut(X.shape[1], plan.segment)
    zero = jax.tree.map(jnp.zeros_like, cell)
    if not count:
        return CellVJP(zero, jnp.zeros_like(X) if inputs else None, h_bar)

    def back(carry, x, saved):
        h_bar, total = carry
        h, H = saved
        out = vjp_run(cell, x, run(cell, x, h) if H is None else H, h, None, h_bar)
        return (out.h_0, jax.tree.map(jnp.add, total, out.cell)), (out.X if inputs else None)

    carry, X_bar = jax.lax.scan(
        lambda carry, t: back(carry, _piece(X, head + t[0] * length, length), t[1]),
        (h_bar, zero),
        (jnp.arange(count), saved[1]),
        reverse=True,
    )
    pieces = [X_bar.reshape(-1, *X_bar.shape[2:])] if inputs else []
    if head:
        carry, first = back(carry, _piece(X, 0, head), saved[0])
        pieces = [first, *pieces]
    return CellVJP(carry[1], jnp.concatenate(pieces).swapaxes(0, 1) if inputs else None, carry[0])


def _piece(X, start, length: int):
    """Letters start..start+length-1 of X (n, T, d), time first: (length, n, d)."""
    return jax.lax.dynamic_slice_in_dim(X, start, length, axis=1).swapaxes(0, 1)
