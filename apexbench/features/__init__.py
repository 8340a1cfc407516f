"""ResNet feature cache."""

from apexbench.features.resnet import extract

__all__ = ["extract"]
