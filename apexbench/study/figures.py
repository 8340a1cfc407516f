"""The figures of a study: which are drawn, of which files, under which heads."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from apexbench.errors import InputError
from apexbench.methods import Deep
from apexbench.recipes import arm_module
from apexbench.study.checked import dumped
from apexbench.study.tables import Tables
from apexbench.tables.places import place
from apexbench.tables.row_titles import row_titles

OFFICIAL = "megc2019"  # its counts of each subject and class are known for all of its data sets
_ALGORITHMS = {"tvl1": "TV-L1", "farneback": "Farnebäck"}
_ARMS = {"evm": "linear Eulerian", "phase": "phase-based", "flow-warp": "flow warp", "magnet": "MagNet"}
_PICTURED = {"attention": "features"}  # drawings that show what a role's features are taken from


class Figures(Tables):
    """What rules ask of figures."""

    def figures(self) -> list[str]:
        """Return every figure and page of a study; pictures of licensed clips lie apart and outside the report."""
        results = f"results/{self.name}"
        paths = [f"{results}/tables/{name}.html" for name in self.tables]
        for protocol in self.settings.protocols:
            trained = any(self.predictions(protocol, run) for run in self.shown)
            if trained and not self.project.protocols[protocol].multilabel:
                paths += [f"{results}/figures/{kind}-{protocol}.svg" for kind in ("confusion", "curves", "null")]
        if len(self.ranked_protocols()) > 1 and len(self.shown) > 1:
            paths.append(f"{results}/figures/critical-difference.svg")
        paths += [f"{results}/figures/curve-{name}.svg" for name, card in self.tables.items() if card.curve]
        paths += [f"{results}/figures/losses-{name}.svg" for name in self.tables if self.losses_by_run(name)]
        for dataset in self.datasets:
            if not self.holds_maps(dataset):
                folder = self._picture_folder([dataset])
                paths += [f"{folder}/crops-{dataset}.jpg"] if self.onset_frames(dataset) else []
                paths += [f"{folder}/flow-{dataset}-{recipe}.jpg" for recipe in self.pictured_flow()]
        if dataset := self.magnified_dataset():
            paths.append(f"{self._picture_folder([dataset])}/magnification-{dataset}.jpg")
        if self.shows_official_null():
            paths += [f"{results}/figures/official-null.{kind}" for kind in ("svg", "csv")]
        paths += self._inside_pictures()
        # PDFs by name: a figure of an earlier version that has none is not taken for whole
        return paths + [f"{path.rpartition('.')[0]}.pdf" for path in paths if path.endswith((".svg", ".jpg"))]

    def _picture_folder(self, datasets: Sequence[str]) -> str:
        licensed = any(self.licensed[dataset] for dataset in datasets)
        return f"results/{self.name}/figures{'-licensed' if licensed else ''}"

    # of scores

    def shown_titles(self) -> dict[str, str]:
        """Return {run: what figures call it} of the runs on the leaderboard."""
        return row_titles({run: self.runs[run] for run in self.shown})

    def protocol_head(self, protocol: str) -> str:
        return self.headed(self.protocol_title(protocol), self.project.protocols[protocol].datasets)

    def ranked_protocols(self) -> list[str]:
        """Return protocols without a clip in common: a data set and a composite that holds it would count it twice."""
        ranked, taken = [], set()
        for protocol in self.settings.protocols:
            folders = {self.project.folder_of(dataset) for dataset in self.project.protocols[protocol].datasets}
            if not folders & taken:
                ranked.append(protocol)
                taken |= folders
        return ranked

    def ranked_scores(self) -> dict[str, str]:
        return {protocol: f"results/{self.name}/scores/{protocol}.csv" for protocol in self.ranked_protocols()}

    def ranked_files(self) -> list[str]:
        return list(self.ranked_scores().values())

    def ranks_head(self) -> str:
        ranked = self.ranked_protocols()
        over = "; ".join(map(self.protocol_title, ranked))
        return self.headed(f"Mean ranks over {len(ranked)} protocols\n{over}", self.datasets)

    # beside a table: curves of a sweep, losses

    def curve_head(self, table: str) -> str:
        return self.headed(self.table_title(table), self._table_datasets(table))

    def curve_beside_printed(self, table: str) -> bool:
        """Tell whether a curve shows printed numbers: they are of real clips, and never stand beside synthetic ones."""
        return self.real(self._table_datasets(table))

    def _loss_protocol(self, table: str) -> str:
        card = self.project.tables[table]
        if not card.losses:
            return ""
        found = place(card.columns[0].beside or card.columns[0].protocol, self.project.protocols)
        return found[0] if found and found[0] in self.protocols else ""

    def losses_by_run(self, table: str) -> dict[str, list[str]]:
        """Return {run: predictions} of the runs whose losses a table's figure shows, as far as they are trained."""
        protocol, runs = self._loss_protocol(table), self.project.tables[table].losses
        trained = [run for run in runs if protocol and run in self.methods and not self.why_not(protocol, run)]
        return {run: self.predictions(protocol, run) for run in trained}

    def loss_predictions(self, table: str) -> list[str]:
        return [path for paths in self.losses_by_run(table).values() for path in paths]

    def loss_jobs(self, table: str) -> dict[str, dict]:
        return {run: self.job(self._loss_protocol(table), run) for run in self.losses_by_run(table)}

    def loss_head(self, table: str) -> str:
        protocol = self._loss_protocol(table)
        title = f"Loss by epoch: {self.protocol_title(protocol)}\nOf runs of the table: {self.table_title(table)}"
        return self.headed(title, self.project.protocols[protocol].datasets)

    def loss_titles(self, table: str) -> dict[str, str]:
        return {run: self.runs[run].title for run in self.losses_by_run(table)}

    # of clips and motion

    def onset_frames(self, dataset: str) -> list[str]:
        """Return the files whose onset frames a sheet shows: the largest crops of whole faces that the study makes."""
        whole = {name for name, card in self.recipes.frames.items() if self.recipes.crops[card.crop].region == "face"}
        used = [r for r in self.recipes_in_use() if r in whole]
        return self.shards(dataset, max(used, key=self.recipes.size)) if used else []

    def pictured_shards(self, dataset: str, recipe: str) -> dict[str, list[str]]:
        """Return crops and flow of all subjects, for the flow picture."""
        return {"crops": self.shards(dataset, self.recipes[recipe].of), "flow": self.shards(dataset, recipe)}

    def dataset_head(self, dataset: str) -> str:
        return self.headed(self.dataset_title(dataset), [dataset])

    def flow_title(self, dataset: str, recipe: str) -> str:
        """Return data set, algorithm, and the recipe's name."""
        algorithm = self.recipes.flow[recipe].algorithm
        return f"{self.dataset_title(dataset)}: {_ALGORITHMS.get(algorithm, algorithm)} flow (recipe {recipe})"

    def flow_head(self, dataset: str, recipe: str) -> str:
        return self.headed(self.flow_title(dataset, recipe), [dataset])

    def magnified_dataset(self) -> str:
        """Return the data set whose first clip is shown by all arms, the first that has frames; "" if none is."""
        filmed = [dataset for dataset in self.datasets if not self.holds_maps(dataset)]
        return filmed[0] if filmed and self.pictured_magnification() else ""

    def magnification_inputs(self, dataset: str) -> dict[str, str | list[str]]:
        """Return what the clip is cut from, whichever it is, and the files of the arms' weights."""
        recipe = self._pictured_frames()
        inputs = [self.frames_inputs(dataset, recipe, part) for part in self.parts(dataset)]
        faces = [each["faces"] for each in inputs if "faces" in each]
        return {**inputs[0], "faces": faces, "weights": self.magnification_weights()}

    def magnification_weights(self) -> list[str]:
        return [file for name in self.pictured_magnification() for file in self.magnify_weights(name)]

    def magnification_state(self, dataset: str) -> str:
        return " ".join(self.clips_state(dataset, part) for part in self.parts(dataset)).strip()

    def magnification_code(self) -> str:
        arms = {arm_module(self.recipes.magnification[name].arm) for name in self.pictured_magnification()}
        return self.code("magnification_figure", *sorted(arms))

    def magnification_frames(self) -> dict:
        return self.frames_recipe(self._pictured_frames())

    def _pictured_frames(self) -> str:
        if not (names := self.pictured_magnification()):
            raise InputError("no arm is pictured: none is set, or no method of the study reads magnified frames")
        return self.recipes.frames_name(names[0])

    def magnification_cards(self) -> dict[str, dict]:
        """Return {title: recipe} of the arms that are shown; two of one title have the recipe's name behind it."""
        cards = {name: self.magnify_card(name) for name in self.pictured_magnification()}
        titles = {name: _arm_title(card) for name, card in cards.items()}
        twice = [title for title, count in Counter(titles.values()).items() if count > 1]
        return {f"{titles[n]} ({n})" if titles[n] in twice else titles[n]: card for n, card in cards.items()}

    def magnification_truth(self, dataset: str) -> dict[str, Any]:
        """Return what a synthetic clip is rendered again by; nothing of a licensed copy."""
        if self.licensed[dataset]:
            return {}
        plan = {"release": self.release(dataset), "plan": self.render_plan(dataset)}
        return plan | {"scale": self.settings.scale, "seed": self.settings.study_seed}

    def magnification_head(self, dataset: str) -> str:
        return self.headed(f"{self.dataset_title(dataset)}: motion magnified", [dataset])

    # the null model on official counts

    def shows_official_null(self) -> bool:
        """Tell whether the study is about MEGC2019's clips: then the null model on their official counts is drawn."""
        return bool({OFFICIAL, f"{OFFICIAL}-flow"} & set(self.settings.protocols))

    def official_card(self) -> dict | None:
        """Return the entry of the composite with the official counts, also where synthetic clips have others."""
        card = self.project.protocols.get(OFFICIAL)
        return dumped(card) if card else None

    def official_files(self) -> dict[str, list[str] | str]:
        """Return what the figure of the null model on the official counts is made of: files of config/ alone."""
        folder = self.project.folder
        return {
            "printed": sorted(map(str, (folder / "published").glob("*.csv"))),
            "selection": str(folder / "published/selection.yaml"),
            "measured": str(folder / "measured/real-flow.csv"),
        }

    # of a run at work

    def _inside_pictures(self) -> list[str]:
        """A picture of each shown run that shows itself at work, on the first protocol that it is trained on."""
        paths = []
        for run in self.shown:
            if run in self.methods and issubclass(self.methods[run], Deep):
                for protocol in self.trained_on(run)[:1]:
                    if self.methods[run].inside(self.params(protocol, run)):
                        folder = self._picture_folder(self.project.protocols[protocol].datasets)
                        paths.append(f"{folder}/inside-{protocol}-{run}.jpg")
        return paths

    def inside_run(self, protocol: str, run: str) -> dict[str, Any]:
        """Return what the drawing of a run is told: as for its training, with the first seed."""
        return self.training_run(protocol, run, self.key(protocol, run)) | {"seed": self.settings.seeds[0]}

    def inside_inputs(self, protocol: str, run: str) -> dict[str, list[str]]:
        """Return what a run's training on the first folds reads, and as `pictures` the shards shown beside it."""
        inputs = self.training_inputs(protocol, run, self.key(protocol, run), self.fold_ranges(protocol, run)[0])
        role = _PICTURED.get(self.methods[run].inside(self.params(protocol, run)))
        if role is None:
            return inputs
        recipe, datasets = self.card(protocol, run).inputs[role], self.project.protocols[protocol].datasets
        return inputs | {"pictures": [x for name in datasets for x in self.shards(name, self.recipes[recipe].of)]}

    def inside_title(self, protocol: str, run: str) -> str:
        return f"{self.runs[run].title}: {self.protocol_title(protocol)}"

    def inside_head(self, protocol: str, run: str) -> str:
        return self.headed(self.inside_title(protocol, run), self.project.protocols[protocol].datasets)


def _arm_title(card: Mapping[str, Any]) -> str:
    """What figures call the arm of a magnification recipe."""
    flow = card["options"].get("flow", "")
    return ", ".join(filter(None, [_ARMS.get(card["arm"], card["arm"]), _ALGORITHMS.get(flow, flow)]))
