"""What has been done is remembered by the hash of its inputs: a second run is quick, and never wrong."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import commands  # noqa: E402
import environment  # noqa: E402
from environment import Problem, Stamps, digest  # noqa: E402


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

    def offline(*arguments, **options):
        raise Problem("No network.")

    monkeypatch.setattr(environment, "run_step", offline)
    with pytest.raises(Problem):
        environment.ensure_packages(tmp_path)
    monkeypatch.setattr(environment, "run_step", lambda step, *a, **k: steps.append(step))
    environment.ensure_packages(tmp_path)
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
