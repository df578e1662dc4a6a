import json
import re
from pathlib import Path

import pytest

from ser.config import words
from ser.errors import UserError
from ser.results.store import ResultStore
from ser.sweep import launchers
from ser.sweep.commandline import rewrite
from ser.sweep.compose import composer, given_name, with_folder
from ser.sweep.hydra_internals import parse_flags, parse_override
from ser.sweep.naming import decisive, sweep_name
from ser.sweep.places import places_of
from ser.sweep.plan import compose_plan, compose_settings, make_plan
from ser.sweep.planned import ALTERNATIVE, Plan, Point, between, together
from ser.sweep.stored_plans import load_plans, mixed, plan_file, store_plan
from ser.sweep.table import table


def plan(tiny, tmp_path, *arguments):
    common = [f"corpus.root={tiny}", "corpus.size=tiny", f"results.dir={tmp_path}/r", f"cache.dir={tmp_path}/c"]
    overrides = rewrite([*common, *arguments])
    name = [] if any(o.startswith("sweep=") for o in overrides) else [f"sweep={sweep_name(overrides)}"]
    made, _ = make_plan(parse_flags(["-m", *overrides, *name]))
    return made


@pytest.mark.parametrize(
    ("experiment", "points", "different", "trainings"),
    [
        ("fig2", 30, 30, 3000),
        ("table2", 104, 101, 10100),
        ("fig3", 20, 20, 2000),
        ("fig4", 10, 10, 1000),
        ("together", 4, 4, 400),
        ("attentive", 1, 1, 100),
        ("multi_view", 10, 10, 1000),
        ("e2e", 2, 2, 200),
    ],
)
def test_the_papers_grids(tiny, tmp_path, experiment, points, different, trainings):
    made = plan(tiny, tmp_path, f"experiment={experiment}")
    assert made.name == experiment
    assert len(made.points) == points
    assert len({point.configuration for point in made.points}) == different
    assert len(made.signatures()) == trainings


def test_what_is_typed_goes_before_the_experiment(tiny, tmp_path):
    made = plan(tiny, tmp_path, "experiment=fig4", "lambda=0.6,0.8", "repeats=2", "sweep=mine")
    assert [point.parameters["lambda"] for point in made.points] == ["0.6", "0.8"] * 2
    assert made.points[0].seeds == (0, 1)


def test_figures_share_their_common_points(tiny, tmp_path):
    three, four = (
        set(plan(tiny, tmp_path, f"experiment={name}", "repeats=1").signatures()) for name in ("fig3", "fig4")
    )
    assert len(three & four) == 25


def test_the_contrastive_system_of_e2e_is_a_point_of_figure_4(tiny, tmp_path):
    one, four = (
        set(plan(tiny, tmp_path, f"experiment={name}", "repeats=1").signatures()) for name in ("contrastive", "fig4")
    )
    assert len(one) == 5
    assert one < four


def test_a_stored_plan_is_read_back_and_grows_by_other_command_lines(tiny, tmp_path):
    first = plan(tiny, tmp_path, "loss=cos,l2", "sweep=mine")
    second = plan(tiny, tmp_path, "loss=cos,l2", "seed=1", "sweep=mine", "device=cpu")
    plan(tiny, tmp_path, "loss=cos,l2", "sweep=mine", "engine=serial", "resume=false")
    (Path(tmp_path) / "r" / "sweeps" / "mine" / ".half-written.json").write_text("")
    found = load_plans(tmp_path / "r", "mine")
    assert len(found) == 2, "how and where a sweep runs makes no other plan"
    assert {signature for one in found for signature in one.signatures()} == {*first.signatures(), *second.signatures()}


