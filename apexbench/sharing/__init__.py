"""Results that travel: `apexbench bundle`, `verify` and `merge`.

`bundle` chooses what of a study goes into an archive, `private` keeps out of it what says where it was made, `archive`
writes and opens it, `record` is what its scores and tables are made of, `contents` adds what every bundle has (records,
manifest and `crate`, which describes it to others), `rebuild` makes its scores and tables, `verify` compares, and
`merge` joins several.
"""
