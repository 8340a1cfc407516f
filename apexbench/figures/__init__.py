"""Figures of the report, one module for each thing that is drawn."""
