"""The one entry point: `make book` on Linux and macOS, `py tools\\make.py book` on Windows.

This file does nothing but refuse a Python that the book cannot run on, so it keeps to syntax that
every Python 3 (and 2.7) can read. The commands themselves stand in commands.py.
"""

import sys

OLDEST, TOO_NEW = (3, 11), (3, 14)


def wrong_python(version):
    """One sentence with the remedy if `version` (major, minor) cannot build the book, else None."""
    if OLDEST <= tuple(version) < TOO_NEW:
        return None
    return (
        "This is Python {}.{}, and the book needs 3.11, 3.12 or 3.13: install one of them and name it, "
        "for example `make book PYTHON=python3.12` (on Windows `py -3.12 tools\\make.py book`)."
    ).format(*version)


if __name__ == "__main__":
    _refusal = wrong_python(sys.version_info[:2])
    if _refusal:
        sys.exit(_refusal)

    import commands

    sys.exit(commands.main(sys.argv[1:]))
