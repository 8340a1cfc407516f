"""The tables of a study: which can be filled, what they are made of, whole or of what is there so far."""

from dataclasses import asdict
from functools import cached_property
from typing import Any

from apexbench.alone import tables_of
from apexbench.config.submissions import RUN_HERE, SUBMITTED
from apexbench.config.tables import Table
from apexbench.gpu_hours import Work, key_of, read_work
from apexbench.study.chapters import CHAPTERS
from apexbench.study.checked import dumped
from apexbench.study.scores import Scores
from apexbench.tables.places import needed, places_of

FORMATS = ("md", "csv", "tex", "html")  # of a table


class Tables(Scores):
    """What rules ask of tables."""

    @cached_property
    def tables(self) -> dict[str, Table]:
        """The study's tables that can be filled: with none of its runs in it, a table says nothing of the study."""
        return {name: card for name, card in self.project.tables.items() if name not in self.unfilled}

    @cached_property
    def unfilled(self) -> dict[str, list[tuple[str, str]]]:
        """{table that is not made: (run, protocol) of all that it could show, of which the study trains nothing}."""
        wanted = {name: self._could_show(card) for name, card in self.project.tables.items()}
        return {name: pairs for name, pairs in wanted.items() if pairs and not any(map(self._trains, pairs))}

    def _could_show(self, card: Table) -> list[tuple[str, str]]:
        """(run, protocol) that a table names; none if it takes whatever there is, or is printed only."""
        if card.kind == "published":
            return list(dict.fromkeys(places_of(card, self.project.protocols)))
        protocols = [card.protocol] if card.protocol else self.settings.protocols
        return [(run, protocol) for run in card.rows for protocol in protocols]

    def _trains(self, pair: tuple[str, str]) -> bool:
        run, protocol = pair
        return run in self.runs and protocol in self.protocols and not self.why_not(protocol, run)

    def left_out(self) -> list[str]:
        """Return a line for each table that the study names, but cannot fill."""
        lines = []
        for name, pairs in self.unfilled.items():
            runs, protocols = (list(dict.fromkeys(names)) for names in zip(*pairs, strict=True))
            which = f"{runs[0]}{' or others' if len(runs) > 1 else ''} under {' or '.join(protocols)}"
            lines.append(f"left out: table {name} (needs {which}, which this study does not train)")
        return lines

    def table_files(self, target: str) -> list[str]:
        """Return the files of `tables/<table>` or `papers/<paper>`."""
        names = [name for name in tables_of(target, self.project.names("tables")) if name in self.project.tables]
        return [f"results/{self.name}/tables/{name}.{kind}" for name in names for kind in FORMATS]

    def table_card(self, table: str) -> dict:
        return dumped(self.project.tables[table])

    def table_title(self, table: str) -> str:
        return self.project.tables[table].title

    def table_category(self, table: str) -> str:
        """Return the chapter of the report in which a table stands."""
        card = self.project.tables[table]
        if card.kind == "leaderboard" and (card.rows or card.protocol):
            return CHAPTERS["published"]
        return CHAPTERS[card.kind]

    def table_protocols(self, table: str) -> list[str]:
        card = self.project.tables[table]
        studied = self.protocols if card.kind in ("published", "data") else self.settings.protocols
        return needed(card, self.project.protocols, studied)

    def _table_datasets(self, table: str) -> set[str]:
        return {d for name in self.table_protocols(table) for d in self.project.protocols[name].datasets}

    # what a table is made of

    def _table_files(self, table: str, folder: str) -> dict[str, dict[str, str]]:
        """The files that a table of some kind is made of: {what: {protocol or data set: path}}."""
        kind, protocols = self.project.tables[table].kind, self.table_protocols(table)
        scored = protocols if kind != "data" else []
        counted = protocols if kind == "data" else []
        compared = protocols if kind == "comparisons" else []
        datasets = self.datasets if kind == "data" else []
        return {
            "scores": {protocol: f"{folder}/scores/{protocol}.csv" for protocol in scored},
            "comparisons": {protocol: f"{folder}/comparisons/{protocol}.csv" for protocol in compared},
            "counts": {protocol: f"results/protocols/{protocol}.counts.csv" for protocol in counted},
            "indexes": {dataset: f"results/index/{dataset}.csv" for dataset in datasets},
            "findings": {dataset: f"results/index/{dataset}.findings.csv" for dataset in datasets},
        }

    def table_inputs(self, table: str) -> dict[str, list[str]]:
        card = self.project.tables[table]
        files = self._table_files(table, f"results/{self.name}")
        published = [card.published, "counts.yaml"] if card.published else []
        inputs = {what: list(paths.values()) for what, paths in files.items()}
        return inputs | {"published": [str(self.project.folder / "published" / name) for name in published]}

    def table_sources(self, table: str) -> dict[str, Any]:
        """Return what the stage `table` needs beside the card."""
        return self._table_sources(table, f"results/{self.name}")

    def _table_sources(self, table: str, folder: str) -> dict[str, Any]:
        files = self._table_files(table, folder)
        return {
            "scores": files["scores"],
            "published_folder": str(self.project.folder / "published"),
            "protocols": {key: dumped(card) for key, card in self.project.protocols.items()},
            "datasets": {key: dumped(card) for key, card in self.project.datasets.items()},
            "methods": {key: dumped(card) for key, card in self.runs.items()},
            "oracles": self.oracles,
            "circular": self.circular,
            "origins": self.origins,
            "benchmarks": self._table_benchmarks(table),
            "data": {what: files[what] for what in ("counts", "indexes", "findings")},
            "comparisons": files["comparisons"],
            "work": self._paper_work(table),
            "study": {
                "name": self.name,
                "budget": self.settings.budget,
                "seeds": list(self.settings.seeds),
                "real": [dataset for dataset in self.datasets if self.licensed[dataset]],
                "table_methods": sorted(self.project.table_runs),
            },
        }

    @cached_property
    def origins(self) -> dict[str, str]:
        """{run: where its predictions come from}."""
        return {run: SUBMITTED if run in self.project.submitted else RUN_HERE for run in self.runs}

    def _paper_work(self, table: str) -> list[list]:
        """[protocol, run, work at paper budget or None] of all that a printed table shows of the study's runs."""
        card = self.project.tables[table]
        pairs = dict.fromkeys(places_of(card, self.project.protocols)) if card.kind == "published" else ()
        works = []
        for run, protocol in pairs:
            if run not in self.runs or self.runs[run].log or protocol not in self.protocols:
                continue
            if not self.cannot(protocol, run):
                work = self._counted_work.get(key_of(self.project.card_on(run, protocol, "paper")))
                works.append([protocol, run, asdict(work) if work else None])
        return works

    @cached_property
    def _counted_work(self) -> dict[str, Work | None]:
        return read_work(self.project.folder)

    def _table_benchmarks(self, table: str) -> list:
        """Benchmark files of the training jobs: [protocol, run, files] each; only the runtime table reads them."""
        if self.project.tables[table].kind != "runtime":
            return []
        pattern = "results/benchmarks/train/{run}/seed{seed}/folds{folds}.tsv"
        return [[p, run, self._per_job(pattern, p, run)] for p in self.table_protocols(table) for run in self.runs]

    # of an unfinished study

    def partial_scores(self, table: str) -> list[str]:
        """Return the files of a partial table that can be made: clips are known and a run has predictions."""
        files = self._table_files(table, f"results/{self.name}/partial")
        made = [item for what in ("scores", "comparisons") for item in files[what].items()]
        return [path for protocol, path in made if self._scorable(protocol)]

    def partial_sources(self, table: str) -> dict[str, Any]:
        return self._table_sources(table, f"results/{self.name}/partial")
