"""Keyed repairs of annotations: declarative records, applied only where the old value is what the record says."""

import re
from collections.abc import Iterable, Sequence

from apexbench.config.datasets import Repair
from apexbench.datasets.annotations import Annotation, Finding

MISSING = ("", "/", "?", "-")  # what sheets have where there is no apex


class DroppedByRepair(Exception):
    """A repair leaves the clip out."""


def repair(item: Annotation, records: Iterable[Repair]) -> list[Finding]:
    """Correct an annotation by the records that match it, and return what was done; `item.repairs` lists it too.

    A record that names the clip, but finds another old value (another version of the sheet) gives a finding
    `unmatched-repair`. Raises DroppedByRepair.
    """
    findings = []
    onset = item.onset
    for record in records:
        if not (record.enabled and _names(record, item, onset)):
            continue
        reason = f"{record.reason} ({record.source})"
        old, new = getattr(item, record.field), _new(record, item)
        if not _matches(record, item) or new is None:
            if record.clip != "*":
                text = f"{record.field} is {old!r}, not {record.old!r}: not changed; {reason}"
                findings.append(Finding("unmatched-repair", item.place, item.name, text))
        elif record.field == "clip" and new == "drop":
            raise DroppedByRepair(f"left out by a repair: {reason}")
        elif old != new:
            setattr(item, record.field, new)
            item.repairs.append(f"{record.field}:{old}->{new}")
            findings.append(Finding("repair", item.place, item.name, f"{record.field} {old!r} -> {new!r}: {reason}"))
    return findings


def select(records: Iterable[Repair], release: str) -> list[Repair]:
    """Return the records of a release that are switched on."""
    return [record for record in records if record.dataset == release and record.enabled]


def whole(text: str | None) -> int | None:
    """Return a frame number that a sheet writes as 46, 46.0 or " 46 "; None for anything else."""
    match = re.fullmatch(r"([0-9]{1,15})(?:\.0*)?", (text or "").strip())
    return int(match[1]) if match else None


def outside(item: Annotation) -> bool:
    """Whether the apex is a number outside onset..offset."""
    onset, apex, offset = _span(item)
    return None not in (onset, apex, offset) and not onset <= apex <= offset


def _span(item: Annotation) -> Sequence[int | None]:
    return whole(item.onset), whole(item.apex), whole(item.offset)


def _names(record: Repair, item: Annotation, onset: str | None) -> bool:
    """Whether a record is about a clip; `onset` is the sheet's, whatever was repaired since."""
    if record.clip != "*" and record.clip.lower() != item.clip.lower():
        return False
    if record.subject is not None and record.subject != item.number:
        return False
    if record.onset_from is None and record.onset_to is None:
        return True
    start = whole(onset)
    low, high = record.onset_from, record.onset_to
    return start is not None and (low is None or start >= low) and (high is None or start <= high)


def _matches(record: Repair, item: Annotation) -> bool:
    value = getattr(item, record.field)
    if record.old == "*":
        return True
    if record.old == "missing":
        return value is None or value in MISSING
    if record.old == "out of range":
        return outside(item)
    if value is None:
        return False
    if record.old.startswith("~"):
        return re.search(record.old[1:], value) is not None
    return value == record.old or (whole(value) is not None and whole(value) == whole(record.old))


def _new(record: Repair, item: Annotation) -> str | None:
    """The new text; None if it is to be made of fields that are not there."""
    if record.new in ("onset", "apex", "offset", "aus", "emotion", "objective"):
        return getattr(item, record.new)
    if record.new == "midpoint":
        onset, _, offset = _span(item)
        return None if None in (onset, offset) else str(onset + (offset - onset) // 2)
    return record.new
