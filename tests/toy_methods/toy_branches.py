"""N colour frames in two branches, space and time, with an L2 penalty on two named layers."""

from apexbench.methods.base import FRAMES
from apexbench.methods.deep import Deep, DeepParams


class BranchesParams(DeepParams):
    l2: float = 0.1


class Branches(Deep):
    reads = {"frames": FRAMES}
    Parameters = BranchesParams
    test_params = {"epochs": 2, "batch_size": 4}
    test_sizes = {"y": 16, "x": 16}

    def transform(self, batch, rng=None):
        x = batch["frames"].float() / 255
        return {"space": x[:, 0], "time": (x[:, 1:] - x[:, :-1]).transpose(1, 2)}

    def build(self):
        from toy_methods.networks import Branches

        return Branches(self.num_classes)

    def optimizer(self, model):
        import torch

        named = ("in_space.weight", "in_time.weight")
        groups = [[x for n, x in model.named_parameters() if (n in named) == penal] for penal in (True, False)]
        return torch.optim.SGD([{"params": groups[0], "weight_decay": self.params.l2}, {"params": groups[1]}], lr=0.05)
