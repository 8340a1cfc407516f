"""Tables of other authors: what is printed, and our runs beside it under the convention of their released code."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from apexbench.config.protocols import ProtocolCard
from apexbench.config.published import NULL_ROW
from apexbench.config.tables import PrintedColumn, Table
from apexbench.evaluation.audit import audit_file
from apexbench.evaluation.selection import LEAKING
from apexbench.gpu_hours import GPU, HOW, about, estimate
from apexbench.numbers import PRINTED
from apexbench.printed import PrintedNumber, read_published
from apexbench.tables.places import as_scored, needed, place_of
from apexbench.tables.run_scores import NULL_RUN, RunScores
from apexbench.tables.table import COLUMNS, COUNTS, FRACTIONS, Column, TableData, TableInputs, join, tidy
from apexbench.tables.words import RULES, SCORES


def _remarks(printed: Sequence[PrintedNumber], path: Path) -> dict[int, str]:
    """{row of the file: its caveats and what the audit found}, each remark once, joined by '; '."""
    remarks = {number.place: dict.fromkeys(filter(None, number.caveat.split("; "))) for number in printed}
    for index, text in audit_file(path)[["row", "text"]].itertuples(index=False):
        if index in remarks:
            remarks[index][text.replace("; ", ", ")] = None
    return {index: "; ".join(some) for index, some in remarks.items()}


def _heads(card: Table, protocols: Mapping[str, ProtocolCard]) -> list[Column]:
    several = len({column.protocol for column in card.columns}) > 1
    heads = []
    for column in card.columns:
        metric = PRINTED.get(column.metric, column.metric)
        key = f"{column.protocol} {column.metric}".strip() if several else column.metric
        title = column.title or (protocols[column.protocol].title if column.protocol in protocols else column.protocol)
        lines = (title, metric) if several and title else (metric, column.title)
        heads.append(Column(key, *lines, scored=bool(column.honest)))
    return heads


def _leaking(head: Column, rules: Iterable[str]) -> Column:
    """Return a head that tells whether all as-published scores below it leak, or some."""
    leaks = {rule in LEAKING for rule in rules if rule}
    return replace(head, leaks=True in leaks, mixed=len(leaks) > 1)


def _named(metric: str, score: str) -> str:
    name = PRINTED.get(metric, metric)
    return name if name == SCORES[score] else f"{name} = {SCORES[score]}"


def _as_published(columns: Iterable[PrintedColumn]) -> str:
    """Say by which rule and score the columns are as published; "none" where there is no rule that can be run."""
    by_rule: dict[str, dict[str, None]] = {}
    for column in columns:
        if column.rule:
            by_rule.setdefault(column.rule, {})[_named(column.metric, column.as_published)] = None
    return "; ".join(f"{RULES[rule]}: {', '.join(names)}" for rule, names in by_rule.items()) or "none"


def _conventions(card: Table, rows: Iterable[str]) -> str:
    """Say in words what the as-published and the honest scores of the columns are; `rows` are those that we run."""
    scored = [column for column in card.columns if column.honest]
    if not scored:
        return "Printed numbers only: none of the columns is ours to score."
    apart: dict[tuple[str, str], list[str]] = {}
    for row in filter(card.by_row.get, rows):
        says = _as_published(own for own in (as_scored(card, row, column) for column in scored) if own.honest)
        apart.setdefault((says, card.by_row[row].says), []).append(row)
    of_rows = [f"{', '.join(named)}: {join(f'{says}.', why)}" for (says, why), named in apart.items()]
    as_the_code = "our run, scored as the code behind the printed number does, as far as that is known"
    others = _as_published(scored)
    honest = ", ".join(dict.fromkeys(_named(column.metric, column.honest) for column in scored))
    return join(
        f"Published: as printed. As-published: {as_the_code}{'.' if of_rows else f', {others}.'}",
        *of_rows,
        f"All other rows: {others}." * bool(of_rows),
        f"Honest: our run after the last epoch: {honest}; with a 95 % interval (bootstrap over subjects).",
    )


def published_table(card: Table, name: str, inputs: TableInputs) -> TableData:
    """Build a table of printed numbers, scores of our runs beside them, more runs and the null model below."""
    path = Path(inputs.published) / card.published
    printed = read_published(path, card.table or name)
    scores, heads = RunScores(inputs), _heads(card, inputs.protocols)
    notes = _remarks(printed, path)
    numbers = {(number.row, number.protocol, number.metric): number for number in printed}
    printed_rows = dict.fromkeys(number.row for number in printed)
    rows = printed_rows | card.runs | {row: also.run for row, also in card.also.items()}
    study = needed(card, inputs.protocols, scores.study)
    if scores.null_epochs(study):
        rows[NULL_ROW] = NULL_RUN
    ran = [row for row, run in rows.items() if run]
    heads = [
        _leaking(head, (as_scored(card, row, column).rule for row in ran))
        for head, column in zip(heads, card.columns, strict=True)
    ]
    cells = []
    for row, run in rows.items():
        for column, head in zip(card.columns, heads, strict=True):
            cell, own = {"status": "published-only"}, as_scored(card, row, column)
            if run and own.honest:
                where = place_of(card, row, column, inputs.protocols)
                cell = scores.cell(where, run, own.honest, own.rule, own.as_published)
            number = numbers.get((row, column.protocol, column.metric), numbers.get((row, "", "")))
            ours = card.beside.get(row, {}).get(column.protocol)
            moved = f"ours was trained on {scores.title(ours)} alone" if ours and run and own.honest else ""
            remarks = [card.also[row].note if row in card.also else "", moved, cell.get("ours_note", "")]
            if number:
                cell |= {"published": number.value, "printed": number.printed}
                remarks = [notes[number.place], *remarks]
            cells.append({"row": row, "column": head.key, **cell, "note": "; ".join(filter(None, remarks))})
    frame = tidy(cells, COLUMNS, COUNTS, FRACTIONS)
    named = dict.fromkeys(run for run in rows.values() if run in inputs.methods)
    runs = [(protocol, run) for run in named for protocol in study]
    facts, warning = scores.facts(study)
    scored = frame.loc[frame["honest"].notna() & (frame["row"] != NULL_ROW), "row"].nunique()
    counted = f"Rows with scores of ours: {scored} of {len(set(rows) - {NULL_ROW})}."
    progress = join(scores.progress(runs), card.caption)
    about = join(counted, facts, scores.null_sentence(study)) if any(head.scored for head in heads) else ""
    caption = join(progress, _conventions(card, ran), about, by="\n")
    main = frozenset(row for row, run in rows.items() if run in inputs.methods and inputs.methods[run].leaderboard)
    table = TableData(name, card, caption, warning, frame, heads, main=main)
    return replace(table, compare=_compare(name, study, len(named), inputs)) if table.synthetic else table


def _compare(name: str, study: Sequence[str], runs: int, inputs: TableInputs) -> list[str]:
    """Say what it takes to put our numbers beside the printed ones, a line each."""
    if not runs or not study:
        return []
    protocols = [inputs.protocols[protocol] for protocol in study]
    datasets = dict.fromkeys(dataset for protocol in protocols for dataset in protocol.datasets)
    titles = [f"{inputs.datasets[d].title} in data/{inputs.datasets[d].folder or d}/" for d in datasets]
    trainings = []
    for protocol in protocols:
        folds = (
            sum(len(subjects) for subjects in protocol.expected_subjects.values()) if protocol.split == "loso" else 0
        )
        clips = f"{protocol.expected_clips} clips" if protocol.expected_clips else ""
        counted = ", ".join(filter(None, [clips, f"{folds} folds" if folds else ""]))
        trainings.append(f"{protocol.title}: {counted}" if counted else protocol.title)
    return [
        f"Licensed copies, as distributed: {'; '.join(titles)} (docs/datasets.md).",
        f"The paper budget of {runs} run{'s' * (runs > 1)} under {'; '.join(trainings)}.",
        _gpu_hours(inputs),
        f"The command: `apexbench run paper tables/{name}`.",
    ]


def _gpu_hours(inputs: TableInputs) -> str:
    """Say how long the table's runs would take on a GPU at paper budget, and which of them are not part of that."""
    seeds = len(inputs.study.seeds) if inputs.study else 1
    total, missing = estimate(inputs.work, inputs.protocols, inputs.datasets, seeds)
    if not total:
        known = inputs.work and not missing
        return f"Hours on a GPU: {'none; these runs need no GPU' if known else 'not estimated'}."
    seeded = "one seed" if seeds == 1 else f"{seeds} seeds"
    says = f"Hours on a GPU: {about(total)} on one {GPU}, {seeded}, {HOW}."
    if not missing:
        return says
    where: dict[str, list[str]] = {}
    for protocol, run in missing:
        where.setdefault(inputs.methods[run].title, []).append(inputs.protocols[protocol].title)
    named = "; ".join(f"{title} under {', '.join(protocols)}" for title, protocols in where.items())
    return f"{says} Not part of it, for it could not be estimated: {named}."
