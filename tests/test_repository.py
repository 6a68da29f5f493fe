"""The repository holds together: layout, contents, pins, workflows, one address, nothing astray."""

import hashlib
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from mcbook import data

ROOT = Path(__file__).parent.parent
ACTS = ("grammar", "learning", "understanding", "creation")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
OWNER, REPOSITORY = ADDRESS.removeprefix("https://github.com/").split("/")


def tracked() -> list[Path]:
    """Every file that git knows or would take."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]


if not (ROOT / ".git").exists():
    pytest.skip("not a git checkout", allow_module_level=True)
FILES = tracked()
NOTEBOOKS = [path for path in FILES if path.suffix == ".ipynb"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def toc_pages() -> list[str]:
    """The pages that _toc.yml lists, in its order."""
    return re.findall(r"^\s*(?:-\s*file|root):\s*(\S+)", text_of("_toc.yml"), re.MULTILINE)


def chapters() -> list[str]:
    """The chapters among them: pages of the four acts."""
    return [page for page in toc_pages() if page.split("/")[1] in ACTS]


# --- layout ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *(
            "README.md",
            "LICENSE",
            "CONTRIBUTING.md",
            "CHANGELOG.md",
            "CITATION.cff",
            "_config.yml",
            "_toc.yml",
        ),
        *("requirements.txt", "pyproject.toml", "Makefile", "tools/make.py", ".ci/run"),
        *("book/intro.ipynb", "book/references.bib", "book/_static/screenshot.png"),
        *("mcbook/__init__.py", "tests/conftest.py", "binder/runtime.txt", "binder/postBuild"),
    ],
)
def test_the_house_stands(name):
    assert ROOT / name in FILES


def test_the_table_of_contents_lists_pages_that_exist_once():
    pages = toc_pages()
    assert pages[0] == "book/intro"
    assert len(pages) == len(set(pages))
    missing = [p for p in pages if not any((ROOT / f"{p}{end}").is_file() for end in (".ipynb", ".md"))]
    assert not missing


def test_every_page_of_an_act_is_in_the_table_of_contents():
    written = {
        p.relative_to(ROOT).with_suffix("").as_posix()
        for act in ACTS
        for p in (ROOT / "book" / act).glob("*.*")
    }
    assert written == set(chapters())


@pytest.mark.parametrize("page", chapters())
def test_a_chapter_is_four_things_of_one_name(page):
    name = page.split("/")[-1]
    assert (ROOT / f"{page}.ipynb").is_file()
    assert any((ROOT / path).is_file() for path in (f"mcbook/{name}.py", f"mcbook/{name}/__init__.py"))
    assert list((ROOT / "tests").glob(f"test_{name}*.py"))
    assert (ROOT / f"benchmarks/{name}.py").is_file()


def test_scripts_are_executable():
    listing = ["git", "ls-files", "--stage", ".ci/run", "binder/postBuild"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["100755"] * 2


# --- what is committed -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_notebooks_store_text_and_nothing_volatile(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert "widgets" not in notebook["metadata"]
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    kinds = {kind for cell in code for output in cell["outputs"] for kind in output.get("data", {})}
    stored = {
        k for k in kinds if k.startswith(("image/", "audio/", "video/")) or "widget" in k or k == "text/html"
    }
    assert not stored, "slim it: python tools/slim.py"
    assert not [cell["id"] for cell in code if {"execution", "ExecuteTime"} & set(cell["metadata"])]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))


def own_macros(markdown: str) -> list[str]:
    """The macros of `_config.yml` that a text uses: Jupyter and Colab know none of them."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    names = config["sphinx"]["config"]["katex_static_macros"]
    return [name for name in names if re.search(re.escape(name) + r"(?![A-Za-z])", markdown)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_notebooks_use_plain_latex(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert own_macros("".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")) == []


def test_a_macro_of_ours_is_found():
    assert own_macros(r"$A\T$ and $\top$, $\Tr$") == ["\\T"]


def test_nothing_big_and_no_data_of_others_is_committed():
    big = {p.relative_to(ROOT).as_posix() for p in FILES if p.stat().st_size > 3_000_000}
    assert not big
    recordings = {".flac", ".wav", ".mp3", ".dat", ".npz", ".npy", ".csv", ".fasta", ".a2m", ".data"}
    ours = ROOT / "mcbook"
    astray = [p for p in FILES if p.suffix in recordings and ours not in p.parents]
    assert not astray, "data that we made lives in mcbook/, data of others is fetched"


def test_files_of_the_fetched_sets_are_not_here():
    theirs = {file.sha256 for row in data.DATASETS.values() for file in row.files}
    assert theirs
    assert not [p for p in FILES if hashlib.sha256(p.read_bytes()).hexdigest() in theirs]


def test_no_file_names_a_folder_of_somebodys_machine():
    home = re.compile(r"/(?:home|Users)/\w+/|[A-Z]:\\\\?Users\\")
    kinds = {".py", ".md", ".ipynb", ".yml", ".toml", ".txt", ".json", ".cfg", ""}
    texts = [
        p for p in FILES if p.suffix in kinds and p.parent != ROOT / "tests"
    ]  # tests may plant such a path
    assert not [p for p in texts if home.search(p.read_text(encoding="utf-8"))]


# --- pins ------------------------------------------------------------------------------------------------


def requirements() -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in text_of("requirements.txt").splitlines())
    return [Requirement(line) for line in lines if line]


def test_pins_are_exact_and_named_once():
    pins = requirements()
    assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) for pin in pins)
    names = [canonicalize_name(pin.name) for pin in pins]
    assert len(names) == len(set(names))


