# What each rule reads and is told, stage by stage.


# clips


def release(wildcards):
    return PROJECT.loader(wildcards.dataset)


def render_plan(wildcards):
    return [list(row) for row in PROJECT.plan_of(wildcards.dataset)]


def loader_code(wildcards):
    return script_code("index", f"apexbench.datasets.{LOADERS[PROJECT.loader(wildcards.dataset)]}")


def index_subjects(wildcards):
    return PROJECT.subjects(wildcards.dataset)


def counts_are_official(datasets):
    """Whether the official counts hold: for licensed copies, and for synthetic clips at full scale."""
    return SETTINGS.scale == "full" or not synthetic_mark(datasets)


def annotation(wildcards):
    """What `apexbench.datasets.read_release` needs to know, from the data set's card and the repairs."""
    card = PROJECT.datasets[wildcards.dataset]
    loader = PROJECT.loader(wildcards.dataset)
    licensed = SOURCES[wildcards.dataset] == "licensed"
    expected = [f"expected_{what}" for what in ("clips", "subjects", "emotions")]
    return {
        "loader": loader,
        "label_set": card.label_set if licensed else f"synthetic-{SETTINGS.scale}",
        **{key: getattr(card, key) for key in ("fps", "apex", "sheet", "frames", "part", "unusable")},
        "repairs": [dumped(repair) for repair in PROJECT.repairs if repair.dataset == loader and repair.enabled],
        "expected": {k: getattr(card, k) for k in expected} if counts_are_official([wildcards.dataset]) else None,
    }


def protocol_indexes(wildcards):
    return [f"results/index/{dataset}.csv" for dataset in PROJECT.protocols[wildcards.protocol].datasets]


def protocol_findings(wildcards):
    return [path.replace(".csv", ".findings.csv") for path in protocol_indexes(wildcards)]


def protocol_card(wildcards):
    card = PROJECT.protocols[wildcards.protocol]
    if not counts_are_official(card.datasets):
        card = planned(card, {dataset: PROJECT.plan_of(dataset) for dataset in card.datasets})
    return dumped(card)


# faces


def face_card(wildcards):
    return dumped(PROJECT.datasets[wildcards.dataset].faces)


def sheet_shards(wildcards):
    return shards(f"faces/{wildcards.dataset}", wildcards.dataset)


# magnification


def magnification_recipe(wildcards):
    return dumped(RECIPES.magnification[wildcards.recipe])


# flow


def flow_recipe(wildcards):
    return dumped(RECIPES.flow[wildcards.recipe])


def magnified_shard(wildcards):
    recipe = RECIPES.flow[wildcards.recipe].magnification
    return f"results/magnified/{wildcards.dataset}/{recipe}/{wildcards.subject}.safetensors"


def pictured_shards(wildcards):
    """Crops and flow of all subjects, for the flow picture."""
    magnification = RECIPES.flow[wildcards.recipe].magnification
    return {
        "crops": shards(f"magnified/{wildcards.dataset}/{magnification}", wildcards.dataset),
        "flow": shards(f"flow/{wildcards.dataset}/{wildcards.recipe}", wildcards.dataset),
    }


# packs


def packed_shards(wildcards):
    recipe = RECIPES.packs[wildcards.recipe]
    stage = (
        f"flow/{wildcards.dataset}/{recipe.flow}" if recipe.flow else f"magnified/{wildcards.dataset}/{recipe.frames}"
    )
    return shards(stage, wildcards.dataset)


def pack_recipe(wildcards):
    return dumped(RECIPES.packs[wildcards.recipe])


def map_source(wildcards):
    return {"index": f"results/index/{wildcards.dataset}.csv", "maps": clips_root(wildcards)}


# features


def feature_pack_input(wildcards):
    return f"results/packs/{wildcards.dataset}/{RECIPES.features[wildcards.recipe].pack}.safetensors"


def feature_recipe(wildcards):
    recipe = RECIPES.features[wildcards.recipe]
    return dumped(recipe) | {"weights": {"file": path} for path in feature_weights(wildcards)}


def feature_weights(wildcards):
    return weights_files(RECIPES.features[wildcards.recipe].weights)


# weights


def weights_files(weights):
    """The file that holds some weights, none for random ones; a timm tag is fetched first."""
    return [] if weights.random else [PRETRAININGS.weights_path(weights)]


def run_weights(run, protocol, folds=""):
    """{hyper-parameter: file} of what a run does not initialise at random."""
    if run not in METHODS:
        return {}
    return PRETRAININGS.weights_files(run_params(run, protocol), protocol, folds)


def training_weights_by_name(wildcards):
    folds = wildcards.get("folds", fold_ranges(wildcards.protocol)[0])
    return run_weights(wildcards.run, wildcards.protocol, folds)


