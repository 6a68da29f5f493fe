"""Sequences whose truth is known: donors and acceptors drawn from published position frequencies, and decoys.

Problem    real labels have errors and no ceiling; here the law of every window is known, and with it the
           best that anybody can do
Windows    60 letters, junction in front of letter 30, three classes as in the UCI set:
           EI  an exon ends: letters 27..35 (-3..+6) from the donor table, the others background
           IE  an exon begins: letters 16..30 (-14..+1) from the acceptor table, the others background
           N   background; a share of them with a decoy: GT or AG in the right place, and nothing around it
Ceiling    Bayes' rule. With f the table and b the background, at an ambiguous letter summed over its bases,
             log p(x | EI) - log p_0(x) = Σ_t log (x_t · f_t) / (x_t · b),    p_0 all background; IE alike,
             p(x | N) / p_0(x) = 1 - δ + δ/2 [GT] / (b_G b_T) + δ/2 [AG] / (b_A b_G),   δ the share of decoys
           No classifier is right more often, in expectation, than the class with the largest posterior.
Genes      background, and genes of exons and introns planted in it; GT and AG abound elsewhere by chance
Reference  burset2001: SpliceDB's frequency matrices of mammalian GT-AG pairs, 22 199 of them verified by ESTs
           (figures checked in the copy that the R package SPLINTER carries, donor.m and acceptor.m)
Symbols    X (n, 60, 4) letters A, C, G, T; y (n,) indices into CLASSES; f (s, 4) a site's table;
           b (4,) background
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mcbook.splice.sequences import LETTERS, encode

CLASSES = ("EI", "IE", "N")
WINDOW, JUNCTION = 60, 30


class Site(NamedTuple):
    """A site's letter frequencies (s, 4), rows summing to 1, and how many rows lie left of the junction."""

    name: str
    frequencies: Float[np.ndarray, "s 4"]
    before: int

    def columns(self, junction: int = JUNCTION) -> slice:
        """Where in a window with that junction the site lies."""
        return slice(junction - self.before, junction - self.before + len(self.frequencies))

    def positions(self) -> list[str]:
        """-3, -2, -1, +1, …: there is no position 0."""
        return [f"{i:+d}" for i in range(-self.before, len(self.frequencies) - self.before + 1) if i]


# SpliceDB, per cent; rows need not sum to 100, for letters were unknown in places
_DONOR = (  # -3..+6: A, C, G, T
    (34.08, 36.24, 18.31, 11.38), (60.36, 12.90, 12.48, 14.25), (9.14, 3.27, 80.34, 7.24), (0, 0, 100, 0),
    (0, 0, 0, 100), (52.57, 2.82, 41.94, 2.55), (71.26, 7.56, 11.76, 9.29), (7.08, 5.50, 81.35, 5.88),
    (15.98, 16.46, 20.90, 46.16),
)  # fmt: skip
_ACCEPTOR = (  # -14..+1: A, C, G, T
    (9.00, 31.03, 12.50, 42.36), (8.44, 31.04, 11.52, 44.04), (7.51, 30.69, 10.56, 47.04),
    (6.82, 29.32, 10.35, 49.43), (7.63, 32.60, 11.05, 47.05), (7.98, 33.00, 11.32, 46.28),
    (9.66, 37.26, 11.25, 40.81), (9.23, 38.56, 8.52, 42.89), (7.57, 41.02, 6.56, 44.54),
    (7.69, 35.28, 6.37, 50.50), (23.76, 30.92, 21.14, 24.09), (4.21, 70.82, 0.32, 24.61),
    (100, 0, 0, 0), (0, 0, 100, 0), (23.86, 13.81, 51.97, 10.37),
)  # fmt: skip


def _site(name: str, per_cent: Any, before: int) -> Site:
    table = np.asarray(per_cent, dtype=float)
    return Site(name, table / table.sum(axis=1, keepdims=True), before)


DONOR = _site("donor", _DONOR, 3)
ACCEPTOR = _site("acceptor", _ACCEPTOR, 14)
BACKGROUND = np.full(4, 0.25)


class Windows(NamedTuple):
    """Windows with their classes, indices into CLASSES."""

    X: Float[np.ndarray, "n 60 4"]
    y: Int[np.ndarray, " n"]


class Planted(NamedTuple):
    """A long sequence and where its junctions are: junction j lies in front of letter j (from 0)."""

    sequence: str
    donors: Int[np.ndarray, " d"]
    acceptors: Int[np.ndarray, " a"]


def simulate_windows(
    n: int, *, rng: np.random.Generator, shares: Any = (0.25, 0.25, 0.5), decoys: int | float = 0.5
) -> Windows:
    """n windows with their classes.

    Parameters
    ----------
    shares : of the classes EI, IE, N; default as in the UCI set, about.
    decoys : share of the N windows that carry a GT or an AG where a site has it.

    Raises
    ------
    ValueError : n < 1; shares that are not three probabilities; decoys outside [0, 1).
    """
    shares = _checked(shares, decoys)
    if n < 1:
        raise ValueError(f"simulate_windows expects n ≥ 1 windows, got {n}.")
    y = rng.choice(3, size=n, p=shares)
    letters = rng.choice(4, size=(n, WINDOW), p=BACKGROUND)
    for c, site in enumerate((DONOR, ACCEPTOR)):
        letters[y == c, site.columns()] = _draw(site, int((y == c).sum()), rng)
    decoy = rng.choice(3, size=n, p=(decoys / 2, decoys / 2, 1 - decoys))
    for c, (at, pair) in enumerate(_PAIRS):
        letters[(y == 2) & (decoy == c), at : at + 2] = [LETTERS.index(letter) for letter in pair]
    return Windows(np.eye(4)[letters], y)


