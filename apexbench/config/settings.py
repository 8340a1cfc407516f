"""config.yaml: what a study runs."""

from typing import Literal

from pydantic import Field, field_validator

from apexbench.config.methods import Budget
from apexbench.config.model import Model

Source = Literal["auto", "licensed", "synthetic"]


class Settings(Model):
    """config.yaml: what this study runs."""

    study: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    study_seed: int = 0
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    budget: Budget = "quick"
    data: str = "data"
    source: Source | dict[str, Source] = "auto"
    scale: Literal["mini", "full"] = "mini"
    strict: bool = False
    inner_folds: int = Field(default=0, ge=0)
    missing_face: Literal["fail", "skip"] = "fail"
    folds_per_job: int | Literal["all"] = "all"
    leave_out: dict[str, tuple[str, ...]] = {}
    protocols: tuple[str, ...] = Field(min_length=1)
    methods: tuple[str, ...] = Field(min_length=1)
    tables: tuple[str, ...]

    @field_validator("folds_per_job")
    @classmethod
    def _positive(cls, value):
        if value != "all" and value < 1:
            raise ValueError("a whole number from 1 up, or 'all'")
        return value

    @field_validator("inner_folds")
    @classmethod
    def _two_at_least(cls, value):
        if value == 1:
            raise ValueError("0 (off), or 2 and more parts of the training subjects")
        return value

    @field_validator("seeds", "protocols", "methods", "tables")
    @classmethod
    def _once(cls, values):
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} is listed twice")
        return values
