"""docs/methods: a page for each method with all that cards and code say of it, an index, and counts of parameters.

A card that is `like` another stands on that one's page. No score is on them: those are in docs/results.
"""

import ast
import csv
import inspect
import io
import json
import os
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from apexbench.catalogue import CLASSES, COUNTS, Catalogue, family_of, parameters
from apexbench.code_hash import Code
from apexbench.config.methods import Family, MethodCard, Values
from apexbench.config.model import descriptions, read_yaml
from apexbench.config.published import NULL_ROW
from apexbench.config.recipes import FramesRecipe, Recipes
from apexbench.features import find as find_extractor
from apexbench.methods import Method, find
from apexbench.methods.base import alternatives
from apexbench.weights import Weights

FOLDER = COUNTS.parent
WRITTEN = "<!-- written by `apexbench method-pages`: edit cards and docstrings, not this -->"
CONTROL, OTHER = "control", "other"
_HERE = Path(__file__).resolve().parents[1]
_CONTROLS = ("majority", "shuffled-labels")
_PLUMBING = {"apexbench.methods.base", "apexbench.methods.deep", "apexbench.methods.mixing.mixable"}
_SELECTS = {
    "last": "the last epoch, or the only one",
    "best-test-epoch": "the best epoch of each test subject, by its own test clips: a leak",
}
_EVERY, _PRINTED = "everywhere", "where a printed table has it"


def files(catalogue: Catalogue) -> dict[Path, str]:
    """Return {file: its text} of docs/methods; networks are built to be counted, on torch's `meta` device.

    Raises InputError, naming card and field, for a card that its method does not take.
    """
    pages = Pages(catalogue, counted(catalogue))
    texts = {FOLDER / f"{card}.md": pages.page(card) for card in pages.members}
    return {**texts, FOLDER / "README.md": pages.index(), COUNTS: counts_text(pages.counts)}


def counted(catalogue: Catalogue) -> dict[str, tuple[int, ...]]:
    """Return {card: parameters at paper size for each of CLASSES} of all cards that have a network."""
    counts = {}
    for name in catalogue.project.names("methods"):
        card = catalogue.project.card(name)
        found = [parameters(card.method, _first(card, name, classes=number).params, number) for number in CLASSES]
        if None not in found:
            counts[name] = tuple(found)
    return counts