def training_weights(wildcards):
    return list(training_weights_by_name(wildcards).values())


def wanting_weights(wildcards):
    """The cards that name a tag, for messages."""
    path = f"results/weights/{wildcards.tag}.safetensors"
    wanting = [run for run in METHODS for name in SETTINGS.protocols if path in run_weights(run, name).values()]
    cards = [f"config/methods/{PROJECT.card_of[run]}.yaml" for run in wanting]
    return ", ".join(dict.fromkeys(cards)) or "config/recipes.yaml"


# pretraining


def pretraining_job(wildcards):
    """What `apexbench.training.pretraining.PretrainingJob` holds."""
    name, protocol = wildcards.recipe, wildcards.get("protocol", "")
    facts = {}
    if protocol:
        card = PROJECT.protocols[protocol]
        facts = {"protocol": protocol, "classes": list(card.classes), "multilabel": card.multilabel}
    return facts | {
        "name": name,
        "task": RECIPES.pretraining[name].task,
        "params": PRETRAININGS.values(name).params,
        "scope": PRETRAININGS.scope(name),
        "study_seed": SETTINGS.study_seed,
        "budget": SETTINGS.budget,
        "code": script_code("pretrain", PRETRAININGS.task(name).__module__),
    }


def pretraining_sets(wildcards):
    protocol = wildcards.get("protocol", "")
    return PRETRAININGS.datasets(wildcards.recipe, PROJECT.protocols[protocol].datasets if protocol else ())


def pretraining_packs(wildcards):
    return PRETRAININGS.packs(wildcards.recipe, input_pack, pretraining_sets(wildcards))


def pretraining_roles(wildcards):
    return list(PRETRAININGS.values(wildcards.recipe).inputs)


def pretraining_indexes(wildcards):
    return [f"results/index/{dataset}.csv" for dataset in pretraining_sets(wildcards)]


def pretraining_weights_by_name(wildcards):
    params = PRETRAININGS.params(wildcards.recipe)
    return PRETRAININGS.weights_files(params, wildcards.get("protocol", ""), wildcards.get("folds", ""))


def pretraining_weights(wildcards):
    return list(pretraining_weights_by_name(wildcards).values())


def pretraining_people(wildcards):
    return {dataset: PROJECT.people(dataset) for dataset in pretraining_sets(wildcards)}


def pretraining_memory(wildcards):
    return 12000 if SETTINGS.budget == "paper" else 3000


# training


def log_file(wildcards):
    return PROJECT.methods[wildcards.run].log


def training_packs(wildcards):
    """{role: packs of the protocol's data sets} by the method card's inputs."""
    card, datasets = (
        PROJECT.card_on(wildcards.run, wildcards.protocol),
        PROJECT.protocols[wildcards.protocol].datasets,
    )
    return {role: [input_pack(dataset, recipe) for dataset in datasets] for role, recipe in card.inputs.items()}


def training_roles(wildcards):
    return list(PROJECT.card_on(wildcards.run, wildcards.protocol).inputs)


def training_folds(wildcards):
    first, last = map(int, wildcards.folds.split("-"))
    return FOLDS[wildcards.protocol][first : last + 1]


def training_code(run, protocol):
    if run not in METHODS:
        return script_code("import_log")
    mixing = run_mixing(run, protocol)
    modules = [find_mixing(mixing).__module__] if mixing != "none" else []
    return script_code("train", METHODS[run].__module__, *modules)


@cache
def run_mixing(run, protocol):
    """How a run mixes its clips; "none" if it does not."""
    return getattr(run_params(run, protocol), "mixing", "none")


def training_job(wildcards, seed=None):
    """What `apexbench.training.run.Job` holds."""
    card = PROJECT.card_on(wildcards.run, wildcards.protocol)
    protocol = PROJECT.protocols[wildcards.protocol]
    return {
        "study": wildcards.study,
        "study_seed": SETTINGS.study_seed,
        "protocol": wildcards.protocol,
        "classes": list(protocol.classes),
        "run": wildcards.run,
        "method": card.method or "imported",
        "params": card.params,
        "seed": int(wildcards.seed) if seed is None else seed,
        "budget": SETTINGS.budget,
        "data_source": "synthetic" if synthetic_mark(protocol.datasets) else "licensed",
        "code": training_code(wildcards.run, wildcards.protocol),
        "multilabel": protocol.multilabel,
    }


def mixing_job(wildcards):
    return training_job(wildcards, seed=SETTINGS.seeds[0])


def training_memory(wildcards):
    """MB of a training job; networks at paper size hold their clips and gradients, on a GPU also the CUDA context."""
    return 12000 if METHODS[wildcards.run].uses_gpu and SETTINGS.budget == "paper" else 3000


