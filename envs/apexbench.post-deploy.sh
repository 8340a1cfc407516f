#!/usr/bin/env bash
# Snakemake runs this after it has made the environment: the two face model files, without what they came with.
set -euo pipefail
python -m pip install --no-deps mediapipe==0.10.21
