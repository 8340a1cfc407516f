"""HTNet: Wang et al., "HTNet for Micro-Expression Recognition", Neurocomputing 2024, arXiv 2307.14637; and HTNet-PA, an
anonymous release, "Signal-Geometry Aware MER", which compares losses by cosines on the same network.

Input: u, v and optical strain at 28 x 28, onset to apex, each map stretched to 0..255 for each clip, as 8-bit pictures
in the released code; we do not round. Of each, four crops of 14 x 14 px about the eyes and the corners of the mouth
are put together to 28 x 28, the eyes above.

- The released code finds eyes and mouth of each clip's apex frame, shrunk to 28 px, by a detector; a fixed set of
  points stands in for faces that it does not find: `points: fallback`. Our maps are of faces that are aligned, where
  these points are all but constant: `points: aligned` are the places to which frames/alignment.py brings the eyes and
  the mouth, its corners as far apart, in distances between the eyes, as in the fallback set.
- It moves points to 7..21 px, so that no crop leaves the map, and takes x for the row, y for the column. So the crops
  show, in their order, the face above left, below left, above right and below right: `crop: released`. `crop: fixed`
  has eyes above and mouth below.
- At patches of 7 px attention is over one token at every level. The network is one of linear layers and convolutions
  in fact; `patch: 1` is a hierarchy whose tokens do attend.
- It keeps for each subject the predictions of the epoch that is best in the test, and logs the last epoch as well.
- `head`: `ce`, or one of `networks/cosine_heads.py` on an embedding, as in HTNet-PA. Its proxies lie in the model, so
  each fold begins with new ones; as released all folds share them. The newest released script of HTNet-PA trains on all
  clips that it tests, whatever its fold.
"""

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from apexbench.methods.base import FLOW, Inputs
from apexbench.methods.deep import Deep, DeepParams
from apexbench.methods.flow.scaling import stretch

# (x, y) px of a picture of 28 px: its left eye, its right one, its left corner of the mouth, its right one
POINTS = {
    "aligned": ((7.67, 7.08), (19.33, 7.08), (8.43, 18.28), (18.57, 18.28)),
    "fallback": ((9.53, 11.06), (21.40, 10.92), (10.26, 22.12), (20.58, 22.26)),
}

MARGINS = {"arcface": 0.5, "cosface": 0.35}
PROXY_LEARNING_RATES = {"proxy-anchor": 5e-3, "arcface": 5e-4, "cosface": 5e-4}


def corners(points: str, crop: str) -> list[tuple[int, int]]:
    """Return the first (row, column) px of each of the four crops of 14 x 14.

    >>> corners("fallback", "fixed"), corners("fallback", "released")
    ([(4, 2), (3, 14), (14, 3), (14, 13)], [(2, 4), (14, 3), (3, 14), (13, 14)])
    """
    bounded = [tuple(int(min(max(value, 7), 21)) - 7 for value in point) for point in POINTS[points]]
    return [(x, y) if crop == "released" else (y, x) for x, y in bounded]


class HTNetParams(DeepParams):
    """As in the released code.

    `dim` is the width of the first level and `heads` its heads, each further level has twice as many of both; `depths`
    are the blocks of each level. `embedding` and what follows are of the heads by cosines: `alpha` and `delta` of proxy
    anchor, `scale` and `margin` of ArcFace and CosFace, the learning rate of their proxies; None: as each was released.
    """

    epochs: int = Field(default=800, ge=1)
    batch_size: int = Field(default=256, ge=1)
    learning_rate: float = 5e-5
    weight_decay: float = 0.0
    crop: Literal["released", "fixed"] = "released"
    points: Literal["aligned", "fallback"] = "aligned"
    patch: Literal[1, 7] = 7
    dim: int = Field(default=256, ge=1)
    heads: int = Field(default=3, ge=1)
    depths: tuple[int, int, int] = (2, 2, 8)
    head: Literal["ce", "proxy-anchor", "arcface", "cosface"] = "ce"
    embedding: int = Field(default=512, ge=1)
    alpha: float = 32.0
    delta: float = 0.1
    scale: float = 30.0
    margin: float | None = None
    proxy_learning_rate: float | None = None

    @model_validator(mode="after")
    def _heads(self):
        if self.heads > self.dim:
            raise ValueError(f"{self.heads} heads do not fit into a dim of {self.dim}")
        return self


