r"""Index form: what stands in entry (i, j), with every sum written out.

(AB)_ij = Σ_k A_ik B_kj, transposes swap the letters, diag(a) and 1 need none of their own.  What has no index
form, an inverse or a determinant, is written as a matrix in brackets with its entry below.
"""

from collections.abc import Iterator
from fractions import Fraction

from mcbook.calculus.engine.algebra import split
from mcbook.calculus.engine.latex import Latex
from mcbook.calculus.engine.nodes import Expr

SUM, PRODUCT, ATOM = range(3)
LETTERS = "ijklmpqrst"


class Index:
    """Writes entries of expressions in LaTeX; `i`, `j` are the letters of the entry, new ones follow."""

    def __init__(self) -> None:
        self.matrix = Latex()
        self.letters: Iterator[str] = iter(LETTERS)

    def fresh(self) -> str:
        letter = next(self.letters, None)
        if letter is None:
            raise ValueError(f"more than {len(LETTERS)} indices: an index form would help nobody here.")
        return letter

    def at(self, E: Expr, i: str, j: str, level: int) -> str:
        written, tightness = self.entry(E, i, j)
        return written if tightness >= level else rf"\left({written}\right)"

    def entry(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        """Entry (i, j) of E, and how tightly it holds together."""
        special = getattr(self, f"entry_{E.op}", None)
        return special(E, i, j) if special else self.bracket(E, i, j)

    def bracket(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        """[E]_ij, for what is known only as a whole."""
        if E.is_scalar:
            return self.matrix.at(E, 2), PRODUCT
        letters = i if E.is_column else j if E.shape[0] == 1 else i + j
        return rf"\left[{self.matrix(E)}\right]_{{{letters}}}", ATOM

    def total(self, letters: list[tuple[str, int]], inside: str) -> tuple[str, int]:
        sums = "".join(rf"\sum_{{{a}=1}}^{{{n}}} " for a, n in letters)
        return sums + inside, PRODUCT if sums else ATOM

    # Leaves

    def entry_symbol(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        if E.is_scalar:
            return self.matrix(E), ATOM
        letters = i if E.is_column else j if E.shape[0] == 1 else i + j
        plain = "_" not in self.matrix(E)
        return (f"{self.matrix(E)}_{{{letters}}}", ATOM) if plain else self.bracket(E, i, j)

    entry_let = entry_symbol

    def entry_number(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return self.matrix(E), ATOM if E.data >= 0 else SUM

    def entry_identity(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return rf"\delta_{{{i}{j}}}", ATOM

    def entry_ones(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return "1", ATOM

    def entry_zeros(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return "0", ATOM

    # Entry by entry

    def entry_add(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        terms = sorted(E.args, key=lambda t: split(t)[0] < 0)
        written = self.at(terms[0], i, j, SUM)
        for term in terms[1:]:
            minus = split(term)[0] < 0
            written += (" - " if minus else " + ") + self.at(-term if minus else term, i, j, PRODUCT)
        return written, SUM

    def entry_times(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        c, rest = split(E)
        if c < 0:
            return "-" + self.at(-E, i, j, PRODUCT), SUM
        parts = rest.args if rest.op == "times" else (rest,)
        below = [s for s in parts if s.is_scalar and s.op == "power" and s.data < 0]
        over = [s for s in parts if s not in below]
        above = [self.at(s, i, j, PRODUCT if s is over[-1] else ATOM) for s in over]
        under = [self.at(1 / s, i, j, PRODUCT) for s in below]
        if not isinstance(c, Fraction) or c.denominator == 1:
            front = [] if c == 1 else [self.matrix.number(c)]
        else:
            front, under = ([str(c.numerator)] if c.numerator != 1 else []), [str(c.denominator), *under]
        factors = r"\,".join(front + above)
        if not under:
            return factors, PRODUCT
        fraction = self.matrix.fraction(r"\,".join(front) or "1", r"\,".join(under))[0]
        return r"\,".join([fraction, *above]), PRODUCT

    def entry_hadamard(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return r"\,".join(self.at(a, i, j, ATOM) for a in E.args), PRODUCT

    def entry_power(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        if E.data == -1:
            return self.matrix.fraction("1", self.entry(E.args[0], i, j)[0])[0], ATOM
        return f"{self.wrapped(E.args[0], i, j)}^{{{E.data}}}", ATOM

    def wrapped(self, E: Expr, i: str, j: str) -> str:
        """An entry that can carry an exponent."""
        written, tightness = self.entry(E, i, j)
        bare = tightness == ATOM and "^" not in written
        return written if bare else rf"\left({written}\right)"

    def entry_apply(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return f"{self.matrix.words[E.data]}{self.matrix.parens(self.entry(E.args[0], i, j)[0])}", ATOM

    def entry_transpose(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return self.entry(E.args[0], j, i)

    def _parts(self, E: Expr, i: str, j: str, sign: str) -> tuple[str, int]:
        A = E.args[0]
        here, there = self.at(A, i, j, PRODUCT), self.at(A, j, i, PRODUCT)
        return rf"\frac{{1}}{{2}}\,\left({here} {sign} {there}\right)", PRODUCT

    def entry_sym(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return self._parts(E, i, j, "+")

    def entry_skew(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return self._parts(E, i, j, "-")

    def entry_diag(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return rf"\delta_{{{i}{j}}}\,{self.at(E.args[0], i, '', ATOM)}", PRODUCT

    def entry_diagonal(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return self.entry(E.args[0], i, i)

    # Sums

    def entry_matmul(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        letters: list[tuple[str, int]] = []
        factors: list[str] = []
        left = i  # the letter of the row
        for k, A in enumerate(E.args):
            last = k == len(E.args) - 1
            if A.op == "diag":
                factors.append(self.at(A.args[0], left, "", ATOM))
                if last:  # the chain ends on the row's own letter
                    factors.append(rf"\delta_{{{left}{j}}}")
                continue
            right = j if last else ""
            if not last and A.shape[1] > 1:
                right = j if all(B.op == "diag" for B in E.args[k + 1 :]) else self.fresh()
                letters += [(right, A.shape[1])] if right != j else []
            if A.op != "ones":
                factors.append(self.at(A, left, right, ATOM))
            if right == j and not last:
                factors += [self.at(B.args[0], j, "", ATOM) for B in E.args[k + 1 :]]
                break
            left = right
        return self.total(letters, r"\,".join(factors) or "1")

    def over_all(self, A: Expr) -> tuple[list[tuple[str, int]], str, str]:
        """Letters for all entries of A, those of length one left out."""
        i, j = (self.fresh() if n > 1 else "" for n in A.shape)
        return [(a, n) for a, n in zip((i, j), A.shape, strict=True) if a], i, j

    def entry_trace(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        k = self.fresh()
        return self.total([(k, E.args[0].shape[0])], self.at(E.args[0], k, k, PRODUCT))

    def entry_sum(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        letters, k, m = self.over_all(E.args[0])
        return self.total(letters, self.at(E.args[0], k, m, PRODUCT))

    def entry_inner(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        letters, k, m = self.over_all(E.args[0])
        return self.total(letters, r"\,".join(self.at(A, k, m, ATOM) for A in E.args))

    def entry_sqnorm(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        letters, k, m = self.over_all(E.args[0])
        return self.total(letters, f"{self.wrapped(E.args[0], k, m)}^{{2}}")

    def entry_norm(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return rf"\left({self.entry_sqnorm(E, i, j)[0]}\right)^{{1/2}}", ATOM

    def entry_logsumexp(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        Z, k = E.args[0], self.fresh()
        inside = self.entry(Z, k, "")[0] if Z.is_column else self.entry(Z, i, k)[0]
        n = Z.shape[0] if Z.is_column else Z.shape[1]
        return rf"\log\left(\sum_{{{k}=1}}^{{{n}}} \exp\left({inside}\right)\right)", ATOM

    def entry_softmax(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        Z, k = E.args[0], self.fresh()
        own = self.entry(Z, i, j)[0]
        inside = self.entry(Z, k, j)[0] if Z.is_column else self.entry(Z, i, k)[0]
        n = Z.shape[0] if Z.is_column else Z.shape[1]
        below = rf"\sum_{{{k}=1}}^{{{n}}} \exp\left({inside}\right)"
        return rf"\frac{{\exp\left({own}\right)}}{{{below}}}", PRODUCT

    def entry_sqdist(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        (X, Z), k = E.args, self.fresh()
        a, b = self.at(X, i, k, PRODUCT), self.at(Z, j, k, PRODUCT)
        return self.total([(k, X.shape[1])], rf"\left({a} - {b}\right)^{{2}}")


def entry_latex(E: Expr) -> str:
    """E_ij in index form: `i` and `j` are its letters, as many as it has dimensions."""
    write = Index()
    i = write.fresh() if E.shape[0] > 1 else ""
    j = write.fresh() if E.shape[1] > 1 else ""
    return write.entry(E, i, j)[0]


def term_latex(C: Expr, E: Expr) -> str:
    """⟨C, dE⟩ = Σ C_ij dE_ij in index form."""
    write = Index()
    letters, i, j = write.over_all(E)
    if E.op in ("symbol", "let"):
        moved = rf"\mathrm{{d}}{write.entry(E, i, j)[0]}"
    else:
        moved = rf"\mathrm{{d}}\left({write.entry(E, i, j)[0]}\right)"
    if C.op == "number" and C.data == 1:
        return moved
    return write.total(letters, write.at(C, i, j, ATOM) + r"\," + moved)[0]