def test_a_name_that_holds_another_commands_configurations_is_pointed_out(tiny, tmp_path, caplog):
    plan(tiny, tmp_path, "loss=cos,l2", "sweep=mine")
    assert "holds other" not in caplog.text
    made = plan(tiny, tmp_path, "loss=cos", "length=1,2", "sweep=mine")
    (said,) = [record.message for record in caplog.records if "holds other" in record.message]
    assert said.startswith("The sweep mine holds other configurations already (2, of 'corpus.root=")
    assert "loss=cos,l2'): the name will stand for both" in said
    assert said.endswith("For a sweep of its own, give this command another name: sweep=NAME.")
    assert mixed(made) == [], "the command line is known now"


def test_a_plan_from_before_groups_and_keys_were_added_has_the_words_for_what_it_did(tiny, tmp_path, caplog):
    made = plan(tiny, tmp_path, "loss=cos", "sweep=mine")
    file = plan_file(made)
    stored = json.loads(file.read_text())
    added = {"augment", "trainer.select", "trainer.class_weights"}
    for point in stored["points"]:
        point["parameters"] = {key: value for key, value in point["parameters"].items() if key not in added}
    file.write_text(json.dumps(stored))
    (read,) = load_plans(made.results, "mine")
    assert read.points[0].parameters == made.points[0].parameters
    plan(tiny, tmp_path, "loss=cos,l2", "sweep=mine")
    assert "holds other" not in caplog.text, "the grid has grown"


@pytest.mark.parametrize(
    ("typed", "losses", "said"),
    [
        (["loss=cos,l2,none"], ["cos", "l2", "none"], False),
        (["loss=cos,l2", "seed=1"], ["cos", "l2"], False),
        (["loss=cos,l2", "engine=serial"], ["cos", "l2"], False),
        (["loss=cos"], ["cos"], False),
        (["loss=cos,none"], ["cos", "none"], True),
    ],
    ids=["grown", "another seed", "another engine", "a part", "another grid"],
)
def test_a_grid_that_grows_under_its_name_is_not(tmp_path, typed, losses, said):
    def planned(overrides, losses):
        points = [Point((), {"loss": loss, "augment": "none"}, (0,), (1,), loss) for loss in losses]
        return Plan("mine", (*overrides, "sweep=mine"), tuple(points), tmp_path)

    store_plan(planned(["loss=cos,l2"], ["cos", "l2"]))
    found = mixed(planned(typed, losses))
    assert bool(found) == said
    assert all("(1, of 'loss=cos,l2')" in sentence for sentence in found)
    plan_file(planned(["loss=cos,l2"], [])).write_text("{")
    assert mixed(planned(typed, losses)) == [], "a damaged plan stops no sweep"


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "defaults-"),
        (["loss=cos,l2", "lambda.weight=0.6,0.7"], "loss-cos+l2-lambda-0.6+0.7-"),
        (["length.seconds=1,2"], "length-1+2-"),
        (["loss=cos"], "loss-cos-"),
        (["loss=cos", "corpus=emodb", "corpus.root=/data/emo db"], "emodb-loss-cos-"),
        (["experiment=fig3", "corpus=emodb"], "fig3"),
        (["experiment=fig3,fig4"], "fig3-fig4"),
        (["experiment=mine/a"], "mine-a"),
        (["experiment=[fig3,mine]"], "fig3-mine"),
        (["model.kernels=[13,7]"], "kernels-13+7-"),
        (["+trainer.note='a/b, c'"], "note-ab+c-"),
        ([f"trainer.lr={','.join(['0.001'] * 40)}"], "lr-0.001+0.001+"),
    ],
)
def test_names_of_sweeps(overrides, name):
    found = sweep_name(overrides)
    assert found.startswith(name)
    assert re.fullmatch(r"\w[\w.+-]{0,70}", found), "a folder's name"
    asides = ("device=cpu", "resume=false", "engine=serial", "seed=3", "repeats=20", "results.dir=there",
              "++hydra.verbose=true", "++seed=3", "~hydra.launcher")  # fmt: skip
    for aside in asides:
        assert sweep_name([aside, *overrides]) == sweep_name([*overrides, aside]) == found


