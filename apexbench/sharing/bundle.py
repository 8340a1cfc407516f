"""What of a study goes into a bundle: all that its scores are made of, and that its tables say; no clip, no picture."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from apexbench.config.methods import MethodCard
from apexbench.config.studies import CONFIG, merged, saved_file, saved_names
from apexbench.errors import InputError, nearest
from apexbench.sharing.contents import SETTINGS, finished
from apexbench.sharing.private import predictions, without_paths
from apexbench.sharing.record import REBUILT, Record, Scored
from apexbench.study import Study
from apexbench.study.tables import FORMATS
from apexbench.tables.places import place

SECTIONS = ("frames", "magnification", "flow", "features")


def open_study(name: str) -> Study:
    """Return a study as it was run, by its name; InputError if it was not."""
    file = saved_file(name)
    if not file.is_file():
        known = saved_names()
        raise InputError(f"{file}: no such file: study {name!r} was not run here; {nearest(name, known)}")
    values, origin = merged([CONFIG], [file], {})
    return Study(values, Path.cwd(), origin)


def wanted_files(study: Study) -> list[str]:
    """Return every file of results/ that a bundle is made of."""
    folder, files = f"results/{study.name}", []
    for protocol in study.protocols:
        files += [study.protocol_path(protocol), *study.all_predictions(protocol)]
        files += study.all_inner_predictions(protocol)
        files += [f"{folder}/scores/{protocol}.csv", f"{folder}/comparisons/{protocol}.csv"]
    return files + [f"{folder}/tables/{name}.{kind}" for name in study.tables for kind in FORMATS]


def check_complete(study: Study) -> None:
    """Raise InputError that names what is missing of a study, and the command that makes it."""
    missing = [path for path in wanted_files(study) if not Path(path).is_file()]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(
            f"study {study.name!r} is not complete: no {', '.join(missing[:3])}{more}. What it asks for now, its cards "
            f"and its code included, is made by: snakemake --cores 2 --configfile {saved_file(study.name)}"
        )


def entries(study: Study, licence: str = "") -> dict[str, bytes | Path]:
    """Return {path in the bundle: its bytes, or the file that has them} of a complete study.

    Labels of clips are there only as the numbers of classes, as predictions have them. Raises InputError for what
    would tell of this machine or its user.
    """
    check_complete(study)
    folder, files = Path(f"results/{study.name}"), {}
    placed: dict[str, str] = {}  # {file of predictions: its path in the bundle}
    for protocol in study.protocols:
        table = pd.read_csv(study.protocol_path(protocol), dtype=str, keep_default_na=False).assign(emotion="")
        files[f"protocols/{protocol}.csv"] = table.to_csv(index=False, lineterminator="\n").encode()
        for path in [*study.all_predictions(protocol), *study.all_inner_predictions(protocol)]:
            placed[path] = f"predictions/{path.removeprefix('results/runs/')}"
            files[placed[path]] = predictions(Path(path))
        for kind in ("scores", "comparisons"):
            files[f"{kind}/{protocol}.csv"] = folder / kind / f"{protocol}.csv"
    for table in study.tables:
        files |= {f"tables/{table}.{kind}": folder / "tables" / f"{table}.{kind}" for kind in FORMATS}
        files[f"cards/tables/{table}.yaml"] = _yaml(study.table_card(table))
    for run, card in study.runs.items():
        files[f"cards/methods/{run}.yaml"] = _yaml(_method(card))
    files |= _printed(study) | _configuration(study)
    return finished(files, _record(study, placed, licence))


def _yaml(value: Any) -> bytes:
    return yaml.safe_dump(without_paths(value), sort_keys=False, allow_unicode=True).encode()


def _method(card: MethodCard) -> dict[str, Any]:
    return card.model_dump(mode="json", exclude_defaults=True)


def _record(study: Study, placed: dict[str, str], licence: str) -> Record:
    protocols = {}
    for protocol in study.protocols:
        found = [study.predictions_by_run(protocol), study.inner_by_run(protocol)]
        runs, inner = ({run: tuple(placed[p] for p in paths) for run, paths in some.items()} for some in found)
        datasets = study.project.protocols[protocol].datasets
        protocols[protocol] = Scored(
            card=study.protocol_card(protocol),
            source="licensed" if study.real(datasets) else "synthetic",
            runs=runs,
            inner={run: paths for run, paths in inner.items() if paths},
            skipped=study.skipped_runs(protocol),
            keys={run: study.key(protocol, run) for run, paths in runs.items() if paths},
            origins={run: study.origins[run] for run in runs},
        )
    tables = {name: card for name, card in study.tables.items() if card.kind in REBUILT}
    return Record(
        name=study.name,
        budget=study.settings.budget,
        seeds=study.settings.seeds,
        study_seed=study.settings.study_seed,
        real=tuple(dataset for dataset in study.datasets if study.licensed[dataset]),
        protocols=protocols,
        compared=study.compared(),
        oracles=tuple(study.oracles),
        circular=tuple(study.circular),
        methods=tuple(study.runs),
        table_methods=tuple(sorted(study.project.table_runs)),
        tables={name: tuple(study.table_protocols(name)) for name in tables},
        date=_date(Path(f"results/{study.name}/scores/{protocol}.csv") for protocol in protocols),
        licence=licence,
    )


def _date(paths: Iterable[Path]) -> str:
    """The day of the newest of some files: the same study gives the same bundle on any day."""
    return datetime.fromtimestamp(max(path.stat().st_mtime for path in paths), UTC).strftime("%Y-%m-%d")


def _printed(study: Study) -> dict[str, Path]:
    """The files of printed numbers that the study's tables show, and the counts that they are audited by."""
    names = {card.published for card in study.tables.values() if card.published}
    folder = study.project.folder / "published"
    names |= {"counts.yaml"} if names and (folder / "counts.yaml").is_file() else set()
    return {f"published/{name}": folder / name for name in sorted(names)}