def counts_text(counts: Mapping[str, tuple[int, ...]]) -> str:
    """Return parameters.csv, which `apexbench list methods` reads without building a network."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["card", *(f"{number} classes" for number in CLASSES)])
    lines.writerows([name, *its] for name, its in sorted(counts.items()))
    return text.getvalue()


def _first(card: MethodCard, name: str, budget="paper", protocol: str = "", classes: int = 0) -> MethodCard:
    """The card as it is under a budget and a protocol; of a sweep, its first run."""
    return next(iter(card.runs(name, budget, protocol, classes).values()))


class Pages:
    """The texts of docs/methods.

    Attributes
    ----------
    members : {leading card: cards that are like it}, both in alphabetical order.
    counts : {card: parameters for each of CLASSES}.
    """

    def __init__(self, catalogue: Catalogue, counts: Mapping[str, tuple[int, ...]]):
        self.project, self.tables, self.counts = catalogue.project, catalogue.tables, counts
        self.printed = {name: catalogue.printed(name, card) for name, card in catalogue.tables.items()}
        self.cards = {name: self.project.card(name) for name in self.project.names("methods")}
        self.members = {name: [] for name, card in self.cards.items() if not card.like and card.method}
        for name, card in self.cards.items():
            if card.like in self.members:
                self.members[card.like].append(name)
        self._code = Code(_HERE)

    # one page

    def page(self, name: str) -> str:
        """Return the page of a leading card as Markdown."""
        card = self.cards[name]
        kind = find(card.method)
        parts = [
            f"# {_plain(card.title)}\n\n{WRITTEN}",
            self._facts(name, kind),
            _plain(card.note) and f"{_plain(card.note[0].upper() + card.note[1:])}.".replace("..", "."),
            self._run_it(name),
            self._printed_in([name, *self.members[name]]),
            *self._texts(name, kind),
            self._inputs(name, kind),
            self._pretrainings(name, kind),
            self._hyper_parameters(name, kind),
            self._by_protocol(card),
            self._quick(card),
            self._certainty(name),
            self._variants(name),
        ]
        return "\n\n".join(filter(None, parts)) + "\n"

    def _facts(self, name: str, kind: type[Method]) -> str:
        card, own = self.cards[name], [name, *self.members[name]]
        reads = [f"`{role}` {_axes(axes)}" for role, axes in kind.reads.items()]
        code = [inspect.getmodule(kind), *(file for file, _ in self._networks(kind) + self._extractors(card))]
        rows = {
            "family": family_of(card),
            "year": str(card.year or ""),
            "source": _plain(card.source),
            "reads": "; ".join(reads) or "nothing of a clip",
            "parameters at paper size": self._count(name),
            "epoch that the released code scores": self._selection(own),
            "in the default study": self.studied(name),
            "code": ", ".join(map(self._link_to, code)),
            "card": f"[{name}.yaml](../../config/methods/{name}.yaml)",
        }
        return _table(["", ""], [[what, text] for what, text in rows.items() if text])

    def _count(self, name: str) -> str:
        found = zip(self.counts.get(name, ()), CLASSES, strict=False)
        return ", ".join(f"{count:,} ({number} classes)" for count, number in found)

    @cached_property
    def _selections(self) -> Mapping[str, Mapping[str, str]]:
        return read_yaml(self.project.folder / "published" / "selection.yaml")

    def _selection(self, names: Iterable[str]) -> str:
        found = [self._selections[name] for name in names if name in self._selections]
        told = dict.fromkeys(f"{_SELECTS[one['selects']]} ({_plain(one['says'])})" for one in found)
        return "; ".join(told)

    def runs(self, names: Iterable[str]) -> set[str]:
        return {run for name in names for run in self.cards[name].runs(name, "paper")}

    def rows_printed(self, names: Iterable[str]) -> dict[str, int]:
        """Return {table of config/tables: printed rows that a run of these cards fills}."""
        runs = self.runs(names)
        rows = {
            table: sum(card.runs.get(row) in runs for row in self.printed[table] if row != NULL_ROW)
            for table, card in self.tables.items()
        }
        return {table: count for table, count in rows.items() if count}

    def _printed_in(self, names: Iterable[str]) -> str:
        """Each table with printed rows of these cards: its page in docs/results where there is one, else its card."""
        told = []
        for table, count in self.rows_printed(names).items():
            page = Path("docs/results") / f"{table}.md"
            shown = (self.project.root / page).is_file()
            link = f"../results/{table}.md" if shown else f"../../config/tables/{table}.yaml"
            rows = "row" if count == 1 else "rows"
            told.append(f"- [{_plain(self.tables[table].title)}]({link}): {count} {rows}")
        return told and "## Printed numbers beside ours\n\n" + "\n".join(told)

    def studied(self, name: str) -> str:
        """Return where the default study trains a card."""
        runs = self.runs([name])
        if not runs & set(self.project.methods):
            return "no"
        return _PRINTED if runs <= self.project.table_runs else _EVERY

    def _run_it(self, name: str) -> str:
        lists = {"methods": dict.fromkeys([*_CONTROLS, name]), "protocols": self.cards[name].protocols}
        words = [f"'{key}={json.dumps([*names], separators=(',', ':'))}'" for key, names in lists.items() if names]
        words += ["'leave_out={}'", f"study={re.sub(r'[^a-zA-Z0-9_-]', '-', name)}"]
        return f"## By itself, beside the controls\n\n```bash\nsnakemake --cores 2 --config {' '.join(words)}\n```"

    # what the code says

    def _texts(self, name: str, kind: type[Method]) -> list[str]:
        """The docstrings of the method's module, of those that it derives from, of networks and extractors."""
        own, *above = self._modules(kind)
        parts = [f"## What is followed, and where the released code differs\n\n{_prose(inspect.getdoc(own))}"]
        for module in above:
            leading = [page for page in self.members if module.__name__ == find(self.cards[page].method).__module__]
            if leading:
                links = " and ".join(f"[{_plain(self.cards[page].title)}]({page}.md)" for page in leading)
                parts.append(f"It is made of {links}: what is said there holds here, too.")
            else:
                parts.append(f"### {self._link_to(module)}\n\n{_prose(inspect.getdoc(module))}")
        found = {"The network": self._networks(kind), "The features": self._extractors(self.cards[name])}
        for head, modules in found.items():
            parts += [f"## {head}"] if modules else []
            parts += [f"{self._link_to(file)}: {_prose(text)}" for file, text in modules]
        return parts

    def _modules(self, kind: type[Method]) -> list:
        """The modules of a method and of the methods that it derives from, but for what all methods share."""
        modules = dict.fromkeys(inspect.getmodule(base) for base in kind.__mro__)
        names = "apexbench.methods."
        return [one for one in modules if one.__name__.startswith(names) and one.__name__ not in _PLUMBING]

    def _networks(self, kind: type[Method]) -> list[tuple[Path, str]]:
        """(file, docstring) of each module of networks/ that a method imports; none of them is imported here."""
        found = self._code.files_of(kind.__module__)
        files = [file for file in found if file.parent.name == "networks" and file.stem != "__init__"]
        own = kind.__module__.rpartition(".")[2]
        return [(file, _docstring(file)) for file in sorted(files, key=lambda file: (file.stem != own, file.stem))]

    def _link_to(self, module: Any) -> str:
        file = module if isinstance(module, Path) else Path(inspect.getfile(module))
        path = file.resolve().relative_to(_HERE)
        return f"[{path.relative_to('apexbench').as_posix()}](../../{path.as_posix()})"

    def _extractors(self, card: MethodCard) -> list[tuple[Path, str]]:
        """(file, docstring) of the extractors of all features that a card names."""
        features = self.project.recipes.features
        names = dict.fromkeys(features[one].extractor for one in card.recipes().values() if one in features)
        files = [Path(inspect.getfile(find_extractor(name))) for name in names]
        return [(file, _docstring(file)) for file in files]

    # what the card says

    def _inputs(self, name: str, kind: type[Method]) -> str:
        places: dict[tuple[str, str], list[str]] = {}
        for field, recipe in self.cards[name].recipes().items():
            where, _, role = field.rpartition("inputs.")
            places.setdefault((role, recipe), []).append(_place(where))
        lines = [
            [f"`{role}`", ", ".join(where), _chain(self.project.recipes, recipe)]
            for (role, recipe), where in places.items()
        ]
        return lines and f"## Inputs\n\n{_table(['role', 'where', 'how it is made (config/recipes.yaml)'], lines)}"

    def _pretrainings(self, name: str, kind: type[Method]) -> str:
        lines, waiting = [], [*kind.parse(_first(self.cards[name], name).params, name).weights_named().values()]
        while waiting:
            weights: Weights = waiting.pop(0)
            if not weights.pretraining:
                continue
            recipe = self.project.recipes.pretraining[weights.pretraining]
            clips = ", ".join(recipe.clips.datasets) or "the training side of each fold"
            starts = [f"{field}: {_value(start)}" for field, start in recipe.start.items()]
            lines.append([f"`{weights.pretraining}`", f"`{recipe.task}`", clips, _values(recipe), ", ".join(starts)])
            waiting += recipe.start.values()
        heads = ["pre-training", "task", "clips", "inputs and hyper-parameters", "begins with"]
        return lines and f"## Pre-training\n\n{_table(heads, lines)}"

    def _hyper_parameters(self, name: str, kind: type[Method]) -> str:
        params = kind.parse(_first(self.cards[name], name).params, name)
        says, lines = descriptions(type(params)), []
        for field, facts in type(params).model_fields.items():
            value, default = _value(getattr(params, field)), _value(facts.get_default(call_default_factory=True))
            meaning = _plain(" ".join(says.get(field, "").split()))
            lines.append([f"`{field}`", f"**{value}**" if value != default else value, default, meaning])
        heads = ["", "at paper budget", "the method's default", "what it is"]
        about = "Bold is what the card sets otherwise than the method's file."
        return lines and f"## Hyper-parameters\n\n{about}\n\n{_table(heads, lines)}"

    def _by_protocol(self, card: MethodCard) -> str:
        groups: dict[str, list[str]] = {}
        for key, its in card.on.items():
            under = [f"{budget}: {_values(part)}" for budget, part in its.budgets.items()]
            groups.setdefault("; ".join(filter(None, [_values(its), *under])), []).append(key)
        lines = [[", ".join(keys), text] for text, keys in groups.items()]
        return lines and f"## Where a protocol has values of its own\n\n{_table(['protocol', 'values'], lines)}"

    def _quick(self, card: MethodCard) -> str:
        quick = card.budgets.get("quick")
        if not quick or not (quick.inputs or quick.params):
            return ""
        return f"## The quick budget\n\nSmall and short, for a look on two cores: {_values(quick)}."

    def _certainty(self, name: str) -> str:
        lines = [f"- `{field}`: {_plain(why)}" for field, why in self.cards[name].certainty.items()]
        return lines and "## What is not certain\n\n" + "\n".join(lines)

    def _variants(self, name: str) -> str:
        leading, lines = self.cards[name], []
        for other in self.members[name]:
            card = self.cards[other]
            its = Values(inputs=_new(leading.inputs, card.inputs), params=_new(leading.params, card.params))
            swept = [f"`{field}` of {', '.join(map(_value, each))}" for field, each in card.sweep.items()]
            where = [f"under {', '.join(card.protocols)}"] if card.protocols not in ((), leading.protocols) else []
            unsure = [
                f"not certain: `{field}`, {_plain(why)}"
                for field, why in _new(leading.certainty, card.certainty).items()
            ]
            text = "; ".join(filter(None, [_values(its), *swept, *where]))
            source = _plain(card.source) if card.source != leading.source else ""
            about = "; ".join(filter(None, [source, _plain(card.note), *unsure]))
            count = self._count(other) if self.counts.get(other) != self.counts.get(name) else ""
            link = f"[{other}](../../config/methods/{other}.yaml)"
            lines.append([link, _plain(card.title), text, count, about])
        heads = ["card", "title", "what differs", "parameters, if others", "about"]
        return lines and f"## Variants\n\n{_table(heads, lines)}"

    # the index

    def index(self) -> str:
        """Return docs/methods/README.md: all pages, by family."""
        groups: dict[str, list[str]] = {family: [] for family in (*get_args(Family), OTHER, CONTROL)}
        for name in sorted(self.members, key=lambda name: (self.cards[name].year or 0, name)):
            groups[family_of(self.cards[name]) or OTHER].append(name)
        lines = [
            "# Methods",
            WRITTEN,
            f"{len(self.members)} methods, and {sum(map(len, self.members.values()))} variants of them, which stand on "
            f"their pages. A page says what a method reads, how large it is, what the released code does otherwise, "
            f"and what is not certain. Scores are in [docs/results](../results/README.md); how to add a method, in "
            f"[add-a-method.md](../add-a-method.md). `apexbench list methods` has all cards.",
        ]
        heads = ["method", "year", "reads", "parameters", "printed rows", "not certain", "variants", "trained"]
        for family, names in groups.items():
            if names:
                lines += [f"## {family[0].upper()}{family[1:]}", _table(heads, [self._line(name) for name in names])]
        lines.append(
            "Parameters: of the network that is trained, without extractors of features, at paper size, for 3 classes. "
            "Printed rows: of all tables, those that the method or a variant fills. Not certain: fields whose value is "
            "recalled, inferred or not known. Trained: in the default study."
        )
        return "\n\n".join(lines) + "\n"

    def _line(self, name: str) -> list[str]:
        card, own = self.cards[name], [name, *self.members[name]]
        return [
            f"[{_plain(card.title)}]({name}.md)",
            str(card.year or ""),
            ", ".join(find(card.method).reads),
            f"{self.counts[name][0]:,}" if name in self.counts else "",
            str(sum(self.rows_printed(own).values()) or ""),
            ", ".join(f"`{field}`" for field in card.certainty),
            str(len(self.members[name]) or ""),
            self.studied(name),
        ]