def test_what_stands_before_a_key_does_not_hide_the_key(tmp_path):
    asides = ["++sweep=mine", "++results.dir=there", "++engine.workers=2", "~hydra.launcher"]
    assert decisive(["loss=cos", "++trainer.lr=1e-3", *asides]) == ["loss=cos", "++trainer.lr=1e-3"]
    assert places_of(asides) == ["results.dir=there"], "multirun_analysis reads no ++"
    plan = Plan("mine", ("loss=cos", "++sweep=mine"), (), tmp_path)
    assert plan.typed == "loss=cos"


@pytest.mark.parametrize("compose", [compose_settings, compose_plan])
def test_nothing_is_made_of_points_that_another_sweeper_chooses(compose):
    with pytest.raises(UserError, match="The points are needed: use Hydra's basic sweeper"):
        compose(["trainer.lr=0.01", "loss=l2", "hydra.sweeper._target_=a.B"])


def test_values_set_on_a_copy_compose_as_hydra_does(tiny, tmp_path):
    """The quick way and Hydra's own agree on every key of a point with values of many kinds."""
    from hydra import compose
    from omegaconf import OmegaConf

    point = ["loss=l2", "aux_task=valence", "aux_task.edges=[2.5,3.5]", "model.kernels=[5]", "trainer.lr=1e-3",
             "corpus.labels.exc=null", "lambda.weight=0.7", "fold=[1,2]", "corpus.seed=3"]  # fmt: skip
    with composer() as composing:
        quick = composing.config(point)
        slow = compose("config", overrides=point)
    assert OmegaConf.to_container(quick, resolve=True) == OmegaConf.to_container(slow, resolve=True)


def test_a_sweep_over_a_manifest_is_called_by_its_file():
    manifest = ["corpus=manifest", "corpus.root=/data/nemo.csv", "loss=cos,l2"]
    assert sweep_name(manifest).startswith("nemo-loss-cos+l2-")
    assert sweep_name([*manifest, "corpus.name=polish"]).startswith("polish-loss-cos+l2-")
    assert sweep_name(["corpus=emodb", "corpus.root=/data/x", "loss=cos"]).startswith("emodb-loss-cos-")


@pytest.mark.parametrize(
    ("sweep", "key"), [(False, "hydra.run.dir"), (True, "hydra.sweep.dir")], ids=["a command", "a sweep"]
)
def test_results_may_lie_in_hydras_own_folder(sweep, key):
    """The folder's name holds the time, so it is settled once, for the plan and for Hydra."""
    typed = ["loss=cos", "results.dir=${hydra:runtime.output_dir}/r"]
    loss, results, settled = with_folder(typed, sweep, None, None)
    folder = settled.removeprefix(f"{key}=")
    assert (loss, results) == ("loss=cos", f"results.dir={folder}/r")
    assert re.fullmatch(rf"(outputs|{re.escape(str(Path.cwd()))}/multirun)/[\d_-]+", folder)
    assert with_folder(["loss=cos"], sweep, None, None) == ["loss=cos"]


@pytest.mark.parametrize("folder", ["a (b)", "a,b", "a=b", "ü's"])
def test_hydras_own_folder_may_have_any_name(folder):
    """A name that Hydra's grammar reads otherwise, unless it stands in quotes."""
    dirs = words.quoted(f"{folder}/now")
    typed = [f"hydra.sweep.dir={dirs}", "results.dir=${hydra:runtime.output_dir}/r,'${hydra:runtime.output_dir}/s'"]
    _, results, settled = map(parse_override, with_folder(typed, True, None, None))
    values = [parse_override(f"results.dir={value}").value() for value in results.sweep_string_iterator()]
    assert values == [f"{folder}/now/r", f"{folder}/now/s"]
    assert settled.value() == f"{folder}/now"


