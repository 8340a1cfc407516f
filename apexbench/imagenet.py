"""ImageNet's mean and deviation, by which networks that have learned from it, and some others, take their pictures."""

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of red, green and blue in 0..1


def normalised(pictures):
    """Return pictures (..., 3, H, W) RGB of 0..255, a tensor of any type, less the mean over the deviation, float32."""
    mean, deviation = _of_colours(pictures.device)
    return (pictures.float() / 255).sub_(mean).div_(deviation)


def shown(pictures):
    """Return normalised pictures (..., 3, H, W) as they were before, in 0..1."""
    mean, deviation = _of_colours(pictures.device)
    return pictures * deviation + mean


def _of_colours(device):
    import torch

    return torch.tensor([_MEAN, _DEVIATION], device=device)[..., None, None]
