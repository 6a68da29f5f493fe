"""The commands behind `make`: what goes wrong on a reader's machine ends in one sentence with the remedy."""

import ast
import errno
import http.client
import os
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import namedtuple
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import commands  # noqa: E402
import environment  # noqa: E402
import make  # noqa: E402
from environment import Problem, Stamps, diagnose, digest  # noqa: E402

# --- the gate --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_the_three_pythons_are_welcome(version):
    assert make.wrong_python(version) is None


@pytest.mark.parametrize("version", [(2, 7), (3, 8), (3, 10), (3, 14)])
def test_other_pythons_are_refused_with_the_remedy(version):
    sentence = make.wrong_python(version)
    assert sentence.startswith("This is Python {}.{}".format(*version))
    assert "PYTHON=python3.12" in sentence


def test_the_gate_can_be_read_by_old_pythons():
    source = (ROOT / "tools/make.py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 4))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.AnnAssign)]
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [alias.name for node in imports for alias in node.names] == ["sys"]  # the rest only past the gate


def test_the_tools_use_the_standard_library_alone():
    for name in ("make", "commands", "environment"):
        for node in ast.walk(ast.parse((ROOT / f"tools/{name}.py").read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in names:
                assert module.split(".")[0] in sys.stdlib_module_names | {"commands", "environment"}


def test_help_names_every_command_and_a_wrong_one_fails(capsys):
    assert commands.main([]) == 0
    assert commands.main(["bokk"]) == 2
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in commands.COMMANDS)


def test_settings_on_the_command_line_win_over_the_environment(monkeypatch):
    seen = {}
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setitem(commands.COMMANDS, "serve", lambda settings: seen.update(settings) or 0)
    assert commands.main(["serve", "PORT=8123"]) == 0
    assert seen["PORT"] == "8123"


# --- failures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution",
            "No network",
        ),
        ("ERROR: Could not find a version that satisfies x==1 (from versions: none)", "No network"),
        ("npm error code EAI_AGAIN", "No network"),
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("npm error code ENOSPC", "The disk is full"),
        ("npm error code EUSAGE lock file does not match", "failed: the last lines above say why"),
    ],
)
def test_a_failed_step_is_named(output, expected):
    sentence = diagnose("installing KaTeX with npm", output)
    assert expected in sentence
    assert "installing KaTeX with npm" in sentence


def test_a_failing_step_shows_what_it_said_and_raises(tmp_path, capsys):
    script = "print('npm error code ENOTFOUND'); raise SystemExit(7)"
    with pytest.raises(Problem, match="No network"):
        environment.run_step("step", ["-c", script], root=tmp_path, python=Path(sys.executable))
    assert "ENOTFOUND" in capsys.readouterr().err


def test_a_step_returns_what_it_said(tmp_path):
    said = environment.run_step("step", ["-c", "print(3)"], root=tmp_path, python=Path(sys.executable))
    assert said == "3\n"


def test_a_nearly_full_disk_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**10, 8 * 10**9, 2 * 10**9))
    monkeypatch.setattr(environment, "run_step", lambda *a, **k: pytest.fail("something ran"))
    with pytest.raises(Problem, match=r"2\.0 GB free where 3 GB are needed; free some space"):
        environment.ensure_venv(tmp_path)


def test_a_missing_venv_module_names_the_package(tmp_path, monkeypatch):
    find = environment.importlib.util.find_spec
    monkeypatch.setattr(
        environment.importlib.util, "find_spec", lambda n, *a: None if n == "ensurepip" else find(n, *a)
    )
    with pytest.raises(Problem, match=r"apt install python3\.\d+-venv"):
        environment.ensure_venv(tmp_path)


def raising(error):
    def work():
        raise error

    return work


def test_problems_end_in_one_line(capsys):
    assert environment.guarded(raising(Problem("Do this."))) == 1
    assert environment.guarded(raising(OSError(errno.ENOSPC, "No space left on device"))) == 1
    assert environment.guarded(raising(KeyboardInterrupt())) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "Do this." in said
    assert "The disk is full" in said
    with pytest.raises(OSError, match="else"):
        environment.guarded(raising(OSError(errno.EPERM, "something else")))


def test_required_chromium_is_a_problem_and_optional_chromium_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert commands.need_chromium({}) == {}
    assert "browser tests are skipped" in capsys.readouterr().out
    with pytest.raises(Problem, match="no Chromium: install it"):
        commands.need_chromium({"MCBOOK_REQUIRE": "browser,data"})


def test_chromium_named_by_hand_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    mine = tmp_path / "my-chromium"
    mine.touch()
    assert commands.need_chromium({"MCBOOK_CHROMIUM": str(mine), "MCBOOK_REQUIRE": "browser"}) == {
        "MCBOOK_CHROMIUM": str(mine)
    }


