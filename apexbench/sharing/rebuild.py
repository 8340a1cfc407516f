"""The scores, comparisons and tables of a bundle, made of its predictions as a study makes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow
import pyarrow.compute

from apexbench.config.model import Model
from apexbench.errors import InputError
from apexbench.sharing.archive import Bundle
from apexbench.sharing.record import Record, dataset_cards, method_card, protocol_cards, table_card
from apexbench.stages.scores import score_protocol
from apexbench.stages.table import make_table
from apexbench.store.parquet import read_columns
from apexbench.tables.check import check_scoring

FORMATS = ("md", "csv", "tex", "html")
_EPOCHS = 10_000  # for as many the null model is drawn


def check_size(path: Path, name: str) -> None:
    """Raise InputError for predictions of too many rows or epochs, whatever the file's own size."""
    try:
        epochs = read_columns(path, ["epoch"])
        last = pyarrow.compute.max(epochs["epoch"]).as_py() if epochs.num_columns else None
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise InputError(f"{name}: a damaged parquet file, or none of predictions ({error})") from None
    if isinstance(last, int | float) and last > _EPOCHS:
        raise InputError(f"{name}: epoch {last}; at most {_EPOCHS} are scored")


def make_scores(bundle: Bundle, record: Record, folder: Path) -> None:
    """Write scores/<protocol>.csv and comparisons/<protocol>.csv below a folder, from the predictions alone."""
    for protocol, scored in record.protocols.items():
        for name in [name for files in (*scored.runs.values(), *scored.inner.values()) for name in files]:
            check_size(bundle.path(name), f"{bundle.name}: {name}")
        paths = [
            {run: [str(bundle.path(name)) for name in names] for run, names in files.items()}
            for files in (scored.runs, scored.inner)
        ]
        with _told(bundle, f"scores of {protocol!r}"):
            score_protocol(
                runs=paths[0],
                inner=paths[1],
                skipped=scored.skipped,
                compared=record.compared,
                card=_dumped(scored.card),
                protocol=str(bundle.path(f"protocols/{protocol}.csv")),
                seed=record.study_seed,
                scores=str(folder / f"scores/{protocol}.csv"),
                comparisons=str(folder / f"comparisons/{protocol}.csv"),
            )


@contextmanager
def _told(bundle: Bundle, what: str) -> Iterator[None]:
    """Say of what cannot be made which bundle it is of, in place of the folder that it was unpacked into."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(f"{bundle.folder}/", f"{bundle.name}: ")) from None
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:  # of what no study wrote
        raise InputError(f"{bundle.name}: {what} cannot be made of what it holds ({error!r})") from None


def make_tables(bundle: Bundle, record: Record, scores: Path, folder: Path, formats=FORMATS) -> list[str]:
    """Write tables/<table>.<format> below a folder from scores and comparisons below another; return the tables.

    Printed numbers are those of the bundle (`published/`).
    """
    protocols = {name: _dumped(card) for name, card in protocol_cards(bundle).items()}
    datasets = {name: _dumped(card) for name, card in dataset_cards(bundle).items()}
    methods = {run: _dumped(method_card(bundle, run)) for run in record.methods}
    cards = {table: table_card(bundle, table) for table in record.tables}
    check_scoring({}, cards)
    for table, its in record.tables.items():
        card = cards[table]
        with _told(bundle, f"table {table!r}"):
            make_table(
                name=table,
                card=_dumped(card),
                scores={protocol: str(scores / f"scores/{protocol}.csv") for protocol in its},
                published_folder=str(bundle.folder / "published"),
                protocols=protocols,
                datasets=datasets,
                methods=methods,
                oracles=record.oracles,
                circular=record.circular,
                benchmarks=[],
                work=[],
                data={},
                comparisons={
                    protocol: str(scores / f"comparisons/{protocol}.csv")
                    for protocol in its
                    if card.kind == "comparisons"
                },
                partial=False,
                study={
                    "name": record.name,
                    "budget": record.budget,
                    "seeds": record.seeds,
                    "real": record.real,
                    "table_methods": record.table_methods,
                },
                origins=record.origins(),
                outputs=[str(folder / f"tables/{table}.{form}") for form in formats],
                short=str(folder / f"short/{table}.md"),
            )
    return list(record.tables)


def _dumped(card: Model) -> dict:
    return card.model_dump(mode="json")
