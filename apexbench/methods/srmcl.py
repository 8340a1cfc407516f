"""SRMCL: Bao, Wu, Zhang, Shan, Qi, Ben, "Boosting Micro-expression Recognition via Self-expression Reconstruction and
Memory Contrastive Learning", TAFFC 2024. Networks, loaders and test scripts are released; no training is, nor weights.

A small ViT reads onset-to-apex TV-L1 flow as a picture, u, v and magnitude. In training most of its features are
masked, twice; what is left must show the picture again, give the class, and lie near the class's prototype in a memory.
It begins with weights of the task `srmcl-reconstruction`, where the pictures, the sizes and the optimiser stand.

- Rounds of masking add up: the second masks what the first has left, so that 15/16 of the patches are mask tokens where
  the class is learned. Nothing is masked in the test, whose scores are the linear head's, not the memory's.
- `early_norm`: the released fine-tuning applies the decoder's norm before the decoder too; VIT_SR, its variant without
  memory, and the pre-training do not. With memory the network has a batch norm that it never uses, as released.
- Prototypes follow each step, after its loss: `momentum` is the share of the old one, 0.1 as the class has it (its
  wrapper's own default is 0.5). They begin each epoch as the class means of the training clips' features, masked as in
  training; the paper's figure says so much, but not how. A class that a fold does not train has no prototype.
- `rounds: 0` masks and reconstructs nothing: with `memory: false` it is the ViT on cross entropy alone.
- Batches hold `clips_per_class` clips of every class that the fold trains. Within a class none comes twice before the
  others have come; a rest that is too small is passed over, and a class with fewer clips is gone through again within
  the batch. The order is drawn anew for every epoch. As released an epoch ends when the next batch would reach the
  number of clips; here it has one batch at least.
- The released loaders can also give the apex frame's grey levels as the third channel; a pack of flow has none.
- The released SAMM loader trains on several apexes of a clip; here there is one.
- How long, with which optimiser, batches and mask ratio the authors trained is not known: `certainty` on the card.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from apexbench.methods.pretraining.srmcl_reconstruction import SMALL, FlowPictureParams, FlowPictures


class SrmclParams(FlowPictureParams):
    """Weights of the losses, temperature and momentum are the released classes' defaults.

    `batch_size` is that of the test. `prototypes` move towards the mean of a batch's features of their class, or the
    one (`hard`) that is least like them.
    """

    batch_size: int = Field(default=30, ge=1)
    clips_per_class: int = Field(default=6, ge=1)
    rounds: int = Field(default=2, ge=0)
    reconstruction: float = Field(default=0.5, ge=0)
    early_norm: bool = True
    memory: bool = True
    memory_weight: float = Field(default=0.5, ge=0)
    temperature: float = Field(default=0.05, gt=0)
    momentum: float = Field(default=0.1, ge=0, le=1)
    prototypes: Literal["mean", "hard"] = "mean"


class Srmcl(FlowPictures):
    """Classes, masked reconstruction and a memory of prototypes."""

    Parameters = SrmclParams
    multilabel = False
    test_params = {**SMALL, "clips_per_class": 2}

    def build(self, weights=None):
        from apexbench.methods.networks.srmcl import Memory, Network

        p, memory = self.params, None
        if p.memory:
            options = {"temperature": p.temperature, "momentum": p.momentum, "hard": p.prototypes == "hard"}
            memory = Memory(self.num_classes, p.dim, **options)
        return Network(self.num_classes, self.autoencoder(weights, p.early_norm), p.rounds, memory)

    @classmethod
    def inside(cls, params) -> str:
        return "memory" if params.memory and params.rounds else ""

    def begin_epoch(self, model, clips, epoch: int) -> None:
        """Start the memory anew with the training clips, masked."""
        import torch

        if self.params.memory:
            model.eval()
            with torch.no_grad(), self.autocast(clips.device):
                features = torch.cat([model.masked_features(**batch) for batch, _ in clips])
            model.memory.start(features, clips.targets)

    def batches(self, labels: np.ndarray, generator):
        """Yield as many clips of each class that there is; see above for what an epoch is."""
        import torch

        each = self.params.clips_per_class
        drawn = [self._drawn(torch.from_numpy(np.flatnonzero(labels == c)), each, generator) for c in np.unique(labels)]
        for _ in range(max(1, (len(labels) - 1) // (each * len(drawn)))):
            yield torch.cat([next(rows) for rows in drawn])

    def _drawn(self, rows, each: int, generator):
        """Yield `each` of one class's rows, without end."""
        import torch

        while True:
            order = []
            while len(order) < each:
                shuffled = torch.randperm(len(rows), generator=generator) if self.params.shuffle else slice(None)
                order += rows[shuffled].tolist()
            for start in range(0, len(order) - each + 1, each):
                yield torch.tensor(order[start : start + each])

    def step(self, model, clips, rows, rng: np.random.Generator):
        batch, targets = clips.batch(rows, rng), clips.targets[rows]
        with self.autocast(clips.device):
            output = model(**batch)
            loss = clips.loss(output, targets)
        if self.params.memory:
            loss = loss + self.params.memory_weight * model.memory.loss(output.features, targets)
            model.memory.update(output.features, targets)
        return loss

    def loss(self, output, targets):
        """Return the losses of class and reconstruction; the memory, which follows each step, is the step's."""
        return super().loss(output, targets) + self.params.reconstruction * output.error

    def logits(self, output):
        return output.scores

    def reconstructions(self, model, batch, generator=None):
        """Return what the model makes of a batch of `clips.batch`, in 0..1 as it was before normalisation.

        Returns
        -------
        pictures (B, 3, S, S); what each round removes, (B, rounds, S, S) bool, some of it masked before; and what it
        reconstructs, (B, rounds, 3, S, S). `generator` draws the masks, on the batch's device; None: torch's own.
        Raises ValueError if the method masks nothing.
        """
        import torch

        if not self.params.rounds:
            raise ValueError("SRMCL with rounds: 0 reconstructs nothing; give it one round at least")
        model.eval()
        with torch.inference_mode():
            removed, made = model.reconstructions(batch["picture"], generator)
        return self.shown(batch["picture"]), removed, self.shown(made)