def _configuration(study: Study) -> dict[str, bytes]:
    """study.yaml, and the entries of datasets.yaml, protocols.yaml and recipes.yaml that the study reads."""
    project, protocols = study.project, dict.fromkeys(study.protocols)
    for card in study.tables.values():
        found = [place(column.beside or column.protocol, project.protocols) for column in card.columns]
        found += [place(name, project.protocols) for its in card.beside.values() for name in its.values()]
        protocols |= dict.fromkeys(where[0] for where in found if where)
    datasets = dict.fromkeys(d for name in protocols for d in project.protocols[name].datasets)
    return {
        SETTINGS: _yaml(study.saved()),
        "config/protocols.yaml": _yaml(_dumped(project.protocols, protocols)),
        "config/datasets.yaml": _yaml(_dumped(project.datasets, datasets)),
        "config/recipes.yaml": _yaml(_recipes(study)),
    }


def _dumped(cards, names: Iterable[str]) -> dict[str, Any]:
    return {name: cards[name].model_dump(mode="json", exclude_defaults=True) for name in names}


def _recipes(study: Study) -> dict[str, Any]:
    """The recipes that runs and their pre-trainings read, with what they are made of."""
    recipes, pretrained = study.recipes, study.pretrained_in_use()
    waiting = study.recipes_in_use()
    waiting += [name for its in pretrained for name in study.pretrainings.values(its).inputs.values()]
    used: set[str] = set()
    while waiting:
        name = waiting.pop()
        used.add(name)
        waiting += [recipes[name].of] if recipes.section(name) != "frames" else []
    found = {
        section: _dumped(cards, [name for name in cards if name in used])
        for section in SECTIONS
        for cards in [getattr(recipes, section)]
    }
    crops = dict.fromkeys(recipes.frames[name].crop for name in found["frames"])
    sections = {"crops": _dumped(recipes.crops, crops), **found}
    return sections | {"pretraining": _dumped(recipes.pretraining, pretrained)}
