"""Where the face is: 468 mesh landmarks of one image, or the reason why there are none.

The two networks (BlazeFace short range, face mesh; Apache-2.0) are the .tflite files of the mediapipe 0.10.21 wheel,
run by OpenCV's dnn module; the mediapipe library itself is never imported. As in its face-mesh graph, the detector's
box and eyes give a square, rotated region for the mesh. One addition: the region is found again from the mesh itself,
which makes the landmarks all but independent of the detector's jitter. Detect once per clip (on the onset frame):
the jitter of a detection per frame is larger than a micro-expression.
"""

import importlib.util
from functools import cache
from pathlib import Path

import cv2
import numpy as np

_DETECTOR = "modules/face_detection/face_detection_short_range.tflite"
_MESH = "modules/face_landmark/face_landmark.tflite"
_PERSON = "modules/selfie_segmentation/selfie_segmentation.tflite"
_DETECTOR_SIZE, _MESH_SIZE = 128, 192
_MIN_SCORE = 0.5  # of the detector and of the mesh's own face presence, as in mediapipe
_BOX_TO_ROI = 1.5
_MIN_HAAR = 0.2  # smallest Haar face, as a share of the shorter image side

RIGHT_EYE = (33, 133, 159, 145, 160, 144, 158, 153)  # the subject's right: at the left of the image
LEFT_EYE = (263, 362, 386, 374, 387, 373, 385, 380)
MOUTH = (61, 291, 0, 17, 13, 14)


class FaceNotFound(Exception):
    """No face was found in the image."""


def detect_landmarks(image: np.ndarray) -> np.ndarray:
    """The 468 mesh landmarks (468, 2) float32, in px of `image`, uint8 (H, W), (H, W, 1) or (H, W, 3) RGB.

    Raises FaceNotFound. Where several faces are seen, the one that the detector is surest of is taken.
    """
    rgb = _as_rgb(image)
    best = 0.0
    for window in _windows(*rgb.shape[:2]):
        score, box, eyes = _best_face(rgb, window)
        best = max(best, score)
        if score < _MIN_SCORE:
            continue
        side = (box[1] - box[0]).max()
        if side < window[2] / 4:  # a face of a few detector pixels: look again from nearby
            closer = _best_face(rgb, (*(box.mean(0) - 1.25 * side), 2.5 * side))
            if closer[0] >= _MIN_SCORE:
                _, box, eyes = closer
        roi = _region(eyes, box)
        for _ in range(3):
            landmarks, presence = _mesh(rgb, roi)
            if presence < _MIN_SCORE:
                break
            roi = _region(landmarks[[33, 263]], np.array([landmarks.min(0), landmarks.max(0)]))
        else:
            return landmarks.astype(np.float32)
    height, width = rgb.shape[:2]
    raise FaceNotFound(f"no face in the {width}x{height} image (best detector score {best:.2f}, needed {_MIN_SCORE})")


def haar_landmarks(image: np.ndarray) -> np.ndarray:
    """Three anchors (3, 2) float32 px as `anchor_points` gives them, guessed from the largest Haar box of a face.

    The fallback where the mesh finds nothing; good to a few per cent of the face width. Raises FaceNotFound.
    """
    gray = cv2.cvtColor(_as_rgb(image), cv2.COLOR_RGB2GRAY)
    side = max(24, round(_MIN_HAAR * min(gray.shape)))
    boxes = _haar().detectMultiScale(gray, scaleFactor=1.05, minNeighbors=4, minSize=(side, side))
    if len(boxes) == 0:
        raise FaceNotFound(f"the Haar cascade sees no face of {side} px or more in the image")
    x, y, width, height = max(boxes, key=lambda box: (box[2] * box[3], *box))
    places = np.array([[0.295, 0.38], [0.705, 0.38], [0.50, 0.777]])
    return (np.array([x, y]) + places * [width, height]).astype(np.float32)


def anchor_points(landmarks: np.ndarray) -> np.ndarray:
    """Right eye, left eye and mouth centre (3, 2) of the 468 landmarks: means over contours, steadier than one point.

    The subject's right eye comes first: it lies at the left of the image.
    """
    return np.stack([landmarks[list(part)].mean(0) for part in (RIGHT_EYE, LEFT_EYE, MOUTH)])


def person_mask(image: np.ndarray) -> np.ndarray:
    """How surely each pixel of `image` shows a person (H, W) float32 in 0..1, by the wheel's selfie segmentation."""
    rgb = _as_rgb(image)
    net = _net(_PERSON)
    net.setInput(cv2.dnn.blobFromImage(rgb, 1 / 255, (256, 256)))
    return cv2.resize(net.forward()[0, 0], rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _as_rgb(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"expected a uint8 image (H, W), (H, W, 1) or (H, W, 3), got {image.dtype} {image.shape}")
    return np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image)


