"""One function for each stage between the raw clips and the feature cache: files in, one file out.

The science lies in datasets, frames, motion and features, which know arrays only; here it meets the disk.
"""
