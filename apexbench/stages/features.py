"""Pack of frames -> pack of ResNet features."""

from apexbench.config.recipes import FeatureRecipe
from apexbench.features import extract
from apexbench.store import read_pack, write_pack


def feature_pack(pack: str, recipe: dict, output: str, device: str = "cpu") -> None:
    """Write a pack of features, x (N, 2, C, h, w) float16: the onset's and the apex's maps at the named layer."""
    card = FeatureRecipe(**recipe)
    frames = read_pack(pack)
    x = extract(frames.x, network=card.network, layer=card.layer, weights=card.weights, seed=card.seed, device=device)
    write_pack(output, frames.ids, x, {"recipe": recipe, "frames": ["onset", "apex"]})
