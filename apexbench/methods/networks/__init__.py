"""The torch modules of the deep methods, apart so that a card can be checked without importing torch."""
