"""One module for each rule, named as its script: one function, files in and files out.

The science lies in datasets, frames, motion, features and evaluation, which know arrays and tables; here it meets the
disk. A rule's code hash holds its own stage and no other.
"""
