"""Décalcomanie with a shared backbone and multiple losses (SBML): Sensors 22(17):6671, 2022.

Code: 2-Chae/Decalcomnanie-Data-Augmentation-for-Micro-expression-Recognition, without weights, pre-training or tables;
the paper could not be read. Two faces are made of each, its left half and its right half, each beside its mirror image
(`augmentation.decalcomanie`). One network sees the views one by one, and each has a cross-entropy: half of two, or
0.4 original, 0.4 left and 0.2 right. The test adds up the views' scores, or looks at the original alone.

As released, and here:

- The defaults are the README's example on SAMM: L/R, 3D ResNeXt-101, 34 frames of 112 px, Adam with 1e-4, a tenth at
  epochs 30, 60 and 80, 100 epochs, batches of 10, all classes drawn alike. The script's own default schedule takes the
  training loss for the number of the epoch, and its `Plateau` waits for that loss to rise; neither is here.
- In training each view of a clip is rotated by up to 30 degrees and flipped, by a draw of its own. Left and right are
  0..1; the original is 0..255 in training and 0..1 in the test (`legacy_o_scale`), since skimage scales integers only.
  Here it is 0..1 in both, if nothing else is said.
- Whole clips (`choose: all`) are interpolated to the number of frames, as released.
- A video Swin is given the frames as channels and colours as depth, and a softmax before a loss that has one
  (`frames_as_channels`, `softmax_output`); the sound reading is the default.
- `--use_syn` blends two clips of a rare class. They are taken of all subjects before one is left out, so that a blend
  may show the tested person under another's number. It leaks, and is not here.
- The epoch that is best by the test subject is kept. Not here.
- The authors begin with weights of earlier steps, which are not released: `classify_clips`.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from apexbench.methods.pretraining.classify_clips import SMALL, ClipClassifier, ClipParams, Views


class SbmlParams(ClipParams):
    """As in the README's example, SBML_LR_infer_LR."""

    views: Views = "lr"
    infer: Literal["same", "o"] = "same"
    """Whose scores are added up in the test: the trained views', or the original's alone."""
    view_weights: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    """Of each trained view in the loss; none: as released."""

    @model_validator(mode="after")
    def _one_each(self):
        given = self.view_weights
        if given is not None and len(given) != len(self.views):
            raise ValueError(f"view_weights has {len(given)} values for the views {self.views!r}; give one for each")
        return self


class DecalcomanieSbml(ClipClassifier):
    """One network for all views, a loss for each."""

    Parameters = SbmlParams
    test_params = SMALL

    def scored(self) -> str:
        return "o" if self.params.infer == "o" else self.params.views

    def shares(self) -> tuple[float, ...]:
        return self.params.view_weights or super().shares()
