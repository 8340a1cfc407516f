"""tables/<table>.yaml: a table of the README as data."""

from typing import Literal

from apexbench.config.model import Model

Score = Literal[
    "acc", "uf1", "uar", "weighted_f1", "macro_precision", "hm_f1", "f1_present", "mean_fold_acc",
    "mean_fold_f1_present", "mean_fold_f1_absent_zero", "mean_fold_f1_absent_one", "mean_fold_uar_present",
    "mean_fold_f1_to_highest", "mean_fold_uar_to_highest", "cumulative_acc", "au_f1", "au_macro_f1",
]  # fmt: skip
Rule = Literal[
    "last", "inner", "global-oracle", "fold-oracle", "fold-oracle-late", "fold-oracle-stop", "fold-oracle-uf1",
    "fold-oracle-uf1-late", "fold-oracle-present", "fold-oracle-absent-one", "fold-oracle-to-highest",
]  # fmt: skip


class ColumnCard(Model):
    """One column of a published table: what is printed there, and which of our scores stands beside it.

    `beside` names our protocol or slice where the printed name means another one to us.
    """

    protocol: str
    metric: str
    beside: str = ""
    ours: Score | None = None
    rule: Rule = "fold-oracle"
    score: Score | None = None
    title: str = ""


class AlsoCard(Model):
    """A row of ours below the printed ones of a published table, and what a footnote says of it."""

    run: str
    note: str


class TableCard(Model):
    """tables/<table>.yaml: a README table as data.

    `ours` names the run beside a printed row, `also` adds rows of ours below. `curve`, the name of an axis, draws the
    rows, named `<anything>=<number>`, as a figure over that number.
    """

    kind: Literal["leaderboard", "published", "runtime", "data", "comparisons"]
    title: str
    caption: str = ""
    readme: bool = True
    metrics: dict[str, Score] = {}
    protocol: str | None = None
    published: str | None = None
    table: str | None = None
    columns: tuple[ColumnCard, ...] = ()
    ours: dict[str, str] = {}
    also: dict[str, AlsoCard] = {}
    curve: str = ""
