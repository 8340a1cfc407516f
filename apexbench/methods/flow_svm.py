"""Baseline: onset-to-apex flow pixels and a support vector machine.

No paper's method, but the floor that a network has to beat: on real flow maps it reaches published small networks.
"""

from typing import Literal

import numpy as np

from apexbench.methods.base import FLOW, Classic, Inputs, Params


class FlowSVMParams(Params):
    """C = 28 is what public benchmarks use for flow pixels; `gamma` as in scikit-learn."""

    kernel: Literal["rbf", "linear"] = "rbf"
    C: float = 28.0
    gamma: float | Literal["scale", "auto"] = "scale"
    scale: Literal["clip", "none"] = "clip"
    strain: bool = True


class FlowSVM(Classic):
    """Flow maps (u, v, strain) flattened, standardised on the training clips, SVM one against one."""

    reads = {"flow": FLOW}
    deterministic = True
    Parameters = FlowSVMParams

    def features(self, inputs: Inputs) -> np.ndarray:
        """Return (N, D); with `scale: clip` every clip's motion has unit root mean square, its direction is kept.

        Given maps have no direction left: u and v are of each map's own range, and so is what they are divided by.
        """
        flow = inputs["flow"].astype(np.float64)
        if not self.params.strain:
            flow = flow[:, :2]
        if self.params.scale == "clip":
            size = np.sqrt((flow[:, :2] ** 2).sum(axis=1).mean(axis=(1, 2)))
            flow = flow / np.maximum(size, 1e-6)[:, None, None, None]
        return flow.reshape(len(flow), -1)

    def estimator(self, rng: np.random.Generator):
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        p = self.params
        return make_pipeline(StandardScaler(), SVC(C=p.C, kernel=p.kernel, gamma=p.gamma, class_weight="balanced"))
