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

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import commands  # noqa: E402
import environment  # noqa: E402
import make  # noqa: E402
from environment import Problem, diagnose  # noqa: E402

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
