"""Results that travel: `apexbench bundle`, `verify` and `merge`.

`bundle` chooses what of a study goes into an archive, `private` keeps out of it what says where it was made, `archive`
writes and opens it, `crate` describes it to others, `record` is what its scores and tables are made of, `rebuild` makes
them, `verify` compares, and `merge` joins several.
"""