def bayes_scores(
    X: Any, *, shares: Any = (0.25, 0.25, 0.5), decoys: int | float = 0.5
) -> Float[np.ndarray, "n 3"]:
    """log p(class | window), exact for windows of `simulate_windows` with these shares and decoys.

    -inf where a class is impossible: no donor without GT.  Raises ValueError as `simulate_windows` does, and
    for X that is not (n, 60, 4).
    """
    shares = _checked(shares, decoys)
    X = np.asarray(X, dtype=float)
    if X.ndim != 3 or X.shape[1:] != (WINDOW, 4):
        raise ValueError(
            f"bayes_scores expects windows X (n, {WINDOW}, 4), got {X.shape}; one alone is X[None]."
        )
    pairs = [_given(X[:, at : at + 2], np.eye(4)[[LETTERS.index(a) for a in pair]]) for at, pair in _PAIRS]
    sites = [_given(X[:, site.columns()], site.frequencies) for site in (DONOR, ACCEPTOR)]
    with np.errstate(divide="ignore"):
        chance = np.log(decoys / 2)
        neither = np.logaddexp(np.log1p(-decoys), np.logaddexp(*pairs) + chance)
        joint = np.stack([*sites, neither], axis=1) + np.log(shares)
    return joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)


def site_log_odds(X: Any, site: Site) -> Float[np.ndarray, " junctions"]:
    """log of how much likelier the letters around each junction j = 0..T are in a site than outside.

    X (T, 4) or a string.  -inf where the site would not fit in, or cannot be.  Raises ValueError.
    """
    X = encode(X) if isinstance(X, str) else np.asarray(X, dtype=float)
    if X.ndim != 2 or X.shape[1] != 4:
        raise ValueError(f"site_log_odds expects one sequence X (T, 4), got shape {X.shape}.")
    T, s = len(X), len(site.frequencies)
    found = np.full(T + 1, -np.inf)
    if s <= T:
        starts = np.arange(T - s + 1)
        with np.errstate(divide="ignore"):
            terms = [
                np.log((X @ f)[i + starts] / (X @ BACKGROUND)[i + starts])
                for i, f in enumerate(site.frequencies)
            ]
        found[starts + site.before] = sum(terms)
    return found


def simulate_stretch(
    genes: int,
    *,
    rng: np.random.Generator,
    exons: tuple[int, int] = (3, 6),
    exon_length: tuple[int, int] = (60, 200),
    intron_length: tuple[int, int] = (80, 400),
    spacer: tuple[int, int] = (200, 800),
) -> Planted:
    """A long sequence with `genes` planted: spacer, exon, intron, exon, …, spacer.

    The ranges (least, most) are of exons in a gene and of letters in each part. Real introns are far longer:
    here that would only be more background.

    Raises
    ------
    ValueError : genes < 1; a range that is empty, or shorter than the sites at the ends of the part need.
    """
    _check_stretch(genes, exons=exons, exon_length=exon_length, intron_length=intron_length, spacer=spacer)
    spans = {"spacer": spacer, "exon": exon_length, "intron": intron_length}
    kinds: list[str] = []
    for n_exons in rng.integers(*exons, endpoint=True, size=genes):
        kinds += ["spacer", "exon", *["intron", "exon"] * (int(n_exons) - 1)]
    kinds.append("spacer")
    ends = np.cumsum([rng.integers(*spans[kind], endpoint=True) for kind in kinds])
    introns = np.flatnonzero(np.array(kinds) == "intron")
    donors, acceptors = ends[introns - 1], ends[introns]  # where introns begin, and where they end
    letters = rng.choice(4, size=ends[-1], p=BACKGROUND)
    for site, where in ((DONOR, donors), (ACCEPTOR, acceptors)):
        for j, row in zip(where.tolist(), _draw(site, len(where), rng), strict=True):
            letters[site.columns(j)] = row
    return Planted("".join(np.array(list(LETTERS))[letters]), donors, acceptors)


_PAIRS = ((JUNCTION, "GT"), (JUNCTION - 2, "AG"))


def _draw(site: Site, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, s) letters 0..3, each column from its row of the table."""
    return np.stack([rng.choice(4, size=n, p=f) for f in site.frequencies], axis=1)


def _given(X: np.ndarray, f: np.ndarray) -> np.ndarray:
    """log Π_t (x_t · f_t) / (x_t · b) for X (n, s, 4): how much likelier letters are under f."""
    with np.errstate(divide="ignore"):
        return np.log(np.einsum("nsa,sa->ns", X, f) / (X @ BACKGROUND)).sum(axis=1)


def _checked(shares: Any, decoys: Any) -> np.ndarray:
    shares = np.asarray(shares, dtype=float)
    if shares.shape != (3,) or not np.isclose(shares.sum(), 1) or shares.min() < 0:
        raise ValueError(
            f"shares must be three probabilities, of {', '.join(CLASSES)}; got {shares.tolist()}."
        )
    if not 0 <= decoys < 1:
        raise ValueError(f"decoys must be a share in [0, 1), got {decoys}.")
    return shares


def _check_stretch(genes: int, **ranges: tuple[int, int]) -> None:
    least = {"exons": 2, "exon_length": 4, "intron_length": 20, "spacer": 0}  # a site's own letters fit in
    if genes < 1:
        raise ValueError(f"simulate_stretch expects genes ≥ 1, got {genes}.")
    for name, (low, high) in ranges.items():
        if not least[name] <= low <= high:
            raise ValueError(
                f"{name} must be (least, most) with {least[name]} ≤ least ≤ most, got {(low, high)}."
            )
