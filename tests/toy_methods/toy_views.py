"""Three views, each with a loss of its own weight; the model returns a dict."""

from apexbench.methods.base import FLOW, KEY_FRAMES
from apexbench.methods.deep import Deep, DeepParams


class ViewsParams(DeepParams):
    weights_of_views: tuple[float, float, float, float] = (1.0, 0.5, 0.25, 0.25)


class Views(Deep):
    reads = {"flow": FLOW, "frames": KEY_FRAMES}
    Parameters = ViewsParams
    test_params = {"epochs": 2, "batch_size": 4}
    test_sizes = {"y": 8, "x": 8}

    def transform(self, batch, rng=None):
        key = batch["frames"].float() / 255
        views = {"motion": batch["flow"].float(), "onset": key[:, 0], "change": key[:, 1] - key[:, 0]}
        return {name: x.flip(-1) if rng is not None and rng.random() < 0.5 else x for name, x in views.items()}

    def build(self):
        from toy_methods.networks import Views

        return Views(self.num_classes)

    def optimizer(self, model):
        import torch

        return torch.optim.Adam(model.parameters(), lr=1e-2)

    def logits(self, output):
        return output["all"]

    def loss(self, output, targets):
        weighed = zip(self.params.weights_of_views, output.values(), strict=True)
        return sum(weight * super(Views, self).loss({"all": x}, targets) for weight, x in weighed)