# texts


def _new(theirs: Mapping, own: Mapping) -> dict:
    return {key: value for key, value in own.items() if key not in theirs or theirs[key] != value}


def _place(where: str) -> str:
    """`on.3 classes.budgets.quick.` as people say it."""
    on = re.search(r"on\.(.*?)\.(?:budgets|$)", where)
    budget = re.search(r"budgets\.(\w+)\.", where)
    return " ".join([on[1] if on else "", budget[1] if budget else ""]).strip() or "paper"


def _axes(axes: Any) -> str:
    return " or ".join(f"({', '.join(one)})" for one in alternatives(axes))


def _chain(recipes: Recipes, name: str) -> str:
    """How a recipe is made, from the crop on: each step with what it says otherwise than by default."""
    recipe = recipes[name]
    if isinstance(recipe, FramesRecipe):
        below = f"crop `{recipe.crop}` ({_said(recipes.crops[recipe.crop])})"
    else:
        below = _chain(recipes, recipe.of)
    marks = " **oracle**" if recipes.is_oracle(name) and isinstance(recipe, FramesRecipe) else ""
    marks += " **circular**" if recipes.is_circular(name) else ""
    return f"{below} → {recipes.section(name)} `{name}` ({_said(recipe)}){marks}"


def _said(recipe: Any) -> str:
    given = recipe.model_dump(mode="json", exclude_defaults=True, exclude={"of", "crop"})
    options = given.pop("options", {})
    return ", ".join(f"{key} {_bare(value)}" for key, value in {**given, **options}.items())


