"""Toys of the shapes that methods come in: importing this package lets methods be found here, too.

Each is as short as the contract lets it be. They stand in all tests of all methods, and in test_contract.py.
"""

from pathlib import Path

from apexbench import methods

methods.__path__.append(str(Path(__file__).parent))
