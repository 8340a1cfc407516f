"""config.yaml: what a study runs."""

from typing import Any, Literal

from pydantic import Field, field_validator

from apexbench.config.methods import Budget
from apexbench.config.model import Model
from apexbench.errors import nearest

Instructions = Literal["avx2", "native"]
Source = Literal["auto", "licensed", "synthetic"]

TRAINING = ("train", "pretrain", "inside_picture")
"""Rules whose jobs train."""
RULES = (
    *TRAINING, "render", "index", "protocol", "faces", "frames", "magnify", "flow", "features", "pack", "pack_maps",
    "weights", "import_log", "scores", "score_figures", "rank_figure", "crop_sheet", "flow_picture",
    "magnification_figure", "curve_figure", "loss_figure", "official_null", "table", "readme", "save_study",
)  # fmt: skip
"""Rules whose jobs have a time limit; those that are made of another by `use rule` have its."""
MINUTES = {"training": 720, "default": 120}
"""Minutes after which a job is ended, where nothing is said: of what trains, and of all else."""
_LISTS = (
    "seeds", "protocols", "table_protocols", "methods", "table_methods", "submissions", "tables",
    "pictured_magnification", "only",
)  # fmt: skip


class Settings(Model):
    """config.yaml: what this study runs."""

    study: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    """Name of the study: its results lie in results/<study>."""
    study_seed: int = 0
    """Every random stream derives from it, the protocol, the run, the seed and the fold."""
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    """Every run is trained once with each; tables show mean and standard deviation."""
    budget: Budget = "quick"
    """`paper`: length and size as published; `quick`: what the cards set for minutes on two cores."""
    data: str = "data"
    """Folder of the licensed copies, one folder for each release."""
    source: Source | dict[str, Source] = "auto"
    """`auto`: a licensed copy where there is one, else synthetic clips; for all data sets, or by data set."""
    scale: Literal["mini", "full"] = "mini"
    """Synthetic clips: config/synthetic/<scale>.csv; `full` has the official counts."""
    strict: bool = False
    """Whether a count that differs from the official list, an unknown label or one in dispute stops the run."""
    inner_folds: int = Field(default=0, ge=0)
    """From 2 up: parts of each fold's training subjects, by which the rule `inner` picks an epoch; 0: off."""
    missing_face: Literal["fail", "skip"] = "fail"
    """What becomes of a clip on whose onset frame no face is found: `skip` leaves it out."""
    folds_per_job: int | Literal["all", "auto"] = "all"
    """How many folds one training job runs one after another; `auto`: all, but those of a network in eight jobs."""
    jobs_per_gpu: int = Field(default=1, ge=1)
    """How many jobs share a GPU; then --resources gpu= counts shares: two GPUs of four jobs each are gpu=8."""
    minutes_per_job: int | dict[str, int] = 720
    """After how many minutes a job is ended, on a cluster and at home: a number for what trains, or {rule: minutes}."""
    subjects_per_job: int = Field(default=8, ge=1)
    """Of how many subjects a job of the stages before the methods takes the clips."""
    instructions: Instructions = "avx2"
    """`avx2`: the same numbers on every x86-64 processor that has AVX2; `native`: what is fastest."""
    leave_out: dict[str, tuple[str, ...]] = {}
    """{protocol: runs, or cards for all of their runs} that are not trained there."""
    only: tuple[str, ...] = ()
    """`tables/<table>`, `papers/<paper>`: what these need, and nothing else; set by `snakemake tables/<table>`."""
    protocols: tuple[str, ...]
    """Entries of protocols.yaml: every run is trained under each of them."""
    table_protocols: tuple[str, ...] = ()
    """More entries, under which only those runs are trained that a printed table has there; on no leaderboard."""
    methods: tuple[str, ...]
    """Cards of config/methods, or single runs of a sweep. In a later file, or on the command line, `all` stands for
    those of both lists, `methods` and `table_methods`; so it does in `protocols`."""
    table_methods: tuple[str, ...] = ()
    """More cards or runs, which are trained only where a printed table has them; on no leaderboard. Where a later file
    sets `methods` and not these, there are none; so it is with `table_protocols`."""
    submissions: tuple[str, ...] = ()
    """Folders of submissions/, each a row of predictions made by others; `all`: whatever lies there."""
    tables: tuple[str, ...]
    """Cards of config/tables."""
    pictured_magnification: tuple[str, ...] = ()
    """Magnification recipes of the same frames, which a figure shows side by side on the first clip of a study whose
    runs read magnified frames; none: no figure."""
    readme: bool | str = "default"
    """Which study writes README.md and docs/results: the one of this name; true: this one, whatever its name; false:
    none. Every study has a README of its own in results/<study>."""

    @property
    def writes_readme(self) -> bool:
        """Whether the study writes the project's README.md and docs/results."""
        return self.readme is True or self.readme == self.study

    def minutes(self, rule: str) -> int:
        """Return after how many minutes a rule's jobs are ended: its own, else those of its kind."""
        given = self.minutes_per_job
        asked = given if isinstance(given, dict) else {"training": given}
        kinds = [rule, "training", "default"] if rule in TRAINING else [rule, "default"]
        return next(minutes[kind] for kind in kinds for minutes in (asked, MINUTES) if kind in minutes)

    @field_validator("minutes_per_job")
    @classmethod
    def _known(cls, value):
        for rule, minutes in value.items() if isinstance(value, dict) else [("training", value)]:
            if rule not in (*RULES, *MINUTES):
                raise ValueError(f"no rule {rule!r}; {nearest(rule, (*RULES, *MINUTES))}")
            if minutes < 1:
                raise ValueError(f"{minutes} minutes of {rule}; expected a whole number from 1 up")
        return value

    @field_validator("folds_per_job")
    @classmethod
    def _positive(cls, value):
        if not isinstance(value, str) and value < 1:
            raise ValueError("a whole number from 1 up, 'all' or 'auto'")
        return value

    @field_validator("inner_folds")
    @classmethod
    def _two_at_least(cls, value):
        if value == 1:
            raise ValueError("0 (off), or 2 and more parts of the training subjects")
        return value

    @field_validator(*_LISTS, mode="before")
    @classmethod
    def _one_word(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str | int) else value

    @field_validator("leave_out", mode="before")
    @classmethod
    def _one_run(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {protocol: (runs,) if isinstance(runs, str) else runs for protocol, runs in value.items()}

    @field_validator("protocols", "methods")
    @classmethod
    def _one_at_least(cls, values, info):
        if not values and not info.data.get("only"):  # a table alone may have no run of ours
            raise ValueError("one at least")
        return values

    @field_validator(*_LISTS)
    @classmethod
    def _once(cls, values):
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} is listed twice")
        return values
