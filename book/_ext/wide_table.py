"""A table in a region that takes the focus and scrolls with the arrow keys: it is wider than a phone."""

from docutils import nodes


def wide_table(table: nodes.table, label: str) -> nodes.container:
    """The table in its region, which a screen reader calls `label`."""
    opening = (
        '<div class="wide-scroll" style="overflow-x:auto" role="region" tabindex="0" '
        f'aria-label="{label}">'
    )
    wrapper = nodes.container("", classes=["wide-wrap"])
    wrapper += [
        nodes.raw("", opening, format="html"),
        table,
        nodes.raw("", "</div>", format="html"),
    ]
    return wrapper
