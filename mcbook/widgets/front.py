"""The widgets' front ends, as text."""

from pathlib import Path


def read_together(*names: str) -> str:
    """Files of this folder, one after the other: a widget's module is a single file without imports."""
    return "\n".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in names)