def training_gpus(wildcards):
    return int(METHODS[wildcards.run].uses_gpu)


def people_of(wildcards):
    """{data set: the release whose people it shows} of a protocol."""
    return {dataset: PROJECT.people(dataset) for dataset in PROJECT.protocols[wildcards.protocol].datasets}


# scores


def run_predictions(wildcards):
    return [path for run in PROJECT.methods for path in predictions(wildcards.protocol, run)]


def predictions_by_run(wildcards):
    return {run: predictions(wildcards.protocol, run) for run in PROJECT.methods}


def shown_predictions(wildcards):
    return [path for run in SHOWN for path in predictions(wildcards.protocol, run)]


def shown_by_run(wildcards):
    return {run: predictions(wildcards.protocol, run) for run in SHOWN}


def run_inner_predictions(wildcards):
    return [path for run in PROJECT.methods for path in inner_predictions(wildcards.protocol, run)]


def inner_by_run(wildcards):
    return {run: inner_predictions(wildcards.protocol, run) for run in PROJECT.methods}


def skipped_runs(wildcards):
    reasons = {run: why_not(wildcards.protocol, run) for run in PROJECT.methods}
    return {run: reason for run, reason in reasons.items() if reason}


def finished_by_run(wildcards):
    """The predictions that exist, whether or not they are what the configuration now asks for."""
    return {run: [p for p in paths if Path(p).exists()] for run, paths in predictions_by_run(wildcards).items()}


def finished_state(wildcards):
    """When the existing predictions were written: a partial table is made anew when they change."""
    return [[p, Path(p).stat().st_mtime_ns] for paths in finished_by_run(wildcards).values() for p in paths]


def ranked_protocols():
    """Protocols without a clip in common: ranks over a data set and a composite that holds it would count it twice."""
    ranked, taken = [], set()
    for protocol in SETTINGS.protocols:
        folders = {PROJECT.folder_of(dataset) for dataset in PROJECT.protocols[protocol].datasets}
        if not folders & taken:
            ranked.append(protocol)
            taken |= folders
    return ranked


def scores_by_protocol(wildcards):
    return {protocol: f"results/{wildcards.study}/scores/{protocol}.csv" for protocol in ranked_protocols()}


def mixing_title(wildcards):
    return f"{PROJECT.methods[wildcards.run].title}: {protocol_title(wildcards)}"


def ranks_title(wildcards):
    return f"Mean ranks over {', '.join(ranked_protocols())}{synthetic_mark(PROJECT.used_datasets())}"


def protocol_path(wildcards):
    return f"results/protocols/{wildcards.protocol}.csv"


def ranked_scores(wildcards):
    return list(scores_by_protocol(wildcards).values())


def protocol_title(wildcards):
    card = PROJECT.protocols[wildcards.protocol]
    return card.title + synthetic_mark(card.datasets)


def protocol_classes(wildcards):
    return list(PROJECT.protocols[wildcards.protocol].classes)


# tables


def table_card(wildcards):
    return dumped(PROJECT.tables[wildcards.table])


def table_protocols(name):
    return needed(PROJECT.tables[name], PROJECT.protocols, SETTINGS.protocols)


def table_files(name, study_folder):
    """The files that a table of some kind is made of: {what: {protocol or data set: path}}."""
    kind, protocols = PROJECT.tables[name].kind, table_protocols(name)
    scored = protocols if kind != "data" else []
    counted = protocols if kind == "data" else []
    compared = protocols if kind == "comparisons" else []
    datasets = PROJECT.used_datasets() if kind == "data" else []
    return {
        "scores": {protocol: f"{study_folder}/scores/{protocol}.csv" for protocol in scored},
        "comparisons": {protocol: f"{study_folder}/comparisons/{protocol}.csv" for protocol in compared},
        "counts": {protocol: f"results/protocols/{protocol}.counts.csv" for protocol in counted},
        "indexes": {dataset: f"results/index/{dataset}.csv" for dataset in datasets},
        "findings": {dataset: f"results/index/{dataset}.findings.csv" for dataset in datasets},
    }


def table_inputs(wildcards):
    card = PROJECT.tables[wildcards.table]
    files = table_files(wildcards.table, f"results/{wildcards.study}")
    published = [card.published, "counts.yaml"] if card.published else []
    inputs = {what: list(paths.values()) for what, paths in files.items()}
    return inputs | {"published": [str(PROJECT.folder / "published" / name) for name in published]}


