"""timm's ResNets of pictures, as the extractor of features and its pre-training share them."""

from apexbench.dynamo_shim import spare_dynamo
from apexbench.errors import InputError, nearest
from apexbench.torchvision_shim import ensure_torchvision

_CHANNELS = (64, 128, 256, 512)  # of the layers; the stem is left as it is
_WHERE = "config/recipes.yaml"


def create_network(network: str, width: float = 1.0):
    """Return a timm ResNet without its head, of random weights from torch's generator; `width` scales its channels.

    Raises InputError if the network is unknown or no ResNet.
    """
    spare_dynamo()
    ensure_torchvision()
    import timm

    if not timm.is_model(network):
        raise InputError(f"{_WHERE}: network {network!r}; {nearest(network, timm.list_models('resnet*'))}")
    sizes = {"channels": tuple(max(1, round(width * size)) for size in _CHANNELS)} if width != 1 else {}
    try:  # else a block's last BatchNorm begins at zero, and blocks of random weights do nothing
        return timm.create_model(network, num_classes=0, zero_init_last=False, **sizes)
    except TypeError:
        raise InputError(f"{_WHERE}: network {network!r} is no ResNet; take resnet18 or one like it") from None
