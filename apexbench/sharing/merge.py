"""Several bundles as one: the runs of all, under protocols that are the same clip by clip, in tables made anew."""

import re
import tempfile
from collections.abc import Container, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from apexbench.config.model import check_name
from apexbench.config.submissions import RUN_HERE
from apexbench.errors import InputError
from apexbench.evaluation.predictions import read_predictions
from apexbench.evaluation.selection import CLIP
from apexbench.sharing.archive import Bundle, Manifest, check_new, manifest_of, opened, write_archive, write_folder
from apexbench.sharing.clips import check_clips, clips_of
from apexbench.sharing.contents import SETTINGS, finished
from apexbench.sharing.rebuild import FORMATS, check_size, make_scores, make_tables
from apexbench.sharing.record import BOTH, STUDY, Record, Scored, entries_of, method_card, read_record, written
from apexbench.store.parquet import read_columns

DEFINITION = (
    "datasets", "split", "folds", "target", "classes", "classes_of", "exclude", "slices", "average",
)  # fmt: skip
"""Fields of a protocol's card that decide on clips, labels, folds, and what is scored for itself."""
TRAINING = ("method", "inputs", "params", "log", "on", "budgets")
"""Fields of a method's card that decide on what is trained."""
_PASSING = ("path", "seconds", "peak_mb", "folds", "made_of")  # of a record: no reason for other scores
STUDIES = "studies/"  # of a merged bundle: the settings of those that it is of


@dataclass(frozen=True)
class Source:
    """One of the bundles."""

    bundle: Bundle
    record: Record

    @property
    def name(self) -> str:
        return self.bundle.name


def merge(paths: Sequence[Path], output: Path) -> list[str]:
    """Join bundles, write the joint one, and return what was joined, a line each.

    `output` is a new folder, named like the joint study, or a file .zip. The same run under the same key with other
    seeds is one run of more seeds; with the same seed its predictions must be the same. Tables are those that are made
    of scores, each as the first bundle that has it asks for it.

    Raises InputError if a protocol differs, naming the first field or clip, if two runs of one name or their cards
    differ, if a data set is real in one bundle only, or if there is anything at `output`.
    """
    check_name(output.stem, f"--output {output}")
    check_new(output)
    with ExitStack() as stack:
        sources = _named([stack.enter_context(opened(path)) for path in paths])
        for protocol in dict.fromkeys(name for source in sources for name in source.record.protocols):
            _check_protocol(protocol, [source for source in sources if protocol in source.record.protocols])
        _check_real(sources)
        _check_cards(sources)
        files: dict[str, bytes | Path] = {}
        record = _joined(sources, output.stem, files)
        _add_cards(sources, record, files)
        made = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="apexbench-merge-")))
        entries = finished(files | _results(record, files, made), record)
        if output.suffix == ".zip":
            write_archive(output, entries)
        else:
            write_folder(output, entries)
    return [*_told(sources), f"{output}: {len(record.methods)} runs, tables {', '.join(record.tables) or 'none'}"]


def _results(record: Record, files: Mapping[str, bytes | Path], folder: Path) -> dict[str, Path]:
    """{path in the bundle: file} of scores, comparisons and tables, made in a folder of what is to be joined."""
    staged = {**files, STUDY: written(record)}
    write_folder(folder / "joint", staged)
    manifest = Manifest.model_validate_json(manifest_of(staged, record.name, {}))
    bundle, made = Bundle(record.name, folder / "joint", manifest), folder / "made"
    make_scores(bundle, record, made)
    make_tables(bundle, record, made, made)
    wanted = [f"{kind}/{protocol}.csv" for kind in ("scores", "comparisons") for protocol in record.protocols]
    wanted += [f"tables/{table}.{form}" for table in record.tables for form in FORMATS]
    return {name: made / name for name in wanted}


def _told(sources: Sequence[Source]) -> list[str]:
    lines = [
        f"{s.name}: study {s.record.name}, {len(s.record.methods)} runs under {', '.join(s.record.protocols)}"
        for s in sources
    ]
    held: dict[tuple[str, str], int] = {}
    for source in sources:
        for protocol, scored in source.record.protocols.items():
            for run in (run for run, names in scored.runs.items() if names):
                held[protocol, run] = held.get((protocol, run), 0) + 1
    shared = sum(count > 1 for count in held.values())
    return [*lines, f"{len(held)} trainings; {shared} in several bundles, of the same predictions or other seeds"]


