"""tables/<table>.yaml and conventions.yaml: a table of the README as data, and how each author scores.

What a card may name stands elsewhere: scores and rules in `apexbench.evaluation`, which `apexbench.tables.check` asks.
"""

from typing import Literal

from pydantic import Field, model_validator

from apexbench.config.model import Model

PRINTED_ONLY = "printed-only"  # of a metric
NO_RULE = "none"  # of a metric whose epoch cannot be picked as its author does
PUBLISHED_ONLY = "published-only"  # of a row, as tables say it
# fields that go with some kinds of tables only
_KINDS = {
    "published": ("published",),
    "table": ("published",),
    "convention": ("published",),
    "conventions": ("published",),
    "columns": ("published",),
    "runs": ("published",),
    "beside": ("published",),
    "losses": ("published",),
    "also": ("published",),
    "curve": ("published",),
    "readme": ("leaderboard", "published"),
    "metrics": ("leaderboard",),
    "rows": ("leaderboard", "runtime", "comparisons"),
    "reference": ("comparisons",),
    "protocol": ("leaderboard", "runtime", "data", "comparisons"),
}


class Scoring(Model):
    """conventions.yaml: how an author gets one printed metric, in terms of our scores."""

    honest: str
    """Our score that means what is printed, e.g. `uf1`; taken after the last epoch, it is the honest one beside it."""
    rule: str
    """The selection rule by which the author picks an epoch, e.g. `last` or `fold-oracle`; `none`: it is not known, or
    cannot be run here, and there is no as-published score; `says` tells why."""
    as_published: str = ""
    """Our score that is computed as the author's code does, taken under `rule`; left out: the same as `honest`."""

    @model_validator(mode="after")
    def _needs_a_rule(self):
        if self.as_published and self.rule == NO_RULE:
            raise ValueError(
                "as_published is taken under the rule, which is none; give a rule, or leave as_published out"
            )
        return self


class Convention(Model):
    """conventions.yaml: how an author scores."""

    says: str = ""
    """What captions say of the author's scoring, in whole sentences."""
    metrics: dict[str, Scoring | Literal["printed-only"]] = Field(min_length=1)
    """By printed metric (the `metric` of config/published): how it is scored, or `printed-only` if it is not ours."""


def looked_up(scoring: Scoring | Literal["printed-only"]) -> dict[str, str]:
    """Return honest score, rule and as-published score, all empty for what is printed only."""
    if scoring == PRINTED_ONLY:
        return {"honest": "", "rule": "", "as_published": ""}
    if scoring.rule == NO_RULE:
        return {"honest": scoring.honest, "rule": "", "as_published": ""}
    return scoring.model_dump() | {"as_published": scoring.as_published or scoring.honest}


class OtherColumn(Model):
    """A column that is scored by another convention than its table."""

    metric: str
    """The printed metric."""
    convention: str
    """The entry of conventions.yaml that says how it is scored."""


class ProtocolColumns(Model):
    """The columns of one printed protocol, where more is to be said than their metrics."""

    metrics: tuple[str | OtherColumn, ...] = Field(min_length=1)
    """The printed metrics, in order; `{metric: f1, convention: other}` where one is scored by another convention."""
    title: str = ""
    """Head of the columns; left out: the title of our protocol."""
    beside: str = ""
    """Our protocol or slice whose scores stand beside, where the printed name means another one to us."""


class AlsoCard(Model):
    """A row of ours below the printed ones."""

    run: str
    """The run that fills the row."""
    note: str
    """What a footnote says of it."""


