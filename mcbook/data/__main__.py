"""`python -m mcbook.data`: list the data sets, and fetch them.

Exit status: 0 done; 1 something could not be fetched, or is damaged; 2 a wrong command line.
"""

import argparse
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from mcbook.data.catalogue import DATASETS, Dataset, dataset
from mcbook.data.store import (
    DataCorrupt,
    DataMissing,
    available,
    cache_dir,
    embedded,
    here,
    locate,
    need,
    paths,
    user_dir,
)


def size_bytes(row: Dataset) -> int:
    """Bytes of all the files of a set."""
    if row.packaged:
        return sum(len(embedded(name).read_bytes()) for name in row.packaged) if available(row.name) else 0
    return sum(file.size_bytes for file in row.files)


def where(row: Dataset) -> str:
    """Where a set is: in mcbook, MCBOOK_DATA, the cache, part here, damaged, or not here."""
    if row.packaged:
        return "in mcbook" if available(row.name) else "MISSING from mcbook"
    own = user_dir()
    try:
        found = list(here(row, row.repacked) or (locate(row, file) for file in row.files))
    except DataCorrupt:
        return "DAMAGED in MCBOOK_DATA"
    if not any(found):
        return "not here"
    if not all(found):
        return "partly here"
    from_own = own is not None and all(path is not None and own in path.parents for path in found)
    return "MCBOOK_DATA" if from_own else "cache"


def listing(*, verbose: bool = False) -> str:
    """The catalogue as a table of at most 80 columns; `verbose` adds home, citation and notes."""
    lines = [f"{'name':<12} {'size':>7}  {'licence':<27} {'where':<22}".rstrip()]
    for row in DATASETS.values():
        kilobytes = f"{size_bytes(row) / 1000:.0f} kB"
        lines.append(f"{row.name:<12} {kilobytes:>7}  {row.licence:<27} {where(row)}")
        if verbose:
            for text in (row.title + ".", f"Home: {row.home}", f"Cite: {row.citation}", row.note):
                lines += textwrap.wrap(
                    text, 78, initial_indent="    ", subsequent_indent="      ", break_long_words=False
                )
            lines.append("")
    lines += ["", f"MCBOOK_DATA  {user_dir() or 'not set'}", f"cache        {cache_dir() or 'needs pooch'}"]
    own = user_dir()
    if own is not None and not own.is_dir():
        lines.append(f"Note: MCBOOK_DATA names {own}, which is not a folder.")
    return "\n".join(lines).replace("\n\n\n", "\n\n")


def fetch(names: Sequence[str]) -> int:
    """Bring the named sets here; returns the number that failed."""
    failed = 0
    for name in names:
        row = dataset(name)
        try:
            if not available(name):
                paths(name, progress=_progress_bar)
            print(f"{name}: {where(row)}")
        except (DataMissing, DataCorrupt, ImportError) as error:
            failed += 1
            print(f"{name}: {error}", file=sys.stderr)
    return failed


def _progress_bar(name: str, size: int) -> Any:
    """A bar on a terminal; nothing where standard error is not one."""
    tqdm = need("tqdm", "the progress bar")
    return tqdm.tqdm(desc=name, total=size, unit="B", unit_scale=True, ncols=78, disable=None)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m mcbook.data", description="List the book's data sets, or fetch them."
    )
    top.add_argument("-v", "--verbose", action="store_true", help="with home, citation and notes")
    commands = top.add_subparsers(dest="command", metavar="{fetch}")
    get = commands.add_parser("fetch", help="download sets into the cache", description="Download sets.")
    get.add_argument("names", nargs="*", metavar="NAME", help="a set's name, as the list shows it")
    get.add_argument("--all", action="store_true", help="every set")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    top = parser()
    args = top.parse_args(argv)
    if args.command is None:
        print(listing(verbose=args.verbose))
        return 0
    if bool(args.names) == args.all:
        top.error("fetch expects names of sets, or --all")
    try:
        names = list(DATASETS) if args.all else [dataset(name).name for name in args.names]
    except ValueError as error:
        top.error(str(error))
    return 1 if fetch(names) else 0


if __name__ == "__main__":
    raise SystemExit(main())