def test_a_dry_run_does_not_ask_whether_the_launcher_takes_the_jobs(tiny, tmp_path, monkeypatch):
    """SLURM may have them already, or be no part of this machine."""

    def refuse(*_):
        raise UserError("SLURM still has jobs of the sweep")

    monkeypatch.setattr(launchers, "check", refuse)
    typed = ["-m", f"corpus.root={tiny}", "corpus.size=tiny", "sweep=mine"]
    typed += [f"results.dir={tmp_path}/r", f"cache.dir={tmp_path}/c"]
    made, _ = make_plan(parse_flags(typed), dry=True)
    assert len(made.points) == 1
    assert not (tmp_path / "r").exists()
    with pytest.raises(UserError, match="SLURM still has jobs"):
        make_plan(parse_flags(typed))


def test_folds_that_are_points_of_a_sweep_are_the_whole_corpus_together(tiny, tmp_path):
    store = ResultStore(tmp_path / "r")
    note = "these are not the figures of the whole corpus"
    assert note not in table(plan(tiny, tmp_path, "loss=none", "fold=1,2,3,4,5"), store)
    assert f"Only folds 1, 2 of 5: {note}" in table(plan(tiny, tmp_path, "loss=none", "fold=1,2"), store)


def test_an_experiment_that_takes_no_files_is_refused_before_anything_is_trained(tiny, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("ser.sweep.places.check_experiment", lambda *which: asked.append(which))
    store = f"sqlite:///{tmp_path}/m.db"
    plan(tiny, tmp_path, "loss=none,cos", "fold=1", f"tracking.uri={store}")
    plan(tiny, tmp_path, "loss=none", "fold=1", f"tracking.uri={store}", "tracking.experiment=mine")
    plan(tiny, tmp_path, "loss=none", "fold=1", "tracking=none")
    assert asked == [(store, "ser-synthetic"), (store, "mine")]


def test_a_dry_run_tells_what_the_command_line_means(tiny, tmp_path, caplog):
    """What is left out of the corpus, what has no effect, which points are equal: as before a training."""
    typed = ["-m", f"corpus.root={tiny}", "corpus.size=tiny", "sweep=mine", "lambda=1", "seed=0,0"]
    typed += [f"results.dir={tmp_path}/r", f"cache.dir={tmp_path}/c"]
    with caplog.at_level("INFO", logger="ser"):
        make_plan(parse_flags(rewrite(typed)), dry=True)
    for told in ("40 utterances; not used: 15 x scripted turn", "lambda=1 at pos_1 gives", "is given twice"):
        assert told in caplog.text


def test_options_and_values_may_be_swept_in_hydras_other_forms(tiny, tmp_path):
    losses = [point.parameters["loss"] for point in plan(tiny, tmp_path, "loss=glob(*)", "fold=1").points]
    assert losses == ["arcface", "center", "cos", "l2", "none", "supcon", "triplet"]
    rates = [p.parameters["trainer.lr"] for p in plan(tiny, tmp_path, "++trainer.lr=1e-4,1e-3", "fold=1").points]
    assert rates == ["0.0001", "0.001"]


def test_an_experiments_file_may_name_its_sweep_but_not_give_a_number_as_an_option(tmp_path):
    (tmp_path / "experiment").mkdir()
    file = tmp_path / "experiment" / "mine.yaml"
    file.write_text("# @package _global_\nsweep: paper2\nhydra: {sweeper: {params: {lambda.weight: '0.6,0.7'}}}\n")
    assert given_name(["experiment=mine"], True, None, str(tmp_path)) == "paper2"
    assert given_name(["experiment=mine", "++sweep=other"], True, None, str(tmp_path)) == "other"
    assert given_name(["experiment=fig3"], True, None, None) is None
    assert given_name(["loss=cos"], True, None, str(tmp_path)) is None
    file.write_text("# @package _global_\nhydra: {sweeper: {params: {lambda: '0.6,0.7'}}}\n")
    with pytest.raises(UserError, match=r"Write lambda\.weight: 0\.6,0\.7 in the experiment's file"):
        given_name(["experiment=mine"], True, None, str(tmp_path))


def test_a_home_folder_may_be_written_as_a_tilde(tiny, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    made = plan(tiny, tmp_path, "results.dir='~/res'", "loss=none")
    assert made.results == tmp_path / "home" / "res"


# What a sweep's name stands for


def of_words(words, seeds=(0,), folds=(1,), configuration=None, error=None):
    configuration = None if error else configuration or words
    return Point((f"loss={words}",), {"loss": words}, seeds, folds, configuration, error)


def stands_for(*of_plans):
    """What is planned by command lines of one name, the oldest first, each given by its points."""
    plans = [Plan("mine", (f"{index}",), tuple(points), Path("results")) for index, points in enumerate(of_plans)]
    return [(p.parameters["loss"], p.seeds, p.folds, p.configuration) for p in together(plans).points]


def test_a_name_stands_for_the_configurations_of_all_command_lines():
    assert stands_for([of_words("cos")], [of_words("l2"), of_words("none")]) == [
        (loss, (0,), (1,), loss) for loss in ("cos", "l2", "none")
    ]


def test_what_differs_between_command_lines_and_within_none_is_told():
    def of(**parameters):
        return Point((), parameters, (0,), (1,), str(parameters))

    lines = [[of(loss="cos", epochs="2"), of(loss="l2", epochs="2")], [of(loss="cos", epochs="9")]]
    plans = [Plan("mine", (), tuple(points), Path("results")) for points in lines]
    assert between(plans) == ["epochs"]
    assert between(plans[:1]) == []


@pytest.mark.parametrize(
    ("first", "second", "whole"),
    [
        (((0, 1), (1,)), ((2, 3), (1,)), ((0, 1, 2, 3), (1,))),
        (((0,), (1, 2)), ((0, 1), (1, 2)), ((0, 1), (1, 2))),
        (((0, 1), (1,)), ((0,), (1,)), ((0,), (1,))),
        (((0,), (1,)), ((0,), (2,)), ((0,), (1, 2))),
        (((0, 1, 2), (1,)), ((0,), (1, 2)), ((0,), (1, 2))),
        (((0,), (1, 2)), ((0, 1, 2), (1,)), ((0, 1, 2), (1,))),
    ],
    ids=["seeds added", "grown", "fewer seeds", "folds added", "no grid: more folds", "no grid: more seeds"],
)
def test_seeds_and_folds_of_a_configuration_are_added_up_if_they_are_a_grid(first, second, whole):
    assert stands_for([of_words("cos", *first)], [of_words("cos", *second)]) == [("cos", *whole, "cos")]


def test_seeds_that_are_points_of_one_command_are_of_one_configuration():
    points = [of_words("cos", (seed,), (1, 2)) for seed in (0, 1)]
    assert stands_for(points, [of_words("l2", (0, 1))])[0] == ("cos", (0, 1), (1, 2), "cos")


def test_of_code_or_a_corpus_that_has_changed_the_newest_counts():
    edited = of_words("own", configuration="edited")
    assert stands_for([of_words("own"), of_words("cos")], [edited]) == [
        ("cos", (0,), (1,), "cos"),
        ("own", (0,), (1,), "edited"),
    ]
    assert stands_for([of_words("own", error="no corpus")], [of_words("own"), of_words("l2")])[0][-1] == "own"


def test_of_comparisons_of_one_name_the_newest_counts():
    points = [
        [
            Point((), {"loss": loss, "lambda": weight, ALTERNATIVE: loss}, (5,), (1,), f"{loss}{weight}")
            for loss in losses
        ]
        for losses, weight in ((["cos", "l2"], "0.6"), (["cos"], "0.8"))
    ]
    assert stands_for(*points) == [("cos", (5,), (1,), "cos0.8")]
