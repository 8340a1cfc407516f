"""What training folds at once would bring small networks: one step of all, by torch.func, against a step of each.

Noise clips of CASME II's number, under both budgets; networks without batch norm, whose running means torch.func does
not carry. Both variants draw nothing and augment nothing: batches lie ready. Prints a Markdown table of milliseconds
for a step of one fold.

    python benchmarks/folds_at_once.py                            # two minutes on one thread
    python benchmarks/folds_at_once.py --folds 26 --device cuda
"""

import argparse
import copy

import torch
from gpu import project_under
from noise import case_of
from timing import alternate, medians, name_of
from torch.func import functional_call, stack_module_state, vmap

from apexbench.methods.deep import Clips

CARDS = ("off-apexnet", "off-apexnet-meb")


def variants(card: str, budget: str, folds: int, device: str) -> dict:
    """Return {"each" and "at once": a function that takes one step of every fold} of a card."""
    case = case_of(project_under(budget), card)
    method = case.make("float32")
    method.fit(case.train)
    clips = Clips(method, case.train, case.labels, device)
    size = min(case.params.batch_size, len(clips))
    batches = [clips.batch(torch.randperm(len(clips))[:size]) for _ in range(folds)]
    targets = [clips.targets[torch.randperm(len(clips))[:size].to(device)] for _ in range(folds)]
    models = [method.build().to(device).train() for _ in range(folds)]
    steppers = [method.optimizer(model) for model in models]

    def each() -> None:
        for model, stepper, batch, target in zip(models, steppers, batches, targets, strict=True):
            stepper.zero_grad()
            method.loss(model(**batch), target).backward()
            stepper.step()

    weights, buffers = stack_module_state([copy.deepcopy(model) for model in models])
    stepper = torch.optim.Adam(weights.values(), lr=case.params.learning_rate, fused=True)
    stacked = {name: torch.stack([batch[name] for batch in batches]) for name in batches[0]}
    wanted, bare = torch.stack(targets), copy.deepcopy(models[0]).to("meta")

    def of_one(weights, buffers, batch, target):
        return method.loss(functional_call(bare, (weights, buffers), (), batch), target)

    def at_once() -> None:
        stepper.zero_grad()
        vmap(of_one, randomness="different")(weights, buffers, stacked, wanted).sum().backward()
        stepper.step()

    return {"each": each, "at once": at_once}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{name_of(wanted.device)}, {wanted.folds} folds\n")
    print("| network | budget | a fold after the other | all at once | at once / each |\n|:--|:--|--:|--:|--:|")
    for card in CARDS:
        for budget in ("quick", "paper"):
            ways = variants(card, budget, wanted.folds, wanted.device)
            took = medians(alternate(ways, wanted.steps, wanted.device))
            each, at_once = (1000 * took[name] / wanted.folds for name in ("each", "at once"))
            print(f"| {card} | {budget} | {each:.2f} ms | {at_once:.2f} ms | {at_once / each:.2f} |", flush=True)


if __name__ == "__main__":
    main()