class HTNet(Deep):
    """Four crops of the flow maps through a hierarchical transformer."""

    reads = {"flow": FLOW}
    Parameters = HTNetParams
    test_params = {"epochs": 2, "batch_size": 4, "dim": 8, "depths": (1, 1, 1)}

    @classmethod
    def image_size(cls, params) -> int:
        return 28

    def build(self, weights=None):
        from torch import nn

        from apexbench.methods.networks.cosine_heads import Cosines
        from apexbench.methods.networks.htnet import Network

        p = self.params
        features = p.dim * 2 ** (len(p.depths) - 1)
        if p.head == "ce":
            head = nn.Linear(features, self.num_classes)
        else:
            cosines = Cosines(p.embedding, self.num_classes, kaiming=p.head == "proxy-anchor")
            head = nn.Sequential(nn.Linear(features, p.embedding), cosines)
        return Network(head, patch=p.patch, patches=28 // p.patch, dim=p.dim, heads=p.heads, depths=p.depths)

    def tensors(self, inputs: Inputs) -> dict:
        """Return x (N, 3, 28, 28). Raises ValueError for maps of another size: the crops are of px."""
        flow = inputs["flow"]
        if flow.shape[1:] != (3, 28, 28):
            raise ValueError(f"HTNet reads flow maps (N, 3, 28, 28); the pack holds {flow.shape}")
        return {"x": flow}

    def transform(self, batch, rng: np.random.Generator | None = None) -> dict:
        """Stretch each map of each clip to 0..255 and put its four crops together, float32."""
        import torch

        x = stretch(batch["x"])
        crops = [x[..., y : y + 14, x_ : x_ + 14] for y, x_ in corners(self.params.points, self.params.crop)]
        rows = [torch.cat(crops[:2], dim=-1), torch.cat(crops[2:], dim=-1)]
        return {"x": torch.cat(rows, dim=-2)}

    def loss(self, output, targets):
        import torch

        if self.params.head == "ce":
            return super().loss(output, targets)
        presence = torch.nn.functional.one_hot(targets, self.num_classes)
        if self.params.head == "proxy-anchor":
            return self._proxy_anchor(output, presence)
        return self.score_loss(self._with_margin(output, presence), targets)

    def presence_loss(self, output, targets):
        import torch

        if self.params.head == "ce":
            return super().presence_loss(output, targets)
        if self.params.head == "proxy-anchor":
            return self._proxy_anchor(output, targets)
        return torch.nn.functional.binary_cross_entropy_with_logits(self._with_margin(output, targets), targets)

    def _proxy_anchor(self, cosines, presence):
        from apexbench.methods.networks.cosine_heads import proxy_anchor

        return proxy_anchor(cosines, presence, self.params.alpha, self.params.delta)

    def _with_margin(self, cosines, presence):
        from apexbench.methods.networks import cosine_heads

        p = self.params
        margin = MARGINS[p.head] if p.margin is None else p.margin
        return getattr(cosine_heads, p.head)(cosines, presence, p.scale, margin)

    def logits(self, output):
        """Return class scores (B, C), or the cosines times what the loss multiplies them by."""
        p = self.params
        return output * {"ce": 1.0, "proxy-anchor": p.alpha}.get(p.head, p.scale)

    def optimizer(self, model):
        import torch

        p = self.params
        named = dict(model.named_parameters())
        proxies = [named.pop(name) for name in list(named) if name.endswith("proxies")]
        groups = [{"params": list(named.values())}]
        if proxies:
            rate = PROXY_LEARNING_RATES[p.head] if p.proxy_learning_rate is None else p.proxy_learning_rate
            groups.append({"params": proxies, "lr": rate})
        return torch.optim.AdamW(groups, lr=p.learning_rate, weight_decay=p.weight_decay, fused=True)
