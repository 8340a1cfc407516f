"""Score anyone's predictions, without a study: a file, a run of ours, or a submission."""

import argparse
from pathlib import Path

from apexbench.errors import InputError, printable

HELP = "score anyone's predictions: logs, CSV, parquet, confusion matrices; two files are compared"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="a file, the folder of a run, or submissions/NAME"
    )
    parser.add_argument(
        "--printed", action="append", default=[], metavar="UF1=.652", help="which score gives it; repeat"
    )
    parser.add_argument("--protocol", default="auto", help="name in protocols.yaml, auto (default) or none")
    parser.add_argument("--labels", choices=("log", "protocol"), default="log", help="whose label counts; default log")
    parser.add_argument("--rule", default="last", help="which epoch counts, where there are several; default last")
    parser.add_argument("--epochs", type=int, default=0, help="the file holds the best of so many test epochs a fold")
    parser.add_argument("--classes", default="", metavar="A,B,C", help="names of the classes, in order")
    parser.add_argument("--seed", type=int, help="where a file holds several seeds")
    parser.add_argument("--transposed", action="store_true", help="rows of a confusion matrix are the prediction")
    forms = parser.add_mutually_exclusive_group()
    for form, what in {"json": "everything", "md": "Markdown", "tex": "rows to paste", "html": "one page"}.items():
        forms.add_argument(f"--{form}", dest="form", action="store_const", const=form, help=what)


def run(wanted: argparse.Namespace) -> int:
    """Print the scores of each file, and of two or more the comparison of the first with each other one."""
    from apexbench.score.numbers import EPOCHS, chosen
    from apexbench.score.pages import PAGES
    from apexbench.score.pairs import compare

    if wanted.epochs < 0 or wanted.epochs == 1:
        raise InputError(f"--epochs {wanted.epochs}: expected how many epochs there were to choose from, 2 or more")
    if wanted.epochs > EPOCHS:
        raise InputError(f"--epochs {wanted.epochs}: at most {EPOCHS}, for so many the null model is drawn")
    found = [entry for path in wanted.files for entry in score_file(path, wanted)]
    names = [predictions.name for predictions, _ in found]
    for place, (predictions, system) in enumerate(found):
        if names.count(predictions.name) > 1:  # two runs' files are called alike
            system["name"] = f"{predictions.name} ({names[: place + 1].count(predictions.name)})"
    sides = [(predictions, chosen(predictions, system["numbers"]["rule"])) for predictions, system in found]
    pairs = []
    if len(wanted.files) > 1:
        if len(found) != len(wanted.files):
            raise InputError("a workbook of several sheets: score it alone")
        (one, rows), *others = [(predictions, rows[next(iter(rows))]) for predictions, rows in sides]
        for (other, theirs), (_, system) in zip(others, found[1:], strict=True):
            called = [system["name"] for system in (found[0][1], system)]
            pairs.append(compare((one, rows), (other, theirs), called))
    page = PAGES[wanted.form or "text"]([system for _, system in found], pairs)
    print(page if wanted.form == "json" else printable(page), end="")
    return 0


def score_file(path: Path, wanted: argparse.Namespace) -> list[tuple]:
    """Return, for each system of a file or a submission, its predictions and all that is told of it, JSON-able."""
    from dataclasses import asdict

    from apexbench.config.submissions import CARD, is_submission, read_submission
    from apexbench.score.numbers import numbers
    from apexbench.score.official import check, find, relabelled
    from apexbench.score.printed import trace_printed
    from apexbench.score.reading import read
    from apexbench.score.submissions import check_submission, submitted

    classes = tuple(name.strip() for name in wanted.classes.split(",") if name.strip())
    if classes and (len(classes) < 2 or len({name.lower() for name in classes}) < len(classes)):
        raise InputError(
            f"--classes {wanted.classes!r}: expected two names or more, all different, as negative,positive"
        )
    card, asked, seed = None, wanted.protocol, wanted.seed
    if is_submission(path):
        card, path = read_submission(path)
        classes, seed = classes or card.classes, card.seed if seed is None else seed
        asked = card.protocol if asked == "auto" else asked
    systems = []
    for predictions, named in read(path, classes, seed, wanted.transposed):
        if classes and [name.lower() for name in classes] != [name.lower() for name in predictions.classes]:
            given = f"--classes {wanted.classes!r}" if wanted.classes else f"{path.parent / CARD}: field 'classes'"
            raise InputError(
                f"{given}: those of {path}, {predictions.taken_for}, are {', '.join(predictions.classes)}; leave "
                f"{'--classes' if wanted.classes else 'the field'} out"
            )
        if wanted.transposed and not predictions.taken_for.startswith("confusion matrix"):
            raise InputError(f"--transposed: {path} is no confusion matrix, but {predictions.taken_for}")
        if card is not None:
            predictions = submitted(predictions, card, path)
        if len(predictions.classes) < 2:
            raise InputError(
                f"{path}: one class only, {predictions.classes[0]!r}; name all that there are with --classes A,B,C"
            )
        protocol, how = find(predictions, asked, named)
        checked, labels = check(predictions, protocol, how)
        if card is not None:
            check_submission(checked, path)
        if wanted.labels == "protocol":
            predictions = relabelled(predictions, labels)
        found = numbers(predictions, wanted.rule, wanted.epochs)
        left_out = [f"rule {name!r} is left out: {why}" for name, why in found["left_out"].items()]
        system = {
            "name": predictions.name, "taken_for": predictions.taken_for, "remarks": [*predictions.remarks, *left_out],
            "classes": list(predictions.classes), "check": asdict(checked), "numbers": found,
            "printed": trace_printed(found, wanted.printed),
        }  # fmt: skip
        systems.append((predictions, system))
    return systems
