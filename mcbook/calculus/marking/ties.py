"""Explanations that give the same numbers: which is believed, and when neither is."""

import re
from collections.abc import Iterable, Sequence

from mcbook.calculus.marking.given import Given
from mcbook.calculus.marking.graph import Graph
from mcbook.calculus.marking.repair import as_text
from mcbook.calculus.marking.search import Explanation, Search, near
from mcbook.calculus.marking.slips import Slip

MARGIN = 0.06  # by how much two slips must be less surprising than two others, to be believed
ONE_THING = ({"one-sided", "factor"}, {"one-sided", "layout"}, {"symmetric", "factor"})
HALF = re.compile(r"/ *\(?2\b|\b0\.5\b")


def by_cost(*found: Iterable[Explanation]) -> list[Explanation]:
    return sorted((x for some in found for x in some), key=lambda x: x.cost)


def whole_terms_first(found: list[Explanation]) -> list[Explanation]:
    """A whole term left out before a place in it forgotten, where its other places come to nothing."""
    if found and found[0].labels == {"one-sided"}:
        close = (x for x in found if x.labels == {"penalty"} and x.cost <= found[0].cost + 0.1)
        if term := next(close, None):
            return [term, *(x for x in found if x is not term)]
    return found


def as_written(found: list[Explanation], given: Given, graph: Graph) -> list[Explanation]:
    """The same, a lost half as a number before one of two places, where the learner wrote a ½."""
    written = as_text(graph.derivation.gradient, graph.derivation.f)
    if not given.text or not HALF.search(given.text) or HALF.search(written):
        return found
    return sorted(found, key=lambda x: x.cost - MARGIN * ("factor" in x.labels))


def rival_of(search: Search, found: Sequence[Explanation]) -> Explanation | None:
    """Two slips of other classes, hardly more surprising than the best two: then neither pair is believed.

    Of one place of three it is the third that says the same, as a number.
    """
    best = found[0]
    close = [x for x in found[1:] if x.cost <= best.cost + MARGIN and x.labels != best.labels]
    if len(best.slips) == 1:
        close = [x for x in close if _is_a_share(x.slips[0]) and best.labels == {"one-sided"}]
    else:
        close = [x for x in close if not _alike(search, best, x)]
    return close[0] if close else None


def _alike(search: Search, best: Explanation, other: Explanation) -> bool:
    """Whether two pairs share a class and say one thing else, that alone would be told by its cost.

    Half of the gradient, as one of two places or as a number; one place twice, or its matrix turned round.
    """
    shared = best.labels & other.labels
    if best.labels ^ other.labels not in ONE_THING or len(best.slips) + len(other.slips) != 4:
        return False
    one, two = (next(s for s in x.slips if s.label not in shared) for x in (best, other))
    if _is_a_share(one) or _is_a_share(two):
        return False
    values = [v for slip in (one, two) if (v := search.value_of(slip)) is not None]
    return len(values) == 2 and near(*values)


def _is_a_share(slip: Slip) -> bool:
    """Whether the slip is a third, or two thirds, for a whole."""
    shares = [c for _, c in slip.changes]
    return shares != [] and all(isinstance(c, float) and 0 < c < 1 and c != 0.5 for c in shares)
