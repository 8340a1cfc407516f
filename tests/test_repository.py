"""The files that a repository is expected to have say what is true of this one."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from apexbench.config.files import BEGIN, END, settings_page, settings_table
from apexbench.errors import InputError

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_one_version_and_one_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    versions = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == "Unreleased" and versions[1] == PROJECT["version"] == citation["version"]
    assert (ROOT / "LICENSE").read_text().startswith(f"{PROJECT['license']} License")
    assert citation["license"] == PROJECT["license"]
    assert PROJECT["authors"][0]["name"] == citation["authors"][0]["name"]


def test_hooks_are_of_the_versions_of_the_lock():
    lock = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "envs/requirements.lock").read_text(), re.MULTILINE))
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    revisions = {repo["repo"].rsplit("/", 1)[1].removesuffix("-pre-commit"): repo["rev"] for repo in hooks}
    assert {name: revisions[name] for name in ("ruff", "snakefmt")} == {
        name: f"v{lock[name]}" for name in ("ruff", "snakefmt")
    }


def test_workflows_run_what_the_makefile_has_on_the_pythons_it_takes():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    targets = set(re.findall(r"make (\w+)", "\n".join(commands)))
    made = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"lint", "test", "all"} <= targets <= made
    for python in jobs["test"]["strategy"]["matrix"]["python"]:
        assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]


def test_links_lead_somewhere():
    """On every page; what stands in a block of code is no link."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("config/**/README.md"), *ROOT.glob("docs/**/*.md")]
    found, dead = 0, []
    for page in pages:
        text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
        links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link} - {""}
        dead += [f"{page.relative_to(ROOT)}: {link}" for link in links if not (page.parent / link).exists()]
        found += len(links)
    assert len(pages) > 60 and found > 200 and not dead


def test_the_page_of_settings_is_that_of_the_types():
    """If this fails: apexbench schemas."""
    path = ROOT / "config/README.md"
    page = path.read_text()
    assert settings_page(page, path) == page and "| `protocols` | required |" in page
    keys = set(yaml.safe_load((ROOT / "config/config.yaml").read_text()))
    assert keys | {"only", "submissions"} == set(re.findall(r"^\| `(\w+)` \|", settings_table(), re.MULTILINE))
    with pytest.raises(InputError, match="expected one line"):
        settings_page(page.replace(END, BEGIN), path)
