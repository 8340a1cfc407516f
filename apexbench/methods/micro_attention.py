"""Micro-Attention as ported in Off-TANet's repository (PRICAI 2021); the original's paper and code were not read.

Input: TV-L1 of onset to apex at 224 px, u and v in px, and their strain (`flow/raw.py`). Three residual blocks, each of
which weighs its places by a softmax over all of them: 53.4 million parameters, 51 of them in the head. The released
script prints means over folds at the epoch, one of every 10, whose mean over the *test* folds is best.
"""

from pydantic import Field, model_validator

from apexbench.methods.flow.raw import RawFlow, RawFlowParams


class MicroAttentionParams(RawFlowParams):
    """As the port. `width` scales the channels, `hidden` are the units of the hidden layer."""

    epochs: int = Field(default=51, ge=1)
    batch_size: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    decay: float = Field(default=0.1, gt=0, le=1)
    decay_epochs: int = Field(default=10, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    image_size: int = Field(default=224, ge=1)
    width: float = Field(default=1.0, gt=0)
    hidden: int = Field(default=4096, ge=1)
    stem_stride: int = Field(default=2, ge=1, le=2)

    @model_validator(mode="after")
    def _something_is_left(self):
        least = 14 * self.stem_stride + 1
        if self.image_size < least:
            raise ValueError(f"image_size {self.image_size}: after five poolings nothing is left; give {least} or more")
        return self


class MicroAttention(RawFlow):
    """Residual blocks with attention over places."""

    Parameters = MicroAttentionParams
    test_params = {"epochs": 2, "batch_size": 4, "image_size": 32, "width": 0.125, "hidden": 16}

    def build(self, weights=None):
        from apexbench.methods.networks.micro_attention import Network

        p = self.params
        return Network(self.num_classes, p.dropout, p.image_size, p.width, p.hidden, p.stem_stride)

    def optimizer(self, model):
        import torch

        p = self.params
        optimizer = torch.optim.SGD(
            model.parameters(), lr=p.learning_rate, momentum=p.momentum, weight_decay=p.weight_decay, fused=True
        )
        return optimizer, self.schedule(optimizer)
