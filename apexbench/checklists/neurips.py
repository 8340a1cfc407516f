"""The NeurIPS paper checklist, 16 questions, titles in our words. Each wants yes, no or n/a, which the author says."""

from apexbench.checklists import Item

TITLE = "NeurIPS paper checklist"
SHORT = "NeurIPS"
_ANSWER = "yes, no or n/a"
MODULES = {
    "": (
        Item("1", "Claims match abstract and introduction", (), _ANSWER),
        Item("2", "Limitations are discussed", ("sources",), _ANSWER),
        Item("3", "Theory: assumptions and proofs", (), _ANSWER),
        Item("4", "Experiments can be reproduced", ("command", "code", "seeds"), _ANSWER),
        Item("5", "Open access to data and code", ("sources", "code"), f"{_ANSWER}; where both are to be had"),
        Item("6", "Settings and details of experiments", ("splits", "selection", "parameters"), _ANSWER),
        Item("7", "Statistical significance", ("intervals", "seeds", "tests"), _ANSWER),
        Item("8", "Compute resources", ("machines",), f"{_ANSWER}; what was spent on runs that are not in the paper"),
        Item("9", "Code of ethics", (), _ANSWER),
        Item("10", "Broader impacts", (), _ANSWER),
        Item("11", "Safeguards against misuse", (), _ANSWER),
        Item(
            "12", "Licences of existing assets", ("sources",), f"{_ANSWER}; the licence of each; see `apexbench cite`"
        ),
        Item("13", "New assets are documented", (), _ANSWER),
        Item("14", "Crowdsourcing and human subjects", (), _ANSWER),
        Item("15", "Approval by a review board", (), f"{_ANSWER}; of the releases, too"),
        Item("16", "Use of language models", (), _ANSWER),
    )
}