def _windows(height: int, width: int) -> list[tuple[float, float, float]]:
    """Squares (x, y, side) to look for a face in, likely ones first.

    The whole image; then with a border, for faces that fill it; then ever smaller tiles, for small faces.
    """
    centre = np.array([width, height]) / 2
    sides = [max(height, width) * scale for scale in (1, 1.5, 2)]
    windows = [(*(centre - side / 2), side) for side in sides]
    side = max(height, width) / 2
    while side >= 1.5 * _DETECTOR_SIZE:
        xs, ys = (
            np.linspace(0, end - side, round(2 * end / side) - 1) for end in (max(width, side), max(height, side))
        )
        windows += [(x, y, side) for y in ys for x in xs]
        side /= 2
    return windows


def _best_face(rgb: np.ndarray, window: tuple[float, float, float]) -> tuple[float, np.ndarray, np.ndarray]:
    """Score, box [[x0, y0], [x1, y1]] and eyes (2, 2), in px of the image, of the surest face in a window."""
    x, y, side = window
    corners = np.array([[x, y], [x + side, y], [x, y + side]])
    patch, to_image = _patch(rgb, corners, _DETECTOR_SIZE)
    net = _net(_DETECTOR)
    net.setInput(cv2.dnn.blobFromImage(patch, 1 / 127.5, mean=(127.5, 127.5, 127.5)))
    logits, raw = net.forward(("classificators", "regressors"))
    index = int(logits.argmax())
    score = 1 / (1 + np.exp(-np.clip(float(logits.ravel()[index]), -100, 100)))
    raw = raw.reshape(-1, 16)[index].astype(np.float64)
    centre, size = raw[:2] + _anchors()[index], raw[2:4]
    eyes = raw[4:8].reshape(2, 2) + _anchors()[index]
    box = np.array([centre - size / 2, centre + size / 2])
    # the networks count from the corner of the first pixel, OpenCV from its centre
    return score, _project(box - 0.5, to_image), _project(eyes - 0.5, to_image)


@cache
def _anchors() -> np.ndarray:
    """Centres (896, 2) px of the SSD anchors: 2 on each cell of stride 8, 6 on each of stride 16, all of size 1."""
    grids = []
    for stride, count in ((8, 2), (16, 6)):
        cells = (np.arange(_DETECTOR_SIZE // stride) + 0.5) * stride
        xy = np.stack(np.meshgrid(cells, cells), -1).reshape(-1, 2)
        grids.append(np.repeat(xy, count, 0))
    return np.concatenate(grids)


def _region(eyes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Corners (top left, top right, bottom left) of the square around `box`, turned so that the eyes lie level."""
    across = eyes[1] - eyes[0]
    across = across / max(np.hypot(*across), 1e-6)
    down = np.array([-across[1], across[0]])
    half = (box[1] - box[0]).max() * _BOX_TO_ROI / 2
    centre = box.mean(0)
    return np.array([centre - half * across - half * down, centre + half * across - half * down,
                     centre - half * across + half * down])  # fmt: skip


def _mesh(rgb: np.ndarray, roi: np.ndarray) -> tuple[np.ndarray, float]:
    patch, to_image = _patch(rgb, roi, _MESH_SIZE)
    net = _net(_MESH)
    net.setInput(cv2.dnn.blobFromImage(patch, 1 / 255))
    names = net.getUnconnectedOutLayersNames()
    points, logit = sorted(net.forward(names), key=lambda blob: -blob.size)
    presence = 1 / (1 + np.exp(-np.clip(float(logit.ravel()[0]), -100, 100)))
    return _project(points.reshape(468, 3)[:, :2] - 0.5, to_image), presence


def _patch(rgb: np.ndarray, corners: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The square with these corners as (size, size, 3), black outside the image, and the matrix back to the image."""
    side = np.hypot(*(corners[1] - corners[0]))
    shrink = max(1, int(side / size))  # sample finer and average: a plain warp would skip pixels of big faces
    fine = size * shrink
    ends = np.array([[-0.5, -0.5], [fine - 0.5, -0.5], [-0.5, fine - 0.5]], np.float32)
    matrix = cv2.getAffineTransform(corners.astype(np.float32) - np.float32(0.5), ends)
    patch = cv2.warpAffine(rgb, matrix, (fine, fine), flags=cv2.INTER_LINEAR)
    patch = cv2.resize(patch, (size, size), interpolation=cv2.INTER_AREA) if shrink > 1 else patch
    ends = np.array([[-0.5, -0.5], [size - 0.5, -0.5], [-0.5, size - 0.5]], np.float32)
    return patch, cv2.getAffineTransform(ends, corners.astype(np.float32) - np.float32(0.5))


def _project(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


@cache
def _net(name: str) -> cv2.dnn.Net:
    spec = importlib.util.find_spec("mediapipe")
    path = Path(spec.submodule_search_locations[0]) / name if spec else None
    if path is None or not path.is_file():
        raise RuntimeError(f"the face model {name} of the mediapipe 0.10.21 wheel is not installed: run make setup")
    return cv2.dnn.readNetFromTFLite(str(path))


@cache
def _haar() -> cv2.CascadeClassifier:
    path = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
    if not path.is_file():
        raise RuntimeError(f"{path} is not installed: run make setup (OpenCV 5 wheels lack it)")
    return cv2.CascadeClassifier(str(path))
