r"""The rules of what only moves entries about: diagonals, triangles, stacking, Kronecker products, picking.

All are linear; to reverse one is to put the entries back where they came from.
"""

from mcbook.calculus.engine.adjoints import (
    Rule,
    by_itself,
    kron_left_reverse,
    kron_reverse,
    kron_right_reverse,
    linear,
)
from mcbook.calculus.engine.picking import placed
from mcbook.calculus.engine.vocabulary import diag, diagonal, lower, skew, sym, unvec, upper, vec

REARRANGING: dict[str, Rule] = {
    "diag": Rule(
        "diagonal matrix",
        "⟨C, diag(da)⟩ = ⟨diag C, da⟩",
        r"\langle C, \operatorname{diag}(\mathrm{d}a)\rangle"
        r" = \langle \operatorname{diag}C, \mathrm{d}a\rangle",
        forward=linear,
        reverse=lambda E, k, C, Y: diagonal(C),
    ),
    "diagonal": Rule(
        "diagonal",
        "⟨c, diag(dA)⟩ = ⟨diag c, dA⟩",
        r"\langle c, \operatorname{diag}(\mathrm{d}A)\rangle"
        r" = \langle \operatorname{diag}c, \mathrm{d}A\rangle",
        forward=linear,
        reverse=lambda E, k, C, Y: diag(C),
    ),
    "sym": Rule(
        "symmetric part",
        "⟨C, sym dA⟩ = ⟨sym C, dA⟩",
        r"\langle C, \operatorname{sym}\mathrm{d}A\rangle"
        r" = \langle \operatorname{sym}C, \mathrm{d}A\rangle",
        forward=linear,
        reverse=by_itself(sym),
    ),
    "skew": Rule(
        "antisymmetric part",
        "⟨C, skew dA⟩ = ⟨skew C, dA⟩",
        r"\langle C, \operatorname{skew}\mathrm{d}A\rangle"
        r" = \langle \operatorname{skew}C, \mathrm{d}A\rangle",
        forward=linear,
        reverse=by_itself(skew),
    ),
    "lower": Rule(
        "lower triangle",
        "⟨C, lower dA⟩ = ⟨lower C, dA⟩",
        r"\langle C, \operatorname{lower}\mathrm{d}A\rangle"
        r" = \langle \operatorname{lower}C, \mathrm{d}A\rangle",
        forward=linear,
        reverse=by_itself(lower),
    ),
    "upper": Rule(
        "upper triangle",
        "⟨C, upper dA⟩ = ⟨upper C, dA⟩",
        r"\langle C, \operatorname{upper}\mathrm{d}A\rangle"
        r" = \langle \operatorname{upper}C, \mathrm{d}A\rangle",
        forward=linear,
        reverse=by_itself(upper),
    ),
    "vec": Rule(
        "stacking",
        "⟨c, vec dA⟩ = ⟨unvec c, dA⟩",
        r"\langle c, \operatorname{vec}\mathrm{d}A\rangle"
        r" = \langle \operatorname{unvec}c, \mathrm{d}A\rangle",
        forward=linear,
        reverse=lambda E, k, C, Y: unvec(C, *E.args[0].shape),
    ),
    "unvec": Rule(
        "unstacking",
        "⟨C, unvec da⟩ = ⟨vec C, da⟩",
        r"\langle C, \operatorname{unvec}\mathrm{d}a\rangle"
        r" = \langle \operatorname{vec}C, \mathrm{d}a\rangle",
        forward=linear,
        reverse=lambda E, k, C, Y: vec(C),
    ),
    "kron": Rule(
        "Kronecker product",
        "d(A ⊗ B) = dA ⊗ B + A ⊗ dB; ⟨C, dA ⊗ B⟩ = Σ ⟨C_ij, B⟩ dA_ij over the blocks of C",
        r"\mathrm{d}(A \otimes B) = \mathrm{d}A \otimes B + A \otimes \mathrm{d}B",
        forward=linear,
        reverse=kron_reverse,
    ),
    "kron_left": Rule(
        "blocks against a factor",
        "⟨D, [⟨C_ij, B⟩]⟩ = ⟨C, D ⊗ B⟩",
        r"\langle D, [\langle C_{ij}, B\rangle]\rangle = \langle C, D \otimes B\rangle",
        forward=linear,
        reverse=kron_left_reverse,
    ),
    "kron_right": Rule(
        "weighted blocks",
        "⟨D, Σ A_ij C_ij⟩ = ⟨C, A ⊗ D⟩",
        r"\langle D, \textstyle\sum A_{ij} C_{ij}\rangle = \langle C, A \otimes D\rangle",
        forward=linear,
        reverse=kron_right_reverse,
    ),
    "pick": Rule(
        "picking entries",
        "⟨c, dA_ij⟩ = ⟨c e_i e_jᵀ, dA⟩; of a row ⟨c, dA_i⟩ = ⟨e_i c, dA⟩; of a block, zeros around C",
        r"\langle c, \mathrm{d}A_{ij}\rangle"
        r" = \langle c\,\mathbf{e}_{i}\,\mathbf{e}_{j}^{\mathsf{T}}, \mathrm{d}A\rangle",
        forward=linear,
        reverse=lambda E, k, C, Y: placed(C, E),
    ),
}