def _named(bundles: Sequence[Bundle]) -> list[Source]:
    """The bundles with their records; two files of one name are told apart by a number."""
    sources, taken = [], {bundle.name.lower() for bundle in bundles}
    used: set[str] = set()
    for bundle in bundles:
        record = read_record(bundle)
        called = re.sub(r"[^A-Za-z0-9_.+-]|^[.-]", "_", bundle.name)
        called = _free(called, used if called.lower() not in used else used | taken)
        used.add(called.lower())
        sources.append(Source(replace(bundle, name=called), record))
    return sources


def _free(name: str, used: Container[str]) -> str:
    """Return a name, with the first number behind it that makes it one of its own, whatever the case."""
    tries = (f"{name}-{number}" if number > 1 else name for number in count(1))
    return next(called for called in tries if called.lower() not in used)


def _check_protocol(protocol: str, sources: Sequence[Source]) -> None:
    first = sources[0]
    mine, table = first.record.protocols[protocol], clips_of(first.bundle, protocol)
    for other in sources[1:]:
        theirs = other.record.protocols[protocol]
        where = f"protocol {protocol!r} of {first.name} and {other.name}"
        pairs = {"source": (mine.source, theirs.source)}
        pairs |= {name: (getattr(mine.card, name), getattr(theirs.card, name)) for name in DEFINITION}
        for name, (one, two) in pairs.items():
            # the order of classes is that of the scores
            if one != two or (name == "classes" and list(one) != list(two)):
                raise InputError(f"{where}: field {name!r} differs: {_short(one)} and {_short(two)}")
        _check_clips(where, table, clips_of(other.bundle, protocol))
    check_clips(first.bundle, protocol, mine)


def _check_real(sources: Sequence[Source]) -> None:
    """Raise InputError for a data set that is real clips in one bundle and synthetic in another, under any protocol."""
    real = {dataset: source for source in sources for dataset in source.record.real}
    for source in sources:
        for dataset in {d for scored in source.record.protocols.values() for d in scored.card.datasets}:
            if dataset in real and dataset not in source.record.real:
                places = f"real clips in {real[dataset].name}, synthetic in {source.name}"
                raise InputError(f"data set {dataset!r}: {places}; merge those of one kind")


def _check_cards(sources: Sequence[Source]) -> None:
    """Raise InputError for a run whose cards make other trainings: one row of a table would be two methods."""
    first: dict[str, tuple[Source, Any]] = {}
    for source in sources:
        for run in source.record.methods:
            if not any(scored.runs.get(run) for scored in source.record.protocols.values()):
                continue
            card = method_card(source.bundle, run)
            other, there = first.setdefault(run, (source, card))
            differ = [name for name in TRAINING if getattr(card, name) != getattr(there, name)]
            if differ:
                where = f"run {run!r}: field {differ[0]!r} of its card differs in {other.name} and {source.name}"
                raise InputError(f"{where}; rename its card in one of them and bundle that anew")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


