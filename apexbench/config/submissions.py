"""submissions/<name>/submission.yaml: predictions that others have made, and how."""

from pathlib import Path

from pydantic import Field, field_validator

from apexbench.config.model import Model, Text, check_name, read_yaml, validate
from apexbench.errors import InputError, nearest

FOLDER, CARD = Path("submissions"), "submission.yaml"
ALL = "all"
# what tables say of where a row's predictions come from
RUN_HERE, SUBMITTED = "run here", "submitted, predictions verified"


class SubmissionCard(Model):
    """submission.yaml: who made the predictions beside it, and how."""

    title: str = Field(min_length=1, max_length=80)
    """What tables call the method."""
    contact: str
    """Whom to ask: an address of mail, or of a page."""
    method: str = Field(min_length=20)
    """The method in some sentences: inputs, network, training, which epoch counts."""
    tuned: str = Field(min_length=1)
    """What was tuned on what: hyper-parameters, epochs, thresholds; "nothing" if all was fixed beforehand."""
    protocol: str
    """An entry of protocols.yaml, whose clips, labels and folds it has."""
    code: str
    """Address of the code, or `not public`."""
    year: int = Field(ge=1990, le=2100)
    """In which the predictions were made."""
    predictions: str = ""
    """Name of the file of predictions; left out: the only other file beside the card."""
    classes: tuple[Text, ...] = ()
    """Names of the classes in the order of the file's numbers; left out: as the file has them."""
    seed: int | None = None
    """Where the file holds several seeds: the one that counts."""

    @field_validator("title")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.strip() or not value.isprintable():
            raise ValueError("one line of letters, digits and signs that can be printed")
        return value.strip()

    @field_validator("classes")
    @classmethod
    def _different(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value and (len(value) < 2 or len({name.lower() for name in value}) < len(value)):
            raise ValueError("two names or more, all different")
        return value

    @field_validator("contact")
    @classmethod
    def _reachable(cls, value: str) -> str:
        if "@" not in value.strip("@") and "://" not in value:
            raise ValueError("an address of mail, or of a page that begins with https://")
        return value

    @field_validator("code")
    @classmethod
    def _found(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")) and value != "not public":
            raise ValueError("an address that begins with https://, or 'not public'")
        return value

    @field_validator("predictions")
    @classmethod
    def _beside(cls, value: str) -> str:
        if "/" in value or "\\" in value or value in (".", "..", CARD):
            raise ValueError("the name of a file beside the card, without a folder")
        return value


def is_submission(folder: Path) -> bool:
    """Tell whether a folder has a card of a submission."""
    return (folder / CARD).is_file()


def submission_names(root: Path) -> list[str]:
    """Return the folders of `root`/submissions that have a card."""
    return sorted(card.parent.name for card in (root / FOLDER).glob(f"*/{CARD}"))


def read_submission(folder: Path) -> tuple[SubmissionCard, Path]:
    """Return a submission's card and its file of predictions; InputError, naming file and field, for what is wrong."""
    file = folder / CARD
    check_name(folder.name, str(folder))
    card: SubmissionCard = validate(SubmissionCard, read_yaml(file), file)
    there = sorted(path.name for path in folder.iterdir() if path.name != CARD and not path.name.startswith("."))
    name = card.predictions or (there[0] if len(there) == 1 else "")
    if not name:
        found = ", ".join(there) or "no other file"
        raise InputError(f"{file}: field 'predictions': name the file beside the card that holds them; found {found}")
    if name not in there or not (folder / name).is_file():
        raise InputError(f"{file}: field 'predictions': no file {name!r} beside it; {nearest(name, there)}")
    return card, folder / name
