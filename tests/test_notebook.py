"""The notebooks' helpers: set-up, the tested source, sound, and answers that are judged."""

import ast
import base64
import inspect
import io
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from IPython.core.formatters import DisplayFormatter

from mcbook import notebook, plots
from mcbook.notebook import Question

RATE = 8000


def voice(rng, seconds=1.0):
    """Something between noise and a tone, with a soft start and end, as speech has."""
    t = np.arange(int(seconds * RATE)) / RATE
    return np.hanning(len(t)) * (
        np.sin(2 * np.pi * 300 * t) + 0.3 * np.sin(2 * np.pi * 1100 * t + rng.uniform())
    )


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip


def test_setup_switches_and_says_so():
    code = (
        "from mcbook import notebook as n; n.setup(); import jax.numpy as j; print((j.ones(1) * 1.0).dtype)"
    )
    environment = {"JAX_PLATFORMS": "cpu"}
    done = run(code, **environment)
    assert done.stdout == "JAX: float64 on cpu. Figures: the page's colours.\nfloat64\n"
    assert done.stderr == ""


def test_importing_changes_nothing():
    code = (
        "import matplotlib as m, sys; before = dict(m.rcParams); from mcbook import notebook, plots;"
        "assert dict(m.rcParams) == before; print('jax' in sys.modules)"
    )
    assert run(code).stdout == "False\n"


# --- source ----------------------------------------------------------------------------------------------


def test_show_gives_the_source_without_docstring():
    shown = notebook.show(plots.matrix)
    assert repr(shown) == "Source of mcbook.plots.drawings.matrix (mcbook/plots/drawings.py)"
    markdown = shown._repr_markdown_()
    (code,) = re.findall(r"```python\n(.*?)\n```", markdown, flags=re.S)
    assert code.startswith("def matrix(")
    assert "A matrix as a table" not in code
    assert f"{notebook.REPOSITORY}/blob/main/mcbook/plots/drawings.py" in markdown
    whole = inspect.getsource(inspect.unwrap(plots.matrix))
    assert ast.dump(strip(ast.parse(whole))) == ast.dump(ast.parse(code))


