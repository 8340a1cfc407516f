"""T frames x M factors of cached features: a frozen projection, then attention over frames and factors."""

from apexbench.methods.deep import Deep


class Cached(Deep):
    reads = {"features": ("frame", "factor", "feature", "y", "x")}
    test_params = {"epochs": 2, "batch_size": 4}
    test_sizes = {"y": 3, "x": 3}

    def transform(self, batch, rng=None):
        return {"x": batch["features"].float().mean(dim=(4, 5)).flatten(1, 2)}

    def build(self):
        from toy_methods.networks import Cached

        return Cached(self.num_classes)

    def optimizer(self, model):
        import torch

        return torch.optim.Adam([x for x in model.parameters() if x.requires_grad], lr=1e-2)