def sources(name, study_folder):
    """What `apexbench.stages.results.make_table` needs beside the card."""
    files = table_files(name, study_folder)
    return {
        "scores": files["scores"],
        "published_folder": str(PROJECT.folder / "published"),
        "protocols": {key: dumped(card) for key, card in PROJECT.protocols.items()},
        "datasets": {key: dumped(card) for key, card in PROJECT.datasets.items()},
        "methods": {key: dumped(card) for key, card in PROJECT.methods.items()},
        "benchmarks": table_benchmarks(name),
        "data": {what: files[what] for what in ("counts", "indexes", "findings")},
        "comparisons": files["comparisons"],
    }


def table_sources(wildcards):
    return sources(wildcards.table, f"results/{wildcards.study}")


def curve_title(wildcards):
    datasets = {d for name in table_protocols(wildcards.table) for d in PROJECT.protocols[name].datasets}
    return PROJECT.tables[wildcards.table].title + synthetic_mark(datasets)


def table_benchmarks(name):
    """Benchmark files of the training jobs: [protocol, run, files] each; only the runtime table reads them."""
    if PROJECT.tables[name].kind != "runtime":
        return []
    pattern = "results/benchmarks/train/{study}/{protocol}/{run}/seed{seed}/folds{folds}.tsv"
    return [[protocol, run, per_job(pattern, protocol, run)] for protocol in SETTINGS.protocols for run in SHOWN]


def scorable(protocol):
    """Whether a partial table can have scores of a protocol: its clips are known and a run has predictions."""
    here = Path(f"results/protocols/{protocol}.csv").exists()
    return here and any(Path(path).exists() for run in PROJECT.methods for path in predictions(protocol, run))


def partial_scores(wildcards):
    files = table_files(wildcards.table, f"results/{wildcards.study}/partial")
    made = [item for what in ("scores", "comparisons") for item in files[what].items()]
    return [path for protocol, path in made if scorable(protocol)]


def partial_sources(wildcards):
    return sources(wildcards.table, f"results/{wildcards.study}/partial")


def readme_tables(suffix):
    return [f"results/{STUDY}/tables/{name}{suffix}" for name, card in PROJECT.tables.items() if card.readme]


def figure_paths():
    """Every figure and page of a study; pictures of licensed clips lie apart and outside the report."""
    results = f"results/{STUDY}"
    paths = [f"{results}/tables/{name}.html" for name in PROJECT.tables]
    for protocol in SETTINGS.protocols:
        trained = any(predictions(protocol, run) for run in SHOWN)
        if trained and not PROJECT.protocols[protocol].multilabel:
            paths += [f"{results}/figures/{kind}-{protocol}.svg" for kind in ("confusion", "curves", "null")]
    if len(ranked_protocols()) > 1 and len(SHOWN) > 1:
        paths.append(f"{results}/figures/critical-difference.svg")
    paths += [f"{results}/figures/curve-{name}.svg" for name, card in PROJECT.tables.items() if card.curve]
    for dataset in PROJECT.used_datasets():
        folder = f"{results}/figures" if SOURCES[dataset] == "synthetic" else f"{results}/figures-licensed"
        if holds_maps(dataset):
            continue
        paths += [f"{folder}/crops-{dataset}.png"]
        paths += [f"{folder}/flow-{dataset}-{recipe}.png" for recipe in flow_recipes_in_use()]
    return paths + mixing_pictures()


def mixing_pictures():
    """A picture of each shown run that mixes and attends, on the first protocol that it is trained on."""
    paths = []
    for run in SHOWN:
        protocols = [name for name in SETTINGS.protocols if run in METHODS and not why_not(name, run)]
        if protocols and getattr(METHODS[run], "attends", False):
            if run_mixing(run, protocols[0]) != "none":
                folder = "figures" if synthetic_mark(PROJECT.protocols[protocols[0]].datasets) else "figures-licensed"
                paths.append(f"results/{STUDY}/{folder}/mixing-{protocols[0]}-{run}.png")
    return paths


def flow_recipes_in_use():
    cards = [PROJECT.card_on(run, protocol) for run in PROJECT.methods for protocol in SETTINGS.protocols]
    inputs = {recipe for card in cards for recipe in card.inputs.values()}
    packs = {RECIPES.features[name].pack if name in RECIPES.features else name for name in inputs}
    return sorted({RECIPES.packs[name].flow for name in packs} - {None})


def stamp_in_step():
    """Forget the stamp when the README's blocks are not what the tables on disk say: then they are written again."""
    stamp = Path(f"results/{STUDY}/readme.stamp")
    files = {Path(path).stem: Path(path) for path in readme_tables(".md")}
    if stamp.exists() and all(path.exists() for path in files.values()):
        if differs(ROOT / "README.md", {name: path.read_text() for name, path in files.items()}):
            stamp.unlink()


stamp_in_step()
