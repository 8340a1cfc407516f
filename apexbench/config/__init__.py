"""Typed, validated view of every YAML file: one module for each kind of file.

A wrong key, type or name is an InputError that names the file and the field. What stands in one file only is checked
here; `project` checks the files against each other. Nothing heavy is imported: Snakemake parses this at every start.
"""