def _check_clips(where: str, one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Raise InputError that names the first clip that one table lacks, or has with another label or fold."""
    if one[[*CLIP, "label", "fold"]].equals(other[[*CLIP, "label", "fold"]]):
        return
    sides = [frame.drop_duplicates("id").set_index("id")[["label", "class", "fold"]] for frame in (one, other)]
    for clip in dict.fromkeys([*sides[0].index, *sides[1].index]):
        there = [clip in side.index for side in sides]
        if not all(there):
            which = "first" if there[0] else "second"
            raise InputError(f"{where}: {len(one)} and {len(other)} clips; {clip} is only in the {which}")
        rows = [side.loc[clip] for side in sides]
        for column, what in {"label": "class", "fold": "fold"}.items():
            if rows[0][column] != rows[1][column]:
                raise InputError(
                    f"{where}: clip {clip}, {column}: {rows[0][what]!r} ({rows[0][column]}) and {rows[1][what]!r} "
                    f"({rows[1][column]})"
                )
    raise InputError(f"{where}: the same clips in another order; make both with the same version")


def _joined(sources: Sequence[Source], name: str, files: dict[str, bytes | Path]) -> Record:
    """The record of all; puts tables of protocols and predictions into `files`."""
    records = [source.record for source in sources]
    methods = tuple(dict.fromkeys(run for record in records for run in record.methods))
    protocols = {}
    for protocol in dict.fromkeys(name for record in records for name in record.protocols):
        its = [source for source in sources if protocol in source.record.protocols]
        path = f"protocols/{protocol}.csv"
        files[path] = its[0].bundle.path(path)
        runs, inner, skipped, keys, origins = {}, {}, {}, {}, {}
        for run in methods:
            taken = _taken(run, protocol, its)
            runs[run] = _placed(run, protocol, taken, "runs", files)
            if found := _placed(run, protocol, _with_inner(run, protocol, taken, its), "inner", files):
                inner[run] = found
            if taken:
                keys[run] = taken[0][0].record.protocols[protocol].keys[run]
                origins[run] = ", ".join(dict.fromkeys(_origin(source, protocol, run) for source, _ in taken))
            else:
                reasons = [s.record.protocols[protocol].skipped.get(run) for s in its]
                skipped[run] = next(filter(None, reasons), f"not in {', '.join(s.name for s in its)}")
        protocols[protocol] = Scored(
            card=its[0].record.protocols[protocol].card,
            source=its[0].record.protocols[protocol].source,
            runs=runs,
            inner=inner,
            skipped=skipped,
            keys=keys,
            origins=origins,
        )
    compared: dict[str, dict[str, None]] = {}
    tables: dict[str, dict[str, None]] = {}
    for record in records:
        for table, names in record.compared.items():
            compared.setdefault(table, {}).update(dict.fromkeys(names))
        for table, names in record.tables.items():
            tables.setdefault(table, {}).update(dict.fromkeys(names))
    licences = {record.licence for record in records}
    return Record(
        name=name,
        budget=BOTH.join(dict.fromkeys(budget for record in records for budget in record.budget.split(BOTH))),
        seeds=tuple(sorted({seed for record in records for seed in record.seeds})),
        study_seed=records[0].study_seed,
        real=tuple(dict.fromkeys(dataset for record in records for dataset in record.real)),
        protocols=protocols,
        compared={table: tuple(names) for table, names in compared.items()},
        oracles=tuple(dict.fromkeys(run for record in records for run in record.oracles)),
        circular=tuple(dict.fromkeys(run for record in records for run in record.circular)),
        methods=methods,
        table_methods=tuple(sorted({run for record in records for run in record.table_methods})),
        tables={table: tuple(names) for table, names in tables.items()},
        date=max(record.date for record in records),
        licence=licences.pop() if len(licences) == 1 else "",
        sources=tuple(source.name for source in sources),
    )


def _origin(source: Source, protocol: str, run: str) -> str:
    """Where a run's predictions come from, now that they are one of several: the bundle, and what that said of it."""
    said = source.record.protocols[protocol].origins.get(run, "")
    return source.name if said in ("", RUN_HERE) else f"{source.name}: {said}"


def _taken(run: str, protocol: str, sources: Sequence[Source]) -> list[tuple[Source, list[int]]]:
    """The bundles that a run's predictions are taken from, and which seeds of each."""
    taken: list[tuple[Source, list[int]]] = []
    frames: dict[int, tuple[Source, pd.DataFrame]] = {}
    for source in sources:
        scored = source.record.protocols[protocol]
        if not scored.runs.get(run):
            continue
        new = []
        for seed, frame in _by_seed(source, scored.runs[run]).items():
            if seed in frames:
                _check_same(run, protocol, seed, frames[seed], (source, frame))
                continue
            frames[seed] = source, frame
            new.append(seed)
        if new and taken:
            one, other = (s.record.protocols[protocol].keys.get(run) for s in (taken[0][0], source))
            if one != other:
                why = _why(taken[0][0], source, protocol, run)
                raise InputError(
                    f"run {run!r} under {protocol!r}: {taken[0][0].name} has the key {one}, {source.name} {other}, so "
                    f"that their seeds are not of one run{why}; rename its card in one of them and bundle that anew"
                )
        if new:
            taken.append((source, new))
    return taken


def _with_inner(
    run: str, protocol: str, taken: Sequence[tuple[Source, list[int]]], sources: Sequence[Source]
) -> list[tuple[Source, list[int]]]:
    """The bundles that inner predictions are taken from: of each seed the first of the same key that has them."""
    found: list[tuple[Source, list[int]]] = []
    for first, seeds in taken:
        key = first.record.protocols[protocol].keys.get(run)
        for seed in seeds:
            for source in [first, *sources]:
                its = source.record.protocols[protocol]
                if its.keys.get(run) == key and seed in source.record.seeds and its.inner.get(run):
                    found.append((source, [seed]))
                    break
    return found


def _by_seed(source: Source, names: Sequence[str]) -> dict[int, pd.DataFrame]:
    paths = [source.bundle.path(name) for name in names]
    for name, path in zip(names, paths, strict=True):
        check_size(path, f"{source.name}: {name}")
    try:
        frame, _ = read_predictions(paths)
    except InputError as error:
        raise InputError(str(error).replace(f"{source.bundle.folder}/", f"{source.name}: ")) from None
    frame = frame.sort_values([*CLIP, "epoch"], kind="stable")
    return {int(seed): part.reset_index(drop=True) for seed, part in frame.groupby("seed")}


def _check_same(run: str, protocol: str, seed: int, one: tuple[Source, pd.DataFrame], other: tuple) -> None:
    (first, mine), (second, theirs) = one, other
    mine, theirs = (frame.drop(columns=["method"]) for frame in (mine, theirs))
    if mine.equals(theirs):
        return
    where = f"{len(mine)} and {len(theirs)} rows"
    if mine.shape == theirs.shape and list(mine) == list(theirs):
        row = int((mine != theirs).any(axis=1).to_numpy().argmax())
        clip = "/".join(map(str, mine.loc[row, CLIP]))
        where = f"first at clip {clip}, epoch {mine.loc[row, 'epoch']}"
    raise InputError(
        f"run {run!r} under {protocol!r}, seed {seed}: {first.name} and {second.name} have different predictions "
        f"({where}){_why(first, second, protocol, run)}; leave the run out of one of them, or rename its card there"
    )


def _why(first: Source, second: Source, protocol: str, run: str) -> str:
    """Say which facts of two trainings differ."""
    records = [_facts(source, protocol, run) for source in (first, second)]
    differ = [name for name in records[0] if records[0][name] != records[1].get(name)]
    return f"; their records differ in {', '.join(differ)}" if differ else ""


def _facts(source: Source, protocol: str, run: str) -> dict[str, Any]:
    _, metas = read_predictions([source.bundle.path(name) for name in source.record.protocols[protocol].runs[run]])
    return {name: value for name, value in metas[0].items() if name not in _PASSING}


def _placed(
    run: str,
    protocol: str,
    taken: Sequence[tuple[Source, Sequence[int]]],
    kind: str,
    files: dict[str, bytes | Path],
) -> tuple[str, ...]:
    """Put the predictions of the taken seeds into `files`; return their names."""
    names = []
    for source, seeds in taken:
        for name in getattr(source.record.protocols[protocol], kind).get(run, ()):
            path = source.bundle.path(name)
            there = set(read_columns(path, ["seed"])["seed"].unique().to_pylist())
            if not there & set(seeds):
                continue  # of a seed that another bundle gives
            if not there <= set(seeds) or name in files:
                raise InputError(f"{source.name}: {name}: seeds of several runs in one file; bundle it anew")
            files[name] = path
            names.append(name)
    return tuple(names)


def _add_cards(sources: Sequence[Source], record: Record, files: dict[str, bytes | Path]) -> None:
    """Put in the cards of all runs and tables, the printed numbers, and the entries of the configuration."""
    settings: set[str] = set()
    for source in sources:
        for name in source.bundle.manifest.files:
            if name == SETTINGS or name.startswith(STUDIES):  # of one that was merged before
                inner = name.removeprefix(STUDIES).removesuffix(".yaml") if name != SETTINGS else ""
                called = _free("-".join(filter(None, [source.name, inner])), settings)
                settings.add(called.lower())
                files[f"{STUDIES}{called}.yaml"] = source.bundle.path(name)
            elif name.startswith(("cards/methods/", "cards/tables/", "published/")):
                files.setdefault(name, source.bundle.path(name))
    kept = {f"cards/tables/{table}.yaml" for table in record.tables}
    for name in [name for name in files if name.startswith("cards/tables/") and name not in kept]:
        del files[name]
    for name in ("protocols", "datasets", "recipes"):
        merged: dict[str, Any] = {}
        for source in sources:
            for key, value in entries_of(source.bundle, f"config/{name}.yaml").items():
                if name == "recipes" and isinstance(value, Mapping):
                    merged[key] = {**value, **merged.get(key, {})}
                else:
                    merged.setdefault(key, value)
        files[f"config/{name}.yaml"] = yaml.safe_dump(merged, sort_keys=False, allow_unicode=True).encode()
