"""The worked examples on the notation page, run as they stand there."""

import doctest
import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "book" / "notation.md"


def test_examples_on_the_page_run_as_printed():
    blocks = re.findall(r"^```pycon\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "notation", str(PAGE), 0)
    printed: list[str] = []
    result = doctest.DocTestRunner().run(examples, out=printed.append)
    assert result.attempted >= 12
    assert not result.failed, "".join(printed)
