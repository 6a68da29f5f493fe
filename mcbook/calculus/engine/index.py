r"""Index form: what stands in entry (i, j), with every sum written out.

(AB)_ij = Σ_k A_ik B_kj, transposes swap the letters, diag(a) and 1 need none of their own.  What has no index
form, an inverse or a determinant, is written as a matrix in brackets with its entry below.
"""

from collections.abc import Collection, Iterator
from fractions import Fraction

from mcbook.calculus.engine.algebra import split, transpose
from mcbook.calculus.engine.latex import Latex
from mcbook.calculus.engine.nodes import Expr, Number, walk
from mcbook.calculus.engine.picking import Run, is_unit
from mcbook.calculus.engine.printer import CHAIN, Printer

SUM, PRODUCT, ATOM = range(3)
LETTERS = "ijklmpqrst"
Writer = type[Printer]


class Index:
    """Writes entries of expressions; `i`, `j` are the letters of the entry, new ones follow."""

    def __init__(self, write: Writer = Latex, names: Collection[str] = ()) -> None:
        self.matrix = write()
        self.alphabet = [a for a in LETTERS if a not in names]  # no letter is the name of something else
        self.letters: Iterator[str] = iter(self.alphabet)
        self.bound: list[str] = []  # what stands for something where we are writing

    def fresh(self) -> str:
        """A new letter; when all are taken, one whose own sum is written to its end."""
        letter = next(self.letters, None) or next((a for a in self.alphabet if a not in self.bound), None)
        if letter is None:
            raise ValueError(f"more than {len(self.alphabet)} indices: an index form would help nobody here.")
        self.bound.append(letter)
        return letter

    def at(self, E: Expr, i: str, j: str, level: int) -> str:
        written, tightness = self.entry(E, i, j)
        return written if tightness >= level else self.matrix.parens(written)

    def entry(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        """Entry (i, j) of E, and how tightly it holds together."""
        special, outside = getattr(self, f"entry_{E.op}", None), len(self.bound)
        written = special(E, i, j) if special else self.bracket(E, i, j)
        del self.bound[outside:]
        return written

    def bracket(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        """[E]_ij, for what is known only as a whole."""
        if E.is_scalar:
            return self.matrix.at(E, CHAIN), PRODUCT
        return self.matrix.indexed(self.matrix.brackets(self.matrix(E)), _places(E, i, j)), ATOM

    def total(self, letters: list[tuple[str, int]], inside: str) -> tuple[str, int]:
        sums = "".join(self.matrix.sum_over(a, n) for a, n in letters)
        return sums + inside, PRODUCT if sums else ATOM

    def product(self, *factors: str) -> str:
        return self.matrix.space.join(factors)

    def ratio(self, above: tuple[str, int], below: tuple[str, int]) -> tuple[str, int]:
        """A fraction; what is written in a line needs its brackets."""
        if not self.matrix.inline:
            return self.matrix.fraction(above[0], below[0])[0], ATOM
        parts = [w if t == ATOM else self.matrix.parens(w) for w, t in (above, below)]
        return "/".join(parts), PRODUCT

    # Leaves

    def entry_symbol(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        if E.is_scalar:
            return self.matrix(E), ATOM
        places = _places(E, i, j)
        plain = "_" not in Latex().name(E.name) and not all(a.isdigit() for a in places)  # x_3 is a name
        return (self.matrix.indexed(self.matrix(E), places), ATOM) if plain else self.bracket(E, i, j)

    entry_let = entry_symbol

    def entry_number(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return self.matrix(E), ATOM if E.data >= 0 else SUM

    def entry_identity(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return self.matrix.delta(i, j), ATOM

    def entry_ones(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return "1", ATOM

    def entry_zeros(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return "0", ATOM

    def entry_pick(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        A, (rows, columns) = E.args[0], E.data
        if is_unit(E):
            return self.matrix.delta(i, str(columns[0] + 1)), ATOM
        return self.entry(A, _place(i, rows, A.shape[0]), _place(j, columns, A.shape[1]))

    # Entry by entry

    def entry_add(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        terms = sorted(E.args, key=lambda t: split(t)[0] < 0)
        written = self.at(terms[0], i, j, SUM)
        for term in terms[1:]:
            minus = split(term)[0] < 0
            written += (f" {self.matrix.minus} " if minus else " + ") + self.at(
                -term if minus else term, i, j, PRODUCT
            )
        return written, SUM

    def entry_times(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        c, rest = split(E)
        if c < 0:
            return self.matrix.minus + self.at(-E, i, j, PRODUCT), SUM
        parts = rest.args if rest.op == "times" else (rest,)
        below = [s for s in parts if s.is_scalar and s.op == "power" and s.data < 0]
        over = [s for s in parts if s not in below]
        above = [self.at(s, i, j, PRODUCT if s is over[-1] else ATOM) for s in over]
        under = [self.at(1 / s, i, j, ATOM if self.matrix.inline else PRODUCT) for s in below]
        if not isinstance(c, Fraction) or c.denominator == 1:
            front = [] if c == 1 else [self.matrix.number(c)]
        else:
            front, under = ([str(c.numerator)] if c.numerator != 1 else []), [str(c.denominator), *under]
        if not under:
            return self.product(*front, *above), PRODUCT
        fraction = self.matrix.fraction(self.product(*front) or "1", self.below(under))[0]
        inline = self.matrix.inline and above and "/" in fraction
        return self.product(self.matrix.parens(fraction) if inline else fraction, *above), PRODUCT

    def below(self, factors: list[str]) -> str:
        """What stands below the bar; in a line, several factors stand in brackets."""
        written = self.product(*factors)
        return self.matrix.parens(written) if self.matrix.inline and len(factors) > 1 else written

    def entry_hadamard(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return self.product(*(self.at(a, i, j, ATOM) for a in E.args)), PRODUCT

    def entry_power(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        if E.data == -1:
            return self.ratio(("1", ATOM), self.entry(E.args[0], i, j))
        return self.raised(E.args[0], i, j, E.data), ATOM

    def raised(self, E: Expr, i: str, j: str, p: Number) -> str:
        """An entry with an exponent."""
        written, tightness = self.entry(E, i, j)
        indexed = self.matrix.inline and "_" in written and not written.endswith(")")
        bare = tightness == ATOM and "^" not in written and not indexed
        return self.matrix.script(written if bare else self.matrix.parens(written), self.matrix.exponent(p))

    def entry_apply(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        word = self.matrix.words.get(E.data, E.data)
        return word + self.matrix.parens(self.entry(E.args[0], i, j)[0]), ATOM

    def entry_transpose(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return self.entry(E.args[0], j, i)

    def _parts(self, E: Expr, i: str, j: str, sign: str) -> tuple[str, int]:
        A = E.args[0]
        both = f"{self.at(A, i, j, PRODUCT)} {sign} {self.at(A, j, i, PRODUCT)}"
        return self.product(self.matrix.fraction("1", "2")[0], self.matrix.parens(both)), PRODUCT

    def entry_sym(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return self._parts(E, i, j, "+")

    def entry_skew(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return self._parts(E, i, j, self.matrix.minus)

    def entry_diag(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return self.product(self.matrix.delta(i, j), self.at(E.args[0], i, "", ATOM)), PRODUCT

    def entry_diagonal(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        return self.entry(E.args[0], i, i)

    # Sums

    def entry_matmul(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        letters: list[tuple[str, int]] = []
        factors: list[str] = []
        left = i  # the letter of the row
        for k, A in enumerate(E.args):
            after = E.args[k + 1 :]
            if A.op == "diag":
                factors.append(self.at(A.args[0], left, "", ATOM))
                if not after:  # the chain ends on the row's own letter
                    factors.append(self.matrix.delta(left, j))
                continue
            right = j if not after else ""
            if after and A.shape[1] > 1:
                known = _row_of(A) or _row_of(transpose(after[0]))  # a unit vector picks: no sum is left
                right = known or (j if all(B.op == "diag" for B in after) else self.fresh())
                letters += [(right, A.shape[1])] if right not in (j, known) else []
            picks = (after and _row_of(A)) or (is_unit(A) and left == _row_of(transpose(A)))
            if A.op != "ones" and not picks:
                factors.append(self.at(A, left, right, ATOM))
            if right == j and after:
                factors += [self.at(B.args[0], j, "", ATOM) for B in after]
                break
            left = right
        return self.total(letters, self.product(*factors) or "1")

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
        return self.total(letters, self.product(*(self.at(A, k, m, ATOM) for A in E.args)))

    def entry_sqnorm(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        letters, k, m = self.over_all(E.args[0])
        return self.total(letters, self.raised(E.args[0], k, m, Fraction(2)))

    def entry_norm(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        inside = self.matrix.parens(self.entry_sqnorm(E, i, j)[0])
        return self.matrix.script(inside, self.matrix.exponent(Fraction(1, 2))), ATOM

    def exponentials(self, Z: Expr, i: str, j: str) -> str:
        """Σ exp over the row of entry (i, j), or over the vector."""
        k = self.fresh()
        inside = self.entry(Z, k, j)[0] if Z.is_column else self.entry(Z, i, k)[0]
        n = Z.shape[0] if Z.is_column else Z.shape[1]
        return self.matrix.sum_over(k, n) + self.matrix.words.get("exp", "exp") + self.matrix.parens(inside)

    def entry_logsumexp(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        inside = self.exponentials(E.args[0], i, "")
        return self.matrix.words.get("log", "log") + self.matrix.parens(inside), ATOM

    def entry_softmax(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        own = self.matrix.words.get("exp", "exp") + self.matrix.parens(self.entry(E.args[0], i, j)[0])
        written, _ = self.ratio((own, ATOM), (self.exponentials(E.args[0], i, j), PRODUCT))
        return written, PRODUCT

    def entry_sqdist(self, E: Expr, i: str, j: str) -> tuple[str, int]:
        (X, Z), k = E.args, self.fresh()
        gap = f"{self.at(X, i, k, PRODUCT)} {self.matrix.minus} {self.at(Z, j, k, PRODUCT)}"
        squared = self.matrix.script(self.matrix.parens(gap), self.matrix.exponent(Fraction(2)))
        return self.total([(k, X.shape[1])], squared)


def _places(E: Expr, i: str, j: str) -> list[str]:
    """The letters that an entry of E carries: one for each direction in which it extends."""
    return [a for a, n in zip((i, j), E.shape, strict=True) if n > 1]


def _row_of(A: Expr) -> str:
    """The place of the 1 where A is e_kᵀ, else nothing."""
    return str(A.args[0].data[1][0] + 1) if A.op == "transpose" and is_unit(A.args[0]) else ""


def _place(letter: str, run: Run, n: int) -> str:
    """Where entry `letter` of some neighbours stands among all n: i, i+2, or a number."""
    if n == 1:
        return ""
    if run[1] - run[0] == 1:
        return str(run[0] + 1)
    return f"{letter}+{run[0]}" if run[0] else letter


def names_in(*roots: Expr) -> set[str]:
    """The names that stand in expressions."""
    return {node.name for node in walk(*roots, behind_names=False) if node.name}


def entry_form(E: Expr, write: Writer = Latex, names: Collection[str] = ()) -> str:
    """E_ij in index form: the first letters are its own, as many as it has dimensions.

    names  of what stands elsewhere in the formula: these, and those in E, are no letters
    """
    index = Index(write, {*names, *names_in(E)})
    i = index.fresh() if E.shape[0] > 1 else ""
    j = index.fresh() if E.shape[1] > 1 else ""
    return index.entry(E, i, j)[0]


def term_form(C: Expr, E: Expr, write: Writer = Latex) -> str:
    """⟨C, dE⟩ = Σ C_ij dE_ij in index form."""
    index = Index(write, names_in(C, E))
    letters, i, j = index.over_all(E)
    entry = index.entry(E, i, j)[0]
    moved = index.matrix.d + (entry if E.op in ("symbol", "let") else index.matrix.parens(entry))
    if C.op == "number" and C.data == 1:
        return moved
    return index.total(letters, index.product(index.at(C, i, j, ATOM), moved))[0]
