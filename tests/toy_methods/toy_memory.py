"""Reconstruction beside a memory that each epoch begins with; balanced batches, drawn with replacement."""

import numpy as np

from apexbench.methods.base import FLOW
from apexbench.methods.deep import Deep, DeepParams
from apexbench.weights import RANDOM, Weights


class MemoryParams(DeepParams):
    encoder: Weights = RANDOM


class Memory(Deep):
    reads = {"flow": FLOW}
    Parameters = MemoryParams
    test_params = {"epochs": 2, "batch_size": 6}
    test_sizes = {"y": 8, "x": 8}

    def build(self, weights=None):
        from toy_methods.networks import Memory

        return Memory(self.num_classes, self.initial("encoder", weights))

    def begin_epoch(self, model, clips, epoch):
        import torch

        with torch.no_grad():
            codes = [(model.encoder(batch["flow"].flatten(1)), targets) for batch, targets in clips]
        model.remember(torch.cat([code for code, _ in codes]), torch.cat([targets for _, targets in codes]))

    def batches(self, labels, generator):
        import torch

        kinds = np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)
        chances = torch.from_numpy(1 / np.bincount(kinds)[kinds])
        return torch.multinomial(chances, len(labels), replacement=True, generator=generator).split(6)

    def optimizer(self, model):
        import torch

        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        return optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 1)

    def logits(self, output):
        return output[0]

    def loss(self, output, targets):
        return super().loss(output, targets) + (output[1] - output[2]).square().mean()
