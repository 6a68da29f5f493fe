r"""The rules of matrix calculus, one to an operation: what d does to it, and how ⟨C, d·⟩ passes through it.

A rule says the same thing twice.  Forward, what a step D of one argument does to the value; in reverse, which
matrix stands beside that argument's differential when C stands beside the value's:

    ⟨C, forward(D)⟩ = ⟨reverse(C), D⟩        for every C and D: the two are adjoint

A product of several factors has one term for each of them, and so has every other operation (the chain rule
needs no rule of its own).  In the table A, B, … are the arguments, Y is the value (by its name, where it has
one), k is the number of the argument that moves.
"""

from mcbook.calculus.engine.adjoints import (
    Rule,
    det_forward,
    inverse_forward,
    inverse_reverse,
    linear,
    lse_forward,
    lse_reverse,
    others,
    power_slope,
    product_reverse,
    slope,
    softmax_forward,
    softmax_reverse,
    solve_forward,
    solve_reverse,
    sqdist_forward,
    sqdist_reverse,
    times_reverse,
)
from mcbook.calculus.engine.algebra import hadamard, identity, matmul, ones, power, times, transpose
from mcbook.calculus.engine.functions import FUNCTIONS
from mcbook.calculus.engine.nodes import Expr
from mcbook.calculus.engine.patterns import TITLES
from mcbook.calculus.engine.picking import picked
from mcbook.calculus.engine.rearranging import REARRANGING
from mcbook.calculus.engine.vocabulary import inner, inverse, trace

