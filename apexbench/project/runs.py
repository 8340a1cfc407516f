"""The cards of methods, and the runs that they make: those that there are, and those of the study."""

import os
from collections.abc import Mapping
from pathlib import Path

from apexbench.config.methods import Budget, MethodCard
from apexbench.config.model import check_name, read_yaml, validate
from apexbench.config.submissions import ALL, CARD, read_submission, submission_names
from apexbench.config.submissions import FOLDER as SUBMISSIONS
from apexbench.errors import InputError
from apexbench.project.sources import Sources


class Runs(Sources):
    """Cards and runs by name.

    Attributes
    ----------
    methods : {run of the study: its card, as under the budget}.
    card_of : {run: name of its card}.
    table_runs : runs that stand in the study by `table_methods`.
    submitted : those of the runs that others have made.
    """

    def __init__(self, settings: Mapping, root: str | os.PathLike, origin: Mapping[str, str] | None = None):
        super().__init__(settings, root, origin)
        self._method_cards: dict[str, MethodCard] = {}
        self.methods: dict[str, MethodCard] = {}
        self.card_of: dict[str, str] = {}
        self.table_runs: set[str] = set()
        self.submitted: list[str] = []

    def _method(self, name: str) -> MethodCard:
        if name not in self._method_cards:
            check_name(name, f"config/methods/{name}.yaml")
            file = Path("config/methods") / f"{name}.yaml"
            card = read_yaml(self.root / file)
            if isinstance(card, Mapping) and card.get("like"):
                self._known(str(file), "like", str(card["like"]), self.names("methods"))
                other = read_yaml(self.folder / "methods" / f"{card['like']}.yaml")
                if not isinstance(other, Mapping) or other.get("like"):
                    raise InputError(f"{file}: field 'like': {card['like']!r} is like another card; name that one")
                card = MethodCard.inherit(card, other)
            self._method_cards[name] = validate(MethodCard, card, file)
        return self._method_cards[name]

    def _made(self, name: str) -> dict[str, tuple[str, MethodCard]]:
        """Return {run: (its card's name, its card)} of each card that `name`, or its start up to a hyphen, names."""
        cards = [card for card in self.names("methods") if f"{name}-".startswith(f"{card}-")]
        budget = self.settings.budget
        return {run: (card, its) for card in cards for run, its in self._method(card).runs(card, budget).items()}

    def runs_of(self, file: str, field: str, name: str) -> tuple[str, dict[str, MethodCard]]:
        """Return a card's name and {run: its card}: all runs of the card of that name, or one run of a sweep."""
        cards = self.names("methods")
        if name in cards:
            return name, self._method(name).runs(name, self.settings.budget)
        made = self._made(name)
        self._known(file, field, name, {*cards, *made})
        card, its = made[name]
        return card, {name: its}

    def _run(self, file: str, field: str, name: str) -> str:
        """Return the name of one run, or raise an InputError: if it is unknown, or a sweep."""
        _, runs = self.runs_of(file, field, name)
        if name not in runs:
            raise InputError(f"{file}: field {field!r}: {name!r} is a sweep; name one of its runs: {', '.join(runs)}")
        return name

    def _run_of(self, method: str) -> str | None:
        """Return the run of that name, whether or not it is in the study; None if no card makes it."""
        return method if method in self._made(method) else None

    def _add_runs(self, field: str, name: str) -> None:
        card, runs = self.runs_of(self.set_in(field), field, name)
        for run, its in runs.items():
            if run in self.methods:
                files = " and ".join(f"config/methods/{one}.yaml" for one in dict.fromkeys([self.card_of[run], card]))
                raise InputError(
                    f"{self.set_in(field)}: field {field!r}: two runs have the name {run!r}, by {files}; "
                    f"leave one out, or rename a card"
                )
            if field == "table_methods":
                its = its.model_copy(update={"leaderboard": False})
                self.table_runs.add(run)
            self.methods[run], self.card_of[run] = its, card

    def _add_submissions(self) -> None:
        """Add a run of each submission that the study names: as a log of its protocol, under its folder's name."""
        there, wanted = submission_names(self.root), self.settings.submissions
        for name in there if wanted == (ALL,) else wanted:
            self._known(self.set_in("submissions"), "submissions", name, {ALL, *there})
            card, predictions = read_submission(self.root / SUBMISSIONS / name)
            file = (SUBMISSIONS / name / CARD).as_posix()
            self._known(file, "protocol", card.protocol, self.protocols)
            if name in self.methods or name in self.names("methods"):
                raise InputError(
                    f"{file.removesuffix(CARD)}: {name!r} is a card of config/methods too; rename the folder"
                )
            note = f"Submitted by {card.contact}. {card.method} Tuned: {card.tuned}"
            self._method_cards[name] = self.methods[name] = MethodCard(
                title=card.title,
                log=(SUBMISSIONS / name / predictions.name).as_posix(),
                year=card.year,
                source=card.code,
                note=note,
                protocols=(card.protocol,),
                params={"classes": list(card.classes)} | ({} if card.seed is None else {"seed": card.seed}),
            )
            self.card_of[name] = name
            self.submitted.append(name)

    def left_out(self, protocol: str, run: str) -> bool:
        """Tell whether the study leaves a run, or its card, out of a protocol."""
        return bool({run, self.card_of[run]} & set(self.settings.leave_out.get(protocol, ())))

    def card(self, name: str) -> MethodCard:
        """Return a card of config/methods as it stands there, what it is like included."""
        return self._method(name)

    def card_on(self, run: str, protocol: str, budget: Budget | None = None) -> MethodCard:
        """Return a run's card as it is under a budget, the study's if none is named, and a protocol."""
        name, classes = self.card_of[run], len(self.protocols[protocol].classes)
        return self._method(name).runs(name, budget or self.settings.budget, protocol, classes)[run]
