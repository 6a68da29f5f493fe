"""What the checker says: a verdict, the mistake by name, the line and the term, the evidence, three hints."""

from typing import NamedTuple


class Diagnosis(NamedTuple):
    """The mistake, named, and what it was recognised by.

    cause, evidence  in words; "unknown" or "not explained" where none of the known mistakes fits
    verdict          correct, wrong, convention, another metric, not explained, ambiguous (two explanations
                     by two slips each, equally likely), error (in the answer itself)
    classes          the classes of the mistakes, by the names in `MISTAKES`; two for a double; none for a
                     derivative by something else than X, which is no mistake of any of these kinds, and
                     for what teachers call by several of them: log′, a mean held constant
    line, term       where in the derivation: its line, counted from 0 as printed, and the term ⟨C, dE⟩
    hints            three, from "one term is off" to the line and its rule
    others           further explanations that give the same numbers
    note             what makes the verdict weaker than it could be, if anything does
    """

    cause: str
    evidence: str
    verdict: str = ""
    classes: tuple[str, ...] = ()
    line: int | None = None
    term: str = ""
    hints: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        return f"{self.cause}: {self.evidence}."

    def __repr__(self) -> str:
        return str(self)


MISTAKES = {
    "layout": "transposed, or in another layout, as a whole or in one factor",
    "factor": "a number too much or too little",
    "mean": "1/n missing, doubled, or where it does not belong",
    "one-sided": "A where A + Aᵀ belongs: a variable that stands twice was moved once",
    "penalty": "the penalty's term, or another whole term of the function, missing",
    "batch": "no sum over the samples, where the variable is shared by them",
    "hadamard": "* for @ or @ for *, entrywise powers for powers of a matrix",
    "sign": "a sign, of the whole or of a term",
    "softmax": "softmax: the diagonal of its Jacobian only, or its normaliser held constant",
    "point": "a derivative, or another factor, taken at the wrong point",
    "activation": "the function's derivative missing, doubled or another one's",
    "time": "through time or steps: wrong index, wrong order, recursion lost",
    "symmetric": "a structured variable treated as another: not symmetrised, not cut off",
    "rule": "a rule for trace, determinant, inverse, norm or quotient misremembered",
    "check": "right but for the way it was computed or checked",
    "convention": "another convention: the derivative by each free entry of a symmetric matrix",
    "natural": "the gradient in another metric: natural, relative, a Newton step",
}


def ladder(verdict: str, what: str, where: str, term: str, shape_is_right: bool) -> tuple[str, ...]:
    """Three hints, each giving away more than the one before."""
    if verdict == "correct":
        return ()
    first = (
        "The shape is right; something in it is off."
        if shape_is_right
        else "The shape is not the variable's."
    )
    if not where:
        return first, f"It is about this: {what.split(':')[0]}.", what
    second = f"Look at the last line, {term}." if term.startswith("with ") else f"Look at the term {term}."
    return first, second, f"{where}: {what}."
