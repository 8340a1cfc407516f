"""ApexBench: micro-expression recognition from raw clips to comparison tables, reproducibly."""
