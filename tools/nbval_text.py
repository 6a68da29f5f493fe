"""A pytest plugin (`-p tools.nbval_text`): nbval's strict lane compares what slimmed notebooks keep, text.

Without it a figure's HTML, which tools/slim.py drops from the committed notebook, counts as an
unexpected output.
"""

from __future__ import annotations

import pytest

SCREEN_TYPES = (
    "text/html",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "application/javascript",
    "application/vnd.jupyter.widget-view+json",
)


def pytest_collectstart(collector: pytest.Collector) -> None:
    if hasattr(collector, "skip_compare"):
        collector.skip_compare = tuple(dict.fromkeys((*collector.skip_compare, *SCREEN_TYPES)))
