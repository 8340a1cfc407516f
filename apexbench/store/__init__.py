"""Files between stages: atomic, self-describing, and refused when they are not whole or not as they were written.

Arrays lie in safetensors files (`tensors`, `packs`): a header names every tensor and carries the record `meta` as JSON,
so that a file tells what it is without its path. Every write (`writing`) goes to a folder beside and is renamed when it
is complete and on disk: a killed job or a full disk leaves the old file, or none, never half of one. The folders of
killed jobs go when the next run starts (`unfinished`).

Checksums (CRC-32) of the record and of each array, of a pack of each row, are in the header and checked of what is
read; that of a CSV or of predictions lies beside it (`checksums`). They find what a disk or a copy does to a file, not
what a forger does.
"""
