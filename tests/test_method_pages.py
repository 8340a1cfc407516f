"""docs/methods: its pages are those of the cards and docstrings, and nothing on them is wrong."""

import csv
import re
import shlex
from pathlib import Path

import pytest
import yaml

from apexbench.catalogue import COUNTS, Catalogue, parameters
from apexbench.config.studies import CONFIG, merged
from apexbench.method_pages import FOLDER, stale
from apexbench.method_pages.pages import Pages
from apexbench.study import Study

ROOT = Path(__file__).parent.parent
CARDS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "config/methods").glob("*.yaml"))}
LEADING = [name for name, card in CARDS.items() if "method" in card]


@pytest.fixture(scope="module")
def catalogue():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        yield Catalogue()


def test_the_pages_are_those_of_the_cards_and_of_the_code(catalogue, monkeypatch):
    """If this fails: apexbench method-pages."""
    monkeypatch.chdir(ROOT)
    assert stale(catalogue) == []


def test_every_card_stands_on_one_page():
    pages = {path.stem: path.read_text() for path in (ROOT / FOLDER).glob("*.md")}
    index = pages.pop("README")
    assert set(pages) == set(LEADING) and all(index.count(f"]({name}.md)") == 1 for name in LEADING)
    for name in CARDS:
        found = [page for page, text in pages.items() if f"[{name}](../../config/methods/{name}.yaml)" in text]
        found += [page for page, text in pages.items() if f"[{name}.yaml](../../config/methods/{name}.yaml)" in text]
        assert found == [CARDS[name].get("like", name)]


def test_every_card_has_a_family_but_the_controls(catalogue):
    families = {name: catalogue.project.card(name).family for name in CARDS}
    controls = {name for name, card in CARDS.items() if card.get("control")}
    without = [name for name in LEADING if not families[name] and name not in controls]  # others have that of theirs
    assert not without, f"say what kind of method it is, `family: ...`: {[f'config/methods/{n}.yaml' for n in without]}"
    assert not [name for name in controls if families[name]] and controls == {"majority", "shuffled-labels"}


@pytest.mark.parametrize(
    ("run", "three", "five"),
    [
        ("ststnet", 1_683, None),
        ("mmnet", None, 9_438_841),
        ("mixmeformer", None, 88_587_589),
        ("srmcl", None, 26_857_989),
        ("aman", None, 8_397_319),
        ("mlsp", 2_836_759, None),
        ("sbml-swins-swin-t-lr-same", 27_852_777, None),
        ("fsb-resnets-resnext101-olr-true", 49_095_107, None),
    ],
)
def test_parameters_are_those_of_the_papers_networks(run, three, five):
    with (ROOT / COUNTS).open() as handle:
        rows = {row["run"]: row for row in csv.DictReader(handle)}
    counted = [int(rows[run][f"{classes} classes"]) for classes in (3, 5)]
    assert [three or counted[0], five or counted[1]] == counted and counted[0] < counted[1]


def test_a_network_that_is_not_initialised_has_as_many_parameters_as_one_that_is():
    from apexbench.methods import create

    small = {"image_size": 32, "width": 0.125}  # mmnet reads a number while it is built, the others do not
    for method, params in {"mmnet": small, "ststnet": {}, "mlsp": {"image_size": 24, "width": 0.25}}.items():
        built = create(method, 4, **params).build()
        assert parameters(method, params, 4) == sum(weights.numel() for weights in built.parameters())
    assert parameters("flow-svm", {}) is None


@pytest.mark.parametrize("page", ["README", *LEADING])
def test_links_of_pages_lead_somewhere(page):
    file = ROOT / FOLDER / f"{page}.md"
    links = re.findall(r"\]\(([^)\s]+)\)", file.read_text())
    assert links and not [link for link in links if not (file.parent / link).exists()]


@pytest.mark.parametrize("card", ["lbp-top", "vit-flow"])
def test_the_command_of_a_page_runs_its_method_beside_the_controls(card, root):
    (line,) = re.findall(r"^snakemake .*$", (ROOT / FOLDER / f"{card}.md").read_text(), re.MULTILINE)
    words = shlex.split(line)
    typed = dict(word.split("=", 1) for word in words[words.index("--config") + 1 :])
    values, origin = merged([CONFIG], [], {key: yaml.safe_load(text) for key, text in typed.items()})
    study = Study(values, root, origin)
    assert list(study.runs) == ["majority", "shuffled-labels", card] and study.name == card
    assert all(study.trained_on(run) for run in study.runs)
    wanted = CARDS[card].get("protocols")
    assert study.protocols == (tuple(wanted) if wanted else Study(merged([CONFIG], [], {})[0], root).protocols)


def test_what_a_page_says(root):
    card = {"method": "ststnet", "title": "Mine|<b>", "family": "mixing", "inputs": {"flow": "tvl1-28"}}
    more = {
        "params": {"dropout": 0.25},
        "on": {"samm-3": {"params": {"epochs": 7}}, "smic-3": {"params": {"epochs": 7}}},
    }
    (root / "config/methods/mine.yaml").write_text(
        yaml.safe_dump(card | more | {"certainty": {"dropout": "by _guess_"}})
    )
    other = {"like": "mine", "title": "other", "params": {"mixing": "mixup", "dropout": 0.25}}
    (root / "config/methods/mine-too.yaml").write_text(yaml.safe_dump(other))
    pages = Pages(Catalogue(), {"mine": (12345, 12346), "mine-too": (12345, 12346)})
    page = pages.page("mine")
    assert page.startswith("# Mine\\|&lt;b>\n") and "| family | mixing |" in page
    assert "12,345 (3 classes), 12,346 (5 classes)" in page and page.count("12,345") == 1
    assert "| `dropout` | **`0.25`** | `0.5` |" in page and "| `learning_rate` | `5e-05` | `5e-05` |" in page
    assert "| samm-3, smic-3 | epochs `7` |" in page and "- `dropout`: by \\_guess\\_" in page
    assert "frames `onset-apex-192` (choose key-frames) → flow `tvl1-28` (map 28)" in page
    assert "| [mine-too](../../config/methods/mine-too.yaml) | other | mixing `mixup` |" in page
    assert "shuffle unless `shuffle: false`" in page, "the docstring of its method"
    assert "| in the default study | no |" in page and "Printed numbers" not in page
    assert "**oracle**" in pages.page("dualbranch-au") and "the best epoch of each test" in pages.page("dualbranch-au")
    assert "| [Mine\\|&lt;b>](mine.md) |  | flow | 12,345 |  | `dropout` | 1 | no |" in pages.index()
