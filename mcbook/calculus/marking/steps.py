"""Names with numbers: h_2 is h at step 2, H2 the second layer's H."""

import re

_NUMBERED = re.compile(r"^(.*?[^\d_])(_?)(\d+)$")


def numbered(name: str) -> tuple[str, int] | None:
    """("h", 2) for h_2, ("H", 2) for H2; None for a name without a number."""
    found = _NUMBERED.match(name)
    return (found[1], int(found[3])) if found else None


def time_of(name: str) -> int | None:
    """2 for h_2, where the underscore says that it counts steps; None for H2 and for h."""
    found = _NUMBERED.match(name)
    return int(found[3]) if found and found[2] else None
