"""What is computed so that all processors agree is PyTorch's to float32 rounding."""

import copy

import torch

from apexbench.methods.networks.portable import LSTM, RMSprop, square_root


def test_square_root():
    x = torch.cat([torch.zeros(1), torch.logspace(-30, 30, 2001)])
    torch.testing.assert_close(square_root(x), x.double().sqrt().float(), rtol=2e-7, atol=0)


def test_rmsprop_takes_the_steps_of_pytorchs():
    torch.manual_seed(0)
    ours = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 1))
    theirs, x = copy.deepcopy(ours), torch.randn(9, 5)
    for model, kind in ((ours, RMSprop), (theirs, torch.optim.RMSprop)):
        optimizer = kind(model.parameters(), lr=1e-2, eps=1e-8, weight_decay=1e-3)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 5, 0.2)
        for _ in range(12):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
            schedule.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


def test_lstm_is_pytorchs():
    torch.manual_seed(0)
    ours, theirs = LSTM(4, 3, 2), torch.nn.LSTM(4, 3, 2, batch_first=True)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(5, 6, 4)
    (out, last), (wanted, wanted_last) = ours(x), theirs(x)
    torch.testing.assert_close((out, *last), (wanted, *wanted_last))
    out.sum().backward()
    wanted.sum().backward()
    torch.testing.assert_close([p.grad for p in ours.parameters()], [p.grad for p in theirs.parameters()])
