"""Predictions of anyone, scored without a study: `apexbench score`.

`reading` finds out what a file is and hands it to the reader of that format (`logs`, `lists`, `columns`, `matrices`,
`ours`); all give `Predictions`, in the layout of our own files, so that every number comes from `evaluation`.
`official` compares with a protocol, `numbers` scores, `pairs` compares two files, `printed` finds what a printed number
is, `blocks` has the words and `pages` writes them.
"""
