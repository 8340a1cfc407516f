"""A method of one's own: its file, its card and its test, from a template that trains as it stands."""

import argparse
import re
from pathlib import Path
from string import Template

from apexbench.errors import InputError

HELP = "write the file, the card and the test of a new method, which trains as it stands"

_DEEP = '''"""$title: who, where, when; and what the released code does differently."""

from apexbench.methods.base import FLOW
from apexbench.methods.deep import Deep, DeepParams


class ${name}Params(DeepParams):
    """As in the paper; the card says what differs."""

    epochs: int = 40
    batch_size: int = 16
    learning_rate: float = 1e-3
    dropout: float = 0.5


class $name(Deep):
    """A small network on flow and strain of onset to apex, (B, 3, y, x)."""

    reads = {"flow": FLOW}
    Parameters = ${name}Params
    test_params = {"epochs": 2, "batch_size": 4}  # with which the tests run it

    def fit(self, train):  # statistics of the training clips alone, kept on self
        self.size = float(abs(train["flow"]).mean()) or 1.0

    def transform(self, batch, rng=None):  # on the device, each batch; rng: augment, None: test
        x = batch["flow"].float() / self.size
        if rng is not None and rng.random() < 0.5:  # mirrored: u changes its sign, too
            x = x.flip(-1) * x.new_tensor([-1, 1, 1])[:, None, None]
        return {"input": x}  # arguments of the model

    def build(self):
        from torch import nn  # inside: the configuration is checked without torch

        return nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(7),
            nn.Flatten(),
            nn.Dropout(self.params.dropout),
            nn.Linear(16 * 7 * 7, self.num_classes),
        )

    def optimizer(self, model):
        import torch

        return torch.optim.Adam(model.parameters(), lr=self.params.learning_rate, fused=True)
'''

_CLASSIC = '''"""$title: who, where, when; and what the released code does differently."""

from apexbench.methods.base import FLOW, Classic, Params


class ${name}Params(Params):
    """As in the paper; the card says what differs."""

    neighbours: int = 3


class $name(Classic):
    """Nearest neighbours on the pixels of flow and strain of onset to apex, (N, 3, y, x)."""

    reads = {"flow": FLOW}
    Parameters = ${name}Params

    def features(self, inputs):
        return inputs["flow"].reshape(len(inputs["flow"]), -1)

    def fit(self, features, labels, groups, rng):  # groups: the clips' subjects
        from sklearn.neighbors import KNeighborsClassifier

        count = min(self.params.neighbours, len(labels))
        return KNeighborsClassifier(n_neighbors=count).fit(features, labels)
'''

_CARD = """# yaml-language-server: $$schema=../schemas/method.json
method: $method
title: $title
family: $family
year: $year
source: paper and code that this follows
inputs: {flow: tvl1-28}         # role: a recipe of config/recipes.yaml; `apexbench list recipes`
params: {}                      # what differs from the defaults of the method's file
certainty: {}                   # {field: why its value is not certain}
$budgets"""

_QUICK = """budgets:
  quick: {params: {epochs: 5}}  # size and length only
"""

_TEST = '''"""$title: what holds of it alone; tests/test_methods.py has what holds of every method."""

import numpy as np
from random_clips import clips, small

from apexbench.training.run import train_fold


def test_${module}_learns_what_flow_shows(one_thread):
    """Clips of each class move in a way of their own: a method that reads its input tells them apart."""
    labels = np.arange(24) % 3
    train, test = clips("$method", 24), clips("$method", 24, seed=1)
    for part in (train, test):
        part["flow"] = (0.1 * part["flow"]).astype(np.float16)
        for label in range(3):
            part["flow"][labels == label, 0, 9 * label : 9 * label + 9] += 3
    scores = train_fold(small("$method"$longer), train, labels, test, 0, "cpu")[-1]
    assert (scores.argmax(axis=1) == labels).mean() > 0.8
'''


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="letters, digits and hyphens, such as my-method; its file is my_method.py")
    parser.add_argument("--classic", action="store_true", help="features and a scikit-learn estimator; default: deep")


def run(wanted: argparse.Namespace) -> int:
    """Write three files, none of which may be there, and say what comes next."""
    name = wanted.name
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise InputError(
            f"new-method: {name!r}: expected small letters, digits and hyphens, beginning with a letter: my-method"
        )
    if not Path("apexbench/methods").is_dir():
        raise InputError("apexbench/methods: no such folder; run this in the repository")
    files = made(name, wanted.classic)
    for path in files:
        if path.exists():
            raise InputError(f"{path}: is there already; choose another name")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"wrote {path}")
    print(
        f"\ntest:   python -m pytest {list(files)[-1]} tests/test_methods.py -k {name}\n"
        f"run:    snakemake --cores 2 --config methods={name} protocols=smic-3 study=mine\n"
        f"keep:   {name} in `methods` of config/config.yaml; docs/add-a-method.md has all parts of a method\n"
        f"page:   apexbench method-pages writes docs/methods/{name}.md"
    )
    return 0


def made(name: str, classic: bool) -> dict[Path, str]:
    """Return {file: its text} of a method's module, card and test."""
    from datetime import date

    words = {
        "name": "".join(part.capitalize() for part in name.split("-")),
        "method": name,
        "module": name.replace("-", "_"),
        "title": name.replace("-", " ").capitalize(),
        "family": "hand-crafted" if classic else "small network on flow",
        "year": str(date.today().year),
        "budgets": "" if classic else _QUICK,
        "longer": "" if classic else ", epochs=30",
    }
    texts = {
        Path(f"apexbench/methods/{words['module']}.py"): _CLASSIC if classic else _DEEP,
        Path(f"config/methods/{name}.yaml"): _CARD,
        Path(f"tests/test_{words['module']}.py"): _TEST,
    }
    return {path: Template(text).substitute(words) for path, text in texts.items()}
