"""REFORMS: Kapoor et al., Science Advances 2024; 32 items in 8 modules, titles in our words."""

from apexbench.checklists import Item

TITLE = "REFORMS (Kapoor et al., Science Advances 2024)"
SHORT = "REFORMS"
MODULES = {
    "1 Study goals": (
        Item("1a", "Population that the claim is about", ("sources",), "the population that the paper speaks of"),
        Item("1b", "Why this population", (), "the motivation"),
        Item("1c", "Why machine learning", (), "the motivation"),
    ),
    "2 Computational reproducibility": (
        Item("2a", "Data sets, with a link or DOI", ("sources",), "link or DOI of each release; see `apexbench cite`"),
        Item("2b", "Code, with a link to the version", ("code",), "where this commit is published"),
        Item("2c", "Computing infrastructure", ("machines",)),
        Item("2d", "README with instructions", ("command",), "where the README of the paper is published"),
        Item("2e", "Script that reproduces all results", ("command",)),
    ),
    "3 Data quality": (
        Item(
            "3a", "Sources, time and annotation of the data", ("sources", "labels"), "when and how clips were collected"
        ),
        Item("3b", "Sampling frame", ("clips",), "whom the data sets were sampled from"),
        Item("3c", "Why the data suit the task", (), "the justification"),
        Item("3d", "Outcome variable and its distribution", ("labels", "classes")),
        Item("3e", "Sample size and frequency of outcomes", ("clips", "classes")),
        Item("3f", "Missing data, by class", ("missing",), "share by class of what a release itself does not hold"),
        Item("3g", "Whether the sample stands for the population", (), "the justification"),
    ),
    "4 Data preprocessing": (
        Item("4a", "Excluded samples, and why", ("excluded",)),
        Item("4b", "Impossible or damaged samples", ("missing", "repaired")),
        Item("4c", "Transformations of the data", ("inputs",)),
    ),
    "5 Modelling": (
        Item("5a", "All models that were trained", ("models",), "a description of what is new"),
        Item("5b", "Why these kinds of models", (), "the justification"),
        Item("5c", "Method of evaluation, and splits", ("splits",)),
        Item("5d", "How the reported model was selected", ("selection",), "how the reported method was chosen"),
        Item("5e", "Hyper-parameters and their tuning", ("parameters", "uncertain"), "how the values were found"),
        Item("5f", "Whether baselines are appropriate", ("controls",), "the justification"),
    ),
    "6 Data leakage": (
        Item("6a", "Separation of training and test", ("separation", "selection")),
        Item("6b", "Dependencies and duplicates between the sides", ("separation", "people")),
        Item("6c", "Whether each input is legitimate", ("inputs", "oracle_inputs"), "the justification"),
    ),
    "7 Metrics and uncertainty": (
        Item("7a", "All metrics, and why they suit", ("metrics",), "why they suit the claim"),
        Item("7b", "Uncertainty of the results", ("intervals", "seeds")),
        Item("7c", "Statistical tests and their assumptions", ("tests",), "which of them the paper relies on"),
    ),
    "8 Generalizability and limitations": (
        Item("8a", "Evidence of external validity", ("across",), "what follows from it"),
        Item("8b", "Where the findings are not expected to hold", (), "the contexts"),
    ),
}