def strip(tree):
    """The oracle: docstrings dropped from the syntax tree instead of from the text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Expr(ast.Constant(...))]
    return tree


@pytest.mark.parametrize(
    "code",
    [
        'def f(x):\n    """One."""\n    return x',
        'def f(x):\n    """One.\n\n    Two.\n    """\n\n'
        '    def g(y):\n        """In."""\n        return y\n\n    return g(x)',
        'class A:\n    """Only this."""',
        'class A:\n    """Doc."""\n\n    x: int = 1\n\n'
        '    def f(self):\n        """Doc."""\n        return """text"""',
        "def f(x):\n    return x",
    ],
)
def test_docstrings_go_and_code_stays(code):
    assert ast.dump(ast.parse(notebook.without_docstrings(code))) == ast.dump(strip(ast.parse(code)))


def test_show_keeps_docstrings_on_request_and_takes_several():
    markdown = notebook.show(plots.matrix, notebook.Question, docstring=True)._repr_markdown_()
    assert "A matrix as a table" in markdown
    assert "class Question(NamedTuple)" in markdown
    assert markdown.count("```python") == 2


@pytest.mark.parametrize("thing", [np.linalg.inv, 3, "mcbook", lambda x: x])
def test_show_refuses_what_is_not_tested_code(thing):
    with pytest.raises(ValueError, match="functions or classes of mcbook"):
        notebook.show(thing)


# --- sound -----------------------------------------------------------------------------------------------


def decode(player):
    kind, data = re.search(r'src="data:([^;]+);base64,([^"]+)"', player._repr_html_()).groups()
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
    assert kind == player.kind
    return samples, rate


def test_sound_decodes_back_to_the_signal(rng):
    x = 3.0 * voice(rng)
    y, rate = decode(notebook.play(x, RATE, "a tone"))
    assert rate == RATE
    lag = np.argmax(np.correlate(y, x, "full")) - (len(x) - 1)  # MP3 may pad the start
    assert 0 <= lag < RATE * 0.2
    y = y[lag : lag + len(x)]
    x = x[: len(y)]
    assert np.corrcoef(x, y)[0, 1] > 0.99
    assert (x @ y) / (x @ x) * np.abs(x).max() == pytest.approx(notebook.HEADROOM, rel=0.05)


def test_wav_where_mp3_has_no_such_rate(rng):
    x = voice(rng)
    y, rate = decode(notebook.play(x, 7350, "a tone"))
    assert rate == 7350
    np.testing.assert_allclose(y, notebook.HEADROOM * x / np.abs(x).max(), atol=2 / 2**15)


def test_mp3_is_light(rng):
    player = notebook.play(voice(rng, 4.0), RATE, "a tone")
    assert player.kind == "audio/mpeg"
    assert len(player.sound) < 4.0 * 4000  # under 32 kbit/s


def test_a_shared_level_keeps_loudness_apart(rng):
    x = voice(rng)
    loud, soft = (decode(notebook.play(g * x, RATE, "a tone", level=np.abs(x).max()))[0] for g in (1.0, 0.25))
    assert np.std(soft) / np.std(loud) == pytest.approx(0.25, rel=0.05)


def test_players_speak_and_repeat_themselves(rng):
    x = voice(rng)
    row = notebook.play_row(
        [notebook.play(x, RATE, "first <voice>"), notebook.play(x, RATE, "second")], "Unmixed"
    )
    assert repr(row) == "Unmixed:\n  Sound: first <voice> (1.0 s)\n  Sound: second (1.0 s)"
    page = row._repr_html_()
    assert 'role="group" aria-label="Unmixed"' in page
    assert 'aria-label="first &lt;voice&gt;"' in page
    assert page.count("<audio controls") == page.count("<figcaption") == 2
    assert "autoplay" not in page
    assert row._repr_html_() == page


@pytest.mark.parametrize(
    ("signal", "rate", "label", "message"),
    [
        (np.zeros(100), RATE, "x", "silence"),
        (np.full(100, np.nan), RATE, "x", "finite"),
        (np.ones((100, 2)), RATE, "x", "one channel"),
        (np.ones(0), RATE, "x", "one channel"),
        (np.ones(100), -1, "x", "sampling rate"),
        (np.ones(100), RATE, "  ", "label"),
    ],
)
def test_bad_sound_is_named(signal, rate, label, message):
    with pytest.raises(ValueError, match=message):
        notebook.play(signal, rate, label)


def test_clipping_is_refused(rng):
    with pytest.raises(ValueError, match="clips"):
        notebook.play(voice(rng), RATE, "too loud", level=0.1)


# --- answers ---------------------------------------------------------------------------------------------

LOGDET = Question(
    "the gradient of log|det W|",
    lambda W: np.linalg.inv(W).T,
    mistakes={
        "the inverse is not transposed": np.linalg.inv,
        "the sign is wrong": lambda W: -np.linalg.inv(W).T,
    },
    inputs=lambda rng: (rng.normal(size=(3, 3)),),
)
NUMBER = Question("the bound", 2.5, mistakes={"the square root is missing": 6.25}, rtol=1e-2)


def test_unanswered_right_and_named_mistakes():
    assert repr(LOGDET.check(None)) == "Not answered yet: the gradient of log|det W|"
    assert LOGDET.check(lambda W: np.linalg.solve(W.T, np.eye(3)))
    assert repr(LOGDET.check(np.linalg.inv)) == "Not yet: it looks as if the inverse is not transposed."
    assert "the sign is wrong" in LOGDET.check(lambda W: -np.linalg.inv(W.T)).message
    assert repr(LOGDET.check(lambda W: 1.001 * np.linalg.inv(W).T)) == (
        "Not yet. The shape is right, 9 of 9 entries are not."
    )


def test_values_within_tolerance():
    assert NUMBER.check(2.51)
    assert not NUMBER.check(2.56)
    assert "square root" in NUMBER.check(6.25).message
    assert not NUMBER.check(float("nan"))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.linalg.det, "shape should be"),
        (lambda W: 1 / 0, "ZeroDivisionError"),
        (lambda: 1, "hands it 1 argument, and it takes others: too many"),
        (3.0, "a function is asked for"),
        (lambda W: "three", "must be numbers, got str"),
    ],
)
def test_no_answer_raises(answer, message):
    verdict = LOGDET.check(answer)
    assert not verdict
    assert message in verdict.message


def test_value_questions_do_not_raise_either():
    assert "a value is asked for" in NUMBER.check(len).message
    assert "shape" in NUMBER.check([1.0, 2.0]).message
    assert "must be numbers, got str" in NUMBER.check("two").message


def test_jupyter_shows_what_we_mean(rng):
    formatter = DisplayFormatter()
    player = notebook.play(voice(rng), RATE, "a tone")
    data, _ = formatter.format(player)
    assert data["text/plain"] == "Sound: a tone (1.0 s)"
    assert data["text/html"] == player._repr_html_()
    data, _ = formatter.format(notebook.show(plots.matrix))
    assert set(data) == {"text/plain", "text/markdown"}
    data, _ = formatter.format(LOGDET.check(None))
    assert data == {"text/plain": "Not answered yet: the gradient of log|det W|"}


@pytest.mark.parametrize(
    ("signal", "options", "says"),
    [
        (np.ones(9) * 1j, {}, "complex"),
        (np.ones(9), {"rate_hz": np.inf}, "whole hertz"),
        (np.ones(9), {"rate_hz": 10**10}, "whole hertz"),
        (np.ones(9), {"level": np.inf}, "level"),
    ],
)
def test_play_refuses_what_would_sound_wrong(signal, options, says):
    with pytest.raises(ValueError, match=says):
        notebook.play(signal, **{"rate_hz": 8000, "label": "a tone", **options})


def test_a_complex_answer_is_not_right():
    question = notebook.Question("x", lambda x: x, inputs=lambda rng: (rng.normal(size=3),))
    assert question.check(lambda x: x)
    assert "complex" in question.check(lambda x: x * (1 + 1j)).message