@pytest.mark.parametrize("chapter", ["", "unmixxing"])
def test_a_benchmark_of_no_chapter_is_refused(chapter):
    with pytest.raises(Problem, match=r"make bench CHAPTER="):
        commands.bench({"CHAPTER": chapter})


def test_a_chapters_benchmark_is_all_modules_of_its_name(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    for name in ("__init__", "common", "unmixing", "unmixing_room", "unmixings"):
        (tmp_path / "benchmarks" / f"{name}.py").touch()
    assert commands.benchmarks("unmixing", tmp_path) == ["unmixing", "unmixing_room"]
    assert commands.benchmarks("splice", tmp_path) == []


# --- stamps: a second run is quick, and never wrong ------------------------------------------------------


def test_a_digest_sees_contents_names_and_words(tmp_path):
    (tmp_path / "a.py").write_text("1")
    before = digest([tmp_path])
    assert digest([tmp_path]) == before
    assert digest([tmp_path], "speech") != before
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("x")
    assert digest([tmp_path]) == before
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    renamed = digest([tmp_path])
    assert renamed != before
    (tmp_path / "b.py").write_text("2")
    assert digest([tmp_path]) not in {before, renamed}


def test_stamps_remember_forget_and_survive_damage(tmp_path):
    stamps = Stamps(tmp_path / "folder" / "stamps.json")
    stamps.put("packages", "abc")
    stamps.put("node", "def")
    assert stamps.holds("packages", "abc")
    assert not stamps.holds("packages", "abd")
    stamps.put("packages", None)
    assert not stamps.holds("packages", "abc")
    assert stamps.holds("node", "def")
    stamps.file.write_text("{ damaged")
    assert not stamps.holds("node", "def")


def ready(root, monkeypatch):
    """A root in which every step is recorded instead of run."""
    for name in ("requirements.txt", "pyproject.toml"):
        (root / name).write_text(name)
    (root / "book" / "node_modules").mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        (root / "book" / name).write_text(name)
    steps = []
    monkeypatch.setattr(environment, "need_room", lambda *a: None)
    monkeypatch.setattr(environment, "run_step", lambda step, *a, **k: steps.append(step) or "")
    return steps


def test_a_second_run_does_nothing_and_a_change_repeats_only_its_step(tmp_path, monkeypatch):
    steps = ready(tmp_path, monkeypatch)

    def run_again():
        steps.clear()
        environment.ensure_packages(tmp_path)
        environment.ensure_node_packages(tmp_path)
        return list(steps)

    assert run_again() == ["installing the pinned packages", "installing mcbook", "installing KaTeX with npm"]
    assert run_again() == []
    (tmp_path / "pyproject.toml").write_text("changed")
    assert run_again() == ["installing mcbook"]
    (tmp_path / "book" / "package-lock.json").write_text("changed")
    assert run_again() == ["installing KaTeX with npm"]
    (tmp_path / "requirements.txt").write_text("changed")
    assert run_again() == ["installing the pinned packages", "installing mcbook"]


def test_a_step_that_broke_off_is_done_again(tmp_path, monkeypatch):
    steps = ready(tmp_path, monkeypatch)
    monkeypatch.setattr(
        environment, "run_step", raising_step := lambda *a, **k: raising(Problem("no network"))()
    )
    with pytest.raises(Problem):
        environment.ensure_packages(tmp_path)
    monkeypatch.setattr(environment, "run_step", lambda step, *a, **k: steps.append(step))
    environment.ensure_packages(tmp_path)
    assert raising_step is not environment.run_step
    assert steps == ["installing the pinned packages", "installing mcbook"]


def built(root):
    """A build folder with all that a build leaves."""
    for name in (".doctrees", "html", ".jupyter_cache"):
        (root / "_build" / name).mkdir(parents=True, exist_ok=True)
    (root / "_build" / ".doctrees" / "environment.pickle").touch()
    stamps = Stamps(root / "_build" / "stamps.json")
    stamps.put("run", "r1")
    stamps.put("pages", "p1")
    return stamps


def left_of(root):
    """What a build would still find: the executed notebooks, what Sphinx has read, the pages."""
    things = ("html", ".jupyter_cache", ".doctrees/environment.pickle")
    return {Path(name).name for name in things if (root / "_build" / name).exists()}


@pytest.mark.parametrize(
    ("run", "pages", "force", "left"),
    [
        (
            "r1",
            "p1",
            False,
            {"environment.pickle", "html", ".jupyter_cache"},
        ),  # nothing changed: Sphinx decides
        ("r1", "p2", False, {".jupyter_cache"}),  # an extension or the configuration changed: no execution
        ("r2", "p2", False, set()),  # the pins or the data at hand changed: execute again
        ("r1", "p1", True, set()),
    ],
)
def test_what_no_longer_holds_is_dropped(tmp_path, run, pages, force, left):
    commands.drop_stale(tmp_path, built(tmp_path), run, pages, force=force)
    assert left_of(tmp_path) == left


def test_a_build_that_failed_reads_every_page_again(tmp_path):
    stamps = built(tmp_path)
    stamps.put("pages", None)  # as `build` leaves it when it breaks off
    commands.drop_stale(tmp_path, stamps, "r1", "p1", force=False)
    assert left_of(tmp_path) == {".jupyter_cache"}


def test_a_lane_that_is_none_is_refused_and_the_newest_ignores_the_pins():
    packages, _ = environment.package_steps("newest")
    assert "requirements.txt" not in packages
    with pytest.raises(Problem, match="LANE=newset is none"):
        environment.package_steps("newset")


def test_personal_settings_stay_out_and_the_data_folder_is_absolute(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("MCBOOK_DATA", "somewhere")
    variables = environment.variables(tmp_path)
    assert "PYTHONPATH" not in variables
    assert Path(variables["MCBOOK_DATA"]).is_absolute()
    assert variables["PATH"].split(os.pathsep)[0] == str(environment.venv_python(tmp_path).parent)


# --- serving ---------------------------------------------------------------------------------------------


@pytest.fixture
def html(tmp_path):
    (tmp_path / "index.html").write_text("<p>book</p>")
    (tmp_path / "a.js").write_text("export {}")
    return tmp_path


def test_the_book_is_served_on_this_machine_only(html):
    with commands.open_server(html, 0) as server:
        host, port = server.server_address
        assert host == "127.0.0.1"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/a.js", timeout=10) as answer:
            assert answer.headers["Content-Type"] == "text/javascript"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"<p>book</p>"
        connection.close()
        server.shutdown()
        thread.join(10)


def test_a_port_in_use_names_another(html):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Problem, match=rf"Port {port} is in use.*make serve PORT="):
            commands.open_server(html, port)


@pytest.mark.parametrize("port", ["", "-1", "0", "65536", "http"])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(Problem, match="is not a port"):
        commands.port_number(port)


def test_a_book_not_built_says_so(tmp_path):
    with pytest.raises(Problem, match="type `make book` first"):
        commands.open_server(tmp_path, 0)


# --- the thin wrapper ------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed here")
def test_make_offers_the_commands_and_passes_settings_on():
    env = {
        k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))
    }  # of `make test` itself

    def dry(*arguments):
        command = ["make", "-n", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    for name in commands.COMMANDS:
        assert dry(name, "PYTHON=py").endswith(f'"py" tools/make.py {name}')
    assert dry("PYTHON=py") == '"py" tools/make.py help'


# --- what is missing is skipped by name, or fails where it is required (conftest.py at the root) ---------

CASES = """
import nbformat
import pytest

@pytest.mark.data("speech")
def test_data():
    pass

def test_other():
    pass
"""
CELLS = [
    ("print(1)", "1\n", []),
    ("print('missing'); x = 5", "what the data gives\n", ["data-speech"]),
    ("print(x)", "5\n", []),
]


def lanes(folder, *options, **variables):
    """What pytest says of the files in `folder` where no data is, with the repository's conftest."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MCBOOK", "PYTEST"))}
    env |= {"MCBOOK_CACHE": str(folder / "no-cache"), "PYTHONPATH": str(ROOT), **variables}
    plain = ["-c", os.devnull, "--rootdir", ".", "-p", "conftest", "-p", "no:cacheprovider"]
    plain += ["-W", "ignore", "-rA", "--color=no"]
    command = [sys.executable, "-m", "pytest", *plain, *options]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False).stdout


def test_a_skip_is_by_name_and_a_failure_where_it_is_required(tmp_path):
    (tmp_path / "test_cases.py").write_text(CASES)
    optional = lanes(tmp_path)
    assert "1 passed, 1 skipped" in optional
    assert "python -m mcbook.data fetch speech" in optional
    assert "1 passed, 1 error" in lanes(tmp_path, MCBOOK_REQUIRE="browser,data")


def test_a_cell_whose_data_is_missing_runs_and_is_not_compared(tmp_path):
    cells = [
        nbformat.v4.new_code_cell(
            source,
            execution_count=count,
            metadata={"tags": tags},
            outputs=[nbformat.v4.new_output("stream", name="stdout", text=said)],
        )
        for count, (source, said, tags) in enumerate(CELLS, start=1)
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "page.ipynb")
    said = lanes(tmp_path, "--nbval", "--nbval-current-env", "page.ipynb")
    assert "2 passed, 1 skipped" in said
    assert "ran, but its output was not compared: the data set speech is not here" in said
