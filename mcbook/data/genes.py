"""Loaders of labelled stretches of genes."""

from typing import NamedTuple

from mcbook.data.store import paths


class Junctions(NamedTuple):
    """Windows of a genome around a place where an exon may end or begin, one entry per window.

    `labels` are "EI" (an exon ends in the middle: a donor), "IE" (one begins: an acceptor) and "N" (neither).
    """

    sequences: tuple[str, ...]
    labels: tuple[str, ...]
    names: tuple[str, ...]


def splice_junctions(*, fetch: bool = True) -> Junctions:
    """3190 windows of primate genes, 60 letters each, the junction between letters 30 and 31.

    767 are EI, 768 IE, 1655 N. Only 3005 are distinct: a split must keep copies together. 15 windows hold
    ambiguity letters (60 letters N, D, R or S in all), and one sequence stands there as IE and as N.

    Parameters
    ----------
    fetch : download the file if it is neither in MCBOOK_DATA nor in the cache.

    Raises
    ------
    DataMissing : not here, and not fetched; DataCorrupt : damaged in MCBOOK_DATA;
    ImportError : to fetch, pooch is not installed.

    Source: UCI Machine Learning Repository, https://archive.ics.uci.edu/dataset/69, CC BY 4.0; Towell,
    Noordewier & Shavlik (1992), doi:10.24432/C5M888. The source's own text swaps the words donor and acceptor.
    """
    (path,) = paths("splice", fetch=fetch)
    rows = [line.split(",") for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
    labels, names, sequences = zip(*((word.strip() for word in row) for row in rows), strict=True)
    return Junctions(sequences, labels, names)
