"""Sizes of MixMeFormer's networks that train in a second, as cards give them."""

VIT = {"embed_dim": 32, "depth": 2, "num_heads": 4}
RESNET = {"layers": [1, 1, 1, 1], "channels": [8, 16, 32, 64], "stem_type": "deep", "stem_width": 4}
