"""The texts of docs/methods: a page of each leading card, and their index."""

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import get_args

from apexbench.catalogue import CLASSES, Catalogue, family_of
from apexbench.code_hash import Code
from apexbench.config.methods import Family, MethodCard, Values
from apexbench.config.model import descriptions, read_yaml
from apexbench.config.published import NULL_ROW
from apexbench.method_pages.markdown import axes_text, cell, cells, chain, plain, prose, table_of
from apexbench.method_pages.modules import HERE, extractors_of, link_to, modules_of, networks_of
from apexbench.methods import Method, find
from apexbench.weights import Weights

WRITTEN = "<!-- written by `apexbench method-pages`: edit cards and docstrings, not this -->"
CONTROL, OTHER = "control", "other"
_CONTROLS = ("majority", "shuffled-labels")
_SELECTS = {
    "last": "the last epoch, or the only one",
    "best-test-epoch": "the best epoch of each test subject, by its own test clips: a leak",
}
_EVERY, _PRINTED = "everywhere", "where a printed table has it"


class Pages:
    """The texts of docs/methods.

    Attributes
    ----------
    members : {leading card: cards that are like it}, both in alphabetical order.
    counts : {run: parameters for each of CLASSES}.
    """

    def __init__(self, catalogue: Catalogue, counts: Mapping[str, tuple[int, ...]]):
        self.project, self.tables, self.counts = catalogue.project, catalogue.tables, counts
        self.printed = {name: catalogue.printed(name, card) for name, card in catalogue.tables.items()}
        self.cards = {name: self.project.card(name) for name in self.project.names("methods")}
        self.members = {name: [] for name, card in self.cards.items() if not card.like and card.method}
        for name, card in self.cards.items():
            if card.like in self.members:
                self.members[card.like].append(name)
        self._code = Code(HERE)

    # one page

    def page(self, name: str) -> str:
        """Return the page of a leading card as Markdown."""
        card = self.cards[name]
        kind = find(card.method)
        parts = [
            f"# {plain(card.title)}\n\n{WRITTEN}",
            self._facts(name, kind),
            plain(card.note) and f"{plain(card.note[0].upper() + card.note[1:])}.".replace("..", "."),
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
        reads = [f"`{role}` {axes_text(axes)}" for role, axes in kind.reads.items()]
        further = networks_of(kind, self._code) + extractors_of(card, self.project.recipes)
        code = [inspect.getmodule(kind), *(file for file, _ in further)]
        rows = {
            "family": family_of(card),
            "year": str(card.year or ""),
            "source": plain(card.source),
            "reads": "; ".join(reads) or "nothing of a clip",
            "parameters at paper size": self._count(name),
            "epoch that the released code scores": self._selection(own),
            "in the default study": self.studied(name),
            "code": ", ".join(map(link_to, code)),
            "card": f"[{name}.yaml](../../config/methods/{name}.yaml)",
        }
        return table_of(["", ""], [[what, text] for what, text in rows.items() if text])

    def _count(self, name: str) -> str:
        found = []
        for number, sizes in zip(CLASSES, zip(*self._sizes(name), strict=True), strict=False):
            ends = dict.fromkeys([min(sizes), max(sizes)])
            found.append(f"{' to '.join(f'{size:,}' for size in ends)} ({number} classes)")
        return ", ".join(found)

    def _sizes(self, name: str) -> set[tuple[int, ...]]:
        """Return the counts of a card's runs."""
        return {self.counts[run] for run in self.runs([name]) if run in self.counts}

    @cached_property
    def _selections(self) -> Mapping[str, Mapping[str, str]]:
        return read_yaml(self.project.folder / "published" / "selection.yaml")

    def _selection(self, names: Iterable[str]) -> str:
        found = [self._selections[name] for name in names if name in self._selections]
        told = dict.fromkeys(f"{_SELECTS[one['selects']]} ({plain(one['says'])})" for one in found)
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
            told.append(f"- [{plain(self.tables[table].title)}]({link}): {count} {rows}")
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
        own, *above = modules_of(kind)
        parts = [f"## What is followed, and where the released code differs\n\n{prose(inspect.getdoc(own))}"]
        for module in above:
            leading = [page for page in self.members if module.__name__ == find(self.cards[page].method).__module__]
            if leading:
                links = " and ".join(f"[{plain(self.cards[page].title)}]({page}.md)" for page in leading)
                parts.append(f"It is made of {links}: what is said there holds here, too.")
            else:
                parts.append(f"### {link_to(module)}\n\n{prose(inspect.getdoc(module))}")
        extractors = extractors_of(self.cards[name], self.project.recipes)
        found = {"The network": networks_of(kind, self._code), "The features": extractors}
        for head, modules in found.items():
            parts += [f"## {head}"] if modules else []
            parts += [f"{link_to(file)}: {prose(text)}" for file, text in modules]
        return parts

    # what the card says

    def _inputs(self, name: str, kind: type[Method]) -> str:
        places: dict[tuple[str, str], list[str]] = {}
        for field, recipe in self.cards[name].recipes().items():
            where, _, role = field.rpartition("inputs.")
            places.setdefault((role, recipe), []).append(_place(where))
        lines = [
            [f"`{role}`", ", ".join(where), chain(self.project.recipes, recipe)]
            for (role, recipe), where in places.items()
        ]
        return lines and f"## Inputs\n\n{table_of(['role', 'where', 'how it is made (config/recipes.yaml)'], lines)}"

    def _pretrainings(self, name: str, kind: type[Method]) -> str:
        lines, waiting = [], [*kind.parse(_first_run(self.cards[name], name).params, name).weights_named().values()]
        while waiting:
            weights: Weights = waiting.pop(0)
            if not weights.pretraining:
                continue
            recipe = self.project.recipes.pretraining[weights.pretraining]
            clips = ", ".join(recipe.clips.datasets) or "the training side of each fold"
            starts = [f"{field}: {cell(start)}" for field, start in recipe.start.items()]
            lines.append([f"`{weights.pretraining}`", f"`{recipe.task}`", clips, cells(recipe), ", ".join(starts)])
            waiting += recipe.start.values()
        heads = ["pre-training", "task", "clips", "inputs and hyper-parameters", "begins with"]
        return lines and f"## Pre-training\n\n{table_of(heads, lines)}"

    def _hyper_parameters(self, name: str, kind: type[Method]) -> str:
        params = kind.parse(_first_run(self.cards[name], name).params, name)
        says, lines = descriptions(type(params)), []
        for field, facts in type(params).model_fields.items():
            value, default = cell(getattr(params, field)), cell(facts.get_default(call_default_factory=True))
            meaning = plain(" ".join(says.get(field, "").split()))
            lines.append([f"`{field}`", f"**{value}**" if value != default else value, default, meaning])
        heads = ["", "at paper budget", "the method's default", "what it is"]
        about = "Bold is what the card sets otherwise than the method's file."
        return lines and f"## Hyper-parameters\n\n{about}\n\n{table_of(heads, lines)}"

    def _by_protocol(self, card: MethodCard) -> str:
        groups: dict[str, list[str]] = {}
        for key, its in card.on.items():
            under = [f"{budget}: {cells(part)}" for budget, part in its.budgets.items()]
            groups.setdefault("; ".join(filter(None, [cells(its), *under])), []).append(key)
        lines = [[", ".join(keys), text] for text, keys in groups.items()]
        return lines and f"## Where a protocol has values of its own\n\n{table_of(['protocol', 'values'], lines)}"

    def _quick(self, card: MethodCard) -> str:
        quick = card.budgets.get("quick")
        if not quick or not (quick.inputs or quick.params):
            return ""
        return f"## The quick budget\n\nSmall and short, for a look on two cores: {cells(quick)}."

    def _certainty(self, name: str) -> str:
        lines = [f"- `{field}`: {plain(why)}" for field, why in self.cards[name].certainty.items()]
        return lines and "## What is not certain\n\n" + "\n".join(lines)

    def _variants(self, name: str) -> str:
        leading, lines = self.cards[name], []
        for other in self.members[name]:
            card = self.cards[other]
            its = Values(inputs=_new(leading.inputs, card.inputs), params=_new(leading.params, card.params))
            swept = [f"`{field}` of {', '.join(map(cell, each))}" for field, each in card.sweep.items()]
            where = [f"under {', '.join(card.protocols)}"] if card.protocols not in ((), leading.protocols) else []
            unsure = [
                f"not certain: `{field}`, {plain(why)}"
                for field, why in _new(leading.certainty, card.certainty).items()
            ]
            text = "; ".join(filter(None, [cells(its), *swept, *where]))
            source = plain(card.source) if card.source != leading.source else ""
            about = "; ".join(filter(None, [source, plain(card.note), *unsure]))
            count = self._count(other) if self._sizes(other) != self._sizes(name) else ""
            link = f"[{other}](../../config/methods/{other}.yaml)"
            lines.append([link, plain(card.title), text, count, about])
        heads = ["card", "title", "what differs", "parameters, if others", "about"]
        return lines and f"## Variants\n\n{table_of(heads, lines)}"

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
                lines += [f"## {family[0].upper()}{family[1:]}", table_of(heads, [self._line(name) for name in names])]
        lines.append(
            "Parameters: of the network that is trained, without extractors of features, at paper size, for 3 classes. "
            "Printed rows: of all tables, those that the method or a variant fills. Not certain: fields whose value is "
            "recalled, inferred or not known. Trained: in the default study."
        )
        return "\n\n".join(lines) + "\n"

    def _line(self, name: str) -> list[str]:
        card, own = self.cards[name], [name, *self.members[name]]
        return [
            f"[{plain(card.title)}]({name}.md)",
            str(card.year or ""),
            ", ".join(find(card.method).reads),
            f"{self.counts[name][0]:,}" if name in self.counts else "",
            str(sum(self.rows_printed(own).values()) or ""),
            ", ".join(f"`{field}`" for field in card.certainty),
            str(len(self.members[name]) or ""),
            self.studied(name),
        ]


def _first_run(card: MethodCard, name: str) -> MethodCard:
    """Return the card as it is under the paper budget; of a sweep, its first run."""
    return next(iter(card.runs(name, "paper").values()))


def _new(theirs: Mapping, own: Mapping) -> dict:
    return {key: value for key, value in own.items() if key not in theirs or theirs[key] != value}


def _place(where: str) -> str:
    """`on.3 classes.budgets.quick.` as people say it."""
    on = re.search(r"on\.(.*?)\.(?:budgets|$)", where)
    budget = re.search(r"budgets\.(\w+)\.", where)
    return " ".join([on[1] if on else "", budget[1] if budget else ""]).strip() or "paper"
