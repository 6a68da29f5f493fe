"""Tests and notebook cells that need a fetched data set are skipped by name where it is missing.

`MCBOOK_REQUIRE=data` says that this machine has the data: there a skip is a failure.
"""

import os
from collections.abc import Iterator

import pytest

TAG = "data-"  # a notebook's cell tagged `data-speech` runs on the fetched set `speech`


def data_sets(item: pytest.Item) -> list[str]:
    """The fetched data sets that a test (by its marker) or a notebook's cell (by its tags) needs."""
    marked = [name for mark in item.iter_markers("data") for name in mark.args]
    tags = getattr(item, "cell", {}).get("metadata", {}).get("tags", [])
    return marked + [tag.removeprefix(TAG) for tag in tags if tag.startswith(TAG)]


def missing_data(item: pytest.Item) -> str | None:
    """What to say of an item whose data is not here; None if it needs none, or all is here."""
    names = data_sets(item)
    if not names:
        return None
    from mcbook import data  # not at the top: jaxtyping instruments mcbook after this file is read

    missing = " ".join(name for name in names if not data.available(name))
    return f"the data set {missing} is not here: python -m mcbook.data fetch {missing}" if missing else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    reason = missing_data(item)
    if reason and "data" in os.environ.get("MCBOOK_REQUIRE", "").split(","):
        pytest.fail(reason, pytrace=False)
    if reason and not hasattr(item, "cell"):
        pytest.skip(reason)
    if reason:  # a cell says in words that its data is missing: it has to run, not to say what is stored
        item.options["check"] = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    yield
    reason = hasattr(item, "cell") and missing_data(item)
    if reason:
        pytest.skip(f"ran, but its output was not compared: {reason}")