RULES: dict[str, Rule] = {
    "add": Rule(
        "sum",
        "d(A + B) = dA + dB",
        r"\mathrm{d}(A + B) = \mathrm{d}A + \mathrm{d}B",
        forward=lambda E, k, D, Y: D,
        reverse=lambda E, k, C, Y: C,
    ),
    "times": Rule(
        "scalar multiple",
        "d(s A) = ds A + s dA",
        r"\mathrm{d}(s A) = \mathrm{d}s\,A + s\,\mathrm{d}A",
        forward=linear,
        reverse=times_reverse,
    ),
    "matmul": Rule(
        "product",
        "d(AB) = dA B + A dB, so ⟨C, dA B⟩ = ⟨CBᵀ, dA⟩ and ⟨C, A dB⟩ = ⟨AᵀC, dB⟩",
        r"\mathrm{d}(AB) = \mathrm{d}A\,B + A\,\mathrm{d}B",
        forward=linear,
        reverse=product_reverse,
    ),
    "hadamard": Rule(
        "entrywise product",
        "d(A ∘ B) = dA ∘ B + A ∘ dB",
        r"\mathrm{d}(A \circ B) = \mathrm{d}A \circ B + A \circ \mathrm{d}B",
        forward=linear,
        reverse=lambda E, k, C, Y: hadamard(C, *others(E, k)),
    ),
    "transpose": Rule(
        "transpose",
        "⟨C, dAᵀ⟩ = ⟨Cᵀ, dA⟩",
        r"\langle C, \mathrm{d}A^{\mathsf{T}}\rangle = \langle C^{\mathsf{T}}, \mathrm{d}A\rangle",
        forward=linear,
        reverse=lambda E, k, C, Y: transpose(C),
    ),
    "trace": Rule(
        "trace",
        "d tr A = tr dA = ⟨I, dA⟩",
        r"\mathrm{d}\operatorname{tr}A = \langle I, \mathrm{d}A\rangle",
        forward=linear,
        reverse=lambda E, k, C, Y: times(C, identity(E.args[0].shape[0])),
    ),
    "sum": Rule(
        "sum of entries",
        "d sum A = ⟨11ᵀ, dA⟩",
        r"\mathrm{d}\operatorname{sum}A"
        r" = \langle \mathbf{1}\mathbf{1}^{\mathsf{T}}, \mathrm{d}A\rangle",
        forward=linear,
        reverse=lambda E, k, C, Y: times(C, ones(*E.args[0].shape)),
    ),
    "inner": Rule(
        "inner product",
        "d⟨A, B⟩ = ⟨B, dA⟩ + ⟨A, dB⟩",
        r"\mathrm{d}\langle A, B\rangle"
        r" = \langle B, \mathrm{d}A\rangle + \langle A, \mathrm{d}B\rangle",
        forward=lambda E, k, D, Y: inner(E.args[1 - k], D),
        reverse=lambda E, k, C, Y: times(C, E.args[1 - k]),
    ),
    "sqnorm": Rule(
        "squared norm",
        "d‖A‖² = ⟨2A, dA⟩",
        r"\mathrm{d}\lVert A\rVert^{2} = \langle 2A, \mathrm{d}A\rangle",
        forward=lambda E, k, D, Y: times(2, inner(E.args[0], D)),
        reverse=lambda E, k, C, Y: times(2, C, E.args[0]),
    ),
    "norm": Rule(
        "norm",
        "d‖A‖ = ⟨A/‖A‖, dA⟩",
        r"\mathrm{d}\lVert A\rVert = \langle A/\lVert A\rVert, \mathrm{d}A\rangle",
        forward=lambda E, k, D, Y: times(power(Y, -1), inner(E.args[0], D)),
        reverse=lambda E, k, C, Y: times(C, power(Y, -1), E.args[0]),
        condition="A ≠ 0",
    ),
    "det": Rule(
        "determinant",
        "d det A = det A · tr(A⁻¹dA) = ⟨det A · A⁻ᵀ, dA⟩",
        r"\mathrm{d}\det A = \langle \det A\; A^{-\mathsf{T}}, \mathrm{d}A\rangle",
        forward=det_forward,
        reverse=lambda E, k, C, Y: times(C, Y, transpose(inverse(E.args[0]))),
        condition="A invertible",
    ),
    "logdet": Rule(
        "log determinant",
        "d log|det A| = tr(A⁻¹dA) = ⟨A⁻ᵀ, dA⟩",
        r"\mathrm{d}\log|\det A| = \langle A^{-\mathsf{T}}, \mathrm{d}A\rangle",
        forward=lambda E, k, D, Y: trace(matmul(inverse(E.args[0]), D)),
        reverse=lambda E, k, C, Y: times(C, transpose(inverse(E.args[0]))),
        condition="A invertible",
    ),
    "inverse": Rule(
        "inverse",
        "dA⁻¹ = −A⁻¹ dA A⁻¹, so ⟨C, dA⁻¹⟩ = ⟨−A⁻ᵀCA⁻ᵀ, dA⟩",
        r"\mathrm{d}A^{-1} = -A^{-1}\,\mathrm{d}A\,A^{-1}",
        forward=inverse_forward,
        reverse=inverse_reverse,
        condition="A invertible",
    ),
    "solve": Rule(
        "linear solve",
        "dU = A⁻¹(dB − dA U) for U = A⁻¹B: with AᵀΛ = C, ⟨C, dU⟩ = ⟨Λ, dB⟩ − ⟨ΛUᵀ, dA⟩",
        r"\mathrm{d}U = A^{-1}(\mathrm{d}B - \mathrm{d}A\,U), \quad U = A^{-1}B",
        forward=solve_forward,
        reverse=solve_reverse,
        condition="A invertible",
    ),
    "power": Rule(
        "power",
        "d Aᵖ = p Aᵖ⁻¹ ∘ dA, entry by entry",
        r"\mathrm{d}A^{\circ p} = p A^{\circ (p-1)} \circ \mathrm{d}A",
        forward=lambda E, k, D, Y: hadamard(power_slope(E), D),
        reverse=lambda E, k, C, Y: hadamard(C, power_slope(E)),
        condition="A ≠ 0 where p < 1, A > 0 where p is no integer",
    ),
    "apply": Rule(
        "entrywise function",
        "d φ(A) = φ′(A) ∘ dA",
        r"\mathrm{d}\varphi(A) = \varphi'(A) \circ \mathrm{d}A",
        forward=lambda E, k, D, Y: hadamard(slope(E, Y), D),
        reverse=lambda E, k, C, Y: hadamard(C, slope(E, Y)),
    ),
    "softmax": Rule(
        "softmax",
        "dp = p ∘ dz − (pᵀdz) p, row by row",
        r"\mathrm{d}p = p \circ \mathrm{d}z - (p^{\mathsf{T}}\mathrm{d}z)\,p",
        forward=softmax_forward,
        reverse=softmax_reverse,
    ),
    "logsumexp": Rule(
        "log-sum-exp",
        "d log Σ exp z = ⟨softmax z, dz⟩, row by row",
        r"\mathrm{d}\operatorname{logsumexp}z = \langle \operatorname{softmax}z, \mathrm{d}z\rangle",
        forward=lse_forward,
        reverse=lse_reverse,
    ),
    "sqdist": Rule(
        "squared distances",
        "d‖x − z‖² = 2⟨x − z, dx − dz⟩, row by row",
        r"\mathrm{d}\lVert x - z\rVert^{2} = 2\langle x - z, \mathrm{d}x - \mathrm{d}z\rangle",
        forward=sqdist_forward,
        reverse=sqdist_reverse,
    ),
    **REARRANGING,
}


def rule_of(E: Expr) -> Rule:
    """The rule for a node. Raises ValueError, naming the operation, where there is none."""
    if E.op not in RULES:
        raise ValueError(f"the engine has no rule for {E.op}, met in {E!r}; it refuses rather than guess.")
    return RULES[E.op]


def title_of(E: Expr) -> str:
    """The name under which a line quotes the rule: of an entrywise function, its own derivative."""
    if E.op == "pick":
        return f"picking {picked(E)}"
    return FUNCTIONS[E.data].title if E.op == "apply" else RULES[E.op].title


def condition_of(E: Expr) -> str:
    """Where the rule holds at this node, with the argument filled in; "" if everywhere."""
    E = E.args[0] if E.op == "let" else E
    argument = repr(E.args[0])
    match E.op:
        case "apply":
            return FUNCTIONS[E.data].condition.replace("z", argument)
        case "power":
            whole = E.data == int(E.data)
            return "" if whole and E.data >= 1 else f"{argument} ≠ 0" if whole else f"{argument} > 0"
    return RULES[E.op].condition.replace("A", argument)


TITLES_IN_LATEX = TITLES | {f.title: f.title_latex for f in FUNCTIONS.values()}


def title_latex(title: str) -> str:
    """The title of a rule in LaTeX."""
    return TITLES_IN_LATEX.get(title, rf"\text{{{title}}}")
