"""SMIC-HS (Li et al., FG 2013): 100 fps, 16 subjects, no sheet and no apex: the class is a folder's name."""

from pathlib import Path

from apexbench.datasets.annotations import Annotation, find_one

EMOTIONS = ("negative", "positive", "surprise")


def read(root: Path) -> list[Annotation]:
    """Return the clips of a SMIC folder, `.../HS/s1/micro/negative/s1_ne_01/`; its ends are onset and offset."""
    tree = find_one(root, ["HS", "*/HS", "**/HS"], "the folder HS of subjects")
    clips = []
    for emotion in EMOTIONS:
        for folder in sorted(tree.glob(f"s*/micro/{emotion}/*")):
            if folder.is_dir():
                subject = folder.parents[2].name
                clips.append(Annotation(str(folder), subject, folder.name, None, None, None, emotion, "", folder))
    return clips
