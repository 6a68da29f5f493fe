"""Jacobians, Hessian-vector products, and Hessians as matrices: the differential of the differential.

Problem    F(X) an array: dF is linear in dX, vec dF = J vec dX;  f(X) a number: dG is, vec dG = H vec dX
Method     dF by the forward rules; then every step that dX passes through becomes a matrix, by
           vec(A dX B) = (Bᵀ ⊗ A) vec dX,  vec(dXᵀ) = K vec dX,  vec(A ∘ dX) = diag(vec A) vec dX
Reference  magnus2019 (K is the commutation matrix; vec stacks columns)
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mcbook.calculus.engine.algebra import add, hadamard, identity, matmul, number, ones, times, transpose
from mcbook.calculus.engine.derive import derive
from mcbook.calculus.engine.evaluate import by_name, evaluate_all
from mcbook.calculus.engine.forward import differential, step_of
from mcbook.calculus.engine.nodes import Expr, array_shape, require_distinct_names, symbol
from mcbook.calculus.engine.picking import columns_of
from mcbook.calculus.engine.printer import CHAIN
from mcbook.calculus.engine.rebuild import substitute
from mcbook.calculus.engine.simplify import fold
from mcbook.calculus.engine.text import Text
from mcbook.calculus.engine.vocabulary import (
    commutation,
    diag,
    inverse,
    kron,
    lower,
    selection,
    upper,
    vec,
)


class Jacobian(NamedTuple):
    """F, the variable X, and dF, linear in the symbol `step` (dX)."""

    F: Expr
    X: Expr
    step: Expr
    differential: Expr

    def __str__(self) -> str:
        return _printed("F", self)

    @property
    def matrix(self) -> Expr:
        """J with vec dF = J vec dX. Raises ValueError, by name, where no rule gives one."""
        return fold(kronecker(self.differential, self.step))

    def jvp(self, values: Mapping[str, Any], X_dot: Any) -> Any:
        """dF for the step X_dot, as a matrix."""
        return evaluate_all([self.differential], {**values, self.step.name: X_dot})[0]

    def __call__(self, values: Any = None, /, **named: Any) -> Any:
        """∂F_… / ∂X_… at given values, an array of shape F.shape + X.shape (numerator layout)."""
        values = by_name(values, named)
        shape, out = self.X.data.shape, array_shape(self.F)
        free = symbol(self.step.name, shape)  # single entries move, whatever the structure of X
        dF = substitute(self.differential, {self.step: free})
        units = np.eye(int(np.prod(shape, dtype=int)))
        columns = [evaluate_all([dF], {**values, free.name: unit.reshape(shape)})[0] for unit in units]
        return np.stack([np.reshape(c, out) for c in columns], axis=-1).reshape(out + shape)


class Hessian(NamedTuple):
    """f, the variable X, its gradient G, and dG, linear in the symbol `step` (dX): vec dG = H vec dX."""

    f: Expr
    X: Expr
    gradient: Expr
    step: Expr
    differential: Expr

    def __str__(self) -> str:
        return _printed("G", self)

    @property
    def matrix(self) -> Expr:
        """H with vec dG = H vec dX. Raises ValueError, by name, where no rule gives one."""
        return fold(kronecker(self.differential, self.step))

    def hvp(self, values: Mapping[str, Any], V: Any) -> Any:
        """The Hessian-vector product ∇²f [V], of the shape of X."""
        product = evaluate_all([self.differential], {**values, self.step.name: V})[0]
        return np.reshape(product, self.X.data.shape)

    def __call__(self, values: Any = None, /, **named: Any) -> Any:
        """∂²f / ∂X_… ∂X_… at given values, an array of shape X.shape + X.shape."""
        return Jacobian(self.gradient, self.X, self.step, self.differential)(values, **named).reshape(
            self.X.data.shape * 2
        )


def _printed(letter: str, found: Jacobian | Hessian) -> str:
    """The differential, and the matrix where there is one; where there is none, why."""
    stated = f"d{letter} = {found.differential!r}"
    try:
        matrix = Text().at(found.matrix, CHAIN)
    except ValueError as none:
        return f"{stated}\n{none}"
    return f"{stated}\nvec d{letter} = {matrix} vec {found.step!r}"


def jacobian(F: Any, X: Any) -> Jacobian:
    """The derivative of an array by an array. Raises ValueError where X is no symbol, or not in F."""
    _require_symbol(F, X)
    require_distinct_names(F, X)
    step = step_of(X, F)
    return Jacobian(F, X, step, fold(differential(F, X, step)))


def hvp(f: Any, X: Any, V: Any = None) -> Expr:
    """The differential of the gradient along V, of the shape of X (V is the symbol dX if none is given)."""
    if V is not None and (not isinstance(V, Expr) or V.shape != X.shape):
        raise ValueError(f"V is a step of {X.name}, an expression of its shape {X.shape}, got {V!r}.")
    return fold(differential(derive(f, X).gradient, X, V))


def hessian(f: Any, X: Any) -> Hessian:
    """The second derivative of a number. Raises ValueError where `derive` does."""
    G = derive(f, X).gradient
    step = step_of(X, G)
    return Hessian(f, X, G, step, fold(differential(G, X, step)))


def _require_symbol(F: Any, X: Any) -> None:
    if not isinstance(F, Expr) or not isinstance(X, Expr):
        raise ValueError("jacobian(F, X) takes an expression and a symbol in it; parse text with parse(…).")
    if X.op != "symbol":
        raise ValueError(f"a Jacobian is taken by a symbol, got {X!r}; name it with symbol().")
    if X not in F.free:
        raise ValueError(f"F does not contain {X.name}, so dF = 0 whatever d{X.name}.")


def kronecker(L: Expr, D: Expr) -> Expr:
    """M with vec L = M vec D for an L linear in D. Raises ValueError for a step without such a rule."""
    if D not in L.free:
        raise ValueError(f"the differential vanishes identically: {L!r} does not contain {D.name}.")
    if L is D:
        return identity(D.shape[0] * D.shape[1])
    if L.op == "add":
        return add(*(kronecker(term, D) for term in L.args))
    moving = [k for k, A in enumerate(L.args) if D in A.free]
    if len(moving) != 1:
        raise ValueError(f"no Kronecker form: {D.name} stands in two factors of {L!r}.")
    k = moving[0]
    return matmul(_passage(L, k), kronecker(L.args[k], D))


def _passage(L: Expr, k: int) -> Expr:
    """The matrix of A ↦ L with A in place of argument k: vec L = (this) vec A."""
    A, rest = L.args[k], L.args[:k] + L.args[k + 1 :]
    n, I = A.shape[0], identity  # noqa: E741
    match L.op:
        case "matmul":
            left = matmul(*L.args[:k]) if k else I(A.shape[0])
            right = matmul(*L.args[k + 1 :]) if L.args[k + 1 :] else I(A.shape[1])
            return kron(transpose(right), left)
        case "times":
            rows = L.shape[0] * L.shape[1]
            return vec(times(*rest)) if A.is_scalar else times(*rest, I(rows))
        case "hadamard":
            return diag(vec(hadamard(*rest)))
        case "transpose":
            return commutation(*A.shape)
        case "trace":
            return transpose(vec(I(n)))
        case "sum":
            return ones(1, A.shape[0] * A.shape[1])
        case "inner":
            return transpose(vec(rest[0]))
        case "sym" | "skew":
            sign = 1 if L.op == "sym" else -1
            return times(number(1) / 2, add(I(n * n), times(sign, commutation(n, n))))
        case "lower" | "upper":
            return diag(vec((lower if L.op == "lower" else upper)(ones(n, n))))
        case "pick":
            left, right = (columns_of(n, run) for n, run in zip(A.shape, L.data, strict=True))
            return transpose(kron(right, left))
        case "vec" | "unvec" | "let":
            return I(A.shape[0] * A.shape[1])
        case "solve" if k == 1:
            return kron(I(A.shape[1]), inverse(rest[0]))
        case "kron":
            return _of_kron(L.args, k)
        case "kron_left" | "kron_right" if k == 0:  # the adjoint of A ↦ A ⊗ B, or of B ↦ A ⊗ B
            first = L.op == "kron_left"
            free = ones(*L.shape)
            return transpose(_of_kron((free, *rest) if first else (*rest, free), 0 if first else 1))
        case "diag":
            return selection(n)
        case "diagonal":
            return transpose(selection(n))
    raise ValueError(f"no Kronecker form for {L.op}, met in {L!r}; its products (jvp, hvp) are known.")


def _of_kron(factors: tuple[Expr, ...], k: int) -> Expr:
    """vec(A ⊗ B) = (I ⊗ K ⊗ I)(vec A ⊗ vec B), linear in each of the two."""
    (m, n), (p, q) = (A.shape for A in factors)
    swap = kron(kron(identity(n), commutation(q, m)), identity(p))
    moving, still = (identity(factors[k].shape[0] * factors[k].shape[1]), vec(factors[1 - k]))
    return matmul(swap, kron(moving, still) if k == 0 else kron(still, moving))
