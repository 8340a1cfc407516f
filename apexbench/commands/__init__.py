"""The commands of `apexbench`: one module for each, of the same name, with - for _.

A module has `HELP`, one line; `arguments(parser)`, which adds what the command takes; and `run(wanted)`, which does it
and returns the exit status. Whatever is heavy is imported inside of `run`: `apexbench --help` waits for nothing.
"""
