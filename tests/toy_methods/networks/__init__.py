"""Torch modules of the toys."""

import torch
from torch import nn


class Branches(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.in_space, self.in_time = nn.Conv2d(3, 4, 3), nn.Conv3d(3, 4, 3)
        self.head = nn.Linear(8, classes)

    def forward(self, space, time):
        return self.head(torch.cat([self.in_space(space).mean((2, 3)), self.in_time(time).mean((2, 3, 4))], 1))


class Memory(nn.Module):
    """Returns class scores, the reconstruction and what was to be reconstructed."""

    def __init__(self, classes, encoder=None):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(192, 5), nn.Linear(5, 192)
        if encoder is not None:
            self.encoder.load_state_dict(encoder)
        self.head = nn.Linear(5, classes)
        self.register_buffer("slots", torch.zeros(classes, 5))

    def remember(self, codes, targets):
        wanted = torch.eye(len(self.slots))[targets] if targets.ndim == 1 else targets
        self.slots = wanted.T @ codes / wanted.sum(0).clamp(min=1)[:, None]

    def forward(self, flow):
        x = flow.flatten(1)
        code = self.encoder(x)
        return self.head(code) - torch.cdist(code, self.slots), self.decoder(code), x


class Cached(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.frozen = nn.Linear(8, 6).requires_grad_(False)
        self.look, self.head = nn.Linear(6, 1), nn.Linear(6, classes)

    def forward(self, x):
        x = self.frozen(x).tanh()
        return self.head((self.look(x).softmax(1) * x).sum(1))


class Views(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.heads = nn.ModuleDict({name: nn.Linear(192, classes) for name in ("motion", "onset", "change")})

    def forward(self, **views):
        alone = {name: head(views[name].flatten(1)) for name, head in self.heads.items()}
        return {"all": sum(alone.values()), **alone}