def _bare(value: Any) -> str:
    return _plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _value(value: Any) -> str:
    """A hyper-parameter as a cell shows it."""
    value = value.model_dump(mode="json") if hasattr(value, "model_dump") else value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return f"`{text}`".replace("|", r"\|") if text else ""


def _values(part: Any) -> str:
    """Inputs and hyper-parameters in one line."""
    return ", ".join(f"{key} {_value(value)}" for key, value in {**part.inputs, **part.params}.items())


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, [":--"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """A card's text in a line of Markdown; what stands between backticks is code."""
    return _outside_code(" ".join(text.split()), lambda part: re.sub(r"([\\*_|$])", r"\\\1", _entities(part)))


def _prose(text: str | None) -> str:
    """A docstring as Markdown, which ours nearly are."""
    return _outside_code(
        text or "", lambda part: re.sub(r"(?<=\w)\*(?=\w)|(?<!\w)_(?=\w)", r"\\\g<0>", _entities(part))
    )


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _outside_code(text: str, change) -> str:
    parts = text.split("`")
    return "`".join(part if number % 2 else change(part) for number, part in enumerate(parts))


def _docstring(file: Path) -> str:
    return ast.get_docstring(ast.parse(file.read_bytes())) or ""


def stale(catalogue: Catalogue, root: str | os.PathLike = ".") -> list[Path]:
    """Return the files of docs/methods that are not as they would be written, or that nothing writes any more."""
    texts, root = files(catalogue), Path(root)
    there = [path.relative_to(root) for path in (root / FOLDER).glob("*")]
    wrong = [path for path, text in texts.items() if not (root / path).is_file() or (root / path).read_text() != text]
    return sorted({*wrong, *(path for path in there if path not in texts)})
