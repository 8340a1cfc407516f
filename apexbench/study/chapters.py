"""The chapters of the report, which Snakemake sorts by name."""

CHAPTERS = {
    "leaderboard": "1 Leaderboard",
    "comparisons": "1 Leaderboard",
    "published": "2 Papers",
    "protocol": "3 Protocols",
    "inside": "4 Models at work",
    "data": "5 Clips and motion",
    "runtime": "6 Runtime",
}