class _Fields(Model):
    """What a card and a table that is looked up have in common."""

    kind: Literal["leaderboard", "published", "runtime", "data", "comparisons"]
    """What the table shows: our runs, another author's numbers, training times, counts of clips, paired tests."""
    title: str
    """The table's title."""
    caption: str = ""
    """Sentences below the table, about this table alone; what holds for all of an author's is in conventions.yaml."""
    readme: bool = False
    """Whether its short form stands in the README too, between `<!-- table:NAME -->` and `<!-- /table:NAME -->`; only a
    leaderboard and a published table have one. Every table has a page."""
    metrics: dict[str, str] = {}
    """Of a leaderboard: {name of the column: score}, e.g. {uf1: uf1}; those that fit a protocol are shown."""
    protocol: str | None = None
    """The one protocol to show; left out: all of the study."""
    rows: tuple[str, ...] = ()
    """The runs to show, in this order, or cards, for all of their runs; left out: those on the leaderboard."""
    reference: str = ""
    """The run that `rows` are compared with, on the leaderboard or not; left out: the best of those that are on it."""
    published: str | None = None
    """The file of config/published that holds the printed numbers."""
    table: str | None = None
    """The name of the table in that file; left out: the name of this card."""
    runs: dict[str, str] = {}
    """{printed row: run} where `method` in config/published names another one; `published-only`: no run at all."""
    beside: dict[str, dict[str, str]] = {}
    """{printed row: {printed protocol: ours}} where a row was not trained under the protocol of its column."""
    also: dict[str, AlsoCard] = {}
    """Rows of ours below the printed ones."""
    losses: tuple[str, ...] = ()
    """Runs whose loss by epoch, of training and test clips, is drawn, under the protocol of the first column."""
    curve: str = ""
    """Name of an axis: draws the rows, named `<anything>=<number>`, as a figure over that number."""


class TableCard(_Fields):
    """tables/<table>.yaml: a table of the README as data."""

    convention: str = ""
    """The entry of conventions.yaml that says how the author scores; left out: the numbers are printed only."""
    conventions: dict[str, str] = {}
    """{row: entry of conventions.yaml} of rows that were scored otherwise, such as those quoted from other authors."""
    columns: dict[str, tuple[str | OtherColumn, ...] | ProtocolColumns] = {}
    """{printed protocol: its metrics}, e.g. {samm-3: [acc, f1]}, or {samm-3: {metrics: [acc, f1], title: SAMM}}."""

    @model_validator(mode="after")
    def _of_one_kind(self):
        for field, kinds in _KINDS.items():
            if getattr(self, field) and self.kind not in kinds:
                raise ValueError(f"field {field!r}: goes with kind: {' or '.join(kinds)}, and only with it")
        if self.kind == "published" and not (self.published and self.columns):
            raise ValueError("a table of kind 'published' needs the fields 'published' and 'columns'")
        if self.reference and not self.rows:
            raise ValueError("field 'reference': name in 'rows' what is compared with it")
        if self.kind == "leaderboard" and not self.metrics:
            raise ValueError("field 'metrics': name at least one, e.g. {uf1: uf1}")
        return self


class Paper(Model):
    """papers.yaml: whose tables a file of config/published holds."""

    title: str
    """What the overview of tables calls it."""
    venue: str = ""
    """Where and when it was published."""


class PrintedColumn(Model):
    """One column of a published table, its convention looked up; without `honest` it is printed only."""

    protocol: str
    """The protocol, as config/published names it."""
    metric: str
    """The metric, as config/published names it."""
    title: str = ""
    """Head of the column; empty: the title of our protocol."""
    beside: str = ""
    """Our protocol or slice whose scores stand beside; empty: the one of the printed name."""
    honest: str = ""
    """Our score after the last epoch."""
    rule: str = ""
    """The author's selection rule."""
    as_published: str = ""
    """Our score under that rule; empty, as is the rule: there is none."""


class RowScoring(Model):
    """A convention of one row, looked up."""

    says: str = ""
    """What captions say of it."""
    metrics: dict[str, dict[str, str]] = {}
    """{printed metric: honest score, rule and as-published score}, of those that the table scores."""


class Table(_Fields):
    """A table card, what it names looked up: the author's scoring in the caption, the run of every row, all columns."""

    columns: tuple[PrintedColumn, ...] = ()
    """The columns of a published table, in order."""
    by_row: dict[str, RowScoring] = {}
    """{row: how it is scored} where that is not as its columns say."""