def test_pins_satisfy_the_ranges_of_the_package():
    pins = {canonicalize_name(p.name): Version(str(p.specifier)[2:]) for p in requirements()}
    extras = PROJECT["optional-dependencies"]
    build = tomllib.loads(text_of("pyproject.toml"))["build-system"]["requires"]
    ranges = map(
        Requirement, build + PROJECT["dependencies"] + extras["chapters"] + extras["book"] + extras["test"]
    )
    wrong = [str(r) for r in ranges if pins.get(canonicalize_name(r.name)) not in r.specifier]
    assert not wrong


# --- one address, one version ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["README.md", "_config.yml", "CITATION.cff", "mcbook/notebook.py"])
def test_the_address_stands_where_it_must(name):
    assert ADDRESS in text_of(name)


def test_the_address_is_the_same_everywhere():
    pattern = re.compile(
        r"(?:github\.com|mybinder\.org/v2/gh|raw\.githubusercontent\.com)/([\w.-]+)/([\w-]+)"
    )
    wrong = set()
    for path in FILES:
        if path.suffix in {".md", ".ipynb", ".py", ".yml", ".toml", ".cff"} and path != Path(__file__):
            text = path.read_text(encoding="utf-8")
            ours = [found for found in pattern.findall(text) if found[0] == OWNER or found[1] == REPOSITORY]
            ours += pattern.findall(" ".join(re.findall(r"git\+https\S+", text)))
            wrong |= {(path.name, *found) for found in ours if found != (OWNER, REPOSITORY)}
    assert not wrong


def test_the_version_is_the_same_everywhere():
    assert f'__version__ = "{PROJECT["version"]}"' in text_of("mcbook/__init__.py")
    assert str(yaml.safe_load(text_of("CITATION.cff"))["version"]) == PROJECT["version"]


def test_the_citation_is_one():
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert all({"name", "family-names"} & set(author) for author in citation["authors"])
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == ADDRESS


# --- workflows, Binder, README ---------------------------------------------------------------------------


def targets() -> set[str]:
    return set(re.search(r"^COMMANDS := (.+)$", text_of("Makefile"), re.MULTILINE)[1].split())


def made(text: str) -> set[str]:
    """The targets that a text tells to make."""
    return set(re.findall(r"(?:^|`|&& )make ((?!it\b)[a-z]+)", text, re.MULTILINE))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_workflows_are_valid_and_run_what_exists(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "permissions", "jobs"} <= set(workflow)
    assert True in workflow  # YAML 1.1 reads the key `on` so
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])
            assert made(step.get("run", "")) <= targets()


def test_the_three_workflows_do_their_work():
    assert [path.name for path in WORKFLOWS] == ["canary.yml", "ci.yml", "publish.yml"]
    ci, canary, publish = (
        yaml.safe_load(text_of(f".github/workflows/{n}.yml")) for n in ("ci", "canary", "publish")
    )
    assert ci["jobs"]["everything"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert ".ci/run" in [step.get("run") for step in ci["jobs"]["everything"]["steps"]]
    assert canary[True]["schedule"]
    assert any("LANE=newest" in step.get("run", "") for step in canary["jobs"]["newest"]["steps"])
    assert any("mcbook.data fetch --all" in step.get("run", "") for step in publish["jobs"]["site"]["steps"])


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_documents_name_targets_that_exist(name):
    assert made(text_of(name))
    assert made(text_of(name)) <= targets()


def test_the_readme_names_every_target_and_only_files_that_exist():
    readme = text_of("README.md")
    assert targets() == set(re.findall(r"^\| `make (\w+)", readme, re.MULTILINE))
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", readme) if not link.startswith("http")]
    assert not [link for link in links if not (ROOT / link).exists()]


def test_binder_installs_the_pins_and_opens_a_page_that_exists():
    assert text_of("binder/runtime.txt").strip() in {"python-3.11", "python-3.12", "python-3.13"}
    assert "-r ../requirements.txt" in text_of("binder/requirements.txt").splitlines()
    assert "--editable ." in text_of("binder/postBuild")
    for page in re.findall(r"urlpath=lab/tree/([\w/.]+)", text_of("README.md")):
        assert (ROOT / page).is_file()
